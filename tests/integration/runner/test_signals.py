"""SIGTERM reaches the waiting thread at once, and only this process's own does."""

import signal

from tests.integration.sdk.script import run_script

BESIDE_C_CALL = """
import hashlib, os, signal, threading, time
from penstock.runner.signals import Wakeup
wakeup = Wakeup(); wakeup.listen()
def wait():
    started = time.monotonic()
    heard = wakeup.wait(60)
    print(sorted(heard), time.monotonic() - started < 30, flush=True)
    os._exit(0)
threading.Thread(target=wait).start()
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)  # no bytecode runs here meanwhile
"""
EVENT_LOOP = """
import asyncio, os, signal
from penstock.runner.signals import Wakeup
wakeup = Wakeup(); wakeup.listen()
async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)  # takes the descriptor
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0)
asyncio.run(main())
print(sorted(wakeup.wait(60)))
"""
FORKED_CHILD = """
import multiprocessing, time
from penstock.runner.signals import Wakeup
wakeup = Wakeup(); wakeup.listen()
exits = set()
for _ in range(50):
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,))
    child.start()
    child.terminate()
    child.join()
    exits.add(child.exitcode)
print(exits, sorted(wakeup.wait(0.2)))
"""


def run(program: str) -> str:
    done = run_script(program)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_sigterm_is_heard_beside_a_c_call() -> None:
    assert run(BESIDE_C_CALL) == f"[{signal.SIGTERM:d}] True"


def test_sigterm_is_heard_although_an_event_loop_took_the_descriptor() -> None:
    assert run(EVENT_LOOP) == f"[{signal.SIGTERM:d}]"


def test_the_sigterm_of_a_forked_child_is_not_heard() -> None:
    """The pool of a flow that ends its workers must not look like the end of the pod."""
    assert run(FORKED_CHILD) == f"{{-{signal.SIGTERM:d}}} []"
