"""Extract, transform, load: airports from CSV, cleaned state by state, into SQLite."""

import csv
import sqlite3
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from datasets import dataset

from penstock import flow, task

Row = dict[str, str]


@task
def extract(name: str) -> list[list[Row]]:
    """Read the airports, a list for each state."""
    states = defaultdict(list)
    with dataset(name).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            states[row["state"]].append(row)
    return list(states.values())


@task(task_run_name="transform")
def transform(rows: list[Row]) -> list[tuple[str, str, str, float, float]]:
    """Keep what has a place, with numbers for it."""
    return [
        (row["iata"], row["name"], row["state"], float(row["latitude"]), float(row["longitude"]))
        for row in rows
        if row["latitude"] and row["longitude"]
    ]


@task(retries=2, retry_delay_seconds=0.1)
def load(states: list[list[tuple[str, str, str, float, float]]], database: Path) -> int:
    """Replace the table in one transaction: running it twice changes nothing."""
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("DROP TABLE IF EXISTS airports")
        connection.execute("CREATE TABLE airports (iata PRIMARY KEY, name, state, lat, long)")
        for rows in states:
            connection.executemany("INSERT INTO airports VALUES (?, ?, ?, ?, ?)", rows)
    (count,) = connection.execute("SELECT count(*) FROM airports").fetchone()
    connection.close()
    return int(count)


@flow(log_prints=True)
def etl(database: Path) -> int:
    """Load all airports; the number of rows is the result."""
    count = load(transform.map(extract("airports.csv")), database)
    print(f"{count} airports are in {database.name}")
    return count


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        print(etl(Path(folder) / "airports.sqlite"))
