"""The process: command line, signals, exit code."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Sequence

from prometheus_client import disable_created_metrics

from penstock_operator.app.build import build_app
from penstock_operator.app.logs import note_loop_error, set_up_logs
from penstock_operator.app.options import Options, parse_options
from penstock_operator.kube.connection import UnreachableError, connect
from penstock_operator.kube.lease import LeaseLostError

logger = logging.getLogger(__name__)

_YOUNG = 10_000
"""So many new objects before cycles are looked for: each event makes some hundred, and by the
default of 700 that took a twelfth of all processor time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator until SIGTERM or until it may no longer act; return the exit code."""
    options = parse_options(sys.argv[1:] if arguments is None else arguments)
    # Else each counter has a second series that nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call] # upstream has no types here
    gc.set_threshold(_YOUNG)
    set_up_logs(log_format=options.log_format, level=options.log_level)
    try:
        asyncio.run(_run(options))
    except (LeaseLostError, UnreachableError) as error:
        logger.error("%s", error)
        return 1
    except Exception:
        logger.exception("The operator cannot go on; it ends, to be started again.")
        return 1
    return 0


async def _run(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop_on_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)

    def begin() -> None:
        stop_on_signals()
        # What the caches hold is looked through for cycles at each full collection, which holds the
        # loop for a tenth of a second with ten thousand objects; and there are none.
        gc.freeze()

    stop_on_signals()
    loop.set_exception_handler(note_loop_error)
    app = build_app(options, await connect(context=options.context))
    await app.run(stop, watch_started=begin)


if __name__ == "__main__":
    sys.exit(main())
