"""Pay each order once, although the power goes: by a key that is the same each time."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from penstock import flow, runtime, task
from penstock.artifacts import create_table_artifact
from penstock.events import emit_event

ORDERS = (("Ada", 120), ("Bob", 80), ("Cleo", 45))


def transfer(bank: Path, key: str, guest: str, amount: int) -> bool:
    """Take money, as a payment service does: once for each key, however often it is asked."""
    with closing(sqlite3.connect(bank)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS payments (key PRIMARY KEY, guest, amount)")
        sql = "INSERT OR IGNORE INTO payments VALUES (?, ?, ?)"
        return database.execute(sql, (key, guest, amount)).rowcount == 1


@task(retries=3, retry_delay_seconds=1, tags=["bank"])
def pay(bank: Path, guest: str, amount: int) -> str:
    """Pay an order. The power goes right after Bob's money was taken, before anybody knows."""
    key = runtime.task_run.idempotency_key
    assert key is not None
    is_new = transfer(bank, key, guest, amount)
    if is_new and guest == "Bob":
        os.kill(os.getpid(), signal.SIGKILL)
    emit_event("order.paid", {"penstock.resource.id": f"order-{guest}"}, payload={"new": is_new})
    return "paid" if is_new else "was paid already"


@flow
def pay_orders(bank: Path, orders: tuple[tuple[str, int], ...] = ORDERS) -> None:
    """Pay all orders, and keep a table of what became of them."""
    table = [{"guest": guest, "is": pay(bank, guest, amount)} for guest, amount in orders]
    create_table_artifact(table, key="orders")
    for row in table:
        print(row["guest"], row["is"])


def penstock(folder: Path, *arguments: str) -> int:
    """Run the command line, with a home of its own."""
    return subprocess.run(
        [sys.executable, "-m", "penstock.cli.main", *arguments],
        env={**os.environ, "PENSTOCK_HOME": str(folder / "home")},
        check=False,
    ).returncode


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        folder = Path(name)
        bank = folder / "bank.db"
        pay_all = (f"{__file__}:pay_orders", "--run-id", "orders", "-p", f"bank={bank}")
        killed = penstock(folder, "run", *pay_all)
        print("killed by", signal.Signals(-killed).name, flush=True)
        penstock(folder, "run", "--resume", "orders")
        with closing(sqlite3.connect(bank)) as database:
            print(database.execute("SELECT guest, amount FROM payments").fetchall())
