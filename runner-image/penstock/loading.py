"""From ``path/to/file.py:function`` or ``package.module:function`` to the flow it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.flows import Flow


def load_flow(entrypoint: str) -> Flow[..., object]:
    """Import the entrypoint's file or module and return its flow.

    A file is imported under its stem; ``sys.path`` then starts with its folder and the working
    directory. Raises ``FlowLoadError`` with one sentence, and the user's traceback after it
    where the import raised; ``FlowLoadError.__cause__`` is that exception.
    """
    raise NotImplementedError
