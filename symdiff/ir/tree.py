"""Structures of parameters and results: tuples, named tuples, lists, dicts, dataclasses, nested."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, cast

from symdiff.errors import ArgumentError

_DEEPEST: Final = 200  # structures nested deeper are taken for ones that contain themselves


@dataclass(frozen=True, slots=True)
class Leaf:
    """One output, called `name` in generated code."""

    name: str


@dataclass(frozen=True, slots=True)
class Branch:
    """Children in order.

    Attributes:
        fields: what the children are called: the keys of a dict, the fields of a named tuple;
            None for tuples and lists.
        label: the name of the type of a named tuple.
        kind: "tuple" (named where there are fields), "list" or "dict".
        factory: the user's own named tuple or dataclass, or NoneType for None. It is not part of
            the printed form: what is read back gives a `Record` with the same fields.
    """

    children: tuple[Tree, ...]
    fields: tuple[str, ...] | None = None
    label: str = ""
    kind: str = "tuple"
    factory: type | None = None

    def with_children(self, children: Sequence[Tree]) -> Branch:
        """The same structure around other children."""
        return dataclasses.replace(self, children=tuple(children))


Tree = Leaf | Branch


def leaves(tree: Tree) -> list[Leaf]:
    """The leaves from left to right."""
    if isinstance(tree, Leaf):
        return [tree]
    return [leaf for child in tree.children for leaf in leaves(child)]


def branches(tree: Tree) -> list[Branch]:
    """The inner nodes, each before what is below it."""
    if isinstance(tree, Leaf):
        return []
    return [tree, *(branch for child in tree.children for branch in branches(child))]


def without_factories(tree: Tree) -> Tree:
    """The structure with records in place of the user's own types, as the printed form has it."""
    if isinstance(tree, Leaf):
        return tree
    children = [without_factories(child) for child in tree.children]
    return Branch(tuple(children), tree.fields, tree.label, tree.kind)


def has_factories(tree: Tree) -> bool:
    """Whether the structure has types of the user's own."""
    return any(branch.factory not in (None, type(None)) for branch in branches(tree))


def build(tree: Tree, values: Iterator[Any]) -> Any:
    """`values`, one a leaf, in the structure of `tree`."""
    if isinstance(tree, Leaf):
        return next(values)
    children = [build(child, values) for child in tree.children]
    if tree.kind == "list":
        return children
    if tree.fields is None:
        return tuple(children)
    if tree.kind == "dict":
        return dict(zip(tree.fields, children, strict=True))
    if tree.factory is not None:
        return _instance(tree.factory, tree.fields, children)
    return record(tree.label, tree.fields)(children)


def _instance(factory: type, fields: tuple[str, ...], children: list[Any]) -> Any:
    if factory is type(None):
        return None
    if issubclass(factory, tuple):
        return cast("Any", factory)._make(children)
    # As copying and unpickling do it: a `__post_init__` has seen these fields already.
    made: Any = object.__new__(cast("Any", factory))
    for name, child in zip(fields, children, strict=True):
        object.__setattr__(made, name, child)
    return made


def flatten(tree: Tree, result: Any) -> list[Any]:
    """The inverse of `build`: the leaves of `result`.

    Raises:
        ValueError: `result` does not have the structure of `tree`.
    """
    if isinstance(tree, Leaf):
        return [result]
    pairs = zip(tree.children, _parts(tree, result), strict=True)
    return [leaf for child, part in pairs for leaf in flatten(child, part)]


def _parts(tree: Branch, result: Any) -> list[Any]:
    if tree.kind == "dict":
        fields = tree.fields or ()
        if not isinstance(result, Mapping) or set(cast("Any", result)) != set(fields):
            raise ValueError(f"expected a dict with the keys {', '.join(fields)}")
        return [result[name] for name in fields]
    if tree.factory is type(None):
        if result is not None:
            raise ValueError("expected None")
        return []
    if tree.fields is not None and not isinstance(result, (tuple, list)):
        missing = [name for name in tree.fields if not hasattr(result, name)]
        if missing:
            raise ValueError(f"expected a {tree.label} with {', '.join(tree.fields)}")
        return [getattr(result, name) for name in tree.fields]
    parts = list(cast("Sequence[Any]", result)) if isinstance(result, (tuple, list)) else None
    if parts is None or len(parts) != len(tree.children):
        raise ValueError(f"expected a {tree.kind} of {len(tree.children)}")
    return parts


def destructure(
    structure: Any,
    name: str = "",
    leaf: Callable[[Any], bool] = lambda _: False,
    taken: set[str] | None = None,
) -> tuple[Tree, list[Any]]:
    """The structure of tuples, named tuples, lists, dicts, dataclasses and None; and its leaves.

    A leaf is what is none of these, or what `leaf` says is one. It is called as the way to it,
    joined by underscores and beginning with `name`: `params_layers_0_W`. Names are identifiers,
    and no two alike; they are added to `taken`, the names that are not to be used.

    Raises:
        ArgumentError: a key of a dict is no string, or the structure contains itself.

        >>> tree, values = destructure({"W": 1.0, "b": [2.0, 3.0]}, "p")
        >>> [leaf.name for leaf in leaves(tree)], values
        (['p_W', 'p_b_0', 'p_b_1'], [1.0, 2.0, 3.0])
        >>> build(tree, iter(values))
        {'W': 1.0, 'b': [2.0, 3.0]}
    """
    found: list[Any] = []
    names: set[str] = set() if taken is None else taken

    def visit(part: Any, path: str, depth: int) -> Tree:
        if depth > _DEEPEST:
            raise ArgumentError(f"{name or 'value'}: nested more than {_DEEPEST} levels deep")
        shell = None if leaf(part) else _shell(part, path)
        if shell is None:
            found.append(part)
            return Leaf(_claim(path or "value", names))
        branch, parts = shell
        keys = branch.fields or [str(i) for i in range(len(parts))]
        below = zip(keys, parts, strict=True)
        return branch.with_children(
            [visit(p, f"{path}_{k}" if path else k, depth + 1) for k, p in below]
        )

    return visit(structure, name, 0), found


def _shell(part: Any, path: str) -> tuple[Branch, list[Any]] | None:
    """A branch without its children, and what these are to be made of; None for a leaf."""
    kind: Any = part.__class__
    if isinstance(part, tuple):
        fields = cast("tuple[str, ...] | None", getattr(kind, "_fields", None))
        own = kind if fields is not None and not issubclass(kind, Record) else None
        label = kind.__name__ if fields is not None else ""
        return Branch((), fields, label, factory=own), list(cast("tuple[Any, ...]", part))
    if isinstance(part, list):
        return Branch((), kind="list"), cast("list[Any]", part)
    if isinstance(part, Mapping):
        entries = cast("Mapping[Any, Any]", part)
        for key in entries:
            if not isinstance(key, str):
                where = path or "a dict"
                raise ArgumentError(f"{where}: the key {key!r} of the dict is not a string")
        return Branch((), tuple(entries), kind="dict"), list(entries.values())
    if part is None:
        return Branch((), (), "None", factory=type(None)), []
    if not dataclasses.is_dataclass(part):
        return None
    fields = tuple(f.name for f in dataclasses.fields(part))
    return Branch((), fields, kind.__name__, factory=kind), [getattr(part, f) for f in fields]


def _claim(path: str, taken: set[str]) -> str:
    """`path` as an identifier that is not yet taken."""
    claimed = re.sub(r"\W", "_", path)
    if claimed[0].isdigit():
        claimed = f"_{claimed}"
    while claimed in taken:
        claimed += "_"
    taken.add(claimed)
    return claimed


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
