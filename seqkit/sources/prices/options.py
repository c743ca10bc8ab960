"""The options for price files, declared once for Python, recipes and `seqkit inspect`."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar, get_type_hints

from pydantic import Field

from seqkit.errors import SourceError
from seqkit.sources.prices.spelling import Spelling, in_python

F = TypeVar("F", bound=Callable[..., Any])

Decimal: TypeAlias = Literal[".", ","]
Delimiter: TypeAlias = Annotated[str, Field(min_length=1, max_length=1)]


def _says(value: str, help_text: str) -> dict[str, str]:
    """Metadata of an option for recipes and `seqkit inspect`: the name of its value, and its help text."""
    return {"value": value, "help": help_text}


@dataclass(frozen=True)
class Options:
    """What the user can specify about a file."""

    symbol: str | Sequence[str] | None = field(
        default=None,
        metadata=_says(
            "SYMBOL", "Symbol or symbols to read; required if the file has several, unless `panel` is set."
        ),
    )
    price: str | None = field(
        default=None,
        metadata=_says("COLUMN", "Column with the price; default: the adjusted close, or else the close."),
    )
    date_format: str | None = field(
        default=None,
        metadata=_says(
            "FORMAT", "Format of the dates as in `strptime`, such as `%d/%m/%Y`; default: detected."
        ),
    )
    _: KW_ONLY
    date: str | None = field(
        default=None, metadata=_says("COLUMN", "Column with the dates; default: detected.")
    )
    symbol_column: str | None = field(
        default=None, metadata=_says("COLUMN", "Column with the symbols; default: detected.")
    )
    decimal: Decimal | None = field(default=None, metadata=_says("MARK", "Decimal mark; default: detected."))
    delimiter: Delimiter | None = field(
        default=None, metadata=_says("CHARACTER", "Character between cells; default: detected.")
    )
    min_rows: int = 1
    """Minimum number of rows per symbol; fewer are an error."""
    spell: Spelling = field(default_factory=lambda: in_python, init=False, compare=False, repr=False)
    """How messages write an option; see `spelled`."""

    def spelled(self, spell: Spelling) -> Options:
        """The same options, spelled differently in messages."""
        other = copy.copy(self)
        object.__setattr__(other, "spell", spell)
        return other

    def check(self) -> None:
        """Check the values of the options.

        Raises:
            SourceError: a value is invalid.
        """
        if self.decimal not in (None, ".", ","):
            raise SourceError(f'{self.spell("decimal", self.decimal)}: the decimal mark must be "." or ",".')
        if self.delimiter is not None and (
            len(self.delimiter) != 1
            or not self.delimiter.isascii()
            or self.delimiter.isalnum()
            or self.delimiter in '"\r\n'
        ):
            raise SourceError(
                f"{self.spell('delimiter', self.delimiter)}: the delimiter must be one character, such as "
                '",", ";" or a tab.'
            )
        if self.min_rows < 1:
            raise SourceError(f"min_rows={self.min_rows!r}: at least one row is needed.")

    @property
    def values(self) -> tuple[Any, ...]:
        """All values, in a fixed order, since they are part of a fingerprint."""
        return tuple(getattr(self, one.name) for one in fields(self) if one.init)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The requested symbols; empty if all are read."""
        return (self.symbol,) if isinstance(self.symbol, str) else tuple(self.symbol or ())

    @property
    def only_symbol(self) -> str | None:
        """The requested symbol, if there is exactly one."""
        return self.symbols[0] if len(self.symbols) == 1 else None


def show_options(function: F) -> F:
    """Show each option in the signature of a function that takes `**options`, for `help()` and checks."""
    own = inspect.signature(function)
    kinds = {parameter.kind for parameter in own.parameters.values()}
    shown = [one for one in own.parameters.values() if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    for option in inspect.signature(Options).parameters.values():
        if option.name not in own.parameters:
            by_place = option.VAR_POSITIONAL in kinds
            shown.append(option if by_place else option.replace(kind=option.KEYWORD_ONLY))
    function.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]  # inspect reads it
    return function


class Declared(NamedTuple):
    """An option that recipes and `seqkit inspect` also accept."""

    name: str
    type: Any  # a type, as in an annotation
    value: str
    """The name of its value, as in `--price COLUMN`."""
    says: str


def declared() -> list[Declared]:
    """The options declared above that have a help text."""
    types = get_type_hints(Options, include_extras=True)
    return [
        Declared(one.name, types[one.name], one.metadata["value"], one.metadata["help"])
        for one in fields(Options)
        if "help" in one.metadata
    ]


def config_fields() -> dict[str, Any]:
    """The options as fields of a pydantic model, for `pydantic.create_model`."""
    return {one.name: (one.type, Field(default=None, description=one.says)) for one in declared()}
