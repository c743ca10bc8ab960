"""Several processes train what one process trains."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from seqkit_gated.gru import GRU
from seqkit_gated.lstm import LSTM, LayerNormLSTM
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from seqkit import SequenceModel
from seqkit.cells import RNN, Stacked
from seqkit.data import Lanes, TokenStream, Windows
from seqkit.errors import ContractError, RankError
from seqkit.heads import Head
from seqkit.training import Trainer
from seqkit.training.joining import joined
from seqkit.training.ranks import ALONE, Message, Ranks, block
from tests.ranks import share_as, together

TOKENS = 7
CPU = torch.device("cpu")
DOCUMENT_ENDS = 3


def text(documents: bool = True) -> TokenStream:
    """3,001 tokens that can be learned, with documents that end."""
    ids = np.arange(3001) % 11 * (np.arange(3001) // 5 % 3) % TOKENS
    ids[np.random.default_rng(0).integers(0, 3001, 300)] = DOCUMENT_ENDS
    ids = ids.astype(np.uint8)
    return TokenStream(ids, start_id=0, end_id=DOCUMENT_ENDS if documents else None)


def normed(cell: RNN) -> RNN:
    parametrizations.weight_norm(cell.h2h)
    return cell


def orthogonal(cell: RNN) -> RNN:
    parametrizations.orthogonal(cell.h2h)
    return cell


class Spare(RNN):
    """Has weights that its step does not use."""

    def __init__(self) -> None:
        super().__init__(TOKENS, 12)
        self.spare = nn.Linear(3, 3)


class Scaled(Head):
    """Has a weight in its loss alone."""

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.output_size = TOKENS
        self.linear = nn.Linear(input_size, TOKENS)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, hidden: Tensor) -> Tensor:
        return self.linear(hidden)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs * self.scale, targets, reduction="none")

    def predict(self, outputs: Tensor) -> Tensor:
        return outputs.argmax(-1)

    def sample(self, outputs: Tensor, generator: Any = None, **options: Any) -> Tensor:
        return outputs.argmax(-1)


class Learned(RNN):
    """Its initial state is learned: it has a gradient only where a row begins."""

    def __init__(self) -> None:
        super().__init__(TOKENS, 12)
        self.beginning = nn.Parameter(torch.full((12,), 0.1))

    def initial_state(self, batch_size: int) -> Tensor:
        return self.beginning.expand(batch_size, 12)


MODELS: dict[str, Callable[[str], SequenceModel]] = {
    "rnn": lambda engine: SequenceModel(RNN(TOKENS, 12), engine=engine),
    "lstm": lambda engine: SequenceModel(LSTM(TOKENS, 12), engine=engine),
    "gru x 2": lambda engine: SequenceModel(
        Stacked([GRU(8, 12), GRU(12, 12)]), encoder="embedding", vocab_size=TOKENS, engine=engine
    ),
    "weight_norm": lambda engine: SequenceModel(normed(RNN(TOKENS, 12)), engine=engine),
    "orthogonal": lambda engine: SequenceModel(orthogonal(RNN(TOKENS, 12)), engine=engine),
    "recomputed": lambda engine: SequenceModel(LSTM(TOKENS, 12), engine=engine, recompute_every=5),
    "lnlstm": lambda engine: SequenceModel(LayerNormLSTM(TOKENS, 12), engine=engine),
    "spare": lambda engine: SequenceModel(Spare(), engine=engine),
    "learned": lambda engine: SequenceModel(Learned(), engine=engine),
    "loss with a weight": lambda engine: SequenceModel(RNN(TOKENS, 12), head=Scaled(12), engine=engine),
}


def fit(
    ranks: Ranks, name: str, engine: str, state: str, documents: bool = True, steps: int = 6, **options: Any
) -> dict[str, Any]:
    """Everything that a training leaves; lanes of 32 rows, the last one and the last window shorter."""
    torch.manual_seed(0 if ranks.first else 1)  # the weights are those of the first process
    model = MODELS[name](engine)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, fused=True)
    gradients: list[dict[str, Any]] = []

    class Keep:
        def step_finished(self, trainer: Any, step: int, metrics: Any) -> None:
            of_step = {key: each.grad for key, each in model.named_parameters() if each.grad is not None}
            gradients.append({key: value.clone().numpy() for key, value in of_step.items()})

    trainer = Trainer(model, optimizer, state=state, ranks=ranks, callbacks=[Keep()], **options)
    lanes = Lanes(text(documents), lanes=32, seq_len=20)
    windows = Windows(text(documents), batch_size=32, seq_len=20, shuffle_seed=1)
    history = trainer.fit(lanes if state == "carry" else windows, steps=steps, validation=lanes)
    leaves = [leaf.numpy() for leaf in trainer.status.leaves() or ()]
    return {
        "losses": list(history.losses),
        "evaluations": [{key: row[key] for key in ("step", "loss", "tokens")} for row in history.evaluations],
        "gradients": gradients,
        "weights": {key: value.numpy() for key, value in model.state_dict().items()},
        "state": leaves,
        "engine": model.engine_ran,
    }


def fit_together(rows: list[int], *arguments: Any) -> dict[str, Any]:
    with joined() as ranks:
        ranks.connect(CPU, 1.0, "none")
        share_as(ranks, rows)
        return fit(ranks, *arguments)


def largest(values: Any) -> float:
    return max(float(np.abs(value).max()) for value in values if value.size)


def relative(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> float:
    """The largest difference of a gradient in any step, as a part of the largest gradient."""
    assert [each.keys() for each in found] == [each.keys() for each in wanted]
    differences = [one[key] - two[key] for one, two in zip(found, wanted, strict=True) for key in two]
    return largest(differences) / largest([each for one in wanted for each in one.values()])


def require_the_same(rows: list[int], name: str, engine: str, state: str) -> None:
    alone = fit(ALONE, name, engine, state)
    several = together(len(rows), fit_together, rows, name, engine, state)
    bound = 5e-6 if name == "lnlstm" else 1e-6
    for one in several:
        assert one["engine"] == alone["engine"] == engine
        assert relative(one["gradients"], alone["gradients"]) <= bound
        np.testing.assert_allclose(one["losses"], alone["losses"], rtol=1e-6)
        for found, wanted in zip(one["evaluations"], alone["evaluations"], strict=True):
            assert found == {**wanted, "loss": pytest.approx(wanted["loss"], rel=1e-6)}
        for key, value in alone["weights"].items():
            np.testing.assert_allclose(one["weights"][key], value, atol=20 * bound)
            np.testing.assert_array_equal(one["weights"][key], several[0]["weights"][key])
    if state == "carry":
        gathered = [np.concatenate(leaves) for leaves in zip(*(one["state"] for one in several), strict=True)]
        for found, wanted in zip(gathered, alone["state"], strict=True):
            np.testing.assert_allclose(found, wanted, atol=20 * bound)


@pytest.mark.ci
@pytest.mark.parametrize("rows", [[16, 16], [20, 12], [31, 1], [32, 0]], ids=str)
@pytest.mark.parametrize("engine", ["loop", "fused"])
def test_the_same_gradients_weights_and_state(engine: str, rows: list[int]) -> None:
    require_the_same(rows, "rnn" if engine == "loop" else "gru x 2", engine, "carry")


@pytest.mark.ci
@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("lnlstm", "reset"),
        ("spare", "reset"),
        ("loss with a weight", "reset"),
        ("learned", "carry"),
        ("orthogonal", "carry"),  # with a buffer that its constructor draws
    ],
)
def test_models_with_traps(name: str, state: str) -> None:
    require_the_same([11, 11, 10], name, "fused", state)


@pytest.mark.ci
def test_a_learned_beginning_where_no_document_ends() -> None:
    alone = fit_learned(ALONE)
    for one in together(2, fit_learned_together):
        assert relative(one["gradients"], alone["gradients"]) <= 1e-6


def fit_learned(ranks: Ranks) -> dict[str, Any]:
    return fit(ranks, "learned", "fused", "carry", documents=False)


def fit_learned_together() -> dict[str, Any]:
    with joined() as ranks:
        ranks.connect(CPU, 1.0, "none")
        return fit_learned(ranks)


def test_two_processes_train_as_one() -> None:
    require_the_same([16, 16], "rnn", "fused", "carry")


def fit_with_mean_of_means(rows: list[int], *arguments: Any) -> dict[str, Any]:
    """Train with the mistake of taking the mean over one's own positions."""
    with joined() as ranks:
        ranks.connect(CPU, 1.0, "none")
        share_as(ranks, rows)
        summed = ranks.message

        def own(message: Message) -> Message:
            found = summed(message)
            return replace(found, tokens=message.tokens * ranks.world)

        ranks.message = own
        return fit(ranks, *arguments)


@pytest.mark.ci
def test_a_mean_of_means_would_be_noticed() -> None:
    alone = fit(ALONE, "lstm", "fused", "carry")
    several = together(2, fit_with_mean_of_means, [31, 1], "lstm", "fused", "carry")
    assert relative(several[0]["gradients"], alone["gradients"]) > 1e-3


class Logged(logging.Handler):
    """The warnings of a process."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        logging.getLogger("seqkit").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def fit_and_log(*arguments: Any) -> list[str]:
    logged = Logged()
    fit_together(*arguments)
    return logged.messages


@pytest.mark.ci
def test_weights_without_a_gradient_are_named_once() -> None:
    first, second = together(2, fit_and_log, [16, 16], "spare", "fused", "carry")
    assert first == ["these weights have no part in the loss: cell.spare.weight, cell.spare.bias"]
    assert second == []


def fit_to_the_error(what: str) -> tuple[str, str, int]:
    """The error of a training in which the second process meets something that is not finite."""
    with joined() as ranks:
        ranks.connect(CPU, 1.0, "none")
        torch.manual_seed(0)
        model = MODELS["rnn"]("fused")
        lanes = Lanes(text(), lanes=32, seq_len=20)

        def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
            loss = nn.functional.cross_entropy(outputs, targets)
            if ranks.first or trainer.status.step < 3:
                return loss
            return loss + (torch.inf if what == "infinite" else torch.nan * loss)

        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        trainer = Trainer(model, optimizer, loss_fn, ranks=ranks)
        try:
            trainer.fit(lanes, steps=10)
        except Exception as error:
            return type(error).__name__, str(error), trainer.status.step
        raise AssertionError("it ended without an error")


@pytest.mark.ci
@pytest.mark.parametrize("what", ["nan", "infinite"])
def test_what_is_not_finite_in_one_process_ends_all(what: str) -> None:
    for name, message, step in together(2, fit_to_the_error, what):
        assert name == "NonFiniteError"
        assert message.startswith(f"the loss is {'inf' if what == 'infinite' else 'nan'} at step 4")
        assert step == 3


def fit_lists(lengths: list[int]) -> tuple[str, str]:
    """Train on a list of batches, as of a DataLoader, which is this long in each process."""
    with joined() as ranks:
        ranks.connect(CPU, 1.0, "none")
        lanes = Lanes(text(), lanes=4, seq_len=20)
        model = MODELS["rnn"]("loop")
        trainer = Trainer(model, torch.optim.SGD(model.parameters(), lr=0.1), ranks=ranks)
        try:
            trainer.fit([lanes.batch(number) for number in range(lengths[ranks.rank])], epochs=2)
        except Exception as error:
            return type(error).__name__, str(error)
        return "", str(trainer.status.step)


@pytest.mark.ci
def test_data_of_ones_own() -> None:
    assert together(2, fit_lists, [3, 3]) == [("", "6"), ("", "6")]
    for name, message in together(2, fit_lists, [3, 2]):
        assert name == "ContractError"
        assert message.startswith("1 of the 2 processes have a batch 3 in this epoch, the others have none")


def fail_alone(where: str) -> tuple[str, str]:
    """The second process raises an exception in a step, in its evaluation or in a callback."""
    with joined() as ranks:
        ranks.connect(CPU, 1.0, "none")
        model = MODELS["rnn"]("loop")
        lanes = Lanes(text(), lanes=4, seq_len=20)

        class Fails:
            def step_ended(self, trainer: Any, step: int) -> None:
                if where == "callback" and not ranks.first and step == 5:
                    raise ValueError("no luck")

        def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
            is_training = torch.is_grad_enabled()
            if not ranks.first and where == ("step" if is_training else "evaluation"):
                raise ValueError("no luck")
            return nn.functional.cross_entropy(outputs, targets)

        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        trainer = Trainer(model, optimizer, loss_fn, ranks=ranks, callbacks=[Fails()])
        try:
            trainer.fit(lanes, steps=10, validation=lanes, evaluate_every=3)
        except Exception as error:
            return type(error).__name__, str(error)
        raise AssertionError("it ended without an error")


@pytest.mark.ci
@pytest.mark.parametrize("where", ["evaluation", "callback"])
def test_an_error_of_one_process_ends_all(where: str) -> None:
    first, second = together(2, fail_alone, where)
    assert second == ("ValueError", "no luck")
    assert first[0] == "RankError"
    assert "rank 1 (" in first[1]
    assert first[1].endswith("ValueError: no luck")


def compressed(kind: str) -> dict[str, Any]:
    with joined() as ranks:
        ranks.connect(CPU, 1.0, kind)
        return fit(ranks, "rnn", "fused", "carry")


@pytest.mark.ci
def test_compressed_gradients() -> None:
    exact, half = (together(2, compressed, kind)[0] for kind in ("none", "bfloat16"))
    assert 1e-5 < relative(half["gradients"], exact["gradients"]) < 3e-2
    np.testing.assert_allclose(half["losses"], exact["losses"], rtol=1e-2)


def fit_in_a_group_that_is_there() -> dict[str, Any]:
    import torch.distributed as dist

    dist.init_process_group("gloo")
    with joined() as ranks:
        assert ranks.world == 2
        ranks.connect(CPU, 1.0, "none")
        found = fit(ranks, "rnn", "fused", "carry")
    assert dist.is_initialized()
    dist.destroy_process_group()
    return found


@pytest.mark.ci
def test_a_process_group_of_another_program() -> None:
    alone = fit(ALONE, "rnn", "fused", "carry")
    for one in together(2, fit_in_a_group_that_is_there):
        np.testing.assert_allclose(one["losses"], alone["losses"], rtol=1e-6)


def test_blocks_cover_all_rows_and_differ_by_one_at_most() -> None:
    for world in range(1, 9):
        for count in range(20):
            blocks = [range(count)[block(count, rank, world)] for rank in range(world)]
            assert [row for each in blocks for row in each] == list(range(count))
            assert max(map(len, blocks)) - min(map(len, blocks)) <= 1


@pytest.mark.parametrize("state", ["carry", "reset"])
def test_the_shares_of_a_batch_are_the_batch(state: str) -> None:
    class Third(Ranks):
        def __init__(self, rank: int) -> None:
            self.rank, self.world = rank, 3

    data: Any = (
        Lanes(text(), lanes=4, seq_len=20)
        if state == "carry"
        else Windows(text(), batch_size=4, seq_len=20, shuffle_seed=1)
    )
    shares = [data.share(Third(rank)) for rank in range(3)]
    for each in (data, *shares):
        if state == "reset":
            each.set_epoch(2)
    for number in range(len(data)):
        whole, parts = data.batch(number), [share.batch(number) for share in shares]
        for field in ("inputs", "targets"):
            assert torch.equal(torch.cat([getattr(part, field) for part in parts]), getattr(whole, field))


def serve_nobody() -> str:
    with joined() as ranks:
        ranks.connect(CPU, 1.0, "none")
        model = MODELS["rnn"]("loop")
        trainer = Trainer(model, torch.optim.SGD(model.parameters(), lr=0.1), ranks=ranks)
        trainer.fit(Lanes(text(), lanes=4, seq_len=20), steps=2)
        if ranks.first:
            return ""
        with pytest.raises(RankError, match="only the first process takes a snapshot"):
            trainer.snapshot()
        return "refused"


@pytest.mark.ci
def test_a_snapshot_is_the_matter_of_the_first() -> None:
    assert together(2, serve_nobody) == ["", "refused"]


def do_other_things() -> str:
    """One trains while the other evaluates."""
    with joined() as ranks:
        ranks.connect(CPU, 1.0, "none")
        model = MODELS["rnn"]("loop")
        lanes = Lanes(text(), lanes=4, seq_len=20)
        trainer = Trainer(model, torch.optim.SGD(model.parameters(), lr=0.1), ranks=ranks)
        steps = 5 if ranks.first else 3
        try:
            trainer.fit(lanes, steps=steps)
        except (RankError, ContractError) as error:
            return str(error)
        return ""


@pytest.mark.ci
def test_processes_that_do_not_do_the_same() -> None:
    first, _ = together(2, do_other_things)
    assert first.startswith("the processes do not do the same")
