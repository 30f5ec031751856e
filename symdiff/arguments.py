"""What the arguments of a call are: structures of arrays, told apart by shapes and dtypes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, cast

import numpy as np

from symdiff import ir
from symdiff.errors import ArgumentError, SymdiffError, TraceError
from symdiff.parser import Tracer

Arguments = tuple[tuple[str, ir.Tree], ...]  # names, and structures whose leaves are parameters

NOTHING: Final = ir.Branch((), (), "None", factory=type(None))  # the structure of None


@dataclass(frozen=True, slots=True)
class Spec:
    """An argument without its numbers: its structure, and the types of the leaves in order.

    The leaves are called as the parameters that they become.
    """

    tree: ir.Tree
    types: tuple[ir.Type, ...]


def describe(names: Sequence[str], arguments: Sequence[Any], written: bool = False) -> list[Spec]:
    """What the arguments are. With `written`, texts such as "f64[3]" stand for types.

    Raises:
        ArgumentError: an argument is not made of real numbers; the message has its name.
    """
    taken = set(names)
    specs: list[Spec] = []
    for name, argument in zip(names, arguments, strict=True):
        tree, found = ir.destructure(argument, name, is_leaf, taken)
        called = [leaf.name for leaf in ir.leaves(tree)]
        if isinstance(tree, ir.Leaf):  # parameters keep their names, whatever these are
            tree, called = ir.Leaf(name), [name]
        pairs = zip(called, found, strict=True)
        specs.append(Spec(tree, tuple([type_of(n, leaf, written) for n, leaf in pairs])))
    return specs


def is_leaf(part: Any) -> bool:
    """Whether a part of an argument is one array: a list of numbers, unlike one of arrays."""
    return isinstance(part, ir.Type) or (isinstance(part, list) and _is_numbers(cast("Any", part)))


def _is_numbers(part: list[Any]) -> bool:
    """Whether a list is one of numbers, perhaps in further lists: an array, not a structure."""
    first: Any = part
    while isinstance(first, list):
        if not first:
            return True
        first = cast("list[Any]", first)[0]
    return isinstance(first, (int, float, complex, np.generic))


def type_of(name: str, leaf: Any, written: bool = False) -> ir.Type:
    """The type that an argument has as a parameter: Python's numbers are f64, integers i64.

    Raises:
        ArgumentError: it is not made of real numbers of a precision that symdiff has.
    """
    if isinstance(leaf, ir.Type):
        return leaf
    if isinstance(leaf, Tracer):
        return leaf.value.type
    if written and isinstance(leaf, str):
        try:
            return ir.parse_type(leaf)
        except SymdiffError as error:
            raise ArgumentError(f"{name}: {error}") from None
    if isinstance(leaf, (bool, np.bool)):
        return ir.BOOL
    if isinstance(leaf, (int, float)):
        return ir.F64
    try:
        array = np.asarray(leaf)
    except (ValueError, TypeError, OverflowError) as error:
        raise ArgumentError(f"{name}: cannot make an array of this: {error}") from error
    if array.dtype.kind not in "biuf":
        what = f"an array of {array.dtype}" if array.ndim else type(leaf).__name__
        raise ArgumentError(f"{name}: expected real numbers, got {what}")
    for dtype in (ir.boolean, ir.i64, ir.f32, ir.f64):
        if np.can_cast(array.dtype, dtype.numpy) and (array.dtype.kind == "f") == (
            dtype.kind == "f"
        ):
            return ir.Type(dtype, array.shape)
    raise ArgumentError(
        f"{name}: symdiff has no {array.dtype}; convert it with .astype(...) to float64 or int64"
    )


class TracedArgument(TraceError):  # noqa: N818 -- says what was met
    """A traced value is among the arguments: the call is to be recorded in its graph, not run."""

    def __init__(self, graph: ir.Graph) -> None:
        super().__init__(
            "a compiled kernel takes numbers, but a traced value has none while tracing; "
            "call the function that the kernel was compiled from"
        )
        self.graph = graph


def scan(argument: Any, key: list[Any], found: list[Any]) -> None:
    """Adds to `key` what tells arguments of different `describe` apart, to `found` the leaves.

    Raises:
        TracedArgument: a leaf is a traced value.
        ArgumentError: as for `describe`.
    """
    kind: Any = argument.__class__
    if kind is np.ndarray:
        key.append(argument.shape)
        key.append(argument.dtype)
        found.append(argument)
    elif kind is float or kind is int or kind is np.float64:
        key.append(float)
        found.append(argument)
    elif kind is dict:
        key.append(tuple(argument))
        for part in argument.values():
            scan(part, key, found)
    elif isinstance(argument, Tracer):
        raise TracedArgument(argument.value.graph)
    elif isinstance(argument, (tuple, list)) and not is_leaf(argument):
        parts = cast("Sequence[Any]", argument)
        key.append((kind, len(parts)))
        for part in parts:
            scan(part, key, found)
    elif is_dataclass(kind) and not isinstance(argument, ir.Type):
        key.append(kind)
        for field in fields(kind):
            scan(getattr(cast("Any", argument), field.name), key, found)
    elif argument is None:
        key.append(None)
    else:
        # What is rare takes the long way: what it is made of is part of the key.
        (spec,) = describe(["argument"], [argument])
        key.append(spec)
        found += ir.flatten(spec.tree, argument)


def typed(specs: Sequence[Spec]) -> dict[str, ir.Type]:
    """The parameters that arguments become, and their types."""
    return {
        leaf.name: type
        for spec in specs
        for leaf, type in zip(ir.leaves(spec.tree), spec.types, strict=True)
    }
