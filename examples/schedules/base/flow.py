"""Report the sales of a day: what a schedule hands over is the day that the run is for."""

import random

from penstock import flow, get_run_logger, task

SHOPS = ["Aarau", "Basel", "Chur"]


@task(retries=2, retry_delay_seconds=5)
def sales_of(shop: str, day: str) -> int:
    """Return what a shop sold; made up here, but always the same for the same day."""
    return random.Random(f"{shop} {day}").randrange(100, 1000)


@flow
def report(day: str = "2026-01-01") -> int:
    """Add up what all shops sold on ``day``."""
    total = sum(sales_of.map(SHOPS, day).result())
    get_run_logger().info("sold %d on %s", total, day)
    return total


if __name__ == "__main__":
    print(report())
