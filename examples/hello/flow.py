"""Greet the pioneers of computing, one task each. The smallest flow that is worth watching."""

import time

from penstock import flow, get_run_logger, task, unmapped

PIONEERS = ["Ada Lovelace", "Grace Hopper", "Alan Turing", "Katherine Johnson", "Edsger Dijkstra"]


@task(retries=2, retry_delay_seconds=1)
def greet(name: str, greeting: str, seconds: float) -> str:
    """Return a greeting, after thinking about it for a while."""
    time.sleep(seconds)
    return f"{greeting}, {name}!"


@task
def count_letters(greetings: list[str]) -> int:
    """Count the letters of all greetings."""
    return sum(character.isalpha() for line in greetings for character in line)


@flow
def hello(greeting: str = "Hello", seconds: float = 1.0) -> int:
    """Greet everybody at once; each greeting takes ``seconds`` longer than the one before."""
    pauses = [seconds * position for position, _ in enumerate(PIONEERS, start=1)]
    greetings = greet.map(PIONEERS, unmapped(greeting), pauses).result()
    for line in greetings:
        print(line)
    letters = count_letters(greetings)
    get_run_logger().info("wrote %d letters", letters)
    return letters


if __name__ == "__main__":
    hello()
