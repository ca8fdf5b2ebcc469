"""Summarise four years of weather in Seattle: load, a mapped task per year, aggregate, print."""

import csv
import importlib.util
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import TypedDict

from penstock import flow, get_run_logger, task


class Day(TypedDict):
    """One day as it was measured at Seattle-Tacoma airport."""

    date: str
    rain: float
    high: float
    low: float
    weather: str


class Year(TypedDict):
    """What a year was like: millimetres of rain, degrees Celsius."""

    year: str
    days: int
    rain: float
    wet_days: int
    mean_high: float
    hottest: float
    coldest: float
    mostly: str


def dataset() -> Path:
    """Find the file inside the package without importing it: that would need pandas."""
    package = importlib.util.find_spec("vega_datasets")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("Install the data first: pip install --no-deps vega_datasets")
    return Path(package.submodule_search_locations[0]) / "_data" / "seattle-weather.csv"


# A later attempt reads them anew: they are larger than what a journal takes of one result.
@task(retries=2, retry_delay_seconds=1, persist_result=False)
def load() -> dict[str, list[Day]]:
    """Read the measurements, by year."""
    years: dict[str, list[Day]] = {}
    with dataset().open(newline="") as lines:
        for row in csv.DictReader(lines):
            day = Day(
                date=row["date"],
                rain=float(row["precipitation"]),
                high=float(row["temp_max"]),
                low=float(row["temp_min"]),
                weather=row["weather"],
            )
            years.setdefault(row["date"][:4], []).append(day)
    return years


@task
def summarise(year: str, days: list[Day], wet_from: float) -> Year:
    """Condense the days of one year."""
    return Year(
        year=year,
        days=len(days),
        rain=round(sum(day["rain"] for day in days), 1),
        wet_days=sum(day["rain"] >= wet_from for day in days),
        mean_high=round(mean(day["high"] for day in days), 1),
        hottest=max(day["high"] for day in days),
        coldest=min(day["low"] for day in days),
        mostly=Counter(day["weather"] for day in days).most_common(1)[0][0],
    )


@task
def table(years: list[Year]) -> str:
    """Lay the years out as a table, the wettest marked."""
    wettest = max(years, key=lambda year: year["rain"])
    lines = ["year  days  rain mm  wet days  mean high  hottest  coldest  mostly"]
    for year in years:
        mark = "  <- wettest" if year is wettest else ""
        lines.append(
            f"{year['year']}  {year['days']:4}  {year['rain']:7.1f}  {year['wet_days']:8}  "
            f"{year['mean_high']:9.1f}  {year['hottest']:7.1f}  {year['coldest']:7.1f}  "
            f"{year['mostly']}{mark}"
        )
    return "\n".join(lines)


@flow
def weather(wet_from: float = 0.1) -> str:
    """Print a table of the years and return the wettest; ``wet_from`` is in millimetres."""
    years = load()
    get_run_logger().info("loaded %d days", sum(map(len, years.values())))
    summaries = summarise.map(list(years), list(years.values()), wet_from).result()
    print(table(summaries))
    return max(summaries, key=lambda year: year["rain"])["year"]


if __name__ == "__main__":
    weather()
