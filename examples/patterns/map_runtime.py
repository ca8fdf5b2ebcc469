"""Map over what is known only at run time: the symbols in a table of prices, then their years."""

import csv
from collections import defaultdict
from statistics import mean

from datasets import dataset

from penstock import flow, task


@task
def symbols() -> list[str]:
    """Return which symbols the table has today."""
    with dataset("stocks.csv").open(encoding="utf-8", newline="") as file:
        return sorted({row["symbol"] for row in csv.DictReader(file)})


@task(task_run_name="prices of {symbol}")
def prices(symbol: str) -> dict[str, list[float]]:
    """Return a symbol's prices by year."""
    years = defaultdict(list)
    with dataset("stocks.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["symbol"] == symbol:
                years[row["date"].split()[-1]].append(float(row["price"]))
    return dict(years)


@task
def best_year(years: dict[str, list[float]]) -> str:
    """Return the year with the highest mean price."""
    return max(years, key=lambda year: mean(years[year]))


@flow
def best_years() -> dict[str, str]:
    """Return each symbol's best year."""
    found = symbols.submit()
    years = best_year.map(prices.map(found))
    return dict(zip(found.result(), years.result(), strict=True))


if __name__ == "__main__":
    for symbol, year in best_years().items():
        print(symbol, year)
