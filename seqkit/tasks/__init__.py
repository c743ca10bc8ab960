"""Tasks: what a model is trained to do, one module a kind; nothing else asks for the kind of a run."""

from seqkit.tasks.base import Sizes, Task, TaskData, task_of

__all__ = ["Sizes", "Task", "TaskData", "task_of"]
