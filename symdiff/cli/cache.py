"""`symdiff cache`: machine code that is kept on disk."""

from __future__ import annotations

from dataclasses import asdict

import click

import symdiff as sd
from symdiff.cli.commands import AS_JSON
from symdiff.cli.write import as_text, console, usage_table


@click.group(name="cache")
def cache_command() -> None:
    """Machine code kept on disk."""


@cache_command.command(name="info")
@click.option("--json", "as_json", is_flag=True, help=AS_JSON)
def cache_info(as_json: bool) -> None:
    """Say where the cache is, how large it is, and how large it may become."""
    usage = sd.cache.info()
    if as_json:
        click.echo(as_text(asdict(usage)), nl=False)
    else:
        console().print(usage_table(usage))


@cache_command.command(name="clear")
@click.option("--json", "as_json", is_flag=True, help=AS_JSON)
def cache_clear(as_json: bool) -> None:
    """Remove all machine code that is kept on disk."""
    folder, removed = sd.cache.info().folder, sd.cache.clear()
    if as_json:
        click.echo(as_text({"folder": folder, "removed": removed}), nl=False)
    else:
        click.echo(f"removed {removed} {'entry' if removed == 1 else 'entries'} from {folder}")
