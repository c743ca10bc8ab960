import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from seqkit import Batch, Cell, SequenceModel, Trainer
from seqkit.cells import RNN
from seqkit.data import Lanes, TokenStream, Windows
from seqkit.errors import BudgetError, ContractError, NonFiniteError, UnknownNameError
from seqkit.run.callbacks import MetricsLog
from seqkit.training import meter
from seqkit.training.losses import batch_loss, mean_of
from seqkit.training.trainer import _batches_from

V = 5
IDS = np.tile(np.array([0, 1, 2, 3, 4, 2, 1], dtype=np.uint8), 60)


def make_model(dropout: float = 0.0) -> SequenceModel:
    torch.manual_seed(0)
    return SequenceModel(RNN(V, 8), vocab_size=V, dropout=dropout)


def make_trainer(model: SequenceModel | None = None, **options: object) -> Trainer:
    model = model or make_model()
    return Trainer(model, torch.optim.SGD(model.parameters(), lr=0.3), **options)  # type: ignore[arg-type]


def lanes(**options: int) -> Lanes:
    return Lanes(TokenStream(IDS, start_id=0), **{"lanes": 4, "seq_len": 10, **options})


def windows() -> Windows:
    return Windows(TokenStream(IDS, start_id=0), batch_size=4, seq_len=10, shuffle_seed=0)


def weights_of(trainer: Trainer) -> list[torch.Tensor]:
    return [p.detach().clone() for p in trainer.model.parameters()]


class TestFitting:
    @pytest.mark.parametrize("state", ["reset", "carry"])
    def test_the_loss_falls(self, state: str) -> None:
        history = make_trainer(state=state).fit(lanes() if state == "carry" else windows(), epochs=15)
        assert history.epochs[0]["loss"] > 1.0
        assert history.epochs[-1]["loss"] < 0.5
        assert len(history.epochs) == 15
        assert len(history.losses) == history.epochs[-1]["step"] == 15 * len(lanes())
        assert history.ended_by == "15 epochs"

    def test_an_epoch_reports_the_mean_over_its_positions(self) -> None:
        trainer = make_trainer(model := make_model())
        trainer.optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        history = trainer.fit(windows(), epochs=1)
        assert history.epochs[0]["loss"] == pytest.approx(trainer.evaluate(windows())["loss"], abs=1e-6)
        assert history.epochs[0]["tokens"] == len(IDS)
        assert history.epochs[0]["tokens_per_s"] > 0

    def test_the_same_seed_gives_the_same_weights(self) -> None:
        first, second = (make_trainer(make_model(dropout=0.2)) for _ in range(2))
        for trainer in (first, second):
            torch.manual_seed(3)
            trainer.fit(windows(), steps=7)
        assert all(map(torch.equal, weights_of(first), weights_of(second)))

    def test_masked_positions_change_nothing(self) -> None:
        ids = torch.randint(V, (3, 9))
        mask = torch.ones(3, 8, dtype=torch.bool)
        mask[1, 5:] = False
        garbage = ids.clone()
        garbage[1, 6:] = 0
        results = []
        for stream in (ids, garbage):
            trainer = make_trainer()
            history = trainer.fit([Batch(stream[:, :-1], stream[:, 1:], mask)], steps=3)
            results.append((weights_of(trainer), list(history.losses)))
        assert all(map(torch.equal, results[0][0], results[1][0]))
        assert results[0][1] == results[1][1]

    def test_a_batch_without_counted_positions_has_no_effect(self) -> None:
        ids = torch.randint(V, (3, 9))
        whole = Batch(ids[:, :-1], ids[:, 1:])
        nothing = whole._replace(mask=torch.zeros(3, 8, dtype=torch.bool))
        trainer = make_trainer()
        assert trainer.evaluate([whole, nothing]) == trainer.evaluate([whole])
        before = weights_of(trainer)
        trainer.fit([nothing, whole], steps=1)
        assert all(map(torch.equal, weights_of(trainer), before))
        trainer.fit([nothing, whole], steps=2)
        assert not torch.equal(weights_of(trainer)[0], before[0])

    def test_a_loss_function_gets_the_counted_positions_flattened(self) -> None:
        seen = []

        def loss_fn(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            seen.append((outputs.shape, targets.shape))
            return nn.functional.cross_entropy(outputs, targets)

        own, given = make_trainer(), make_trainer(loss_fn=loss_fn)
        for trainer in (own, given):
            trainer.fit(windows(), steps=3)
        torch.testing.assert_close(weights_of(own), weights_of(given))
        assert seen[0] == ((40, V), (40,))

    def test_the_sum_over_time_is_the_mean_times_the_steps(self) -> None:
        ids = torch.randint(V, (3, 9))
        batch = Batch(ids[:, :-1], ids[:, 1:])
        mean = make_trainer(clip_norm=None)
        summed = make_trainer(clip_norm=None, loss_over_time="sum")
        summed.optimizer.param_groups[0]["lr"] = 0.3 / 8
        losses = [list(trainer.fit([batch], steps=4).losses) for trainer in (mean, summed)]
        torch.testing.assert_close(weights_of(mean), weights_of(summed))
        assert losses[0] == pytest.approx(losses[1])

    def test_the_gradient_is_clipped(self) -> None:
        trainer = make_trainer(clip_norm=0.01)
        before = weights_of(trainer)
        trainer.fit(windows(), steps=1)
        moved = torch.cat([(a - b).flatten() for a, b in zip(weights_of(trainer), before, strict=True)])
        assert float(moved.norm()) == pytest.approx(0.3 * 0.01, rel=1e-3)

    @pytest.mark.ci
    def test_bfloat16_trains_near_float32(self) -> None:
        losses = [
            make_trainer(precision=p).fit(windows(), epochs=4).epochs[-1]["loss"]
            for p in ("float32", "bfloat16")
        ]
        assert losses[0] == pytest.approx(losses[1], abs=0.05)
        assert losses[0] != losses[1]

    def test_a_schedule_moves_the_learning_rate(self) -> None:
        rates = []

        class Watch:
            def step_finished(self, trainer: Trainer, step: int, metrics: dict[str, float]) -> None:
                rates.append(metrics["learning_rate"])

        make_trainer(schedule=lambda step, progress: 1 - progress, callbacks=[Watch()]).fit(
            windows(), steps=4
        )
        assert rates == pytest.approx([0.3, 0.225, 0.15, 0.075])


class TestState:
    def test_carry_passes_the_final_state_to_the_next_batch(self) -> None:
        """Two halves with the state carried give the loss of the whole; with the state reset they do not."""
        ids = torch.randint(V, (3, 21))
        halves = [Batch(ids[:, :10], ids[:, 1:11]), Batch(ids[:, 10:20], ids[:, 11:21])]
        whole = [Batch(ids[:, :20], ids[:, 1:21])]
        carried, reset = make_trainer(state="carry"), make_trainer(state="reset")
        expected = carried.evaluate(whole)["loss"]
        assert carried.evaluate(halves)["loss"] == pytest.approx(expected, abs=1e-6)
        assert abs(reset.evaluate(halves)["loss"] - expected) > 1e-4

    def test_no_gradient_flows_into_the_batch_before(self) -> None:
        trainer = make_trainer(state="carry")
        trainer.fit(lanes(), epochs=2)  # a second backward through a freed graph would raise

    def test_a_cell_without_a_state_can_carry_it(self) -> None:
        class Stateless(Cell):
            input_size = output_size = V

            def initial_state(self, batch_size: int) -> tuple[()]:
                return ()

            def step(self, x: torch.Tensor, state: tuple[()]) -> tuple[torch.Tensor, tuple[()]]:
                return x, ()

        make_trainer(SequenceModel(Stateless(), vocab_size=V), state="carry").fit(lanes(), epochs=1)

    def test_batches_of_another_size_cannot_carry(self) -> None:
        data = DataLoader(TensorDataset(torch.randint(V, (5, 6)), torch.randint(V, (5, 6))), batch_size=2)
        with pytest.raises(ContractError, match=r"2 rows, then 1.\n.*drop_last=True"):
            make_trainer(state="carry").fit(data, epochs=1)
        make_trainer(state="reset").fit(data, epochs=1)


class TestBudget:
    @pytest.mark.parametrize(
        ("budget", "steps"), [({"steps": 3}, 3), ({"epochs": 0.5}, 6), ({"epochs": 2, "steps": 99}, 22)]
    )
    def test_the_first_limit_ends_it(self, budget: dict[str, float], steps: int) -> None:
        trainer = make_trainer()
        trainer.fit(windows(), **budget)  # type: ignore[arg-type]
        assert trainer.budget.step == steps
        assert len(windows()) == 11

    def test_minutes(self) -> None:
        history = make_trainer().fit(windows(), minutes=0.002)
        assert history.ended_by == "0.002 minutes"

    def test_a_missing_budget_is_reported(self) -> None:
        with pytest.raises(BudgetError, match="give steps, epochs or minutes"):
            make_trainer().fit(windows())
        with pytest.raises(BudgetError, match="greater than 0, got steps=0"):
            make_trainer().fit(windows(), steps=0)

    def test_data_of_unknown_length(self) -> None:
        class Endless(IterableDataset):  # type: ignore[type-arg]
            def __iter__(self):  # type: ignore[no-untyped-def]
                while True:
                    yield torch.zeros(6, dtype=torch.long), torch.zeros(6, dtype=torch.long)

        history = make_trainer().fit(DataLoader(Endless(), batch_size=2), steps=3)
        assert len(history.losses) == 3

    def test_patience_needs_something_to_watch(self) -> None:
        with pytest.raises(BudgetError, match="there is no validation data"):
            make_trainer().fit(windows(), steps=3, patience=2)

    def test_missing_data_is_reported(self) -> None:
        with pytest.raises(BudgetError, match="the training data is empty"):
            make_trainer().fit([], steps=1)
        with pytest.raises(BudgetError, match="cannot be read from the start again"):
            make_trainer().fit(iter(list(windows())), epochs=3)
        with pytest.raises(BudgetError, match="nothing to evaluate"):
            make_trainer().evaluate([])


class TestEvaluation:
    def test_it_disturbs_nothing(self) -> None:
        """Training with dropout, carried state and evaluations in between is training without them."""
        finals = []
        for every in (None, 2):
            trainer = make_trainer(make_model(dropout=0.3), state="carry")
            torch.manual_seed(5)
            trainer.fit(lanes(), steps=15, validation=lanes(lanes=2) if every else None, evaluate_every=every)
            finals.append(weights_of(trainer))
            assert trainer.model.training
        assert all(map(torch.equal, *finals))

    @pytest.mark.ci
    def test_it_reads_the_whole_split_when_it_is_due(self) -> None:
        history = make_trainer().fit(windows(), steps=13, validation=windows(), evaluate_every=5)
        assert [row["step"] for row in history.evaluations] == [5, 10, 13]
        assert all(row["tokens"] == len(IDS) for row in history.evaluations)
        history = make_trainer().fit(windows(), steps=25, validation=windows())
        assert [row["step"] for row in history.evaluations] == [11, 22, 25]
        assert [row["epoch"] for row in history.evaluations] == [0, 1, 2]

    def test_the_best_weights_are_kept(self) -> None:
        trainer = make_trainer()
        history = trainer.fit(windows(), epochs=6, validation=windows())
        assert history.best is not None
        assert history.best.loss == min(row["loss"] for row in history.evaluations)
        trainer.model.load_state_dict(history.best.weights)
        assert trainer.evaluate(windows())["loss"] == pytest.approx(history.best.loss, abs=1e-7)

    def test_patience_ends_it_and_the_best_weights_stay(self) -> None:
        trainer = make_trainer(schedule=lambda step, progress: 0.0 if step >= 4 else 1.0)
        history = trainer.fit(windows(), steps=100, validation=windows(), evaluate_every=2, patience=3)
        assert history.ended_by == "patience: 3 evaluations without a lower validation loss"
        assert trainer.budget.step == 10  # best at 4, then 6, 8, 10 are not lower
        assert history.best is not None
        assert history.best.step == 4


class TestNonFinite:
    def test_a_validation_loss_that_is_not_finite_leaves_the_best_weights(self) -> None:
        class Spoil:
            def step_finished(self, trainer: Trainer, step: int, metrics: dict[str, float]) -> None:
                if step == 4:
                    with torch.no_grad():
                        for parameter in trainer.model.parameters():
                            parameter.mul_(1e39)

        trainer = make_trainer(callbacks=[Spoil()])
        with pytest.raises(
            NonFiniteError, match="the validation loss is nan at step 4; .*the best weights, of step 2"
        ):
            trainer.fit(windows(), steps=9, validation=windows(), evaluate_every=2)
        assert trainer.history.best is not None
        assert trainer.history.best.step == 2

    def test_a_loss_that_is_not_finite_stops_before_the_weights(self) -> None:
        losses = iter([1.0, 1.0, math.nan])

        def loss_fn(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return outputs.mean() * 0 + next(losses) * outputs.square().mean()

        seen: list[list[torch.Tensor]] = []

        class Watch:
            def step_finished(self, trainer: Trainer, step: int, metrics: dict[str, float]) -> None:
                seen.append(weights_of(trainer))

        trainer = make_trainer(loss_fn=loss_fn, callbacks=[Watch()])
        with pytest.raises(
            NonFiniteError, match=r"the loss is nan at step 3; .* before the weights were changed"
        ) as caught:
            trainer.fit(windows(), steps=9)
        assert "learning rate (at this step it is 0.3)" in str(caught.value)
        assert len(seen) == 2
        assert all(map(torch.equal, weights_of(trainer), seen[-1]))

    def test_a_gradient_norm_that_is_not_finite_stops_too(self) -> None:
        def loss_fn(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return (outputs.sum() * 0).abs().sqrt()  # 0, with a gradient of 0 * inf

        trainer = make_trainer(loss_fn=loss_fn)
        before = weights_of(trainer)
        with pytest.raises(NonFiniteError, match="the gradient norm is nan at step 1"):
            trainer.fit(windows(), steps=9)
        assert all(map(torch.equal, weights_of(trainer), before))


class TestReadingTheDeviceSeldom:
    """Losses are read every few steps: numbers and errors are the same as with a read at every step."""

    @staticmethod
    def trainer(read_every: int, seen: list[int]) -> Trainer:
        class Note:
            def step_finished(self, trainer: Trainer, step: int, metrics: dict[str, float]) -> None:
                seen.append(step)

        model = make_model()
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
        return Trainer(model, optimizer, read_every=read_every, callbacks=[Note()])

    def test_the_numbers_are_the_same(self) -> None:
        seen: list[int] = []
        each, seldom = self.trainer(1, []), self.trainer(4, seen)
        losses = [list(trainer.fit(windows(), steps=11).losses) for trainer in (each, seldom)]
        assert losses[0] == losses[1]
        assert seen == [*range(1, 12)]
        assert all(map(torch.equal, weights_of(each), weights_of(seldom)))

    @pytest.mark.parametrize("bad_step", [1, 3, 4, 9])
    def test_a_bad_step_is_not_applied_nor_any_after_it(self, bad_step: int) -> None:
        ids = torch.randint(V, (3, 9))
        batches = [Batch(ids[:, :-1], ids[:, 1:]) for _ in range(12)]
        calls = 0

        def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            return nn.functional.cross_entropy(outputs, targets) * (math.nan if calls == bad_step else 1.0)

        seen: list[int] = []
        bad, good = self.trainer(4, seen), self.trainer(1, [])
        bad.loss_fn = loss
        with pytest.raises(NonFiniteError, match=f"the loss is nan at step {bad_step};"):
            bad.fit(batches, steps=12)
        assert bad.budget.step == bad_step - 1 == len(bad.history.losses)
        assert seen == [*range(1, bad_step)]
        if bad_step > 1:
            good.fit(batches, steps=bad_step - 1)
        assert all(map(torch.equal, weights_of(bad), weights_of(good)))

    def test_an_optimizer_that_cannot_skip_is_read_every_step(self) -> None:
        model = make_model()
        trainer = Trainer(model, torch.optim.RMSprop(model.parameters()), read_every=4)
        assert trainer._unread._every == 1


def test_a_callback_may_add_parameters() -> None:
    extra = nn.Parameter(torch.ones(3))

    class Add:
        def run_started(self, trainer: Trainer) -> None:
            trainer.optimizer.add_param_group({"params": [extra], "lr": 0.2})

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, targets) + 10 * extra.square().sum()

    trainer = make_trainer(
        loss_fn=loss, clip_norm=0.5, schedule=lambda step, progress: 0.5, callbacks=[Add()]
    )
    trainer.fit(windows(), steps=1)
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [0.15, 0.1]
    assert 0.9 < extra.min() <= extra.max() < 1  # clipped with the others


def test_the_rest_of_an_epoch_is_read_by_number() -> None:
    asked = []

    class Numbered(Windows):
        def batch(self, step: int) -> Batch:
            asked.append(step)
            return super().batch(step)

    data = Numbered(TokenStream(IDS, start_id=0), batch_size=4, seq_len=10)
    rest = list(_batches_from(data, 3))
    assert asked == [*range(3, len(data))]
    assert all(torch.equal(one.inputs, other.inputs) for one, other in zip(rest, [*data][3:], strict=True))
    plain = list(data)
    assert len(list(_batches_from(plain, 3))) == len(plain) - 3


def test_data_that_is_read_in_order_is_iterated() -> None:
    """If a subclass changes its batches during iteration, the changed batches are trained on."""

    class Blank(Windows):
        def __iter__(self) -> Iterator[Batch]:
            for batch in super().__iter__():
                yield batch._replace(inputs=torch.zeros_like(batch.inputs))

    data = Blank(TokenStream(IDS, start_id=0), batch_size=4, seq_len=10)
    blank = make_trainer(audit=False).fit(data, steps=4)
    assert blank.losses == make_trainer(audit=False).fit(list(data), steps=4).losses
    trainer = make_trainer(audit=False)
    trainer.fit(data, steps=len(data) + 1)
    assert (trainer.status.step, trainer.status.epoch, trainer.status.batch) == (len(data) + 1, 1, 1)


@pytest.mark.parametrize(
    "mask", [torch.ones(10, 4, dtype=torch.bool), torch.ones(4, 9, dtype=torch.bool), torch.ones(4, 10)]
)
def test_a_mask_is_one_bool_for_each_target(mask: torch.Tensor) -> None:
    batch = windows().batch(0)._replace(mask=mask)
    with pytest.raises(ContractError, match=r"the mask should be bool \(4, 10\)"):
        make_trainer().fit([batch], steps=1)


def test_a_loss_is_a_sum_and_a_count() -> None:
    """Those of the parts of a batch add up to those of the whole, with masked positions too."""
    torch.manual_seed(0)
    model = SequenceModel(RNN(V, 8), vocab_size=V)
    inputs, targets = torch.randint(V, (2, 6, 9)).unbind()
    mask = torch.rand(6, 9) > 0.4
    mask[1] = False
    outputs, _ = model(inputs)
    total, count = batch_loss(model, None, outputs, Batch(inputs, targets, mask))
    parts = [
        batch_loss(model, None, outputs[rows], Batch(inputs[rows], targets[rows], mask[rows]))
        for rows in ([0, 2], [1], [3, 4, 5])
    ]
    assert sum(part[1] for part in parts) == count == int(mask.sum())
    assert parts[1][1] == 0
    assert parts[1][0].item() == 0
    torch.testing.assert_close(sum(part[0] for part in parts), total)
    torch.testing.assert_close(mean_of(total, count), total / count)


def test_every_speed_is_of_training_alone(tmp_path: Path) -> None:
    """With a slow evaluation, and rows that end at it, each row, the epoch and the whole have one speed."""
    now = 0.0

    class Slow(SequenceModel):
        def forward(self, *args: object, **options: object) -> object:
            nonlocal now
            now += 1.0 if self.training else 50.0
            return super().forward(*args, **options)  # type: ignore[arg-type]

    torch.manual_seed(0)
    model = Slow(RNN(V, 8), vocab_size=V)
    data = windows()
    log = MetricsLog(tmp_path / "metrics.jsonl", 4, data)
    trainer = make_trainer(model, callbacks=[log], audit=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meter.Meter.__init__, "__defaults__", (lambda: now,))
        result = trainer.fit(data, epochs=2, validation=data, evaluate_every=7)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    # A step takes a second, however long an evaluation takes.
    trained = [row for row in rows if row["split"] == "train"]
    ends = [0, *(row["step"] for row in trained)]
    steps = [after - before for before, after in pairwise(ends)]
    assert len(steps) > 6
    assert [row["tokens_per_s"] for row in trained] == pytest.approx(
        [row["tokens"] / count for row, count in zip(trained, steps, strict=True)]
    )
    assert [each["tokens_per_s"] for each in result.epochs] == pytest.approx([len(IDS) / len(data)] * 2)
    assert result.training_s == 2 * len(data)
    assert sum(row["tokens"] for row in rows if row["split"] == "train") == result.tokens == 2 * len(IDS)


def test_callbacks_are_called_in_order() -> None:
    calls: list[str] = []

    class Callback:
        def run_started(self, trainer: Trainer) -> None:
            calls.append("started")

        def step_finished(self, trainer: Trainer, step: int, metrics: dict[str, float]) -> None:
            calls.append(f"step {step}")
            assert set(metrics) == {"epoch", "loss", "tokens", "gradient_norm", "learning_rate"}

        def evaluated(self, trainer: Trainer, step: int, split: str, metrics: dict[str, float]) -> None:
            calls.append(f"{split} {step}")

        def run_finished(self, trainer: Trainer) -> None:
            calls.append("finished")

    make_trainer(callbacks=[Callback(), object()]).fit(
        windows(), steps=2, validation=windows(), evaluate_every=1
    )
    assert calls == ["started", "step 1", "validation 1", "step 2", "validation 2", "finished"]


def test_an_unknown_policy_is_reported() -> None:
    with pytest.raises(UnknownNameError, match="no state policy is called 'keep'"):
        make_trainer(state="keep")
    with pytest.raises(UnknownNameError, match="no loss over time is called 'max'"):
        make_trainer(loss_over_time="max")
    with pytest.raises(UnknownNameError, match="no precision is called 'float16'"):
        make_trainer(precision="float16")


def test_an_optimizer_of_another_model_is_reported() -> None:
    other = make_model()
    with pytest.raises(ContractError, match="the optimizer holds none of the model's parameters"):
        Trainer(make_model(), torch.optim.SGD(other.parameters(), lr=0.1))


def test_targets_of_another_length_are_reported() -> None:
    ids = torch.zeros(3, 8, dtype=torch.long)
    with pytest.raises(
        ContractError, match=r"has \(3, 8\) positions \(batch, time\), but the targets have \(3, 7\)"
    ):
        make_trainer().fit([(ids, ids[:, 1:])], steps=1)


class WritesInPlace(RNN):
    def step(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output, new = super().step(x, state)
        return output, state.mul_(0.5).add_(new)


class ModifiesSavedTensor(RNN):
    def step(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output, new = super().step(x, state)
        new.mul_(0.5)  # the result of a tanh, which its derivative reads
        return output, new


@pytest.mark.parametrize(
    ("cell", "said"),
    [(WritesInPlace, "writes to its state in place"), (ModifiesSavedTensor, "was modified in place")],
)
def test_an_in_place_write_is_reported_with_a_remedy(cell: type[RNN], said: str) -> None:
    model = SequenceModel(cell(4, 4), encoder="embedding", vocab_size=5, engine="loop")
    batch = Batch(torch.randint(5, (2, 6)), torch.randint(5, (2, 6)))
    with pytest.raises(ContractError, match=said):
        Trainer(model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1)).fit([batch], steps=1)
