"""For tests of flows: a home of their own, time that a test moves, no network.

    from penstock.testing import isolated_home, moving_time

    with isolated_home(), moving_time() as time:
        nightly()
        assert time.elapsed == 3600

Under pytest the same are fixtures: ``penstock_home``, ``penstock_time``,
``penstock_no_network``, ``penstock_round_trips``, ``penstock_strict``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.testing.answers import answered
    from penstock.testing.clock import MovingTime, moving_time
    from penstock.testing.homes import isolated_home, limited
    from penstock.testing.network import NoNetworkError, no_network
    from penstock.testing.replaying import replay
    from penstock.testing.serving import served
    from penstock.testing.trips import round_trips, strict

__all__ = [
    "MovingTime",
    "NoNetworkError",
    "answered",
    "isolated_home",
    "limited",
    "moving_time",
    "no_network",
    "replay",
    "round_trips",
    "served",
    "strict",
]

_HOMES = {
    "MovingTime": "clock",
    "NoNetworkError": "network",
    "answered": "answers",
    "isolated_home": "homes",
    "limited": "homes",
    "moving_time": "clock",
    "no_network": "network",
    "replay": "replaying",
    "round_trips": "trips",
    "served": "serving",
    "strict": "trips",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
