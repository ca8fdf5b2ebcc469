"""What to write instead, where Python's own message shows that a future, a coroutine or the task
itself was taken for a value. Looked for only when a body has failed.
"""

from __future__ import annotations

import re

_AWAIT = """Only async tasks and flows, and futures, are awaited: call a sync one without await."""
_RESULT = """A future stands for what a task will return: future.result() waits for it, and a task \
that is given the future gets the value."""
_COROUTINE = """An async task or flow that is called is to be awaited; in a sync flow, \
my_task.submit(…).result() waits for it."""
_FUNCTION = """A function gets this by @task above its def."""
_ITSELF = """This is the task or flow itself, which has no value before it is called: my_task(…)."""

_HINTS = (
    (re.compile(r"can't be used in 'await' expression"), _AWAIT),
    (re.compile(r"'PenstockFuture(List)?'"), _RESULT),
    (re.compile(r"'coroutine'"), _COROUTINE),
    (re.compile(r"'function' object has no attribute '(submit|map|with_options)'"), _FUNCTION),
    (re.compile(r"'(Task|Flow)' object is not|operand.*'(Task|Flow)'"), _ITSELF),
)


def add_hint(error: BaseException) -> None:
    """Add a note that says what to write instead, if the message is one that is known."""
    message = str(error)
    for pattern, words in _HINTS:
        if pattern.search(message) and words not in getattr(error, "__notes__", ()):
            error.add_note(words)
            return
