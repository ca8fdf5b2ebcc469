"""What code inside a run may ask about the run: ``runtime.flow_run.name``, ``runtime.task_run.id``.

Every name can be read anywhere. Outside a run it is ``None``, or what is empty of its kind.
"""

from penstock.runtime import deployment, flow_run, task_run

__all__ = ["deployment", "flow_run", "task_run"]
