"""The command line: `symdiff compile`, `check`, `explain`, `graph`, `bench`, `cache`, a file each.

Results go to standard output, diagnostics to standard error. The exit status is 0 for success,
1 for a failed check and 2 for bad input.
"""

from __future__ import annotations

import click

import symdiff as sd
from symdiff.cli.bench import bench_command
from symdiff.cli.cache import cache_command
from symdiff.cli.check import check_command
from symdiff.cli.commands import FormulaGroup
from symdiff.cli.compile import compile_command
from symdiff.cli.explain import explain_command
from symdiff.cli.graph import graph_command


@click.group(cls=FormulaGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(sd.__version__, prog_name="symdiff")
def main() -> None:
    """From a formula to a native function for its value and its derivatives."""


for _command in (
    compile_command,
    check_command,
    explain_command,
    graph_command,
    bench_command,
    cache_command,
):
    main.add_command(_command)
