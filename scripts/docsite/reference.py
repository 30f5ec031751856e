"""The pages of the reference that follow from the package: operations, functions, commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

import click
import numpy as np
from numerics_table import Row, written

import symdiff as sd
from symdiff import ir
from symdiff.cli import main
from symdiff.ops import FUNCTIONS, OPS, NamedFunction
from symdiff.ops.arrays import ARRAY_FUNCTIONS

GENERATED: Final = "<!-- Written by scripts/docsite/reference.py while the site is built. -->\n"
FAMILIES: Final = (
    "arithmetic", "comparison", "rounding", "transcendental", "special",
    "structure", "contraction", "reduction", "indexing", "control", "gates",
)  # fmt: skip
NAMES: Final = "xyzuvw"


def write(folder: Path) -> None:
    """Write `operations.md`, `functions.md` and `command-line.md` into `folder`."""
    for name, text in (
        ("operations", operations()),
        ("functions", functions()),
        ("command-line", commands()),
    ):
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# Operations.


def operations() -> str:
    """The op table as Markdown: a section for each family, a subsection for each operation."""
    errors = written()
    parts = [
        GENERATED,
        "# Operations\n",
        "Every operation is one entry in a table: how it is computed, and how its derivative "
        "is. This page is that table, written when the site is built. Formulas and derivatives "
        "are what symdiff prints for the operation and for its gradient; errors are measured, in "
        "units in the last place ([how](../numerics.md)); the names are those under which "
        "formulas, NumPy code and SymPy expressions reach it. [Functions](functions.md) that "
        "operations express, such as `relu`, have a page of their own.\n",
        "\n".join(_contents()) + "\n",
    ]
    for title, members in _families():
        parts.append(f"## {title}\n")
        parts += [_operation(op, errors.get(op.name)) for op in members]
    return "\n".join(parts)


def _families() -> Iterator[tuple[str, list[ir.Op]]]:
    """The operations by the file that defines them; its docstring is the title."""
    seen = {"const", "param", "item"}
    for family in FAMILIES:
        module = import_module(f"symdiff.ops.{family}")
        members = [v for v in vars(module).values() if isinstance(v, ir.Op) and v.name not in seen]
        # In the order of the table; what a family only imports is another's already.
        members = [op for op in OPS.values() if op in members]
        seen |= {op.name for op in members}
        title = (module.__doc__ or family).splitlines()[0].split(":")[0].split(".")[0]
        if members:
            yield title, members
    missing = sorted(OPS.keys() - seen)
    if missing:
        raise ValueError(f"no family in FAMILIES defines {missing}: add their file to it")


def _contents() -> Iterator[str]:
    for title, members in _families():
        links = ", ".join(f"[`{op.name}`](#op-{op.name})" for op in members)
        yield f"- **{title}**: {links}"


def _operation(op: ir.Op, errors: Row | None) -> str:
    lines = [f"(op-{op.name})=", f"### `{op.name}`\n"]
    names = sorted(n for n, entry in FUNCTIONS.items() if entry.build is op or n in op.aliases)
    fn = _example(op)
    if fn is not None and op.elementwise:
        lines += [_math(_with_derivatives(fn)), ""]
    facts = [
        ("Names", ", ".join(f"`{n}`" for n in dict.fromkeys((op.name, *names))) if names else ""),
        ("Attributes", ", ".join(f"`{k}`" for k, _ in op.attr_samples)),
        ("Backward", _sentence(op.intuition)),
        ("Convention", _sentence(op.note)),
        ("Error", _errors(errors)),
    ]
    lines += ["\\\n".join(f"*{key}:* {text}" for key, text in facts if text), ""]
    if fn is not None and not op.elementwise:
        lines += ["```text", str(_pulled_back(fn)).strip(), "```\n"]
    return "\n".join(lines)


def _sentence(note: str) -> str:
    # The notes are plain text, in which a star or a bar is one.
    return note.replace("*", r"\*").replace("|", r"\|")


def _errors(row: Row | None) -> str:
    if row is None:
        return ""
    derivatives = ", ".join(f"{e:.1f}" for e in row.derivatives)
    return f"value {row.value:.1f} ULP, derivatives {derivatives}"


def _example(op: ir.Op) -> ir.Function | None:
    """One application of the operation to parameters with the types of its samples."""
    if op.samples is None:
        return None
    graph = ir.Graph()
    samples = [np.asarray(a) for a in op.samples(np.random.default_rng(1), 1)]
    kinds = {"b": ir.DTYPES["bool"], "i": ir.DTYPES["i64"], "f": ir.DTYPES["f64"]}
    params = [
        graph.param(name, ir.Type(kinds[a.dtype.kind], () if op.elementwise else a.shape))
        for name, a in zip(NAMES[: len(samples)], samples, strict=True)
    ]
    return ir.Function(op.name, tuple(params), (op(*params, **dict(op.attr_samples)),))


def _real(fn: ir.Function) -> list[int]:
    return [i for i, p in enumerate(fn.params) if p.type.dtype.kind == "f"]


def _with_derivatives(fn: ir.Function) -> sd.Function:
    source = sd.Function(fn)
    differentiable = fn.outputs[0].type.dtype.kind == "f" and _real(fn)
    return sd.value_and_grad(source, wrt=_real(fn)) if differentiable else source


def _pulled_back(fn: ir.Function) -> sd.Function:
    """The vjp of an operation on arrays, or the operation where it has no derivative."""
    source = sd.Function(fn)
    if fn.outputs[0].type.dtype.kind != "f":
        return source
    return sd.vjp(source, wrt=_real(fn))


def _math(fn: sd.Function) -> str:
    return f"```{{math}}\n{fn.latex()}\n```"


# Functions.


def functions() -> str:
    """The functions that formulas may call, as Markdown."""
    parts = [
        GENERATED,
        "# Functions\n",
        "What formulas may call, under the names of Python's `math`, of NumPy and of SymPy. In "
        "Python sources NumPy's own functions are these. Where a name is that of an "
        "[operation](operations.md), its page has the derivative and the convention at kinks.\n",
        "## Of numbers, and of arrays element by element\n",
        "| names | arguments | what it is |",
        "| --- | --- | --- |",
        *(_function(entry, names) for entry, names in _by_entry()),
        "\n## Of arrays\n",
        "With NumPy's names, arguments and broadcasting, in text and in Python sources, and in the "
        "namespace `sd.numpy`.\n",
        _array_functions(),
    ]
    return "\n".join(parts)


def _by_entry() -> Iterator[tuple[NamedFunction, list[str]]]:
    names: dict[int, list[str]] = {}
    for name, entry in FUNCTIONS.items():
        names.setdefault(id(entry), []).append(name)
    for name, entry in sorted(FUNCTIONS.items(), key=lambda item: item[0].lower()):
        if names[id(entry)][0] == name:
            yield entry, names[id(entry)]


def _function(entry: NamedFunction, names: Iterable[str]) -> str:
    spelled = ", ".join(f"`{n}`" for n in names)
    return f"| {spelled} | {entry.expects.split(' arg')[0]} | {_meaning(entry)} |"


def _meaning(entry: NamedFunction) -> str:
    if entry.name in OPS:
        link = f"the operation [`{entry.name}`](operations.md#op-{entry.name})"
        return link if entry.least == entry.most else f"{link} of all of them"
    doc = (getattr(entry.build, "__doc__", None) or "").strip().splitlines()
    if doc:
        return _sentence(doc[0])
    formula = _formula(entry)
    return f"`{formula}`".replace("|", r"\|") if formula else ""


def _formula(entry: NamedFunction) -> str:
    """The function written over operations, as symdiff prints it."""
    graph = ir.Graph()
    params = [
        graph.param(n, ir.BOOL if entry.takes_condition(i) else ir.F64)
        for i, n in enumerate(NAMES[: max(entry.least, 1)])
    ]
    fn = ir.Function(entry.name, tuple(params), (entry.build(*params),))
    return import_module("symdiff.codegen.texts").formula(fn)


def _array_functions() -> str:
    return ", ".join(f"`{n}`" for n in sorted(ARRAY_FUNCTIONS, key=str.lower)) + "\n"


# Commands.


def commands() -> str:
    """The help of every command, as Markdown."""
    parts = [
        GENERATED,
        "# Command line\n",
        "Results go to standard output and diagnostics to standard error; the exit status is 0 for "
        "success, 1 for a failed check and 2 for bad input. `--json` is there where a program may "
        "read the result.\n",
    ]
    parts += [f"## `{path}`\n\n```text\n{text}\n```\n" for path, text in _helps(main, "symdiff")]
    return "\n".join(parts)


def _helps(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    context = click.Context(command, info_name=path, max_content_width=88, terminal_width=88)
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _helps(inner, f"{path} {name}")
