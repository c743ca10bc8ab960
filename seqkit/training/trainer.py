"""The training loop: batched, unrolled step by step, with the state reset or carried."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, Literal

import torch
from torch import Tensor, nn

from seqkit.data.batches import Batch
from seqkit.errors import BudgetError, ContractError, UnknownNameError
from seqkit.model import SequenceModel
from seqkit.training import snapshot
from seqkit.training.audit import audit, is_audited
from seqkit.training.budget import Budget
from seqkit.training.denormals import flushing_denormals
from seqkit.training.evaluation import Data, Policy, Precision, evaluate, to_device, with_units
from seqkit.training.forward import ForwardPass, averaged
from seqkit.training.history import History
from seqkit.training.losses import mean_of
from seqkit.training.meter import Meter
from seqkit.training.optim import Schedule
from seqkit.training.ranks import ALONE, Message, Ranks
from seqkit.training.signals import Interrupted, noting, whole
from seqkit.training.snapshot import Snapshot
from seqkit.training.state import TrainingState
from seqkit.training.step import Step, differentiate
from seqkit.training.unread import Unread
from seqkit.training.validation import Validation


class Trainer:
    """Trains a model.

    Args:
        model: returns `(outputs, state)` for `(inputs, state, reset)`.
        optimizer: an optimizer of the model's parameters.
        loss_fn: any torch loss; it gets the counted positions, flattened, `(N, output_size)` and
            `(N, ...)`, and returns their mean. Without it the head's own loss is used.
        clip_norm: the largest norm of the gradient, to which it is clipped; None does not clip.
        state: `"reset"` starts every batch from the initial state; `"carry"` passes the final state
            of a batch, detached, to the next, within an epoch.
        loss_over_time: `"mean"` over the counted positions; `"sum"` sums over the steps and
            averages over the rows. The mean is reported in both cases.
        device: the device to move the model to; by default it is not moved.
        precision: `"bfloat16"` runs the forward pass under autocast.
        audit: at steps 10, 100, 1,000 and every 10,000 after that, the gradients of a few time steps are
            compared with the plain loop's. If they differ, training ends.
        schedule: the factor of the learning rate; see `make_schedule`.
        read_every: steps between two reads of the losses from the device, each of which waits for it.
            With more than one, `step_finished` is called for several steps at once. A step whose loss or
            gradient is not finite is not applied, nor is any after it. More than one needs a fused
            optimizer, and has no effect with any other.
        seed: seed of the random numbers of each step, such as those of dropout: they follow from it and
            the number of the step, so that a training that is continued draws the same ones. None leaves
            torch's generator alone.
        callbacks: objects with any of the methods `run_started(trainer)`,
            `step_finished(trainer, step, metrics)`, `evaluated(trainer, step, split, metrics)`,
            `step_ended(trainer, step)`, after the evaluation of the step if there is one, and
            `run_finished(trainer)`. One with `state()` and `restore(state)`, JSON values, is part of a
            snapshot.
        ranks: the processes that train this model together, each with a trainer of the same arguments. Data
            with a method `share(ranks)` gives each process its rows of every batch; other data, such as a
            DataLoader, must have rows of its own in each, and the same number of batches. The loss is the
            mean over the counted positions of all. A callback that changes the training must do so in all.

    Attributes:
        status: the whole current state of the training.
        budget: the limits of the training; its `step` counts the updates of the weights.
        history: the losses, epochs and evaluations so far.
        meter: tokens, mean loss and seconds of training so far; the same as `status.meter`.
    """

    def __init__(
        self,
        model: SequenceModel,
        optimizer: torch.optim.Optimizer,
        loss_fn: Callable[[Tensor, Tensor], Tensor] | None = None,
        *,
        clip_norm: float | None = 3.0,
        state: Policy = "reset",
        loss_over_time: Literal["mean", "sum"] = "mean",
        device: str | torch.device | None = None,
        precision: Precision = "float32",
        audit: bool = True,
        schedule: Schedule | None = None,
        read_every: int = 1,
        seed: int | None = None,
        callbacks: Sequence[object] = (),
        ranks: Ranks = ALONE,
    ) -> None:
        for kind, value, known in (
            ("state policy", state, ("reset", "carry")),
            ("loss over time", loss_over_time, ("mean", "sum")),
            ("precision", precision, ("float32", "bfloat16")),
        ):
            if value not in known:
                raise UnknownNameError(kind, value, known)
        self.model = model if device is None else model.to(device)
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.clip_norm = math.inf if clip_norm is None else clip_norm
        self.state = state
        self.loss_over_time = loss_over_time
        self.precision = precision
        self.audit = audit
        self.seed = seed
        self.callbacks = callbacks
        self.ranks = ranks
        self._schedule = schedule
        self._rates = [group["lr"] for group in optimizer.param_groups]
        self.status = TrainingState()
        self._unread = Unread(optimizer, read_every, self.clip_norm)
        if not {id(p) for p in self._parameters} & {id(p) for p in model.parameters()}:
            raise ContractError(
                "the optimizer holds none of the model's parameters: nothing would be trained."
            )
        self.device = self._parameters[0].device

    def fit(
        self,
        data: Data,
        epochs: float | None = None,
        steps: int | None = None,
        validation: Data | None = None,
        evaluate_every: int | None = None,
        *,
        minutes: float | None = None,
        patience: int | None = None,
        start: Snapshot | None = None,
    ) -> History:
        """Train until the budget is spent or the patience runs out.

        Args:
            data: read from the start in each epoch; `set_epoch(epoch)` is called before, if it exists.
            epochs, steps, minutes: the budget; training ends when the first of them is reached.
            validation: validation data, read completely at every evaluation.
            evaluate_every: steps between evaluations; by default there is one at the end of each epoch.
                There is always one at the end of training.
            patience: number of evaluations in a row without a new lowest validation loss, after which
                training stops.
            start: continue from this snapshot of another trainer, made with the same arguments: the result
                is that of a training that was never interrupted, bit for bit. A budget in minutes counts
                the minutes before.
        Returns:
            The history; its `best` holds the weights with the lowest validation loss.
        Raises:
            BudgetError: there is no budget, the data is empty, or patience is set without validation data.
            NonFiniteError: the loss or the gradient norm is not finite; the weights are not changed.
            AuditError: the engine's gradients differ from the loop's; the weights are not changed.
            RankError: of several processes, another one has failed or gone.
        """
        self.status = TrainingState(base_rates=self._rates)
        self.budget = Budget(
            steps=steps,
            epochs=epochs,
            minutes=minutes,
            steps_per_epoch=_length(data),
            state=self.status,
            seconds=None if self.ranks.world == 1 else lambda: self._agreed_s,
        )
        self.history = History(self.status)
        self._forward: nn.Module | None = None
        self._trained: list[bool] = []
        self._agreed_s = 0.0
        self._unread.begin()
        if patience is not None and validation is None:
            raise BudgetError("patience needs the validation loss, and there is no validation data.")
        validate = Validation(validation, evaluate_every, patience, self.status)
        with self._signals_noted():
            try:
                self._fit_all(data, validate, start)
            except BaseException as error:
                self.ranks.leave(error)
                if self.ranks.lost is None:  # else a GPU may wait for the process that has gone
                    with suppress(Exception):  # a callback that has raised may do so again
                        self._read_losses()  # of the last steps, whose updates have been made
                raise
            finally:
                self._unread.end()
            with whole():
                self._notify("run_finished")
            self.ranks.close()
        return self.history

    @contextmanager
    def _signals_noted(self) -> Iterator[None]:
        """With several processes, a signal to one of them ends all of them after the same step."""
        self._signal: Callable[[], int] = lambda: 0
        if self.ranks.world == 1:
            yield
            return
        with noting() as self._signal:
            yield

    def _fit_all(self, data: Data, validate: Validation, start: Snapshot | None) -> None:
        """Train until the budget is spent or the patience runs out."""
        if start is not None:
            snapshot.restore(self, start, batches=_length(data), rows=getattr(data, "lanes", None))
            self._agreed_s = self.meter.spent_s
        if self.ranks.world > 1 and hasattr(data, "share"):
            data = data.share(self.ranks)
        self.ranks.serve(lambda: (self.status.step, self.status.leaves()))
        self.model.train()
        self._notify("run_started")
        with flushing_denormals():
            if start is not None:
                saved = start.values["callbacks"]
                snapshot.restore_callbacks(self.callbacks, saved, all_of_them=self.ranks.first)
                self._catch_up(validate)
            while not self.status.ended_by:
                self._fit_epoch(data, validate)

    def _fit_epoch(self, data: Data, validate: Validation) -> None:
        """Train on the rest of a pass over the data, or until the budget is spent."""
        status, length = self.status, _length(data)
        if hasattr(data, "set_epoch"):
            data.set_epoch(status.epoch)
        if not status.batch:
            status.epoch_began = self.meter.read()
        batches = _batches_from(data, status.batch)
        while (item := next(batches, None)) is not None:
            self._set_learning_rate()
            self._take_step(to_device(item, self.device))
            status.ended_by = self.budget.ended_by
            due = validate.due()
            if due or status.ended_by or self._unread.is_full:
                self._read_losses()
            if due:
                self._validate(validate)
            if status.ended_by:
                break
            if status.batch != length:
                self._notify("step_ended", step=status.step)
        if item is None:
            self._exchange(torch.zeros((), device=self.device))
        self._read_losses()
        if not status.batch:
            raise BudgetError("the training data is empty, or cannot be read from the start again.")
        summary = with_units(data, self.meter.since(status.epoch_began))
        finished = status.epoch
        with whole():
            self.history.epochs.append({"epoch": status.epoch, "step": status.step, **summary})
            if not status.ended_by or status.batch == length:  # else it can be continued within the epoch
                status.epoch, status.batch, status.carried = finished + 1, 0, None
        status.ended_by = status.ended_by or self.budget.ended_by
        if validate.due(at_epoch_end=True, at_end=bool(status.ended_by)):
            self._validate(validate, finished)
        self._notify("step_ended", step=status.step)

    def _catch_up(self, validate: Validation) -> None:
        """What was due at the last step of a snapshot, and not done before it was taken."""
        status = self.status
        status.ended_by = self.budget.ended_by or validate.ended_by
        at_epoch_end = status.step > 0 and not status.batch
        if status.step and validate.due(at_epoch_end=at_epoch_end, at_end=bool(status.ended_by)):
            self._validate(validate, status.epoch - at_epoch_end)

    def snapshot(self) -> Snapshot:
        """Everything that `fit(start=...)` needs to continue, as a copy; for a callback in `step_ended`."""
        self._read_losses()
        return snapshot.take(self)

    @property
    def meter(self) -> Meter:
        """Tokens, mean loss and seconds of training so far."""
        return self.status.meter

    @property
    def _parameters(self) -> list[nn.Parameter]:
        """All trained parameters, including groups that a callback has added."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def evaluate(self, data: Data) -> dict[str, Any]:
        """The mean loss over all counted positions of the data, by this process; training is not affected.

        Returns:
            `loss` in nats (or the loss function's unit), `tokens`, and the data's own `metrics(loss)`.
        """
        return self._evaluate(data)

    def _evaluate(self, data: Data, **together: Any) -> dict[str, Any]:
        return evaluate(
            self.model,
            data,
            loss_fn=self.loss_fn,
            state=self.state,
            precision=self.precision,
            **together,
        )

    def _take_step(self, batch: Batch) -> None:
        """Forward, loss, backward, clip, update."""
        status, ranks = self.status, self.ranks
        if self.seed is not None:
            snapshot.seed_step(self.seed, status.step + 1, self.device, ranks.rank)
        total, tokens, state = self._forward_pass(batch)(batch, status.carried)
        summed = self._exchange(total.detach(), tokens, len(batch.inputs), batches=1)
        counted = summed.tokens if self.loss_over_time == "mean" else summed.rows
        self.optimizer.zero_grad()
        with ranks.averaging():  # over the processes: the sum over them is wanted
            differentiate(total / (max(counted, 1) / ranks.world))
        norm = nn.utils.clip_grad_norm_(self._parameters, self.clip_norm)
        rate = float(self.optimizer.param_groups[0]["lr"])
        mean = mean_of(summed.total, summed.tokens)
        taken = Step(status.step + 1, status.epoch, rate, summed.tokens, mean, norm)
        self._unread.require_finite(taken)
        if self.audit and is_audited(taken.step) and isinstance(self.model, SequenceModel):
            if len(batch.inputs):
                audit(self.model, batch, state, self.precision, taken.step)
            ranks.sum()  # nobody goes on before all have compared
        with whole():  # counters and weights must agree
            self.optimizer.step()
            status.step += 1
            status.batch += 1
            status.carried = state
            self._unread.add(taken)

    def _forward_pass(self, batch: Batch) -> nn.Module:
        """The forward pass; for several processes it is made again if other weights are trained."""
        if self.ranks.world == 1:
            if self._forward is None:
                self._forward = ForwardPass(self.model, self.loss_fn, self.state, self.precision)
            return self._forward
        trained = [parameter.requires_grad for parameter in self.model.parameters()]
        if self._forward is None or trained != self._trained:
            forward = ForwardPass(self.model, self.loss_fn, self.state, self.precision)
            self._forward = averaged(forward, batch, self.status.carried, self.ranks)
            self._trained = trained
        return self._forward

    def _exchange(self, total: Tensor, tokens: int = 0, rows: int = 0, *, batches: int = 0) -> Message:
        """The sums over all processes of a step's losses and counts.

        Raises:
            Interrupted: one of the processes has received a signal.
            ContractError: one has a batch, another has none.
        """
        rates = sum(group["lr"] for group in self.optimizer.param_groups)
        own = Message(total, tokens, rows, batches, self._signal(), self.meter.look(), rates)
        summed = self.ranks.message(own)
        self._agreed_s = summed.seconds
        if summed.stop:
            raise Interrupted(summed.stop)
        if summed.batches != batches * self.ranks.world:
            raise ContractError(
                f"{summed.batches} of the {self.ranks.world} processes have a batch {self.status.batch + 1} "
                "in this epoch, the others have none: all must have the same number of batches."
            )
        if not math.isclose(summed.rates, rates * self.ranks.world, rel_tol=1e-9):
            raise ContractError(
                "the learning rates of the processes differ: a callback that changes the training must do so "
                "in all of them."
            )
        return summed

    def _read_losses(self) -> None:
        """Read the losses of the steps since the last time, and report them; a signal waits.

        Raises:
            NonFiniteError: one of them is not finite; the weights are those before that step.
        """
        with whole():
            steps, failed = self._unread.read()
            for taken in steps:
                metrics = taken.metrics()
                self.meter.look()
                self.meter.add(metrics["loss"] * taken.tokens, taken.tokens)
                self.history.losses.append(metrics["loss"])
                self._notify("step_finished", step=taken.step, metrics=metrics)
            if failed is not None:
                self.status.step = failed.step - 1
                failed.require_finite(self.clip_norm)

    def _set_learning_rate(self) -> None:
        """Set the learning rate according to its schedule."""
        if self._schedule is None:
            return
        groups, rates = self.optimizer.param_groups, self.status.base_rates
        rates += [group["lr"] for group in groups[len(rates) :]]  # groups that a callback has added
        factor = self._schedule(self.status.step, self.budget.progress)
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate * factor

    def _validate(self, validate: Validation, epoch: int | None = None) -> None:
        """Evaluate on the validation data, keep the best weights, and stop if the patience has run out.

        Args:
            validate: the validation, which is due.
            epoch: the epoch that was finished; by default the current one.
        """
        assert validate.data is not None  # Validation.due has checked it
        status = self.status
        with self.meter.paused():
            epoch = status.epoch if epoch is None else epoch
            evaluated = self._evaluate(validate.data, ranks=self.ranks, stop=self._signal)
            metrics = {"epoch": epoch, **evaluated}
            with whole():
                validate.record(metrics, self.model)
                self.history.evaluations.append({"step": status.step, **metrics})
                status.ended_by = status.ended_by or validate.ended_by
                self._notify("evaluated", step=status.step, split="validation", metrics=metrics)

    def _notify(self, event: str, **arguments: Any) -> None:
        for callback in self.callbacks:
            method = getattr(callback, event, None)
            if method is not None:
                method(self, **arguments)


def _batches_from(data: Data, first: int) -> Iterator[Batch | tuple[Tensor, Tensor]]:
    """The batches of an epoch from number `first` on, read by number if the data supports it."""
    batch = getattr(data, "batch", None)
    if first and callable(batch) and (length := _length(data)) is not None:
        return (batch(number) for number in range(first, length))
    return islice(iter(data), first, None)


def _length(data: Data) -> int | None:
    """Batches per epoch; None if unknown, as for a DataLoader over a stream."""
    try:
        return len(data)  # type: ignore[arg-type]  # trying is the only way to know
    except TypeError:
        return None
