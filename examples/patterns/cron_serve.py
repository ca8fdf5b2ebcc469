"""Serve two flows on schedules in the foreground: `python cron_serve.py`, and Ctrl-C stops.

It needs `pip install 'penstock[serve]'`.
"""

from penstock import flow, runtime, serve
from penstock.schedules import Cron


@flow(log_prints=True)
def report(city: str) -> None:
    """Say which run this is: its name holds the moment at which it was due."""
    print(f"the report of {city} is {runtime.flow_run.name}")


@flow(log_prints=True)
def heartbeat() -> None:
    """Say that we are alive."""
    print("still here")


deployments = [
    report.to_deployment(
        "morning-report",
        schedule=Cron("0 7 * * mon-fri", timezone="Europe/Berlin"),
        parameters={"city": "Berlin"},
    ),
    heartbeat.to_deployment("heartbeat", interval=60),
]

if __name__ == "__main__":
    serve(*deployments, limit=2)
