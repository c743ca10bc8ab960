"""Writes the dataset of the recipe hf-text, seqkit/recipes/data/seqkit-docs: `python docs/dataset.py`.

Its rows are the paragraphs of seqkit's own documentation: pages, READMEs and docstrings. It is a snapshot,
written anew by hand, for the figures on docs/recipes/hf-text.md are those of the one that ships.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "seqkit" / "recipes" / "data" / "seqkit-docs"
OWN_PAGE = ROOT / "docs" / "recipes" / "hf-text.md"  # it quotes what was trained on the rest
SHORTEST = 40  # characters; what is shorter is headings and labels
ONE_IN = 10  # is for validation

FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
DOCSTRING_OWNERS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def paragraphs(root: Path = ROOT) -> list[str]:
    """Every paragraph once, in the order of the files."""
    texts = [*pages(root), *docstrings(root)]
    found = (part.strip() for text in texts for part in re.split(r"\n\s*\n", text))
    return list(dict.fromkeys(part for part in found if len(part) >= SHORTEST and is_prose(part)))


def pages(root: Path) -> Iterator[str]:
    """The pages without their code and tables, links as their text."""
    for page in sorted([root / "README.md", *root.glob("docs/**/*.md"), *root.glob("plugins/*/README.md")]):
        if page != OWN_PAGE:
            lines = FENCE.sub("", page.read_text("utf-8")).splitlines()
            yield LINK.sub(r"\1", "\n".join("" if line.startswith(("|", "#")) else line for line in lines))


def docstrings(root: Path) -> Iterator[str]:
    """The docstrings of the package and of the plugins, those of fields as well."""
    for file in sorted([*root.glob("seqkit/**/*.py"), *root.glob("plugins/*/seqkit_*/*.py")]):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            for child in getattr(node, "body", []) if isinstance(node, DOCSTRING_OWNERS) else []:
                if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                    yield inspect.cleandoc(str(child.value.value))


def is_prose(text: str) -> bool:
    """No example to be run, no table, no drawing."""
    return not re.search(r"^ *(>>>|[|│─])", text, re.M)


def split_of(text: str) -> str:
    """By a hash, so that a paragraph stays where it is when others change."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    return "validation" if number % ONE_IN == 0 else "train"


def write(folder: Path = FOLDER) -> None:
    """Write a file a split."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = paragraphs()
    for split in ("train", "validation"):
        lines = [json.dumps({"text": row}, ensure_ascii=False) for row in rows if split_of(row) == split]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        print(f"{split}: {len(lines)} rows", file=sys.stderr)


if __name__ == "__main__":
    write()
