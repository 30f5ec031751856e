"""What a function computes, as a few bytes: the name under which its machine code is kept."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, cast

from symdiff.ir.digest import digest
from symdiff.ir.graph import Function, Literal
from symdiff.ir.text import with_nested
from symdiff.ir.tree import Leaf, Tree
from symdiff.ir.types import Type

_BLOCK: Final = 4096  # values that are encoded at once: memory stays small next to the graph's


def fingerprint(fn: Function) -> bytes:
    """The same 32 bytes for functions that print alike, in every process.

    It says what the printed form says (see `symdiff.ir.text`), and takes a tenth of the time.

    Raises:
        TypeError: an attribute is of a kind that cannot be told apart by its printed form.
    """
    functions = with_nested(fn)
    position = {function: i for i, function in enumerate(functions)}
    return digest(block for function in functions for block in _blocks(function, position))


def _blocks(fn: Function, position: Mapping[Function, int]) -> Iterator[bytes]:
    order = dict.fromkeys((*fn.params, *fn.live()))
    places = dict(zip(order, range(len(order)), strict=True))
    params = [(p.attr("name"), str(p.type)) for p in fn.params]
    yield repr((fn.name, params, encoded_tree(fn.result))).encode("utf-8", "surrogatepass")
    values = islice(order, len(params), None)
    while block := list(islice(values, _BLOCK)):
        names = [(value.op.name, len(value.args)) for value in block]
        attrs = [
            (i, [(k, _encoded(v, position)) for k, v in value.attrs])
            for i, value in enumerate(block)
            if value.attrs
        ]
        yield repr((names, attrs)).encode("utf-8", "surrogatepass")
        yield array("q", [places[a] for value in block for a in value.args]).tobytes()
    yield repr([places[output] for output in fn.outputs]).encode()


def _encoded(attr: Any, position: Mapping[Function, int]) -> Any:
    """An attribute as something whose `repr` says all about it."""
    if isinstance(attr, (str, int, float, bool)) or attr is None:
        return attr
    if isinstance(attr, Literal):
        return str(attr.type), attr.data
    if isinstance(attr, Function):
        return "function", position[attr]
    if isinstance(attr, Type):
        return "type", str(attr)
    if isinstance(attr, (tuple, list)):
        return [_encoded(part, position) for part in cast("tuple[Any, ...]", attr)]
    raise TypeError(f"an attribute of type {type(attr).__name__}")


def encoded_tree(tree: Tree) -> Any:
    """A structure as nested lists of strings; users' own types are told from named tuples."""
    if isinstance(tree, Leaf):
        return tree.name
    own = "own" if tree.factory not in (None, type(None)) else tree.factory is not None
    children = [encoded_tree(child) for child in tree.children]
    return [tree.kind, tree.label, tree.fields, own, children]
