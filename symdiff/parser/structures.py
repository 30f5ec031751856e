"""Structures of traced values, numbers and arrays: given to functions and come out of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symdiff.errors import TraceError
from symdiff.ir import Branch, DType, Graph, Leaf, Tree, Value, build, destructure, f64, i64, leaves
from symdiff.ops import arrays
from symdiff.parser.places import trace_error
from symdiff.parser.recording import Traced, described, is_number, lift
from symdiff.parser.tracer import Tracer


class Parts(NamedTuple):
    """A structure taken apart: how to put it together, and its leaves."""

    tree: Tree
    leaves: list[Any]

    @property
    def names(self) -> list[str]:
        """What the leaves are called in messages."""
        return [leaf.name for leaf in leaves(self.tree)]

    def built(self, parts: Sequence[Any]) -> Any:
        """The structure around other leaves."""
        return build(self.tree, iter(parts))

    def traced(self, values: Sequence[Value]) -> Any:
        """The structure around traced values."""
        return self.built([Tracer(v) for v in values])


def taken_apart(structure: Any, name: str) -> Parts:
    """`structure` taken apart: tuples, lists, dicts, dataclasses and None, nested.

    Raises:
        TraceError: a leaf is neither a real number nor an array nor a traced value.
    """
    parts = Parts(*destructure(structure, name, lambda part: isinstance(part, Traced)))
    for leaf_name, leaf in zip(parts.names, parts.leaves, strict=True):
        if not isinstance(leaf, (Traced, np.ndarray)) and not is_number(leaf):
            raise trace_error(f"{leaf_name} is {described(leaf)}, no number and no array")
    return parts


def is_traced(parts: Parts) -> bool:
    return any(isinstance(leaf, Traced) for leaf in parts.leaves)


def is_weak(leaf: Any) -> bool:
    """Whether `leaf` is a number of Python, which takes the dtype of what it meets."""
    return isinstance(leaf, (bool, int, float)) and not isinstance(leaf, np.generic)


def lifted(graph: Graph, leaf: Any, dtype: DType | None = None) -> Value:
    """`leaf` in `graph`; a Python number takes `dtype`, without one f64, i64 or bool."""
    if isinstance(leaf, Traced):
        return lift(graph, leaf)
    weak = is_weak(leaf) or not isinstance(leaf, (np.generic, np.ndarray))
    if not weak or isinstance(leaf, bool):
        return arrays.constant(graph, leaf)
    if dtype is None or (dtype.kind != "f" and isinstance(leaf, float)):
        dtype = i64 if isinstance(leaf, int) else f64
    return arrays.constant(graph, leaf, dtype)


def same_structure(given: Parts, result: Any, name: str, what: str) -> Parts:
    """`result` taken apart, which has to have the structure of `given`.

    Raises:
        TraceError: it has not.
    """
    found = taken_apart(result, name)
    if shell(found.tree) != shell(given.tree):
        raise _other_structure(given.tree, found.tree, what)
    return found


def filled(given: Parts, result: Any, what: str) -> list[Any]:
    """The leaves of `result`, in which None may stand for any part of the structure of `given`.

    Where it does, all leaves of that part are None.

    Raises:
        TraceError: `result` has another structure.
    """
    tree, found = destructure(result, "", lambda part: part is None or isinstance(part, Traced))
    parts = iter(found)
    leaves_found: list[Any] = []
    stack = [(given.tree, tree)]
    while stack:
        old, new = stack.pop()
        part = next(parts) if isinstance(new, Leaf) else ()
        if part is None:
            leaves_found += [None] * len(leaves(old))
        elif isinstance(old, Leaf) and isinstance(new, Leaf):
            leaves_found.append(part)
        elif isinstance(old, Leaf) or isinstance(new, Leaf) or _kind(old) != _kind(new):
            raise _other_structure(given.tree, tree, what)
        else:
            stack.extend(reversed(list(zip(old.children, new.children, strict=True))))
    return leaves_found


def _other_structure(given: Tree, found: Tree, what: str) -> TraceError:
    return trace_error(f"{what}: expected the structure {_drawn(given)}, got {_drawn(found)}")


def _kind(tree: Branch) -> Any:
    return tree.kind, tree.fields, tree.factory, len(tree.children)


def shell(tree: Tree) -> Any:
    """What makes two structures the same: everything but the names of their leaves."""
    if isinstance(tree, Leaf):
        return None
    return _kind(tree), tuple(shell(child) for child in tree.children)


def _drawn(tree: Tree) -> str:
    """A structure in a message."""
    if isinstance(tree, Leaf):
        return "*"
    if tree.factory is type(None):
        return "None"
    inner = [_drawn(child) for child in tree.children]
    if tree.fields is not None:
        pairs = zip(tree.fields, inner, strict=True)
        inner = [f"{field}: {part}" for field, part in pairs]
    left, right = "[]" if tree.kind == "list" else "()" if tree.fields is None else "{}"
    return f"{tree.label}{left}{', '.join(inner)}{right}"


def name_of(function: Callable[..., Any], otherwise: str = "step") -> str:
    """What `function` is called in the IR: `otherwise`, where it has no name."""
    name = getattr(function, "__name__", otherwise)
    return name if name.isidentifier() else otherwise
