"""Record the outputs of all units of a model while it reads a text."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from seqkit.cells import Stacked, State
from seqkit.errors import OutOfRangeError, SourceError
from seqkit.inference.reading import CHUNK, Block, Documents, read_blocks, restarts
from seqkit.inference.spelling import token_texts
from seqkit.model import SequenceModel, device_of, evaluating
from seqkit.tokenizers import Tokenizer

MAX_BYTES = 2 << 30


@dataclass(frozen=True, eq=False)
class States:
    """The outputs of one layer, after each token of a text."""

    tokens: tuple[str, ...]
    """The text that each token completes; joined, they are the text. See `token_texts`."""
    values: NDArray[np.float32]
    """`(tokens, units)`."""
    layer: int
    """Index of the layer; 0 is the layer that reads the text."""

    def __repr__(self) -> str:
        tokens, units = self.values.shape
        return f"States({tokens} tokens, {units} units, layer={self.layer})"

    @property
    def text(self) -> str:
        """The text that was read."""
        return "".join(self.tokens)

    def unit(self, index: int) -> NDArray[np.float32]:
        """Output of one unit after each token, `(tokens,)`.

        Raises:
            OutOfRangeError: there is no such unit.
        """
        units = self.values.shape[1]
        if not 0 <= index < units:
            raise OutOfRangeError(
                f"there is no unit {index}: layer {self.layer} has the units 0 to {units - 1}."
            )
        return self.values[:, index]

    def most_variable(self, count: int = 10) -> list[tuple[int, float]]:
        """The units that change most: `(unit, standard deviation over the tokens)`, in descending order."""
        return _first(self.values.std(0, dtype=np.float64), count)

    def most_correlated(self, where: ArrayLike, count: int = 10) -> list[tuple[int, float]]:
        """The units most correlated with a property: `(unit, correlation)`, the strongest first.

        Args:
            where: a bool for every character of the text, for instance whether it is in quotes.
            count: number of units.
        Raises:
            OutOfRangeError: its length differs from that of the text, or all its values are equal.

        A correlation is from -1 to 1, over the characters; the characters of a token share its value.
        """
        wanted = np.asarray(where, dtype=np.float64)
        lengths = np.array([len(token) for token in self.tokens])
        characters = int(lengths.sum())
        if wanted.shape != (characters,):
            raise OutOfRangeError(
                f"a bool for each of the {characters} characters of the text is needed; "
                f"got shape {wanted.shape}."
            )
        if wanted.min() == wanted.max():
            raise OutOfRangeError(
                "a property that all characters have, or none, cannot be correlated with a unit."
            )
        owner = np.repeat(np.arange(len(lengths)), lengths)  # the token of each character
        weights = lengths / characters
        centered = self.values - weights @ self.values
        shared = np.bincount(owner, wanted - wanted.mean(), len(lengths)) / characters
        spread = np.sqrt(weights @ centered**2) * wanted.std()
        correlations = np.divide(shared @ centered, spread, out=np.zeros(len(spread)), where=spread > 1e-9)
        return _first(correlations, count)

    def plot(self, unit: int, path: str | Path) -> None:
        """Write the text as a picture (PNG), each token coloured by a unit: blue is negative, red positive.

        Raises:
            OutOfRangeError: there is no such unit, the text is too long, or the path does not end in .png.
        """
        from seqkit.inference.picture import draw_text  # matplotlib takes a while to import

        if Path(path).suffix != ".png":
            raise OutOfRangeError(f"a picture is a .png file, and {path} is not one.")
        draw_text(self.tokens, self.unit(unit), Path(path), f"unit {unit} of layer {self.layer}")

    def save(self, path: str | Path) -> None:
        """Save the data as `.npz` (text in UTF-8, characters of each token, values, layer) or `.csv`.

        A CSV file has a row for every token, with its text and a column for every unit.

        Raises:
            OutOfRangeError: the path has another extension.
        """
        path = Path(path)
        if path.suffix == ".npz":
            np.savez_compressed(
                path,
                text=np.frombuffer(self.text.encode("utf-8", "surrogatepass"), np.uint8),
                lengths=np.array([len(token) for token in self.tokens], np.int64),
                values=self.values,
                layer=self.layer,
            )
        elif path.suffix == ".csv":
            with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["token", *(f"unit_{unit}" for unit in range(self.values.shape[1]))])
                for token, row in zip(self.tokens, self.values.tolist(), strict=True):
                    writer.writerow([token, *(f"{value:.6g}" for value in row)])
        else:
            raise OutOfRangeError(
                f"states are saved as .npz or .csv, pictures as .png; {path} has another extension."
            )


def read_states(
    model: SequenceModel,
    tokenizer: Tokenizer,
    text: str | Iterable[str] | Documents,
    *,
    layer: int = -1,
    lines: bool = False,
) -> States:
    """Read a text once, with the state carried, and keep the output of every unit after each token.

    Args:
        model: a model with one cell, or several stacked cells.
        tokenizer: the tokenizer that the model was trained with.
        text: a text, or pieces of it; its first token is read after a start token.
        layer: layer of a stack; 0 is the layer that reads the text, -1 the last.
        lines: each line is a document: the state is reset at its end.
    Raises:
        SourceError: the text is empty.
        OutOfRangeError: there is no such layer, or the values would take more than 2 GiB.
    """
    model, layer = _up_to(model, layer)
    units = model.cell.output_size
    read: list[Block] = []
    count = 0
    for block in read_blocks(tokenizer, text, lines=lines):
        read.append(block)
        count += len(block.ids)
        if count * units * 4 > MAX_BYTES:
            raise OutOfRangeError(
                f"{units} units after more than {MAX_BYTES // units // 4:,} tokens take more than 2 GiB.\n"
                "  Give a part of the text."
            )
    if not count:
        raise SourceError("there is no text to read: it is empty.")
    ids = np.concatenate([block.ids for block in read])
    values = np.empty((count + 1, units), np.float32)  # the first row is after the start token
    inputs = torch.from_numpy(np.append(tokenizer.start_id, ids.astype(np.int64))).to(device_of(model))
    state: State = None
    for number, chunk in enumerate(torch.split(inputs, CHUNK)):
        with evaluating(model.modules()), torch.inference_mode():
            hidden, state = model.hidden(chunk[None], state, restarts(tokenizer, chunk))
        values[number * CHUNK : number * CHUNK + len(chunk)] = hidden[0].float().cpu().numpy()
    tokens = [token for block in read for token in token_texts(tokenizer, block.text, block.ids)]
    return States(tuple(tokens), values[1:], layer)


def _up_to(model: SequenceModel, layer: int) -> tuple[SequenceModel, int]:
    """A model of the same modules that ends with this layer, and the index of the layer, from 0."""
    cells = list(model.cell.cells) if isinstance(model.cell, Stacked) else [model.cell]
    if not -len(cells) <= layer < len(cells):
        count = "1 layer" if len(cells) == 1 else f"{len(cells)} layers"
        raise OutOfRangeError(f"there is no layer {layer}: the model has {count}, and the first one is 0.")
    layer %= len(cells)
    if layer == len(cells) - 1:
        return model, layer
    lower = Stacked(cells[: layer + 1])
    return SequenceModel(lower, encoder=model.encoder, head="none", engine=model.engine), layer


def _first(scores: NDArray[np.float64], count: int) -> list[tuple[int, float]]:
    order = np.argsort(-np.abs(scores), kind="stable")[:count]
    return [(int(unit), float(scores[unit])) for unit in order]
