"""An order is reserved, charged and shipped: all of it, or nothing, whatever dies in between.

kubectl apply -f examples/pool.yaml -f examples/orders/ledger.yaml -f examples/orders/flow.yaml
kubectl create -f examples/orders/run.yaml            # and delete its pod while it runs
kubectl create -f examples/orders/run-failing.yaml    # to a place that does not exist
"""

import json
import os
import urllib.error
import urllib.request
from typing import Any

from penstock import flow, runtime, set_state_value, task
from penstock.transactions import Transaction, get_transaction, transaction


def post(deed: str, *, key: str, **about: object) -> str:
    """Ask for a deed. The same key asks for the same deed, which is done once."""
    ledger = os.environ.get("LEDGER_URL", "http://ledger:8080")
    body = json.dumps({"key": key, **about}).encode()
    try:
        with urllib.request.urlopen(f"{ledger}/{deed}", data=body, timeout=10) as answer:
            return str(json.load(answer)["receipt"])
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise
        raise ValueError(json.load(error)["error"]) from None


def is_down(task: Any, run: Any, state: Any) -> bool:
    """Try again when the services cannot be reached, not when they say no."""
    return isinstance(state.result(raise_on_failure=False), OSError)


def do(deed: str, **about: object) -> str:
    """Have something done for this task run, however often it has to be run, and remember it."""
    key = runtime.task_run.idempotency_key
    assert key is not None
    txn = get_transaction()
    assert txn is not None
    txn.set("order", about["order"])
    txn.set("receipt", post(deed, key=key, **about))
    return str(txn.get("receipt"))


def undo(deed: str, txn: Transaction) -> None:
    """Have the opposite done, once too: a roll-back may happen twice."""
    post(deed, key=f"{txn.get('receipt')}/{deed}", order=txn.get("order"))


@task(retries=10, retry_delay_seconds=1, retry_condition_fn=is_down)
def reserve(order: str) -> str:
    """Put the goods aside."""
    return do("reserve", order=order)


@reserve.on_rollback
def put_back(txn: Transaction) -> None:
    """Put the goods back."""
    undo("put-back", txn)


@task(retries=10, retry_delay_seconds=1, retry_condition_fn=is_down)
def charge(order: str, amount: int) -> str:
    """Take the money: once, although the pod may die before it hears of it."""
    return do("charge", order=order, amount=amount)


@charge.on_rollback
def refund(txn: Transaction) -> None:
    """Give the money back."""
    undo("refund", txn)


@task(retries=10, retry_delay_seconds=1, retry_condition_fn=is_down)
def ship(order: str, address: str) -> str:
    """Send the parcel, if there is such an address."""
    return do("ship", order=order, address=address)


@flow
def fulfil(order: str, amount: int = 120, address: str = "Lisbon") -> str:
    """Fulfil an order; where that cannot be, undo what was done for it."""
    with transaction():
        set_state_value("stage", "reserving")
        reserve(order)
        set_state_value("stage", "charging")
        charge(order, amount)
        set_state_value("stage", "shipping")
        parcel = ship(order, address)
    set_state_value("stage", "shipped")
    return parcel


def main() -> None:
    """Fulfil an order in process, and fail to fulfil another; the ledger prints each deed."""
    import threading
    from http.server import ThreadingHTTPServer
    from tempfile import TemporaryDirectory

    import ledger

    with TemporaryDirectory() as folder:
        ledger.SECONDS, ledger.Ledger.file = 0.0, f"{folder}/ledger.db"
        server = ThreadingHTTPServer(("127.0.0.1", 0), ledger.Ledger)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ["LEDGER_URL"] = f"http://127.0.0.1:{server.server_port}"
        fulfil("order-1")
        fulfil("order-2", address="Atlantis", return_state=True)


if __name__ == "__main__":
    main()
