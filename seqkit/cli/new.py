"""`seqkit new`: write a plugin project to start from."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("new")
@click.argument("kind", type=click.Choice(["cell", "tokenizer", "source", "head"]))
@click.argument("name")
@click.option("--single-file", is_flag=True, help="Write one file for -p, not an installable project.")
@click.option("--in", "folder", default=".", show_default=True, help="Folder to write it in.")
def command(kind: str, name: str, single_file: bool, folder: str) -> None:
    """Write a complete plugin called NAME, whose tests pass at once."""
    from seqkit.scaffold import write_project

    files = write_project(kind, name, Path(folder), single_file=single_file)
    for file in files:
        click.echo(f"wrote {file}")
    if single_file:
        extra = " source.path=my.txt" if kind == "source" else ""
        key = "model.head" if kind == "head" else f"{kind}.use"
        click.echo(f"\nNext:\n  seqkit run quickstart -p {_typed(files[0])} {key}={name}{extra}")
    else:
        root = files[0].parent
        extra = " path=data.jsonl --missing path=nowhere.jsonl" if kind == "source" else ""
        click.echo(
            f"\nNext:\n  pip install -e '{_typed(root)}[test]'\n  pytest {root}\n  seqkit check {name}{extra}"
        )


def _typed(path: Path) -> str:
    """The path as it has to be typed, so that it is read as a path."""
    return str(path) if path.is_absolute() else f"./{path}"
