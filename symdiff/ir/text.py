"""Functions as text: the printer and the reader, which are each other's inverse.

func @f(%x: f64, %y: f64) {
  %0: f64 = sin %y
  %1: f64 = mul %x, %0
  return %1
}

A name that is not made of letters, digits and underscores, or that is all digits as those of
values are, is written as a JSON string: %"x y".

Functions that are attributes, such as the body of a loop, are named there (body=@step) and stand
below the functions that use them.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import numpy as np

from symdiff.errors import IRError, SymdiffError
from symdiff.ir.graph import CONST, ITEM, PARAM, Function, Graph, Literal, Value
from symdiff.ir.op import Op
from symdiff.ir.tree import Branch, Leaf, Tree, leaves
from symdiff.ir.types import parse_type

_DEFAULT: Final = Leaf("value")


def print_function(fn: Function) -> str:
    """`fn` as text. Values are numbered in order; constants and parameters by what they are."""
    return "\n".join([line for line, _ in function_lines(fn)])


def function_lines(
    fn: Function, numbers: Mapping[Value, int] | None = None
) -> list[tuple[str, Value | None]]:
    """The lines of `fn` as text, each with the value that it computes, if it does.

    `numbers`, where given, are those of the values of `fn` itself, in place of 0, 1, 2, ...
    """
    functions = with_nested(fn)
    if len(functions) == 1:
        return _print_one(fn, {}, numbers)
    called: dict[Function, str] = {}
    taken: set[str] = set()
    for function in functions:
        name, count = function.name, 0
        while name in taken:
            count += 1
            name = f"{function.name}_{count}"
        taken.add(name)
        called[function] = name
    return [
        line
        for function in functions
        for line in _print_one(function, called, numbers if function is fn else None)
    ]


def with_nested(fn: Function) -> list[Function]:
    """`fn` and all functions in its attributes, each once and after those that use it."""
    done: dict[Function, None] = {}
    stack = [(fn, False)]
    while stack:
        function, ready = stack.pop()
        if ready:
            done[function] = None
        elif function not in done:
            stack.append((function, True))
            stack += [(inner, False) for inner in reversed(nested(function)) if inner not in done]
    return list(reversed(done))


def nested(fn: Function) -> list[Function]:
    """The functions in the attributes of the values of `fn`, each once."""
    found: dict[Function, None] = {}
    for value in fn.live():
        for _, attr in value.attrs:
            if isinstance(attr, Function):
                found[attr] = None
    return list(found)


def _print_one(
    fn: Function, called: Mapping[Function, str], numbers: Mapping[Value, int] | None
) -> list[tuple[str, Value | None]]:
    names = {p: f"%{_print_name(p.attr('name'))}" for p in fn.params}
    lines: list[tuple[str, Value | None]] = []
    for value in fn.live():
        if value.op is PARAM:
            continue
        number = len(names) - len(fn.params) if numbers is None else numbers[value]
        names[value] = name = f"%{number}"
        operands = ", ".join([names[a] for a in value.args])
        attrs = ", ".join(f"{k}={_print_attr(v, called)}" for k, v in value.attrs)
        parts = [
            f"  {name}: {value.type} = {value.op.name}",
            operands,
            f"{{{attrs}}}" * bool(attrs),
        ]
        lines.append((" ".join(filter(None, parts)), value))
    params = ", ".join(f"{names[p]}: {p.type}" for p in fn.params)
    result = "" if fn.result == _DEFAULT else f" -> {_print_tree(fn.result)}"
    returned = ", ".join(names[v] for v in fn.outputs)
    head = f"func @{_print_name(called.get(fn, fn.name))}({params}){result} {{"
    return [(head, None), *lines, (f"  return {returned}", None), ("}", None)]


_PLAIN: Final = re.compile(r"(?!\d+\Z)\w+")


def _print_name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else _json(name)


def _print_attr(value: Any, called: Mapping[Function, str]) -> str:
    if isinstance(value, Function):
        return f"@{_print_name(called[value])}"
    if isinstance(value, Literal):
        return _json(value.array.tolist() if value.scalar is None else value.scalar)
    return _json(value)


def _json(value: Any) -> str:
    # NaN and Infinity as Python's json writes and reads them; gates for people only.
    return json.dumps(value, default=repr)


def _print_tree(tree: Tree) -> str:
    if isinstance(tree, Leaf):
        return _print_name(tree.name)
    if tree.fields is None:
        inner = ", ".join(map(_print_tree, tree.children))
        return f"[{inner}]" if tree.kind == "list" else f"({inner})"
    pairs = zip(tree.fields, tree.children, strict=True)
    inner = ", ".join([f"{_print_name(name)}: {_print_tree(child)}" for name, child in pairs])
    return f"{'' if tree.kind == 'dict' else _print_name(tree.label)}{{{inner}}}"


_NAME: Final = r"""(?:\w+|"[^"\\]*+(?:\\.[^"\\]*+)*+")"""
_VALUE: Final = re.compile(f"%{_NAME}")
_HEAD: Final = re.compile(rf"func @({_NAME})\(")
_PARAM: Final = re.compile(
    rf"%(?P<name>{_NAME}): (?P<type>[a-z0-9]+(?:\[[\d,]*\])?)(?P<end>, (?=%)|\))"
)
_LINE: Final = re.compile(
    r"%(?P<name>\d+): (?P<type>[^=]+) = (?P<op>\w+)"
    rf"(?: (?P<args>%{_NAME}(?:, %{_NAME})*+))?(?: \{{(?P<attrs>.*)\}})?"
)
_RETURN: Final = re.compile(rf"return (%{_NAME}(?:, %{_NAME})*+)")
_ATTR: Final = re.compile(r"(?:, )?(\w+)=")
_CALLED: Final = re.compile(f"@({_NAME})")
# What it raises to be given a text that nobody printed: wrong types and numbers of all kinds.
_GARBAGE: Final = (
    SymdiffError, LookupError, ValueError, TypeError, ArithmeticError, AttributeError,
    RecursionError, SyntaxError, struct.error,
)  # fmt: skip


def read_function(text: str, ops: Mapping[str, Op]) -> Function:
    """The function that `text` prints, with operations looked up in `ops`.

    Raises:
        IRError: not a printed function; the message names the line.
    """
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) < 3 or lines[-1] != "}" or not lines[0].startswith("func @"):
        raise IRError("line 1: expected `func @name(%x: f64, ...) {` ... `}`")
    functions: dict[str, Function] = {}
    table = {**ops, "const": CONST, "item": ITEM}
    starts = [i for i, line in enumerate(lines) if line.startswith("func @")]
    end = len(lines)
    fn: Function | None = None
    for start in reversed(starts):  # those below are used by those above
        fn = _read_one(lines[start:end], start, table, functions)
        if fn.name in functions:
            raise IRError(f"line {start + 1}: there are two functions @{fn.name}")
        functions[fn.name] = fn
        end = start
    assert fn is not None
    return fn


def _read_one(
    lines: list[str], offset: int, ops: Mapping[str, Op], functions: Mapping[str, Function]
) -> Function:
    """The function in `lines`, which come after `offset` others; it may use `functions`."""
    graph = Graph()
    env: dict[str, Value] = {}  # by name as printed, `%` included
    number, line = 1, lines[0]
    try:
        if len(lines) < 3 or lines[-1] != "}":
            raise ValueError("expected `func @name(%x: f64, ...) {` ... `}`")
        name, result = _read_head(graph, env, line)
        params = tuple(env.values())
        for number in range(2, len(lines) - 1):
            line = lines[number - 1]
            _read_line(graph, env, line, ops, functions)
        number, line = len(lines) - 1, lines[-2]
        outputs = _read_return(env, line)
        if len(leaves(result)) != len(outputs):
            head = offset + 1
            raise ValueError(
                f"{len(outputs)} outputs, but the result in line {head} has other leaves"
            )
    except _GARBAGE as error:
        where = offset + number
        raise IRError(f"line {where}: cannot read {_shortened(line)!r}: {error}") from None
    return Function(name, params, outputs, result)


def _shortened(line: str) -> str:
    return line if len(line) <= 200 else f"{line[:197]}..."


def _read_name(text: str) -> str:
    return json.loads(text) if text.startswith('"') else text


def _read_head(graph: Graph, env: dict[str, Value], line: str) -> tuple[str, Tree]:
    """The name of the function and the structure of its result; the parameters go to `env`."""
    match = _HEAD.match(line)
    if match is None or not line.endswith(" {"):
        raise ValueError("expected `func @name(%x: f64, ...) {`")
    name, names = _read_name(match[1]), set[str]()
    at, more = match.end(), not line.startswith(")", match.end())
    while more:
        param = _PARAM.match(line, at)
        if param is None:
            raise ValueError("expected parameters such as `%x: f64, %y: f64`")
        called = _read_name(param["name"])
        if called in names:
            raise ValueError(f"two parameters are called {called!r}")
        names.add(called)
        env[f"%{param['name']}"] = graph.param(called, parse_type(param["type"]))
        at, more = param.end(), param["end"] != ")"
    rest = line[at:-2] if names else line[at + 1 : -2]
    if rest and not rest.startswith(" -> "):
        raise ValueError("expected ` -> ` and the structure of the result, or ` {`")
    return name, _read_tree(rest[4:]) if rest else _DEFAULT


def _read_return(env: Mapping[str, Value], line: str) -> tuple[Value, ...]:
    match = _RETURN.fullmatch(line)
    if match is None:
        raise ValueError("expected `return %0, %1`")
    return _read_values(env, match[1])


def _read_values(env: Mapping[str, Value], text: str) -> tuple[Value, ...]:
    try:
        return tuple([env[name] for name in _VALUE.findall(text)])
    except KeyError as error:
        raise ValueError(f"unknown value {error}") from None


def _read_line(
    graph: Graph,
    env: dict[str, Value],
    line: str,
    ops: Mapping[str, Op],
    functions: Mapping[str, Function],
) -> None:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError("expected `%0: f64 = op %x, %y {name=value}`")
    name = f"%{match['name']}"
    if name in env:
        raise ValueError(f"{name} is there already")
    args = _read_values(env, match["args"]) if match["args"] else ()
    attrs = dict(_read_attrs(match["attrs"] or "", functions))
    op = ops.get(match["op"])
    if op is None or op is PARAM:
        raise ValueError(f"unknown operation {match['op']}")
    if op is CONST:
        type = parse_type(match["type"])
        elements: Any = attrs["value"]
        if isinstance(elements, list) and np.shape(cast("Any", elements)) != type.shape:
            raise ValueError(f"these are not the elements of {type}")
        attrs["value"] = Literal.of(elements, type)
    value = graph.add(op, args, tuple(sorted(attrs.items())))
    if str(value.type) != match["type"]:
        raise ValueError(f"the type is {value.type}")
    env[name] = value


def _read_attrs(text: str, functions: Mapping[str, Function]) -> Iterator[tuple[str, Any]]:
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text):
        match = _ATTR.match(text, position)
        if match is None:
            raise ValueError(f"cannot read the attributes {text!r}")
        called = _CALLED.match(text, match.end())
        if called is not None:
            position = called.end()
            name = _read_name(called[1])
            if name not in functions:
                raise ValueError(f"there is no function @{name} below")
            yield match[1], functions[name]
            continue
        value, position = decoder.raw_decode(text, match.end())
        items = cast("list[Any]", value) if isinstance(value, list) else None
        yield match[1], value if items is None or match[1] == "value" else tuple(items)


_TREE_TOKEN: Final = re.compile(rf"\s*+({_NAME}|[(){{}}\[\],:])")
_PUNCTUATION: Final = frozenset("(){}[],:")


def _read_tree(text: str) -> Tree:
    tokens: list[str] = []
    at = 0
    while at < len(text):
        match = _TREE_TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"cannot read the structure of the result from {text[at:][:40]!r}")
        tokens.append(match[1])
        at = match.end()
    tokens.reverse()
    try:
        tree = _read_subtree(tokens)
    except IndexError:
        raise ValueError("the structure of the result ends too early") from None
    if tokens:
        raise ValueError(f"unexpected {tokens[-1]!r} after the structure of the result")
    return tree


# Tokens are taken from the end of the list, where the next one stands.


def _read_subtree(tokens: list[str]) -> Tree:
    start = tokens[-1]
    if start in ("(", "["):
        children = _read_children(tokens, ")" if start == "(" else "]")
        kind = "tuple" if start == "(" else "list"
        return Branch(tuple([child for _, child in children]), kind=kind)
    name = "" if start == "{" else _read_label(tokens)
    if tokens[-1:] != ["{"]:
        return Leaf(name)
    children = _read_children(tokens, "}")
    fields = tuple([field for field, _ in children])
    kind = "dict" if start == "{" else "tuple"
    return Branch(tuple([child for _, child in children]), fields, name, kind)


def _read_children(tokens: list[str], end: str) -> list[tuple[str, Tree]]:
    """The children up to the bracket `end`, each with its field if that is `}`."""
    tokens.pop()
    children: list[tuple[str, Tree]] = []
    while tokens[-1] != end:
        if children:
            _expect(tokens, ",")
        field = ""
        if end == "}":
            field = _read_label(tokens)
            _expect(tokens, ":")
        children.append((field, _read_subtree(tokens)))
    tokens.pop()
    return children


def _read_label(tokens: list[str]) -> str:
    token = tokens.pop()
    if token in _PUNCTUATION:
        raise ValueError(f"unexpected {token!r} in the structure of the result")
    return _read_name(token)


def _expect(tokens: list[str], wanted: str) -> None:
    token = tokens.pop()
    if token != wanted:
        raise ValueError(f"expected {wanted!r} in the structure of the result, not {token!r}")
