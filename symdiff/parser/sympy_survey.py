"""The arrays in a SymPy expression, and their shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

from symdiff.errors import NeedsShapes, ShapeError, UnsupportedError
from symdiff.ir import Type, f64, i64
from symdiff.parser.sympy_parts import unsupported


@dataclass(slots=True)
class Survey:
    """The arrays in an expression.

    Attributes:
        arrays: MatrixSymbols and IndexedBases by name.
        integers: names of arrays whose elements are indices of others.
        elements: the nodes that have an element of an array in them, by identity.
        symbols: the names of all other symbols, those of indices and extents excepted.
        extents: the numbers, SymPy's, that symbols in shapes stand for.
    """

    arrays: dict[str, Any] = field(default_factory=dict[str, Any])
    integers: set[str] = field(default_factory=set[str])
    elements: dict[int, Any] = field(default_factory=dict[int, Any])
    symbols: set[str] = field(default_factory=set[str])
    extents: dict[Any, Any] = field(default_factory=dict[Any, Any])

    def bind(self, types: Mapping[str, Type]) -> dict[str, Type]:
        """The types of all arrays; symbols in their shapes get the extents in `types`.

        Raises:
            ShapeError: a declared type that does not fit the shape of the array.
            NeedsShapes: a shape that is not known.
        """
        integer: Any = import_module("sympy").Integer
        shapes = {name: shape_of(node) for name, node in self.arrays.items()}
        for name, shape in shapes.items():
            if shape is None or not (name in types and types[name].shape):
                continue
            for extent, number in zip(shape, self.fitted(name, types[name]), strict=True):
                given = integer(number)
                if extent.is_Symbol and self.extents.setdefault(extent, given) != given:
                    raise ShapeError(
                        f"{extent} is {self.extents[extent]} in one array and {given} in {name}"
                    )
        return {name: self.typed(name, shape, types.get(name)) for name, shape in shapes.items()}

    def fitted(self, name: str, type: Type) -> tuple[int, ...]:
        """The declared extents of an array, those of a vector as a column where it is a matrix."""
        node, declared = self.arrays[name], type.shape
        shape = shape_of(node)
        if named(node, "MatrixSymbol") and len(declared) == 1 and node.shape[1] == 1:
            declared = (*declared, 1)
        if shape is not None and len(declared) != len(shape):
            raise ShapeError(f"{name} has the shape {_shape_text(shape)}, not that of {type}")
        return declared

    def typed(self, name: str, shape: Sequence[Any] | None, given: Type | None) -> Type:
        """The type of an array; a `given` type without extents is one of its elements."""
        if shape is None:
            if given is not None and given.shape:
                return given
            raise NeedsShapes(
                f"the shape of {name} is not known: write IndexedBase({name!r}, shape=(...)), "
                f"give args={{{name!r}: 'f64[3]'}}, or call it with arrays"
            )
        extents = [extent.xreplace(self.extents) for extent in shape]
        unknown = [str(e) for e in extents if not (e.is_Integer and e >= 0)]
        if unknown:
            raise NeedsShapes(
                f"the shape {_shape_text(shape)} of {name} is not known: {', '.join(unknown)} "
                f"is no number; give args={{{name!r}: 'f64[...]'}}, or call it with arrays"
            )
        known = tuple(int(e) for e in extents)
        if given is None:
            return Type(i64 if name in self.integers else f64, known)
        if not given.shape:
            return given.with_shape(known)
        if self.fitted(name, given) != known:
            raise ShapeError(f"{name} has the shape {_shape_text(known)}, not that of {given}")
        return given


def _shape_text(shape: Sequence[Any]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def shape_of(node: Any) -> Sequence[Any] | None:
    """The extents of a MatrixSymbol or an IndexedBase as expressions; None if it has none."""
    return None if node.shape is None else tuple(node.shape)


def survey(roots: Iterable[Any]) -> Survey:
    """What arrays there are in `roots`. Time and memory are linear in their size."""
    found = Survey()
    # By identity, as to compare deep expressions is to recurse. Nodes are kept, as their
    # identity could pass to others.
    seen: dict[int, Any] = {}
    bound: set[str] = set()
    stack: list[Any] = list(roots)
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            kind = _kind(node.__class__)
            if kind:
                _note(found, bound, node, kind)
            if kind not in _LEAVES:
                stack.extend([a for a in node.args if id(a) not in seen and hasattr(a, "args")])
    lengths = (shape_of(array) or () for array in found.arrays.values())
    extents = {str(s) for shape in lengths for extent in shape for s in extent.free_symbols}
    found.symbols -= bound | extents
    if found.arrays:
        found.elements = _with_elements(seen.values())
    return found


def _with_elements(nodes: Iterable[Any]) -> dict[int, Any]:
    """Those of `nodes` that are elements of arrays or have some in them, by identity."""
    users: dict[int, list[Any]] = {}
    stack: list[Any] = []
    for node in nodes:
        if _kind(node.__class__) == "element":
            stack.append(node)
        for arg in inner_nodes(node):
            users.setdefault(id(arg), []).append(node)
    found: dict[int, Any] = {}
    while stack:
        node = stack.pop()
        if id(node) not in found:
            found[id(node)] = node
            stack.extend(users.get(id(node), ()))
    return found


def inner_nodes(node: Any) -> Sequence[Any]:
    """The nodes that the value of `node` is made of."""
    if _kind(node.__class__) in _LEAVES:
        return ()
    return [arg for arg in node.args if hasattr(arg, "args")]


# What SymPy's classes mean to the survey.
_KINDS: Final = {
    "Symbol": "symbol",
    "MatrixSymbol": "array",
    "IndexedBase": "array",
    "Idx": "index",
    "Indexed": "element",
    "MatrixElement": "element",
    "ExprWithLimits": "range",
    "Lambda": "function",
}
_LEAVES: Final = frozenset({"symbol", "array", "index"})


@lru_cache(maxsize=1024)
def _class_names(cls: type) -> frozenset[str]:
    return frozenset(base.__name__ for base in cls.__mro__)


@lru_cache(maxsize=1024)
def _kind(cls: type) -> str:
    names = _class_names(cls)
    return next((kind for name, kind in _KINDS.items() if name in names), "")


def named(node: Any, name: str) -> bool:
    """Whether `node` is of the SymPy class called `name`, or of one derived from it."""
    return name in _class_names(node.__class__)


def _note(found: Survey, bound: set[str], node: Any, kind: str) -> None:
    """Write down what `node` says of arrays and indices."""
    if kind == "symbol":
        found.symbols.add(str(node.name))
    elif kind == "array":
        name = array_name(node)
        if found.arrays.setdefault(name, node) != node:
            raise UnsupportedError(f"two different arrays are called {name!r}; rename one")
    elif kind == "range":
        bound.update(str(getattr(limit[0], "name", limit[0])) for limit in node.limits)
    elif kind == "function":
        bound.update(str(symbol.name) for symbol in node.variables)
    elif kind == "element":
        found.integers.update(
            array_name(inner.base)
            for index in node.args[1:]
            for inner in _nodes(index)
            if named(inner, "Indexed")
        )


def _nodes(root: Any) -> list[Any]:
    """All nodes of an index, itself included."""
    found: list[Any] = []
    stack = [root]
    while stack:
        found.append(stack.pop())
        stack.extend(inner_nodes(found[-1]))
    return found


def array_name(node: Any) -> str:
    """The name of a MatrixSymbol or an IndexedBase."""
    label = node.name if named(node, "MatrixSymbol") else node.label
    if not isinstance(label, str) and not label.is_Symbol:
        raise unsupported(node, "give the array a name: IndexedBase('x')")
    return str(label)
