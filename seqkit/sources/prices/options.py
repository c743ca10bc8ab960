"""The options of a price file, declared once: Python, recipes and `seqkit inspect` take them from here."""

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
    """What recipes and `seqkit inspect` say of an option: what its value is, and what it is for."""
    return {"value": value, "help": help_text}


@dataclass(frozen=True)
class Options:
    """What a user can say about a file that cannot be seen in it."""

    symbol: str | Sequence[str] | None = field(
        default=None,
        metadata=_says(
            "SYMBOL", "One symbol of the file, or several; needed if it has several, unless `panel`."
        ),
    )
    price: str | None = field(
        default=None,
        metadata=_says("COLUMN", "The column of the price; else the adjusted close, else the close."),
    )
    date_format: str | None = field(
        default=None,
        metadata=_says(
            "FORMAT", "The order of day, month and year, as in `strptime`: `%d/%m/%Y`; else it is found."
        ),
    )
    _: KW_ONLY
    date: str | None = field(
        default=None, metadata=_says("COLUMN", "The column of the dates; else it is found.")
    )
    symbol_column: str | None = field(
        default=None, metadata=_says("COLUMN", "The column of the symbols; else it is found.")
    )
    decimal: Decimal | None = field(
        default=None, metadata=_says("MARK", "The decimal mark; else it is found.")
    )
    delimiter: Delimiter | None = field(
        default=None, metadata=_says("CHARACTER", "The character between cells; else it is found.")
    )
    min_rows: int = 1
    """Fewer rows of a symbol are an error."""
    spell: Spelling = field(default_factory=lambda: in_python, init=False, compare=False, repr=False)
    """How messages write an option; see `spelled`."""

    def spelled(self, spell: Spelling) -> Options:
        """The same options, which messages write in another way."""
        other = copy.copy(self)
        object.__setattr__(other, "spell", spell)
        return other

    def check(self) -> None:
        """Raise an error for a value that no file can want.

        Raises:
            SourceError: there is one.
        """
        if self.decimal not in (None, ".", ","):
            raise SourceError(f'{self.spell("decimal", self.decimal)}: the decimal mark is "." or ",".')
        if self.delimiter is not None and (
            len(self.delimiter) != 1
            or not self.delimiter.isascii()
            or self.delimiter.isalnum()
            or self.delimiter in '"\r\n'
        ):
            raise SourceError(
                f"{self.spell('delimiter', self.delimiter)}: a delimiter is one character, such as "
                '",", ";" or a tab.'
            )
        if self.min_rows < 1:
            raise SourceError(f"min_rows={self.min_rows!r}: at least one row is needed.")

    @property
    def values(self) -> tuple[Any, ...]:
        """All values, in an order that stays: a fingerprint is made of it."""
        return tuple(getattr(self, one.name) for one in fields(self) if one.init)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Those that are wanted; none where all are."""
        return (self.symbol,) if isinstance(self.symbol, str) else tuple(self.symbol or ())

    @property
    def only_symbol(self) -> str | None:
        """The symbol, where one was named."""
        return self.symbols[0] if len(self.symbols) == 1 else None


def show_options(function: F) -> F:
    """Let the signature of a function of `**options` show them one by one, to `help()` and to checks."""
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
    """An option that recipes and `seqkit inspect` take as well."""

    name: str
    type: Any  # a type, as in an annotation
    value: str
    """What its value is, as in `--price COLUMN`."""
    says: str


def declared() -> list[Declared]:
    """The options, as they are declared above."""
    types = get_type_hints(Options, include_extras=True)
    return [
        Declared(one.name, types[one.name], one.metadata["value"], one.metadata["help"])
        for one in fields(Options)
        if "help" in one.metadata
    ]


def config_fields() -> dict[str, Any]:
    """The options as fields of a pydantic model, for `pydantic.create_model`."""
    return {one.name: (one.type, Field(default=None, description=one.says)) for one in declared()}
