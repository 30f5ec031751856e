"""A picture in Graphviz's language."""

from __future__ import annotations

import json
from html import escape

from symdiff.view.picture import Box, Picture, Wire
from symdiff.view.svg import LIGHT

_LOOKS = {
    "input": f', shape=box, style="rounded,filled", fillcolor="{LIGHT["input"]}"',
    "constant": ", shape=plaintext",
    "output": f', shape=box, style="rounded,filled", fillcolor="{LIGHT["output"]}"',
}


def dot(picture: Picture) -> str:
    """The picture as DOT text: parameters and constants, operations, outputs.

    Edges run from operands to operations, in the order of the operands; where there are numbers
    they have the value and, below it in red, the gradient. Arrays have their shape below what they
    are; a loop is one node, whatever it repeats.
    """
    lines = [
        f"digraph {_quoted(picture.name)} {{",
        "  rankdir=LR;",
        "  ordering=in;",
        '  node [fontname="Helvetica", shape=ellipse];',
        '  edge [fontname="Helvetica", fontsize=11];',
    ]
    lines += [f"  v{box.number} [label={_label(box)}{_look(box)}];" for box in picture.boxes]
    lines += [_edge(wire) for wire in picture.wires]
    return "\n".join([*lines, "}", ""])


def _label(box: Box) -> str:
    lines = [*box.lines] if box.kind != "operation" else [*box.lines[1:]]
    return _quoted("\n".join([box.label, *lines]))


def _look(box: Box) -> str:
    if box.kind == "operation":
        return f", tooltip={_quoted(f'{box.node.name} = {box.node.formula}')}"
    return _LOOKS[box.kind]


def _edge(wire: Wire) -> str:
    texts = [(LIGHT["value"], wire.value), (LIGHT["gradient"], wire.gradient)]
    parts = [f'<font color="{colour}">{escape(text)}</font>' for colour, text in texts if text]
    label = f" [label=<{'<br/>'.join(parts)}>]" if parts else ""
    return f"  v{wire.source} -> v{wire.target}{label};"


def _quoted(text: str) -> str:
    """A Graphviz string: quotes, backslashes and line ends escaped, other letters as they are."""
    return json.dumps(text, ensure_ascii=False)
