"""The structure in which results are handed back: leaves, tuples and named tuples, nested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Leaf:
    """One output, called `name` in generated code."""

    name: str


@dataclass(frozen=True, slots=True)
class Branch:
    """Children in order. With `fields`, a named tuple whose type is called `label`."""

    children: tuple[Tree, ...]
    fields: tuple[str, ...] | None = None
    label: str = ""


Tree = Leaf | Branch


def leaves(tree: Tree) -> list[Leaf]:
    """The leaves from left to right."""
    if isinstance(tree, Leaf):
        return [tree]
    return [leaf for child in tree.children for leaf in leaves(child)]


def build(tree: Tree, values: Iterator[Any]) -> Any:
    """`values`, one a leaf, in the structure of `tree`."""
    if isinstance(tree, Leaf):
        return next(values)
    children = [build(child, values) for child in tree.children]
    return tuple(children) if tree.fields is None else record(tree.label, tree.fields)(children)


def flatten(tree: Tree, result: Any) -> list[Any]:
    """The inverse of `build`: the leaves of `result`.

    Raises:
        ValueError: `result` does not have the structure of `tree`.
    """
    if isinstance(tree, Leaf):
        return [result]
    parts = list(cast("Sequence[Any]", result)) if isinstance(result, (tuple, list)) else []
    if len(parts) != len(tree.children):
        raise ValueError(f"expected a tuple of {len(tree.children)}")
    pairs = zip(tree.children, parts, strict=True)
    return [leaf for child, part in pairs for leaf in flatten(child, part)]


class Record(tuple[Any, ...]):
    """A named tuple. Unlike `collections.namedtuple`, any text can name a field.

    Parameters may be called `lambda` or `_x`; such a field is read with `getattr(r, "lambda")`
    or `r["lambda"]`.
    """

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __getitem__(self, key: Any) -> Any:
        where = self._fields.index(key) if isinstance(key, str) else key
        return cast("Any", tuple).__getitem__(self, where)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{type(self).__name__} has the fields {', '.join(self._fields)}")

    def _asdict(self) -> dict[str, Any]:
        """The fields and their values as a dict."""
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, **changes: Any) -> Record:
        """A copy with some fields changed."""
        unknown = changes.keys() - set(self._fields)
        if unknown:
            raise ValueError(f"no field {', '.join(sorted(unknown))} in {type(self).__name__}")
        return type(self)(changes.get(name, value) for name, value in self._asdict().items())

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
        return f"{type(self).__name__}({inner})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self).__name__, self._fields, tuple(self))


@lru_cache(maxsize=4096)
def record(label: str, fields: tuple[str, ...]) -> type[Record]:
    """The named tuple type with these fields; the same type for the same arguments."""
    getters = {name: property(itemgetter(i)) for i, name in enumerate(fields)}
    taken = {"_fields", "_asdict", "_replace", *dir(tuple)}
    members = {name: getter for name, getter in getters.items() if name not in taken}
    return type(label, (Record,), {"__slots__": (), "_fields": fields, **members})


def _rebuild(label: str, fields: tuple[str, ...], values: tuple[Any, ...]) -> Record:
    return record(label, fields)(values)
