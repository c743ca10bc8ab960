"""`seqkit cache`: what was computed once and is kept, and clearing it."""

from __future__ import annotations

import click

from seqkit.cli.foreign import echo
from seqkit.cli.output import json_option, print_json, print_table


@click.command("cache")
@click.option("--clear", is_flag=True, help="Remove all of it; what is needed is computed again.")
@json_option
def command(clear: bool, as_json: bool) -> None:
    """Show or clear what is computed once and kept.

    That is compiled steps, tokenised texts and trained tokenizers, in the directory SEQKIT_CACHE or that of
    the user. A compiled step is verified before it is used; the least recently used ones are removed when
    all of them are larger than 256 MB.
    """
    from seqkit import caching

    if clear:
        caching.clear()
    found = caching.kept()
    if as_json:
        rows = [
            {
                **vars(each),
                "folder": str(each.folder),
                "used": each.used and each.used.isoformat(timespec="seconds"),
            }
            for each in found
        ]
        print_json({"path": str(caching.cache_dir()), "kept": rows})
        return
    echo(str(caching.cache_dir()))
    print_table(
        ("kept", "entries", "MB", "last used"),
        [
            (
                each.holds,
                f"{each.entries:,}",
                f"{each.size_bytes / 1e6:.1f}",
                "" if each.used is None else f"{each.used:%Y-%m-%d %H:%M}",
            )
            for each in found
        ],
    )
