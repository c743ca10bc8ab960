"""`seqkit bench`: measurements that anyone can repeat, as ratios in one process."""

from __future__ import annotations

import click

from seqkit.cli.output import json_option, print_json


@click.group("bench")
def command() -> None:
    """Measure seqkit itself; keep the machine idle meanwhile."""


@command.command("trainer")
@click.option("--batch-size", default=32, show_default=True)
@click.option("--seq-len", default=100, show_default=True)
@click.option("--hidden-size", default=128, show_default=True)
@click.option("--repeats", default=15, show_default=True)
@json_option
def trainer(batch_size: int, seq_len: int, hidden_size: int, repeats: int, as_json: bool) -> None:
    """What the trainer adds to a bare loop over the same model."""
    from seqkit.bench.trainer import measure

    result = measure(batch_size, seq_len, hidden_size, repeats=repeats)
    if as_json:
        print_json(result)
        return
    click.echo(
        f"batch {batch_size}, time {seq_len}, hidden {hidden_size}, engine {result['engine']}, "
        f"{repeats} times {result['steps']} steps of each in turn\n"
        f"bare loop  {result['bare_ms_per_step']:.2f} ms a step\n"
        f"Trainer    {result['trainer_ms_per_step']:.2f} ms a step\n"
        f"ratio      {result['ratio']:.3f} (from {result['ratio_min']:.3f} to {result['ratio_max']:.3f})"
    )


@command.command("tokenizer")
@click.option("--repeats", default=10, show_default=True)
@json_option
def tokenizer(repeats: int, as_json: bool) -> None:
    """How fast characters are encoded, on one core."""
    from seqkit.bench.tokenizer import measure

    result = measure(repeats=repeats)
    if as_json:
        print_json(result)
        return
    for name, megabytes_per_s in result["megabytes_per_s"].items():
        click.echo(f"{name:<10} {megabytes_per_s:8,.0f} MB/s of UTF-8")
