"""Ask once an hour: a task whose result is kept for a while, shared by all flows of the process.

With `persist_result=True` it is shared by all processes that have the same `$PENSTOCK_HOME`.
"""

import csv
import time
from datetime import timedelta

from datasets import dataset

from penstock import flow, task
from penstock.cache_policies import INPUTS

KEPT = timedelta(seconds=0.2)  # an hour, where nobody waits for the example
asked: list[str] = []


@task(cache_policy=INPUTS, cache_expiration=KEPT)
def latest_price(symbol: str) -> float:
    """Return the last price in the table; the table stands for a service that costs money."""
    asked.append(symbol)
    with dataset("stocks.csv").open(encoding="utf-8", newline="") as file:
        return [float(row["price"]) for row in csv.DictReader(file) if row["symbol"] == symbol][-1]


@flow
def portfolio(symbols: list[str]) -> float:
    """Return what one share of each is worth."""
    return round(sum(latest_price.map(symbols).result()), 2)


if __name__ == "__main__":
    print(portfolio(["AAPL", "IBM"]), portfolio(["IBM", "MSFT"]), asked)
    time.sleep(KEPT.total_seconds())
    print(portfolio(["AAPL"]), asked.count("AAPL"))
