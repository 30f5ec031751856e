"""What the commands have in common: how words are read, and how errors are reported."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

import click

import symdiff as sd
from symdiff.outputs import OUTPUTS


class FormulaCommand(click.Command):
    """A command whose SOURCE may begin with a minus sign: `symdiff compile "-x*y"`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Sort the words into options and sources; a short word that is no option is a source."""
        takes_value = {
            name: not getattr(param, "is_flag", False)
            for param in self.get_params(ctx)
            for name in (*param.opts, *param.secondary_opts)
            if isinstance(param, click.Option)
        }
        options: list[str] = []
        sources: list[str] = []
        words = iter(args)
        for word in words:
            if word == "--":
                sources += words
            elif word.startswith("--") or word in takes_value:
                options.append(word)
                if takes_value.get(word):
                    options += [value for value in [next(words, None)] if value is not None]
            else:
                sources.append(word)
        return super().parse_args(ctx, [*options, "--", *sources])


class FormulaGroup(click.Group):
    """Commands that report symdiff's errors as one message and exit status 2."""

    command_class = FormulaCommand

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors on purpose become messages."""
        collecting = gc.isenabled()
        gc.disable()  # a command is short, and walking a large graph again and again is not
        try:
            return super().invoke(ctx)
        except sd.SymdiffError as error:
            _fail(IN_PYTHON.sub(r"--arg '\1:\2'", str(error)))
        except MemoryError:
            _fail("out of memory")
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        finally:
            if collecting:
                gc.enable()


# How Python says what --arg says here.
IN_PYTHON: Final = re.compile(r"""args=\{["'](\w+)["']: ["']([^"']+)["']\}""")


def _fail(message: str) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(2)


ARG: Final = (
    "A parameter: W:f64[8,4], x:f64, idx:i64[5]. An extent that is a name, as in x:f64[n], is "
    "that of the array in --at."
)
AT: Final = (
    "Evaluate at this point: numbers, arrays as nested lists, and files: x=@x.npy, x=@x.json, "
    "@point.json."
)
TARGET: Final = "Generate code for this machine."
AS_JSON: Final = 'Write JSON, for programs; what is not finite is "nan", "inf" or "-inf".'


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command that reads a formula takes."""
    for decorate in (
        click.argument("source"),
        click.option("--arg", "args", multiple=True, metavar="NAME:TYPE", help=ARG),
        click.option("--at", multiple=True, metavar="X=1,Y=[2,3]", help=AT),
        click.option("--json", "as_json", is_flag=True, help=AS_JSON),
    ):
        command = decorate(command)
    return command


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command that generates code takes."""
    for decorate in (
        click.option("--target", default="host", metavar="TRIPLE", help=TARGET),
        click.option("--fastmath", is_flag=True, help="Allow rewrites that change rounding."),
        click.option(
            "--dtype", type=click.Choice(["f64", "f32"]), default="f64", show_default=True
        ),
    ):
        command = decorate(command)
    return command


output_option = click.option("--output", type=click.Choice(list(OUTPUTS)), help="What to compile.")


wrt_option = click.option(
    "--wrt", metavar="X,Y", help="Parameters to differentiate with respect to."
)
