"""Driven by events: a queue of files that arrived; a hook that passes bad ones on."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

from datasets import dataset
from pydantic import BaseModel

from penstock import flow, task

rejected: list[str] = []


class Arrived(BaseModel):
    """The event: a file is there."""

    file: str
    on: date


@task
async def count(file: str) -> int:
    """Return how many rows the file has."""
    return len(json.loads(await asyncio.to_thread(dataset(file).read_text)))


def reject(flow: object, flow_run: Any, state: Any) -> None:
    """Remember what could not be handled; a queue for dead letters, say."""
    rejected.append(f"{flow_run.name}: {type(state.data).__name__}")


@flow(flow_run_name="handle {event.file}", on_failure=[reject])
async def handle(event: Arrived) -> int:
    """Handle one event; its fields are checked before anything runs."""
    return await count(event.file)


async def events(queue: asyncio.Queue[dict[str, str] | None]) -> AsyncIterator[dict[str, str]]:
    """Yield events until there is none to come."""
    while (event := await queue.get()) is not None:
        yield event


async def listen(queue: asyncio.Queue[dict[str, str] | None]) -> list[int | None]:
    """Start a run for each event at once, and go on listening."""
    runs = [asyncio.create_task(answer(event)) async for event in events(queue)]
    return await asyncio.gather(*runs)


async def answer(event: dict[str, str]) -> int | None:
    """Run the flow; one event that fails is no reason to stop listening."""
    state = await handle(event, return_state=True)
    return state.result() if state.is_completed() else None


async def main() -> None:
    """Send four events, one of a file that is not there, and print what came of them."""
    queue: asyncio.Queue[dict[str, str] | None] = asyncio.Queue()
    for file in ("iris.json", "cars.json", "lost.json", "barley.json"):
        queue.put_nowait({"file": file, "on": "2026-11-20"})
    queue.put_nowait(None)
    print(await listen(queue))
    print(rejected)


if __name__ == "__main__":
    asyncio.run(main())
