"""The kit itself: components that are wrong on purpose, each found by the check that should find it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqkit.cells import Cell
from seqkit.errors import RecipeError, UnknownNameError
from seqkit.sources import Piece, TextFiles, TextSource
from seqkit.testing import CellCase, SourceCase, TokenizerCase, run_checks
from seqkit.tokenizers import CharTokenizer


class Right(Cell):
    """A correct cell; each mutant changes one thing."""

    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, hidden_size
        self.i2h = nn.Linear(input_size, hidden_size)
        self.h2h = nn.Linear(hidden_size, hidden_size)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        state = torch.tanh(self.i2h(x) + self.h2h(state))
        return state, state

    def scan(self, x: Tensor, state: Any, reset: Tensor | None = None) -> tuple[Tensor, Any]:
        outputs = []
        for t in range(x.shape[1]):
            if reset is not None:
                state = torch.where(reset[:, t, None], 0.0, state)
            out, state = self.step(x[:, t], state)
            outputs.append(out)
        return torch.stack(outputs, 1), state


class RowsLeak(Right):
    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return super().step(x, state + 0.1 * state.mean(0, keepdim=True))


class BatchNormalised(Right):
    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return super().step(x - x.mean(0), state)


class InPlaceState(Right):
    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        out, after = super().step(x, state)
        with torch.no_grad():
            state.copy_(after)
        return out, after


class RemembersTheLastCall(Right):
    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__(input_size, hidden_size)
        self.memory: dict[int, Tensor] = {}

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        last = self.memory.get(len(x), torch.zeros_like(x))
        self.memory[len(x)] = x.detach()
        return super().step(x + 0.1 * last, state)


class CountsItsSteps(Right):
    steps = 0

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        self.steps = self.steps + 1
        return super().step(x, state)


class WritesABuffer(Right):
    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__(input_size, hidden_size)
        self.register_buffer("mean", torch.zeros(()))

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        self.mean.add_(0.1)
        return super().step(x, state)


class WrongBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return grad * (1 - torch.tanh(x))  # the square is missing


class WrongGradient(Right):
    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = WrongBackward.apply(self.i2h(x) + self.h2h(state))
        return state, state


class CutGradient(Right):
    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return super().step(x, state.detach())


class UnusedWeight(Right):
    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__(input_size, hidden_size)
        self.extra = nn.Linear(3, 3)


class SharedInitialState(Right):
    def initial_state(self, batch_size: int) -> Tensor:
        if not hasattr(self, "_start") or len(self._start) != batch_size:
            self._start = self.zeros(batch_size, self.hidden_size)
        return self._start


class WrongDtype(Right):
    def initial_state(self, batch_size: int) -> Tensor:
        return torch.zeros(batch_size, self.hidden_size, dtype=torch.float64)


class WrongDevice(Right):
    def initial_state(self, batch_size: int) -> Tensor:
        return torch.zeros(batch_size, self.hidden_size, dtype=self.h2h.weight.dtype, device="cpu")


class BatchLast(Right):
    def initial_state(self, batch_size: int) -> Tensor:
        return self.zeros(self.hidden_size, batch_size)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        out, after = super().step(x, state.t())
        return out, after.t()


class GrowingState(Right):
    def initial_state(self, batch_size: int) -> Any:
        return (super().initial_state(batch_size),)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        out, after = super().step(x, state[0])
        return out, (after, *state)


class Noisy(Right):
    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return super().step(x + 1e-3 * torch.randn_like(x), state)


class WrongOutputSize(Right):
    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__(input_size, hidden_size)
        self.output_size = hidden_size + 1


class OtherForward(Right):
    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return super().step(2 * x, state)


class HiddenWeight(Right):
    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__(input_size, hidden_size)
        self.hidden_weight = torch.randn(hidden_size, dtype=torch.float64)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        out, after = super().step(x, state)
        return out * self.hidden_weight.to(out.dtype), after


class OnlyFloat32(Right):
    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        out, after = super().step(x, state)
        return out.float(), after


class DoesNotLearn(Right):
    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        out, after = super().step(x, state)
        return out * 0, after


class ScanForgetsReset(Right):
    def scan(self, x: Tensor, state: Any, reset: Tensor | None = None) -> tuple[Tensor, Any]:
        return super().scan(x, state, None)


class ScanLooksAhead(Right):
    def scan(self, x: Tensor, state: Any, reset: Tensor | None = None) -> tuple[Tensor, Any]:
        return super().scan(torch.cat([x[:, 1:], x[:, -1:]], 1), state, reset)


class ScanLosesTheState(Right):
    def scan(self, x: Tensor, state: Any, reset: Tensor | None = None) -> tuple[Tensor, Any]:
        return super().scan(x, torch.zeros_like(state), reset)


class HiddenFirst(Right):
    def __init__(self, hidden_size: int = 6, input_size: int = 5) -> None:
        super().__init__(input_size, hidden_size)


CELLS: list[tuple[type[Cell], str]] = [
    (RowsLeak, "rows_are_independent"),
    (BatchNormalised, "batched_equals_one_by_one"),
    (InPlaceState, "step_changes_no_input"),
    (RemembersTheLastCall, "runs_do_not_see_each_other"),
    (RemembersTheLastCall, "deterministic"),
    (CountsItsSteps, "step_leaves_no_trace"),
    (WritesABuffer, "step_leaves_no_trace"),
    (WrongGradient, "gradients"),
    (CutGradient, "gradients"),
    (UnusedWeight, "parameters_are_used"),
    (SharedInitialState, "initial_state_is_fresh"),
    (WrongDtype, "initial_state_follows_the_parameters"),
    (WrongDevice, "initial_state_follows_the_parameters"),
    (BatchLast, "state_has_the_batch_first"),
    (GrowingState, "state_tree_is_stable"),
    (Noisy, "deterministic"),
    (WrongOutputSize, "output_shape"),
    (OtherForward, "forward_is_step"),
    (HiddenWeight, "state_dict_round_trip"),
    (OnlyFloat32, "float32_and_bfloat16"),
    (DoesNotLearn, "trains"),
    (ScanForgetsReset, "scan_equals_step"),
    (ScanLooksAhead, "scan_equals_step"),
    (ScanLosesTheState, "scan_equals_step"),
    (HiddenFirst, "input_size_comes_first"),
]


class LosesCase(CharTokenizer):
    def decode(self, ids: Any) -> str:
        return super().decode(ids).lower()


class CrashesOnUnknown(CharTokenizer):
    def encode(self, text: str) -> Any:
        ids = super().encode(text)
        if not ids.all():
            raise KeyError(text)
        return ids


class WideIds(CharTokenizer):
    def encode(self, text: str) -> Any:
        return super().encode(text).astype(np.uint32)


class DropsTheLast(CharTokenizer):
    def encode(self, text: str) -> Any:
        return super().encode(text[:-1])


class CutsWords(CharTokenizer):
    """Marks the first character of a text, so that a cut changes the ids."""

    def encode(self, text: str) -> Any:
        ids = super().encode(text)
        ids[:1] = 1
        return ids


class ForgetsTheFrequent(CharTokenizer):
    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "characters": list(self.characters[:-1])}


class OneFingerprint(CharTokenizer):
    fingerprint = "the same"  # type: ignore[assignment]


class RandomFingerprint(CharTokenizer):
    @property
    def fingerprint(self) -> str:
        return str(np.random.default_rng().random())


class StreamsReversed(CharTokenizer):
    def decoder(self) -> Any:
        decoder = super().decoder()
        decoder.push = lambda token: super(StreamsReversed, self).decode([token, token])  # type: ignore[method-assign]
        return decoder


class UnknownIsAQuestionMark(CharTokenizer):
    def decode(self, ids: Any) -> str:
        return super().decode(ids).replace("\ufffd", "?")


class CountsNothingUnknown(CharTokenizer):
    def unknown_characters(self, text: str, ids: Any) -> int:
        return len(text) + 1


class EmptyIsUnknown(CharTokenizer):
    def encode(self, text: str) -> Any:
        return super().encode(text or "\0\0")


class SortsTheAdded(CharTokenizer):
    def extended(self, other: Any) -> Any:
        return type(self)(self.characters + other.characters)


class ForgetsTheAdded(CharTokenizer):
    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in super().to_json().items() if key != "added"}


TOKENIZERS: list[tuple[type[CharTokenizer], str]] = [
    (LosesCase, "round_trip"),
    (CrashesOnUnknown, "any_unicode"),
    (WideIds, "ids_are_small_unsigned_numbers"),
    (DropsTheLast, "round_trip"),
    (CutsWords, "safe_cut"),
    (ForgetsTheFrequent, "json_round_trip"),
    (OneFingerprint, "fingerprint_tells_mappings_apart"),
    (RandomFingerprint, "deterministic"),
    (StreamsReversed, "streaming_decoder"),
    (UnknownIsAQuestionMark, "unknown_id"),
    (CountsNothingUnknown, "unknown_characters"),
    (EmptyIsUnknown, "empty_text"),
    (SortsTheAdded, "extension_keeps_ids"),
    (ForgetsTheAdded, "extension_keeps_ids"),
]


class Memory(TextSource):
    """A correct source, over a list of documents; each mutant changes one thing."""

    documents_of: dict[str, list[str]] = {"train": ["one\n", "two\n"], "test": ["three\n"]}
    splits = ("train", "test")

    def __init__(self, exists: bool = True) -> None:
        self._exists = exists

    @property
    def fingerprint(self) -> str:
        return repr(self.documents_of)

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        from seqkit.errors import SourceError

        if not self._exists or split not in self.documents_of:
            raise SourceError("there is no such data here")
        yield from (Piece(text, True) for text in self.documents_of[split])


class ReadsOnce(Memory):
    def __init__(self, exists: bool = True) -> None:
        super().__init__(exists)
        self._readers = {split: super(ReadsOnce, self).pieces(split) for split in self.splits}

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        return self._readers[split]


class OverlappingSplits(Memory):
    documents_of = {"train": ["one\n", "two\n"], "test": ["two\n"]}


class HugePieces(Memory):
    documents_of = {"train": ["x" * 1_100_000], "test": ["three\n"]}


class NeverEnds(Memory):
    def pieces(self, split: str = "all") -> Iterator[Piece]:
        return (Piece(piece.text, False) for piece in super().pieces(split))


class ShufflesEachTime(Memory):
    documents_of = {"train": [f"{i}\n" for i in range(50)], "test": ["three\n"]}

    def pieces(self, split: str = "all") -> Iterator[Piece]:
        pieces = list(super().pieces(split))
        np.random.default_rng().shuffle(pieces)
        return iter([Piece(*piece) for piece in pieces])


class AnySplit(Memory):
    def pieces(self, split: str = "all") -> Iterator[Piece]:
        return super().pieces(split if split in self.splits else "train")


class SilentlyEmpty(Memory):
    def pieces(self, split: str = "all") -> Iterator[Piece]:
        return super().pieces(split) if self._exists else iter(())


class ConstantFingerprint(Memory):
    fingerprint = "the same"  # type: ignore[assignment]


class StrangeSplits(Memory):
    splits = ("learn", "check")
    documents_of = {"learn": ["one\n"], "check": ["two\n"]}


SOURCES: list[tuple[type[Memory], str]] = [
    (ReadsOnce, "readable_again"),
    (OverlappingSplits, "splits_are_disjoint"),
    (HugePieces, "pieces"),
    (NeverEnds, "documents_end"),
    (ShufflesEachTime, "deterministic"),
    (AnySplit, "unknown_split"),
    (SilentlyEmpty, "missing_data"),
    (ConstantFingerprint, "fingerprint_follows_the_data"),
    (StrangeSplits, "splits"),
]


def failed(case: Any, *only: str) -> dict[str, str]:
    return {result.check: result.message for result in run_checks(case, only).results if not result.passed}


@pytest.mark.parametrize(("cell", "check"), CELLS, ids=[f"{cell.__name__}-{check}" for cell, check in CELLS])
def test_a_wrong_cell_is_found(cell: type[Cell], check: str) -> None:
    assert check in failed(CellCase(cell), check)


@pytest.mark.parametrize(("tokenizer", "check"), TOKENIZERS, ids=[t.__name__ for t, _ in TOKENIZERS])
def test_a_wrong_tokenizer_is_found(tokenizer: type[CharTokenizer], check: str) -> None:
    assert check in failed(TokenizerCase(tokenizer), check)


@pytest.mark.parametrize(("source", "check"), SOURCES, ids=[s.__name__ for s, _ in SOURCES])
def test_a_wrong_source_is_found(source: type[Memory], check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check in failed(memory_case(source, monkeypatch), check)


def memory_case(source: type[Memory], monkeypatch: pytest.MonkeyPatch) -> SourceCase:
    def change() -> None:
        monkeypatch.setattr(source, "documents_of", {**source.documents_of, "train": ["another\n"]})

    return SourceCase(source, missing={"exists": False}, change=change, exists=True)


@pytest.mark.ci
def test_the_components_that_the_mutants_derive_from_are_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a mutant could fail because of another fault."""
    assert not failed(CellCase(Right))
    assert not failed(TokenizerCase(CharTokenizer))
    assert not failed(memory_case(Memory, monkeypatch))


class TestAccounting:
    @pytest.mark.ci
    def test_an_expected_failure_is_strict(self) -> None:
        good = run_checks(CellCase(Noisy, expected_failures={"deterministic": "noise is its point"}))
        assert next(result for result in good.results if result.check == "deterministic").passed
        report = run_checks(CellCase(Right, expected_failures={"trains": "it is said not to learn"}))
        assert not report.passed
        (wrong,) = [result for result in report.results if not result.passed]
        assert wrong.message == (
            "the check was expected to fail (it is said not to learn), but it passes.\n"
            "  Remove it from expected_failures."
        )

    def test_an_expected_failure_names_a_check(self) -> None:
        from seqkit.testing import CheckFailedError

        with pytest.raises(CheckFailedError, match="expected_failures has names that are not checks: trians"):
            run_checks(CellCase(Right, expected_failures={"trians": "x"}))

    @pytest.mark.ci
    def test_every_check_is_counted(self) -> None:
        report = run_checks(CellCase(Right))
        count = len(report.results)
        assert count == report.total > 20
        assert report.summary == f"{count} of {count} checks ran, {count} passed"
        assert run_checks(CellCase(Right), ["trains"]).summary == f"1 of {count} checks ran, 1 passed"
        assert report.not_applicable == ["config_survives_a_recipe", "draws_follow_the_seed"]
        report = run_checks(CellCase("rnn"))
        assert report.not_applicable == ["draws_follow_the_seed", "scan_equals_step"]

    def test_a_wrong_config_is_reported_before_any_check(self) -> None:
        with pytest.raises(RecipeError, match="hidden_sise: unknown key. Did you mean 'hidden_size'"):
            run_checks(CellCase("rnn", hidden_sise=3))
        with pytest.raises(UnknownNameError, match="no cell is called 'rnm'"):
            run_checks(CellCase("rnm"))

    def test_a_source_case_without_missing_and_change_fails(self, text_file: Path) -> None:
        assert set(failed(SourceCase(TextFiles, path=str(text_file)))) == {
            "missing_data",
            "fingerprint_follows_the_data",
        }
