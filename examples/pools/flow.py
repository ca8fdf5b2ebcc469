"""Work for a while: enough of these want to run at once to show who gets a slot."""

import time

from penstock import flow, task


@task
def work(seconds: float) -> list[float]:
    """Return when it began and when it ended."""
    began = time.time()
    time.sleep(seconds)
    return [began, time.time()]


@flow
def crunch(seconds: float = 3.0) -> list[float]:
    """Hold a slot for ``seconds``."""
    return work(seconds)


if __name__ == "__main__":
    print(crunch(0.1))
