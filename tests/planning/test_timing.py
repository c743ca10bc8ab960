import pytest
import torch

import seqkit
from seqkit.cells import RNN
from seqkit.planning import timing
from seqkit.planning.figures import Speed, duration
from seqkit.recipe.tables import TrainConfig

SPEED = Speed(timed_steps=5, step_ms=100.0, tokens_per_s=1.0, preparation_s=2.0, evaluation_s=3.0)


class TestExpect:
    @pytest.mark.parametrize(
        ("budget", "steps", "ended_by"),
        [
            ({"steps": 250}, 250, "250 steps"),
            ({"epochs": 2.0}, 80, "2 epochs"),
            ({"epochs": 0.1}, 4, "0.1 epochs"),
            ({"epochs": 0.7}, 28, "0.7 epochs"),  # 28.000000000000004 in binary
            ({"steps": 100, "epochs": 2.0}, 80, "2 epochs"),
            ({}, 400, "10 epochs"),
        ],
    )
    def test_steps_and_epochs(self, budget: dict[str, float], steps: int, ended_by: str) -> None:
        found = timing.expect(TrainConfig.model_validate(budget), 40, SPEED)
        assert (found.steps, found.ended_by) == (steps, ended_by)
        assert found.epochs == steps / 40
        assert found.training_s == pytest.approx(0.1 * steps)
        assert found.evaluations == -(-steps // 40)
        assert found.total_s == pytest.approx(2 + 0.1 * steps + 3 * found.evaluations)

    def test_minutes_include_the_evaluations_and_the_preparation(self) -> None:
        found = timing.expect(TrainConfig(minutes=1.0, evaluate_every=10), 40, SPEED)
        assert found.ended_by == "1 minute"
        assert found.steps == 145  # (60 - 2) s / (0.1 + 0.3) s
        assert found.evaluations == 15
        assert found.total_s == pytest.approx(2 + 14.5 + 45)  # the last evaluation is after the minute

    def test_a_step_longer_than_the_budget_is_taken(self) -> None:
        slow = Speed(timed_steps=5, step_ms=90_000.0, tokens_per_s=1.0, preparation_s=70, evaluation_s=None)
        found = timing.expect(TrainConfig(minutes=1.0), 40, slow)
        assert (found.steps, found.evaluations, found.evaluation_s) == (1, 0, 0)

    def test_patience_is_reported(self) -> None:
        assert timing.expect(TrainConfig(patience=3), 40, SPEED).patience
        assert not timing.expect(TrainConfig(), 40, SPEED).patience


IDS = torch.zeros(2, 7, dtype=torch.long)


def make_trainer(stopwatch: timing.Stopwatch) -> seqkit.Trainer:
    model = seqkit.SequenceModel(RNN(3, 4))
    return seqkit.Trainer(model, torch.optim.SGD(model.parameters(), 0.1), callbacks=[stopwatch])


class TestStopwatch:
    def test_it_ends_after_the_required_steps_and_seconds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(timing, "TIMED_S", 3.0)
        seconds = iter([0.0, 5.0, 6.0, *(6.0 + 0.25 * step for step in range(1, 100))])
        stopwatch = timing.Stopwatch(clock=lambda: next(seconds))
        trainer = make_trainer(stopwatch)
        history = trainer.fit([(IDS, IDS)], steps=1000)
        assert history.ended_by == "the plan"
        assert trainer.budget.step == 2 + 12  # 3 s of steps of 0.25 s, after two that warm up
        speed = stopwatch.speed(8.5, None)
        assert (speed.timed_steps, speed.step_ms) == (12, 250)
        assert speed.tokens_per_s == pytest.approx(14 / 0.25)
        assert speed.preparation_s == 8.0

    def test_slow_steps_are_timed_five_times(self) -> None:
        seconds = iter(range(0, 1000, 60))
        stopwatch = timing.Stopwatch(clock=lambda: next(seconds))
        make_trainer(stopwatch).fit([(IDS, IDS)], steps=1000)
        assert stopwatch.speed(120, None).timed_steps == 5


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (7.26, "7.3 s"), (75, "75 s"), (252, "4.2 min"), (11_160, "3.1 h")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
