"""Damaged price files, and checks that must hold for any of them."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from seqkit.errors import SeqkitError
from seqkit.sources.prices.options import Options
from seqkit.sources.prices.reader import examine

FOLDER = Path(__file__).parent / "prices"
FILES = sorted([*FOLDER.iterdir(), *(FOLDER.parent / "price_cases").glob("*.csv")])
HEADER_LINES = {"yfinance.csv": 3, "yfinance-panel.csv": 3, "comment.csv": 2}

TOKENS = [
    *",;\t|\"'#.-$%<>{}\\/ \n\r\0",
    *("\r\n", "\n\n", ",,", '""', "null", "N/A", "nan", "inf", "-1", "0", "1e999", "0x10", "1,234", "7,79"),
    *("12/31/1999", "03/04/2021", "2021-02-30", "2021-05-14", "20210514", "Jan 1 2000", "00:00", "-05:00"),
    *("R$ 5", "USD", "1,00,460", "23/01/02", "2024010100", "1672617600.0", "24", "%", "終値", "Volume"),
    *("é", "\ufeff", "٣", "\u00a0", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")),
]

_places = st.floats(0, 1, exclude_max=True)
_edits = st.one_of(
    st.tuples(st.just("insert"), _places, st.sampled_from(TOKENS).map(lambda token: token.encode())),
    st.tuples(st.just("insert"), _places, st.binary(min_size=1, max_size=3)),
    st.tuples(st.just("overwrite"), _places, st.sampled_from(TOKENS).map(lambda token: token.encode())),
    st.tuples(st.just("delete"), _places, st.integers(1, 40)),
    st.tuples(st.sampled_from(["repeat line", "drop line", "swap lines"]), _places, st.just(0)),
    st.tuples(st.just("end"), _places, st.just(0)),
)
mutations = st.tuples(st.sampled_from(FILES), st.booleans(), st.lists(_edits, min_size=1, max_size=4))
"""A file, whether its header is left intact, and the edits."""


def mutate(data: bytes, edits: list[tuple[str, float, bytes | int]]) -> bytes:
    for what, place, value in edits:
        at = int(place * (len(data) + 1))
        if what == "insert":
            data = data[:at] + value + data[at:]
        elif what == "overwrite":
            data = data[:at] + value + data[at + len(value) :]
        elif what == "delete":
            data = data[:at] + data[at + value :]
        elif what == "end":
            data = data[:at]
        else:
            lines = data.split(b"\n")
            line = int(place * len(lines))
            if what == "repeat line":
                lines.insert(line, lines[line])
            elif what == "drop line":
                del lines[line]
            else:
                lines[line], lines[line - 1] = lines[line - 1], lines[line]
            data = b"\n".join(lines)
    return data


def check_mutation(file: Path, spare_header: bool, edits: list[tuple[str, float, bytes | int]]) -> str:
    """Check that the mutated file is read with every row accounted for, or refused with a message.

    Returns:
        `"read"` or `"refused"`.
    """
    data = file.read_bytes()
    start = 0
    for _ in range(HEADER_LINES.get(file.name, 1) if spare_header else 0):
        start = data.index(b"\n", start) + 1
    data = data[:start] + mutate(data[start:], edits)
    path = Path(file.name)
    path.write_bytes(data)
    try:
        table = examine(path, Options(), gaps=True)
    except SeqkitError as error:
        check_message(str(error))
        return "refused"
    assert table.rows_read == table.rows + sum(finding.rows for finding in table.findings)
    assert all(finding.rows <= len(finding.lines) for finding in table.findings)
    found = {finding.kind: finding.lines for finding in table.findings}
    above = len(found.get("preamble", ())) + len(found.get("header-rows", (1,)))
    text = data.removeprefix(codecs.BOM_UTF8).decode(table.encoding, "replace").replace("\ufeff", "")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert above + table.rows_read == sum(bool(line.strip()) for line in lines)
    for prices in table.series.values():
        assert len(prices.dates) == len(prices.prices) > 0
        assert np.all(prices.dates[1:] > prices.dates[:-1])
        assert np.all(np.isfinite(prices.prices))
        assert np.all(prices.prices > 0)
        assert all(len(column) == len(prices.dates) for column in prices.columns.values())
        assert not any(np.isinf(column).any() for column in prices.columns.values())
    return "read"


def check_message(message: str) -> None:
    assert 20 < len(message) < 600
    assert len(message.splitlines()) <= 4, message
