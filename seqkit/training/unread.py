"""The losses of the last steps, which may still be on the device: reading one waits for it."""

from __future__ import annotations

from dataclasses import replace

import torch

from seqkit.training.step import Step


class Unread:
    """Steps whose losses are read together.

    Args:
        optimizer: a fused one, if several steps are read at once: it skips a step on the device.
        every: number of steps.
        clip_norm: for the message of an error.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, every: int, clip_norm: float) -> None:
        can_skip = getattr(optimizer, "_step_supports_amp_scaling", False)
        self._optimizer, self._clip_norm = optimizer, clip_norm
        self._every = every if can_skip else 1
        self._steps: list[Step] = []
        self._failed: torch.Tensor | bool = False

    def begin(self) -> None:
        """Forget the steps of an earlier training."""
        self._steps, self._failed = [], False

    def end(self) -> None:
        """Give the optimizer back as it was."""
        vars(self._optimizer).pop("found_inf", None)

    @property
    def is_full(self) -> bool:
        """Whether it is time to read."""
        return bool(self._steps) and self._steps[-1].step % self._every == 0

    def require_finite(self, taken: Step) -> None:
        """Do not update the weights from the first step on whose loss or gradient is not finite.

        Raises:
            NonFiniteError: it is known at once, because every step is read.
        """
        if self._every == 1:
            taken.require_finite(self._clip_norm)
            return
        self._failed = self._failed | ~(taken.loss.isfinite() & taken.norm.isfinite())
        # A fused optimizer then skips the step on the device, as with PyTorch's GradScaler.
        self._optimizer.found_inf = self._failed.float()  # type: ignore[attr-defined]  # read by `step`

    def add(self, taken: Step) -> None:
        """Keep a step."""
        self._steps.append(taken)

    def read(self) -> tuple[list[Step], Step | None]:
        """The steps up to the first that is not finite, with their losses here, and that one."""
        steps, self._steps = self._steps, []
        if len(steps) > 1:  # all at once
            dtype = torch.promote_types(steps[0].loss.dtype, steps[0].norm.dtype)
            numbers = [number.to(dtype) for each in steps for number in (each.loss, each.norm)]
            pairs = torch.stack(numbers).cpu().view(-1, 2).unbind()
            steps = [
                replace(each, loss=pair[0], norm=pair[1]) for each, pair in zip(steps, pairs, strict=True)
            ]
        for number, taken in enumerate(steps):
            if not taken.is_finite:
                return steps[:number], taken
        return steps, None
