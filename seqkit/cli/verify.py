"""`seqkit verify`: is every byte of a run what was written?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from seqkit.cli.foreign import echo
from seqkit.cli.output import json_option, print_json


@click.command("verify")
@click.argument("directory", metavar="DIR")
@json_option
def command(directory: str, as_json: bool) -> None:
    """Verify the files of the run in DIR, or of every seed in it.

    Each file is compared with the size and the SHA-256 that were recorded when it was written. The exit code
    is 1 if one is damaged.
    """
    from seqkit.run.verifying import verify

    found = verify(Path(directory))
    if as_json:
        print_json(
            {
                "path": directory,
                "whole": not any(each.problems for each in found),
                "files": [
                    {"path": str(each.path), "whole": not each.problems, "problems": list(each.problems)}
                    for each in found
                ],
            }
        )
    else:
        for each in found:
            echo(f"{'damaged' if each.problems else 'ok':<8} {each.path}")
            for problem in each.problems:
                echo(f"         {problem}")
    if any(each.problems for each in found):
        sys.exit(1)
