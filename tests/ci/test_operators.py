"""Engine "fused" and the loop agree on every differentiable operator of PyTorch, or the step is refused."""

import gc
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.ci.operators import OPERATORS, Outcome, outcomes_of

# Warnings of the operators themselves, which the loop gives as well.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{message}:UserWarning")
    for message in (
        r"torch\.\w+ is deprecated in favor of",
        r"`nn\.functional\.upsample_\w+` is deprecated",
        r"Using torch\.cross without specifying the dim arg is deprecated",
        r"stft with return_complex=False is deprecated",
        r"A window was not provided",
        r"Sparse CSR tensor support is in beta state",
        r"index_reduce\(\) is in beta",
        r"ComplexHalf support is experimental",
        r"Using padding='same' with even kernel lengths",
        r"dropout2d. Received a 3D input",
        r"reduction. 'mean' divides the total loss by both the batch size and the support size",
        r"linear_cross_entropy. ``options`` ignored",
    )
]

REFUSED: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "bernoulli",
            "nn.functional.alpha_dropout",
            "nn.functional.dropout",
            "nn.functional.dropout2d",
            "nn.functional.dropout3d",
            "nn.functional.feature_alpha_dropout.with_train",
            "nn.functional.fractional_max_pool2d",
            "nn.functional.fractional_max_pool3d",
            "nn.functional.multi_head_attention_forward",
            "nn.functional.rrelu",
            "normal",
            "normal.number_mean",
            "pca_lowrank",
            "svd_lowrank",
        ),
        "it draws random numbers",
    ),
    **dict.fromkeys(
        ("corrcoef", "cov", "narrow", "nn.functional.gaussian_nll_loss", "tensor_split"),
        "it needs the value of a tensor in Python",
    ),
    **dict.fromkeys(
        (
            "combinations",
            "linalg.lstsq",
            "linalg.lstsq.grad_oriented",
            "masked_select",
            "nn.functional.ctc_loss",
        ),
        "the shape of a result depends on the values of a tensor",
    ),
    **dict.fromkeys(
        ("nn.functional.linear_cross_entropy.chunked", "nn.functional.linear_cross_entropy.chunked_none"),
        "it defines its own derivative (an autograd.Function)",
    ),
    **dict.fromkeys(
        ("nn.functional.instance_norm", "_native_batch_norm_legit", "_batch_norm_with_update"),
        "it writes to its input, its state, a weight or a buffer in place",
    ),
    **dict.fromkeys(("svd", "linalg.svd"), "its derivative needs the value of a tensor (aten.allclose"),
    "index_fill": "its derivative has a shape that depends on the values of a tensor (aten._unique",
    "to_sparse": "it makes a sparse tensor",
}
"""Operators with forms that are refused, and the true reason."""

NOT_TRIED: Final[dict[str, str]] = {
    "__rpow__": "its loop gives numbers that are not finite",
    "sparse.mm.reduce": "no sample has a dense tensor with a gradient",
    "sparse.sampled_addmm": "no sample has a dense tensor with a gradient",
}
"""Operators around which no cell can be built, and why."""


@pytest.fixture(scope="module", autouse=True)
def _database_is_not_collected() -> Iterator[None]:
    """Garbage collection among the many objects of the database takes a quarter of the time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize(("number", "name"), list(enumerate(OPERATORS)))
def test_the_engines_agree_or_the_step_is_refused_for_a_true_reason(
    number: int, name: str, record_property: Callable[[str, object], None]
) -> None:
    """Every third operator in every form, the others in two; tests/slow has all of them in all."""
    require_agreement(name, record_property, every_form=number % 3 == 0 or name in REFUSED)


def require_agreement(name: str, record_property: Callable[[str, object], None], *, every_form: bool) -> None:
    outcomes = dict(outcomes_of(OPERATORS[name], every_form=every_form))
    record_property("kinds", [outcome.kind for outcome in outcomes.values()])
    faults = [
        f"{form}: {outcome.kind}: {outcome.reason}"
        for form, outcome in outcomes.items()
        if _is_fault(name, outcome)
    ]
    kinds = {outcome.kind for outcome in outcomes.values()}
    for listed, kind in ((REFUSED, "refused"), (NOT_TRIED, "not tried")):
        if name in listed and kind not in kinds:
            faults.append(f"it is in the list of operators that are {kind}, but it is not {kind}")
    assert not faults, "\n".join([name, *faults])


def _is_fault(name: str, outcome: Outcome) -> bool:
    if outcome.kind == "equal":
        return False
    known = {"refused": REFUSED, "not tried": NOT_TRIED}.get(outcome.kind, {}).get(name)
    return known is None or not outcome.reason.removeprefix("once the gate is open: ").startswith(known)


def test_the_lists_name_operators() -> None:
    assert {*REFUSED, *NOT_TRIED} <= {*OPERATORS}
