"""Tasks: what a model is trained to do, one module per kind; no other code depends on the kind of a run."""

from seqkit.tasks.base import Sizes, Task, TaskData, task_of

__all__ = ["Sizes", "Task", "TaskData", "task_of"]
