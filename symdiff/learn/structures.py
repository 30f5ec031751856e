"""Leaves of parameters by their paths: `layers.0.W` is `params["layers"][0]["W"]`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from symdiff import ir
from symdiff.arguments import is_leaf
from symdiff.errors import ArgumentError

Leaves = dict[str, Any]
Patterns = str | Iterable[str]


def by_path(structure: Any) -> tuple[ir.Tree, Leaves]:
    """The structure, and its leaves by their paths, from left to right.

    A path joins keys, fields and positions by dots; a structure that is one array has the path "".

    Raises:
        ArgumentError: two leaves have one path (a key has a dot in it).

        >>> by_path({"layers": [{"W": 1.0}, {"W": 2.0}]})[1]
        {'layers.0.W': 1.0, 'layers.1.W': 2.0}
    """
    tree, found = ir.destructure(structure, "", is_leaf)
    paths = _paths(tree, ())
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise ArgumentError(f"two parameters have the path {twice!r}: keys must not have dots")
    return tree, dict(zip(paths, found, strict=True))


def _paths(tree: ir.Tree, way: tuple[str, ...]) -> list[str]:
    if isinstance(tree, ir.Leaf):
        return [".".join(way)]
    keys = tree.fields or tuple(str(i) for i in range(len(tree.children)))
    pairs = zip(keys, tree.children, strict=True)
    return [path for key, child in pairs for path in _paths(child, (*way, key))]


def rebuilt(tree: ir.Tree, leaves: Leaves) -> Any:
    """The structure `tree` with `leaves`, given in its order."""
    return ir.build(tree, iter(leaves.values()))


def mapped(change: Callable[[Any], Any], structure: Any) -> Any:
    """The structure with `change(leaf)` in place of every leaf."""
    tree, leaves = by_path(structure)
    return rebuilt(tree, {path: change(leaf) for path, leaf in leaves.items()})


def arrays(structure: Any) -> Any:
    """The structure with a copy of each leaf: an array of floats or integers of its own.

    Python's numbers become arrays without axes. Floating-point arrays keep their precision.
    """
    return mapped(lambda leaf: np.array(leaf, order="C"), structure)


def chosen(patterns: Patterns, paths: Sequence[str], what: str) -> list[str]:
    """Those of `paths` that a pattern names, in their own order.

    A pattern is a path, the path of a structure (all that is in it), or either with the wildcards
    of `fnmatch`: `layers.*.b`.

    Raises:
        ArgumentError: a pattern names nothing; the message begins with `what`.

        >>> chosen("layers.*.W", ["layers.0.W", "layers.0.b", "out"], "frozen")
        ['layers.0.W']
    """
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    for pattern in wanted:
        if not any(matches(pattern, path) for path in paths):
            near = difflib.get_close_matches(pattern, paths, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(paths)}"
            raise ArgumentError(f"{what}: no parameter is called {pattern!r}; {hint}")
    return [path for path in paths if any(matches(pattern, path) for pattern in wanted)]


def matches(pattern: str, path: str) -> bool:
    """Whether `pattern` names the leaf at `path`, or a structure that it is in."""
    parts = path.split(".")
    return any(fnmatchcase(".".join(parts[:n]), pattern) for n in range(1, len(parts) + 1))


def is_real(leaf: Any) -> bool:
    """Whether a leaf, traced or not, has floating-point numbers, which can be learned."""
    kind = getattr(leaf, "dtype", None)
    return np.dtype(kind).kind == "f" if kind is not None else isinstance(leaf, float)


def like(number: Any, leaf: Any) -> Any:
    """`number` in the precision of `leaf`, which must not widen by it."""
    wanted, given = getattr(leaf, "dtype", None), getattr(number, "dtype", None)
    return number if given is None or wanted in (None, given) else number.astype(wanted)
