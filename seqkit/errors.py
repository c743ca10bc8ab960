"""Every error that seqkit raises on purpose, in one class hierarchy.

A message says what is wrong, what was received, what is known, and what to do.
The command line prints it without a traceback and exits with `exit_code`.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence


class SeqkitError(Exception):
    """The base class: `except seqkit.errors.SeqkitError` catches all that seqkit raises on purpose."""

    exit_code = 2
    is_known = False
    """Whether all processes have heard of it, if several train together."""


class UnknownNameError(SeqkitError):
    """There is no cell, tokenizer, source, recipe, engine, ... of that name."""

    def __init__(
        self, kind: str, name: object, known: Iterable[str], where: str = "", hint: str = ""
    ) -> None:
        known = sorted(known)
        place = f" ({where})" if where else ""
        message = f"no {kind} is called {name!r}{place}.{did_you_mean(str(name), known)}"
        hint = f"\n  {hint}" if hint else ""
        super().__init__(f"{message}\n  Known: {', '.join(known) or 'none'}.{hint}")


class RecipeError(SeqkitError):
    """A recipe is invalid; the message lists every fault that was found, one per line, with its place."""

    def __init__(self, title: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__("\n  ".join([f"{count} in {title}:", *self.faults]))


class PluginError(SeqkitError):
    """A requested plugin cannot be loaded, or does not do what it declares."""


class PluginConflictError(PluginError):
    """Two distributions declare a component of the same name."""


class MissingPluginError(PluginError):
    """A run needs a plugin that is not installed or was not given."""


class ContractError(SeqkitError):
    """A cell, a head or a batch breaks its contract, or two parts do not fit together."""


class StepError(ContractError):
    """The step of a cell fails; the message names the error and its line."""


class SplitError(SeqkitError):
    """A step cannot be split (engine "fused") or compiled (engine "compiled"); the loop runs it."""


class AuditError(SeqkitError):
    """In training, the engine's gradients were found to differ from the loop's."""


class CompilerError(SplitError):
    """Engine "compiled" was requested, and there is no C++ compiler."""


class SourceError(SeqkitError):
    """Data cannot be read: a missing, empty or undecodable file, or a missing split."""


class UnknownCharacterError(SeqkitError):
    """A tokenizer with `errors="strict"` met a character outside its vocabulary."""

    def __init__(self, character: str, position: int, where: str = "") -> None:
        self.character, self.position = character, position
        name = unicodedata.name(character, "")
        described = f"{character!r} (U+{ord(character):04X}{', ' + name if name else ''})"
        super().__init__(
            f"unknown character {described} at position {position}{where}.\n"
            '  The vocabulary comes from the training text. Use errors = "replace" to read it as <unk>.'
        )


class SamplingError(SeqkitError):
    """A sampling option is out of its range."""


class OutOfRangeError(SeqkitError):
    """A unit, layer or length does not exist, or a text is too long for the request."""


class RunError(SeqkitError):
    """A run directory is missing, incomplete, or holds another run."""


class SaveError(RunError):
    """A checkpoint cannot be written; the one before it is kept."""

    exit_code = 1


class LostClaimError(RunError):
    """Another process writes to the run directory: this one did not renew its lease in time."""

    exit_code = 1


class RankError(SeqkitError):
    """Another of the processes that train together has failed or gone, or they cannot be connected.

    Attributes:
        reporter: rank of the process that prints the message.
    """

    exit_code = 1
    reporter = 0


class WrongKindError(RunError, AttributeError):
    """A forecast was requested from a run on text, or text from a run on series."""


class BudgetError(SeqkitError):
    """Training could not begin or would never end: there is no budget, or no data."""


class NonFiniteError(SeqkitError):
    """The loss or the gradient norm is not a finite number; the weights were not changed."""

    exit_code = 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`" Did you mean 'x'?"` for the nearest known name, or an empty string."""
    known = list(known)
    near = [other for other in known if other.lower() == name.lower()]
    near = near or difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
