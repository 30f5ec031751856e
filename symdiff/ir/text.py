"""Functions as text: the printer and the reader, which are each other's inverse.

func @f(%x: f64, %y: f64) {
  %0: f64 = sin %y
  %1: f64 = mul %x, %0
  return %1
}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from symdiff.errors import IRError, ShapeError
from symdiff.ir.graph import CONST, ITEM, PARAM, Function, Graph, Literal, Value
from symdiff.ir.op import Op
from symdiff.ir.tree import Branch, Leaf, Tree, leaves
from symdiff.ir.types import parse_type

_DEFAULT = Leaf("value")


def print_function(fn: Function) -> str:
    """`fn` as text. Values are numbered in order; constants and parameters by what they are."""
    names = {p: f"%{p.attr('name')}" for p in fn.params}
    lines: list[str] = []
    for value in fn.live():
        if value.op is PARAM:
            continue
        names[value] = name = f"%{len(names) - len(fn.params)}"
        operands = ", ".join([names[a] for a in value.args])
        attrs = ", ".join(f"{k}={_print_attr(v)}" for k, v in value.attrs)
        parts = [
            f"  {name}: {value.type} = {value.op.name}",
            operands,
            f"{{{attrs}}}" * bool(attrs),
        ]
        lines.append(" ".join(filter(None, parts)))
    params = ", ".join(f"{names[p]}: {p.type}" for p in fn.params)
    result = "" if fn.result == _DEFAULT else f" -> {_print_tree(fn.result)}"
    returned = ", ".join(names[v] for v in fn.outputs)
    return "\n".join([f"func @{fn.name}({params}){result} {{", *lines, f"  return {returned}", "}"])


def _print_attr(value: Any) -> str:
    if isinstance(value, Literal):
        return _json(value.array.tolist() if value.scalar is None else value.scalar)
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value)  # NaN and Infinity as Python's json writes and reads them


def _print_tree(tree: Tree) -> str:
    if isinstance(tree, Leaf):
        return tree.name
    if tree.fields is None:
        return f"({', '.join(map(_print_tree, tree.children))})"
    pairs = zip(tree.fields, tree.children, strict=True)
    return f"{tree.label}{{{', '.join(f'{name}: {_print_tree(child)}' for name, child in pairs)}}}"


_HEAD = re.compile(r"func @(?P<name>[^(]*)\((?P<params>[^)]*)\)(?: -> (?P<result>.*))? \{")
_PARAM = re.compile(r"%(?P<name>[^:,]+): (?P<type>[a-z0-9]+(?:\[[\d,]*\])?)(?:, |$)")
_LINE = re.compile(
    r"%(?P<name>\d+): (?P<type>[^=]+) = (?P<op>\w+)(?: (?P<args>%[^{]+?))?(?: \{(?P<attrs>.*)\})?"
)
_ATTR = re.compile(r"(?:, )?(\w+)=")


def read_function(text: str, ops: Mapping[str, Op]) -> Function:
    """The function that `text` prints, with operations looked up in `ops`.

    Raises:
        IRError: not a printed function; the message names the line.
    """
    lines = [line.strip() for line in text.strip().splitlines()]
    head = _HEAD.fullmatch(lines[0]) if lines else None
    if head is None or len(lines) < 3 or lines[-1] != "}":
        raise IRError("line 1: expected `func @name(%x: f64, ...) {` ... `}`")
    graph = Graph()
    env: dict[str, Value] = {}
    for match in _PARAM.finditer(head["params"]):
        env[f"%{match['name']}"] = graph.param(match["name"], parse_type(match["type"]))
    params = tuple(env.values())
    table = {**ops, "const": CONST, "item": ITEM}
    for number, line in enumerate(lines[1:-2], 2):
        try:
            _read_line(graph, env, line, table)
        except (KeyError, ValueError, ShapeError) as error:
            raise IRError(f"line {number}: cannot read {line!r}: {error}") from None
    word, _, names = lines[-2].partition(" ")
    try:
        outputs = tuple(env[name] for name in names.split(", "))
    except KeyError as error:
        raise IRError(f"line {len(lines) - 1}: unknown value {error}") from None
    if word != "return":
        raise IRError(f"line {len(lines) - 1}: expected `return`")
    result = _read_tree(head["result"]) if head["result"] else _DEFAULT
    if len(leaves(result)) != len(outputs):
        raise IRError(f"{len(outputs)} outputs, but the result {head['result']} has other leaves")
    return Function(head["name"], params, outputs, result)


def _read_line(graph: Graph, env: dict[str, Value], line: str, ops: Mapping[str, Op]) -> None:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError("expected `%0: f64 = op %x, %y {name=value}`")
    args = tuple(env[name] for name in match["args"].split(", ")) if match["args"] else ()
    attrs = dict(_read_attrs(match["attrs"] or ""))
    op = ops[match["op"]]
    if op is CONST:
        type = parse_type(match["type"])
        attrs["value"] = Literal.of(attrs["value"], type)
    value = graph.add(op, args, tuple(sorted(attrs.items())))
    if str(value.type) != match["type"]:
        raise ValueError(f"the type is {value.type}")
    env[f"%{match['name']}"] = value


def _read_attrs(text: str) -> Iterator[tuple[str, Any]]:
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text):
        match = _ATTR.match(text, position)
        if match is None:
            raise ValueError(f"cannot read the attributes {text!r}")
        value, position = decoder.raw_decode(text, match.end())
        items = cast("list[Any]", value) if isinstance(value, list) else None
        yield match[1], value if items is None or match[1] == "value" else tuple(items)


_TREE_TOKEN = re.compile(r"\s*(?:([(){},:])|([^(){},:\s]+))")


def _read_tree(text: str) -> Tree:
    tokens = [m[1] or m[2] for m in _TREE_TOKEN.finditer(text)]
    tree, rest = _read_subtree(tokens, 0)
    if rest != len(tokens):
        raise IRError(f"cannot read the result structure {text!r}")
    return tree


def _read_subtree(tokens: list[str], at: int) -> tuple[Tree, int]:
    try:
        if tokens[at] == "(":
            children: list[Tree] = []
            while tokens[at] != ")":
                child, at = _read_subtree(tokens, at + 1)
                children.append(child)
            return Branch(tuple(children)), at + 1
        if tokens[at + 1 : at + 2] == ["{"]:
            label = tokens[at]
            fields: list[str] = []
            children = []
            at += 1
            while tokens[at] != "}":
                fields.append(tokens[at + 1])
                child, at = _read_subtree(tokens, at + 3)
                children.append(child)
            return Branch(tuple(children), tuple(fields), label), at + 1
        return Leaf(tokens[at]), at + 1
    except IndexError:
        raise IRError("the result structure ends too early") from None
