"""A saga: book a trip at three services that know nothing of each other, all of it or nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from penstock import flow, task
from penstock.transactions import Transaction, get_transaction, transaction


def ask(service: Path, sql: str, *values: object) -> list[tuple[object, ...]]:
    """Ask a service: each is a database of its own, as each would be a web API."""
    with closing(sqlite3.connect(service)) as database, database:
        return database.execute(sql, values).fetchall()


@task
def reserve(service: Path, what: str, guest: str) -> int:
    """Reserve a seat or a room, and remember how to give it back."""
    sql = "INSERT INTO reservations (what, guest) VALUES (?, ?) RETURNING id"
    ((number,),) = ask(service, sql, what, guest)
    txn = get_transaction()
    txn.set("service", service)
    txn.set("number", number)
    return number


@reserve.on_rollback
def give_back(txn: Transaction) -> None:
    """Undo a reservation. It may be called twice, so that it has to bear that."""
    ask(txn.get("service"), "DELETE FROM reservations WHERE id = ?", txn.get("number"))
    print("gave back", txn.get("number"), "at", txn.get("service").stem)


@task(retries=2)
def charge(bank: Path, guest: str, amount: int) -> None:
    """Take the money, if there is enough."""
    sql = "UPDATE accounts SET money = money - ? WHERE guest = ? AND money >= ? RETURNING money"
    if not ask(bank, sql, amount, guest, amount):
        raise ValueError(f"{guest} cannot pay {amount}.")


@charge.on_commit
def thank(txn: Transaction) -> None:
    """Say it only when nothing can go wrong any more."""
    print("the trip is booked for", txn.get("guest"))


@flow
def book_trip(services: Path, guest: str, price: int) -> bool:
    """Book a flight and a hotel, and pay; tell whether it came to it."""
    try:
        with transaction() as txn:
            txn.set("guest", guest)
            reserve(services / "airline.db", "Lisbon, 7 May", guest)
            reserve(services / "hotel.db", "7 to 9 May", guest)
            charge(services / "bank.db", guest, price)
    except ValueError as error:
        print(error)
        return False
    return True


def open_services(folder: Path) -> None:
    """Begin with empty books, and 500 in the account of each guest."""
    for name in ("airline", "hotel"):
        ask(
            folder / f"{name}.db",
            "CREATE TABLE reservations (id INTEGER PRIMARY KEY, what TEXT, guest TEXT)",
        )
    ask(folder / "bank.db", "CREATE TABLE accounts (guest TEXT, money INTEGER)")
    ask(folder / "bank.db", "INSERT INTO accounts VALUES ('Ada', 500), ('Bob', 500)")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        services = Path(folder)
        open_services(services)
        print(book_trip(services, "Ada", 480), book_trip(services, "Bob", 510))
        for name in ("airline", "hotel"):
            print(name, ask(services / f"{name}.db", "SELECT guest FROM reservations"))
