"""Function -> Graphviz."""

from __future__ import annotations

import json

from symdiff.codegen.node_texts import settings, symbol
from symdiff.ir import ITEM, PARAM, Function, TupleType, Value, leaves
from symdiff.ops import sincos


def dot(fn: Function) -> str:
    """The graph of `fn` in Graphviz's language: parameters and constants, operations, outputs.

    Edges run from operands to operations, in the order of the operands. Arrays have their type
    below what they are; a loop is one node, whatever it repeats.
    """
    lines = [
        f"digraph {_quoted(fn.name)} {{",
        "  ordering=in;",
        '  node [fontname="Helvetica", shape=ellipse];',
    ]
    live = fn.live()
    for value in dict.fromkeys((*fn.params, *live)):
        if value.op is not ITEM:
            lines.append(f"  v{value.index} [label={_quoted(_label(value))}{_look(value)}];")
            lines += [_edge(arg, f"v{value.index}") for arg in value.args]
    for number, (leaf, value) in enumerate(zip(leaves(fn.result), fn.outputs, strict=True)):
        look = 'shape=box, style="rounded,filled", fillcolor="#fde3cf"'
        lines.append(f"  out{number} [label={_quoted(leaf.name)}, {look}];")
        lines.append(_edge(value, f"out{number}"))
    return "\n".join([*lines, "}", ""])


def _label(value: Value) -> str:
    if value.op is PARAM or value.literal is not None:
        name = symbol(value)
    else:
        name = symbol(value) if value.op.elementwise else value.op.name
        if name == value.op.name and settings(value):
            name = f"{name}\n{settings(value)}"
    parts = value.type.elements if isinstance(value.type, TupleType) else (value.type,)
    return f"{name}\n{value.type}" if any(part.shape for part in parts) else name


def _look(value: Value) -> str:
    if value.op is PARAM:
        return ', shape=box, style=filled, fillcolor="#d7e8f7"'
    return ", shape=plaintext" if value.literal is not None else ""


def _edge(source: Value, target: str) -> str:
    if source.op is not ITEM:
        return f"  v{source.index} -> {target};"
    (whole,), part = source.args, source.attr("index")
    if whole.op is sincos:
        part = "cos" if part else "sin"
    return f"  v{whole.index} -> {target} [label={part}];"


def _quoted(text: str) -> str:
    """A Graphviz string: quotes, backslashes and line ends escaped, other letters as they are."""
    return json.dumps(text, ensure_ascii=False)
