"""What a planned fault does to its run: to its processes, its pods, and by a person's word."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress

from tests.chaos.cluster import SPACE
from tests.chaos.faults import Delay, Fault, Lose, Planned, Spoil, Strike
from tests.chaos.kubelet import Nodes
from tests.chaos.watching import patiently
from tests.integration.apiserver import GROUP, ApiServer, Refused

FORBIDDEN = Spoil(403, carried_out=False)
NOT_READY = Spoil(500, carried_out=False)


class Strikes:
    """Strikes runs."""

    def __init__(self, api: ApiServer, nodes: Nodes) -> None:
        self._api = api
        self._nodes = nodes
        self._starts: dict[str, float] = {}
        """Until when a run finds an API server that has not read any roles yet."""

    def of(self, planned: Planned, run: str, *, method: str) -> Fault | None:
        """Return what a request meets, if its kind can meet it."""
        lasting = planned.seconds
        strikes = {
            "kill": lambda: self.kill(run),
            "pause": lambda: self.pause(run, lasting),
            "cut-off": lambda: self.cut_off(run, lasting),
            "zombie": lambda: self.make_zombie(run, lasting),
            "suspend": lambda: self.suspend(run, lasting),
            "cancel": lambda: self.cancel(run),
            "delete-pod": lambda: self.delete_pod(run),
        }
        if strike := strikes.get(planned.kind):
            return Strike(strike, planned.carried_out, deadly=planned.kind == "kill")
        match planned.kind:
            case "lose":
                return Lose(planned.carried_out)
            case "delay":
                return Delay(lasting)
            case "starting" if planned.carried_out:
                return Strike(lambda: self.restart(run, lasting), afterwards=True)
            case "starting":
                self.restart(run, lasting)
                return FORBIDDEN
            case "409" if method != "POST":
                return None
        return Spoil(int(planned.kind), planned.carried_out)

    def meanwhile(self, run: str, *, path: str) -> Fault | None:
        """Return what a request meets for which nothing is planned."""
        if time.monotonic() > self._starts.get(run, 0.0):
            return None
        return NOT_READY if path == "/readyz" else FORBIDDEN

    def restart(self, run: str, seconds: float) -> None:
        """Let a run find an API server that starts: it is not ready, and forbids everything."""
        self._starts[run] = time.monotonic() + seconds

    def kill(self, run: str) -> None:
        """End the newest process of a run at once."""
        for process in self._nodes.processes(run)[-1:]:
            process.signal(signal.SIGKILL)
            process.popen.wait()

    def pause(self, run: str, seconds: float) -> None:
        """Stop the processes of a run for a while."""
        stopped = [each for each in self._nodes.processes(run) if each.signal(signal.SIGSTOP)]

        def go_on() -> None:
            for each in stopped:
                each.signal(signal.SIGCONT)

        threading.Timer(seconds, go_on).start()

    def delete_pod(self, run: str) -> None:
        """Delete the pods of a run, as a person would."""
        for pod in self._nodes.pods(run):
            self._try_to_delete(pod["metadata"]["name"])

    def cut_off(self, run: str, seconds: float) -> None:
        """Do to the run's pod what is done to those of a lost node; its process goes on."""
        lost = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
        for process in self._nodes.processes(run):
            process.cut_off_until = time.monotonic() + seconds
            with suppress(Exception):  # the server may be away on purpose
                status = {"status": {"conditions": [lost]}}
                self._api.merge(f"{self._pod(process.pod)}/status", status)
            self._try_to_delete(process.pod)

    def make_zombie(self, run: str, seconds: float) -> None:
        """Cut a pod off and stop its process; it goes on when another has long taken over."""
        self.cut_off(run, 2 * seconds)
        self.pause(run, seconds)

    def suspend(self, run: str, seconds: float) -> None:
        """Ask for the run to be suspended, and some seconds later to go on."""
        ask(self._api, run, suspend=True)
        threading.Timer(seconds, ask, args=(self._api, run), kwargs={"suspend": False}).start()

    def cancel(self, run: str) -> None:
        """Ask for the run to be cancelled, which is never taken back."""
        ask(self._api, run, cancel=True)

    def _pod(self, name: str) -> str:
        return f"/api/v1/namespaces/{SPACE}/pods/{name}"

    def _try_to_delete(self, pod: str) -> None:
        with suppress(Exception):  # the server may be away on purpose
            self._api.request("DELETE", self._pod(pod))


def ask(api: ApiServer, run: str, **spec: bool) -> None:
    """Say of a run what a person would: `suspend`, `cancel`."""

    def merge() -> None:
        try:
            api.merge(f"{GROUP}/namespaces/{SPACE}/flowruns/{run}", {"spec": spec})
        except Refused as refused:  # a run that is gone needs nothing; an outage ends
            if refused.status == 429 or refused.status >= 500:
                raise

    patiently(merge)
