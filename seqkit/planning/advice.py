"""Warnings of a plan, and their remedies: each in one line, with its figure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from seqkit.data.batches import UNKNOWN_CHARACTER_BITS
from seqkit.planning.figures import Finding, Plan, duration
from seqkit.planning.sizes import PARAMETERS_PER_TOKEN, TOKENS_PER_PARAMETER, propose_sizes, size_field
from seqkit.recipe import ResolvedRecipe
from seqkit.tasks.text import EVALUATION_LANES, TextData

MEMORY_SHARE = 0.8
"""Share of the available memory from which a training gets a warning."""
TINY_TOKENS = 100_000
LARGE_VOCABULARY = 1000
"""Below this size, neither rare tokens nor the head matter much."""
MANY_EPOCHS = 100
PATIENCE = 10
MORE_HELD_OUT = "data.split=0.8,0.1,0.1"


def advise(plan: Plan, recipe: ResolvedRecipe, data: TextData) -> Plan:
    """The plan with sizes for its data, warnings, and the overrides that apply both."""
    plan = replace(plan, sizes=propose_sizes(plan, recipe))
    findings = [
        *_look_at_memory(plan, recipe),
        *_look_at_data(plan, recipe),
        *_look_at_held_out_splits(plan, recipe, cut_here=data.splits.source.splits == ("all",)),
        *_look_at_vocabulary(plan, recipe),
        *_look_at_unknown(plan, recipe),
        *_look_at_budget(plan, recipe),
    ]
    remedies = [override for finding in findings for override in finding.overrides]
    overrides: dict[str, str] = {}
    for override in [*remedies, *_changes(plan, recipe)]:
        overrides.setdefault(override.partition("=")[0], override)
    return replace(
        plan,
        warnings=tuple(finding.message for finding in findings),
        overrides=tuple(overrides.values()),
    )


def _changes(plan: Plan, recipe: ResolvedRecipe) -> list[str]:
    """Overrides for the proposed sizes that differ from those of the recipe."""
    tables = recipe.tables()
    keys = {key: key.split(".") for key in plan.sizes}
    return [
        f"{key}={plan.sizes[key]}"
        for key, (table, name) in keys.items()
        if plan.sizes[key] != tables[table][name]
    ]


def _look_at_memory(plan: Plan, recipe: ResolvedRecipe) -> Iterator[Finding]:
    memory, train = plan.memory, recipe.train
    if memory.growth is None or memory.available is None or memory.growth < MEMORY_SHARE * memory.available:
        return
    override = f"train.batch_size={train.batch_size // 2}"
    if train.batch_size == 1:
        override = f"train.seq_len={max(1, train.seq_len // 2)}"
    yield Finding(
        f"memory: training takes {memory.growth:,.0f} MB of the {memory.available:,.0f} MB available: "
        f"{override} takes about half.",
        (override,),
    )


def _look_at_data(plan: Plan, recipe: ResolvedRecipe) -> Iterator[Finding]:
    """Warnings for too little data: in general, for this cell, and for batches of this size."""
    tokens, train = plan.splits["train"].tokens, recipe.train
    if tokens < TINY_TOKENS:
        yield Finding(
            f"tiny data: {tokens:,} tokens for training; little is learned from fewer than {TINY_TOKENS:,}: "
            "more text helps more than any setting."
        )
    field = size_field(recipe)
    if field is not None and plan.sizes[f"cell.{field}"] < getattr(recipe.cell.config, field):
        override, per_token = f"cell.{field}={plan.sizes[f'cell.{field}']}", plan.cell_parameters / tokens
        if per_token > PARAMETERS_PER_TOKEN:
            yield Finding(
                f"overfitting: {per_token:,.0f} parameters of the cell for each token of the training text: "
                f"{override} has at most {PARAMETERS_PER_TOKEN}."
            )
        else:
            read = plan.expected.epochs / per_token
            yield Finding(
                f"short budget: {read:.2g} tokens are read for each parameter of the cell, and "
                f"{TOKENS_PER_PARAMETER} would be best: {override}, or more time."
            )
    dropout = plan.sizes["model.dropout"]
    if dropout > recipe.model.dropout:
        yield Finding(
            f"overfitting: {plan.cell_parameters / tokens:,.1f} parameters of the cell for each token of the "
            f"training text, which is read {plan.expected.epochs:,.0f} times: model.dropout={dropout}."
        )
    batch_size, seq_len = plan.sizes["train.batch_size"], plan.sizes["train.seq_len"]
    if (batch_size, seq_len) != (train.batch_size, train.seq_len):
        yield Finding(
            f"short split: {tokens:,} tokens for training give {plan.steps_per_epoch} steps per epoch, "
            f"each of {plan.batch_size} x {train.seq_len}: train.batch_size={batch_size} "
            f"train.seq_len={seq_len}."
        )


def _look_at_held_out_splits(plan: Plan, recipe: ResolvedRecipe, cut_here: bool) -> Iterator[Finding]:
    """Warnings for a validation or test split that is missing, or too short to be informative."""
    window = recipe.train.seq_len
    if plan.speed.evaluation_s is None:
        yield Finding(
            "no validation split: overfitting goes unnoticed, and the last weights are kept, not the best: "
            f"{MORE_HELD_OUT if cut_here else 'give the source one'}.",
            (MORE_HELD_OUT,) if cut_here else (),
        )
    for split, share in zip(("validation", "test"), recipe.data.split[1:], strict=True):
        counts = plan.splits.get(split)
        if counts is None or not counts.tokens or counts.tokens >= EVALUATION_LANES * window:
            continue
        windows = EVALUATION_LANES if counts.tokens >= window else 1
        more = cut_here and share < 0.1
        yield Finding(
            f"short split: {counts.tokens:,} tokens for {split}, fewer than {windows} x {window} "
            f"({'lanes' if windows > 1 else 'one window'} x train.seq_len), so its loss is imprecise: "
            f"{MORE_HELD_OUT if more else 'more text'}.",
            (MORE_HELD_OUT,) if more else (),
        )


def _look_at_vocabulary(plan: Plan, recipe: ResolvedRecipe) -> Iterator[Finding]:
    """Warnings for tokens that are too rare to be learned, and for layers that are large for their number."""
    vocabulary, keys = plan.vocabulary, recipe.tokenizer.entry.declaration.config.model_fields
    if vocabulary.size < LARGE_VOCABULARY:
        return
    common = vocabulary.size - vocabulary.rare
    if vocabulary.rare > common:
        overrides: tuple[str, ...] = ()
        if "min_count" in keys:
            overrides = (f"tokenizer.min_count={vocabulary.rare_below}", *_spelling(recipe))
        elif "vocab_size" in keys:
            overrides = (f"tokenizer.vocab_size={common}",)
        yield Finding(
            f"large vocabulary: {vocabulary.rare:,} of {vocabulary.size:,} tokens occur in the training text "
            f"fewer than {vocabulary.rare_below} times: "
            f"{' '.join(overrides) or 'more text, or tokenizer.use=byte'}.",
            overrides,
        )
    rest = plan.parameters - plan.head_parameters
    if plan.head_parameters > rest:
        key = next((key for key in ("max_vocab", "vocab_size") if key in keys), None)
        smaller = max(LARGE_VOCABULARY, round(vocabulary.size * rest / plan.head_parameters, -2))
        overrides = (f"tokenizer.{key}={smaller}",) if key and smaller < vocabulary.size else ()
        yield Finding(
            f"large vocabulary: the head has {plan.head_parameters / plan.parameters:.0%} of the parameters, "
            f"for {vocabulary.size:,} tokens: {' '.join(overrides) or 'a tokenizer with fewer'}.",
            overrides,
        )
    if recipe.encoder.use == "one_hot":
        yield Finding(
            f"large vocabulary: the cell reads one-hot rows of {vocabulary.size:,} features: "
            f"model.encoder=embedding has {recipe.model.embedding_size}.",
            ("model.encoder=embedding",),
        )


def _look_at_unknown(plan: Plan, recipe: ResolvedRecipe) -> Iterator[Finding]:
    found = [
        f"{counts.unknown_characters:,} of {counts.characters:,} in {split}"
        for split, counts in plan.splits.items()
        if counts.unknown_characters
    ]
    if found:
        overrides = _spelling(recipe)
        yield Finding(
            f"unknown characters: {', '.join(found)}; each costs {UNKNOWN_CHARACTER_BITS:.1f} bits more: "
            f"{' '.join(overrides) or 'a training text that has them'}.",
            overrides,
        )


def _spelling(recipe: ResolvedRecipe) -> tuple[str, ...]:
    """The override that spells unknown words, if the tokenizer can do that and the recipe does not."""
    lost = getattr(recipe.tokenizer.config, "unknown", None) == "token"
    return ("tokenizer.unknown=spell",) if lost else ()


def _look_at_budget(plan: Plan, recipe: ResolvedRecipe) -> Iterator[Finding]:
    expected, train = plan.expected, recipe.train
    without = "".join(
        f"train.{name}=none " for name in ("steps", "minutes") if getattr(train, name) is not None
    )
    if expected.epochs < 1:
        whole_s = plan.steps_per_epoch * plan.speed.step_ms / 1000
        yield Finding(
            f"short budget: {expected.ended_by} read {expected.epochs:.1%} of the training text: "
            f"{without}train.epochs=1 reads all of it, in {duration(whole_s)}."
        )
    elif expected.epochs > MANY_EPOCHS and train.patience is None:
        watched = plan.speed.evaluation_s is not None
        remedy = f"train.patience={PATIENCE}" if watched else f"{without}train.epochs=30"
        yield Finding(
            f"long budget: {expected.ended_by} read the training text {expected.epochs:,.0f} times: "
            f"{remedy}.",
            (remedy,) if watched else (),
        )
