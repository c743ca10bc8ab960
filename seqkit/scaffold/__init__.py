"""Templates for complete plugin projects, which `seqkit new` writes.

`project/` is common to all kinds. `cell/`, `tokenizer/`, `source/` and `head/` each have the module with the
component, its test and the declaration. A single file has declaration and component together.
"""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

import seqkit
from seqkit.errors import PluginError
from seqkit.registry import Registry

HERE = Path(__file__).parent
KINDS = ("cell", "tokenizer", "source", "head")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def write_project(kind: str, name: str, folder: Path, *, single_file: bool = False) -> list[Path]:
    """Write a plugin project for a component, or a single file.

    Args:
        kind: `"cell"`, `"tokenizer"`, `"source"` or `"head"`.
        name: name of the component: lower-case letters, digits and `-`.
        folder: folder in which `seqkit-<name>/`, or `<name>.py`, is written.
        single_file: whether to write one file for `-p` instead of an installable project.
    Returns:
        The files that were written.
    Raises:
        PluginError: the name cannot be used, or the project exists already.
    """
    if not NAME.fullmatch(name):
        raise PluginError(f"{name!r} cannot be the name of a {kind}: use lower-case letters, digits and '-'.")
    if name in Registry(["no:*"]).names(kind):
        raise PluginError(
            f"{name!r} is a {kind} of seqkit itself; a plugin cannot use its name.\n  Choose another name."
        )
    module = f"seqkit_{name.replace('-', '_')}"
    words = {
        "name": name,
        "kind": kind,
        "distribution": f"seqkit-{name}",
        "module": module,
        "function_name": name.replace("-", "_"),
        "class_name": "".join(part.capitalize() for part in name.split("-")),
        "seqkit_version": ".".join(seqkit.__version__.split(".")[:2]),
    }
    if single_file:
        targets = {folder / f"{name.replace('-', '_')}.py": HERE / kind / "single_file.py.txt"}
    else:
        root = folder / f"seqkit-{name}"
        targets = {
            root / "pyproject.toml": HERE / "project" / "pyproject.toml.txt",
            root / "README.md": HERE / "project" / "README.md.txt",
            root / module / "__init__.py": HERE / kind / "declaration.py.txt",
            root / module / f"{kind}.py": HERE / kind / "component.py.txt",
            root / "tests" / "test_conformance.py": HERE / kind / "test.py.txt",
        }
    for target in targets:
        taken = target if single_file else root
        if taken.exists():
            raise PluginError(
                f"{taken} exists already; nothing was written.\n"
                "  Choose another name or folder, or delete it."
            )
    for target, template in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(template.read_text("utf-8")).substitute(words), "utf-8")
    return list(targets)
