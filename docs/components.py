"""Write docs/reference/components.md from the registry: `make docs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqkit.registry import Registry

PAGE = Path(__file__).parent / "reference" / "components.md"
TITLES = {
    "cell": "Cells",
    "tokenizer": "Tokenizers",
    "source": "Sources",
    "encoder": "Encoders",
    "head": "Heads",
}
HEAD = """# Components

The components that recipes can name, with the plugins of this repository installed. `seqkit plugins`
lists the components on your machine. `make docs` writes this page; a test compares it with the registry.
"""


def page() -> str:
    """The text of the page."""
    registry = Registry()
    parts = [HEAD]
    for kind, title in TITLES.items():
        parts.append(f"## {title}\n")
        parts += [_component(entry) for declared, entry in registry.entries() if declared == kind]
    parts.append("## Recipes\n")
    rows = [
        f"| `{entry.declaration.name}` | {entry.origin.distribution} |"
        for kind, entry in registry.entries()
        if kind == "recipe"
    ]
    parts.append("\n".join(["| recipe | distribution |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _component(entry: Any) -> str:
    config = entry.declaration.config
    lines = [
        f"### `{entry.declaration.name}`",
        "",
        f"{config.__doc__.strip()} *({entry.origin.distribution})*",
        "",
    ]
    if not config.model_fields:
        return "\n".join([*lines, "No settings.", ""])
    lines += ["| setting | default | |", "|---|---|---|"]
    for name, field in config.model_fields.items():
        default = "needed" if field.is_required() else f"`{field.default!r}`"
        lines.append(f"| `{name}` | {default} | {' '.join((field.description or '').split())} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
