"""Values, the graph that interns them, and functions over them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import compress, islice
from types import CodeType
from typing import Any, Final, NamedTuple

import numpy as np

from symdiff.errors import IRError
from symdiff.ir.op import Attrs, Op
from symdiff.ir.tree import Leaf, Tree
from symdiff.ir.types import TupleType, Type, f64

Visit = Callable[["Value", tuple["Value", ...]], "Value | None"]
Rule = Callable[[Op, tuple["Value", ...], Attrs], "Value | None"]


class Call(NamedTuple):
    """A place in a Python program: the instruction of `code`, by its offset in bytes."""

    code: CodeType
    instruction: int

    @property
    def line(self) -> int:
        """The line in the file, counted from 1."""
        start, _ = self.lines()
        return start

    def lines(self) -> tuple[int, int]:
        """The first and the last line of what the instruction was compiled from."""
        start, end, _, _ = self._position()
        first = start or self.code.co_firstlineno
        return first, end or first

    def columns(self) -> tuple[int, int] | None:
        """Where it begins in the first line and ends in the last, in bytes; None if unknown."""
        _, _, start, end = self._position()
        return None if start is None or end is None else (start, end)

    def _position(self) -> tuple[int | None, int | None, int | None, int | None]:
        return next(islice(self.code.co_positions(), self.instruction // 2, None))


Location = tuple[int, int] | Call  # start and end offset in the source text, or in a program


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant, compared by type and bytes: 0.0 and -0.0 differ, a NaN equals itself.

    `data` holds every element in C order, or a single one that stands for all.
    """

    type: Type
    data: bytes

    def __hash__(self) -> int:
        return hash(self.data)

    @staticmethod
    def of(value: Any, type: Type) -> Literal:
        if type.dtype is f64 and not type.shape:
            return Literal(type, struct.pack("<d", value))  # the common case, 5 times as fast
        with np.errstate(over="ignore"):
            return Literal(type, np.ascontiguousarray(value, type.dtype.numpy).tobytes())

    @property
    def array(self) -> Any:
        """The value as a read-only array of the literal's shape."""
        elements = np.frombuffer(self.data, self.type.dtype.numpy)
        if len(elements) == 1:
            return np.broadcast_to(elements[0], self.type.shape)
        return elements.reshape(self.type.shape)

    @property
    def scalar(self) -> float | None:
        """The Python number that every element is, or None if they were given one by one."""
        if len(self.data) != self.type.dtype.itemsize:
            return None
        if self.type.dtype is f64:
            return struct.unpack("<d", self.data)[0]
        return np.frombuffer(self.data, self.type.dtype.numpy)[0].item()


class Value:
    """One node of a graph: an operation applied to operands. Immutable, compared by identity.

    Attributes:
        op: what is computed.
        args: the operands, all in the same graph.
        attrs: static attributes, as sorted (name, value) pairs.
        type: dtype and shape of the result.
        graph, index: the owning graph and the position in it; operands come before their users.
        location: where in the user's source the value comes from, or None.
    """

    __slots__ = ("args", "attrs", "graph", "index", "location", "op", "type")

    op: Op
    args: tuple[Value, ...]
    attrs: Attrs
    type: Type  # a TupleType for operations with several results, which only `item` may use
    graph: Graph
    index: int
    location: Location | None

    def attr(self, name: str) -> Any:
        """The static attribute called `name`."""
        for key, value in self.attrs:
            if key == name:
                return value
        raise KeyError(name)

    @property
    def literal(self) -> Literal | None:
        """The constant that this value is, or None."""
        return self.attrs[0][1] if self.op is CONST else None

    def __repr__(self) -> str:
        operands = ", ".join(f"%{a.index}" for a in self.args)
        return f"<%{self.index}: {self.type} = {self.op.name} {operands}>"


class Graph:
    """An append-only list of values in which each (op, args, attrs) stands once.

    `rule`, where given, sees every operation before it is added and may return another value
    in its place; that is how rewriting passes simplify what they build while they build it.
    `location` is stamped on the values added while it is set. `names` has what a program calls
    some of the values. `unshaped` is a list while a Python
    function is traced without the shapes of its parameters: of what it did that needs them.
    """

    __slots__ = ("_interned", "location", "names", "rule", "unshaped", "values")

    def __init__(self, rule: Rule | None = None) -> None:
        self.values: list[Value] = []
        self.rule = rule
        self.location: Location | None = None
        self.names: dict[Value, str] = {}
        self.unshaped: list[str] | None = None
        # By operation and then by operands: no tuple of all three has to be made and kept.
        self._interned: dict[tuple[Op, Attrs] | Op, dict[tuple[Value, ...], Value]] = {}

    def add(
        self, op: Op, args: tuple[Value, ...] = (), attrs: Attrs = (), type: Any = None
    ) -> Value:
        """The value of `op` on `args`: the one that is there already, or a new one.

        `type` is the type of the result where the caller knows it, as when copying.

        Raises:
            ShapeError: the operands do not fit the operation.
        """
        key = (op, attrs) if attrs else op
        table = self._interned.get(key)
        if table is None:
            table = self._interned[key] = {}
        found = table.get(args)
        if found is not None:
            return found
        if self.rule is not None:
            replaced = self.rule(op, args, attrs)
            if replaced is not None:
                table[args] = replaced
                return replaced
        value = Value()
        value.op = op
        value.args = args
        value.attrs = attrs
        value.type = type or op.type_of(args, attrs)
        value.graph = self
        value.index = len(self.values)
        value.location = self.location
        self.values.append(value)
        table[args] = value
        return value

    def take(
        self,
        values: Iterable[Value],
        known: dict[Value, Value],
        visit: Visit | None = None,
        ops: Collection[Op] | None = None,
    ) -> None:
        """Add copies of `values`, which come after their operands; the rule is not asked.

        `known` maps operands to what takes their place, and grows by the copies; what it has
        already is not copied. `visit(value, args)` sees each value with its operands copied (those
        of the operations `ops`, where given) and may return what takes its place. The same as
        calling `add` for each value, in half the time.
        """
        interned, own = self._interned, self.values
        for value in values:
            if value in known:
                continue
            op, args, attrs = value.op, value.args, value.attrs
            if len(args) == 2:  # the common case, written out
                args = known[args[0]], known[args[1]]
            else:
                args = tuple([known[a] for a in args])
            if visit is not None and (ops is None or op in ops):
                self.location = value.location
                replaced = visit(value, args)
                if replaced is not None:
                    known[value] = replaced
                    continue
            key = (op, attrs) if attrs else op
            table = interned.get(key)
            if table is None:
                table = interned[key] = {}
            copy = table.get(args)
            if copy is None:
                copy = Value()
                copy.op = op
                copy.args = args
                copy.attrs = attrs
                copy.type = value.type
                copy.graph = self
                copy.index = len(own)
                copy.location = value.location
                own.append(copy)
                table[args] = copy
            known[value] = copy
        self.location = None

    def discard(self) -> None:
        """Forget all values, when nothing needs this graph any more.

        They refer to it in turn, so that their memory would be kept until the next collection.
        """
        self._interned.clear()
        self.names.clear()
        self.values.clear()

    def const(self, number: Any, type: Type) -> Value:
        """A constant of the given type."""
        return self.add(CONST, (), (("value", Literal.of(number, type)),))

    def param(self, name: str, type: Type) -> Value:
        """The parameter called `name`."""
        return self.add(PARAM, (), (("name", name), ("type", type)))


@dataclass(frozen=True, slots=True)
class Function:
    """Parameters, outputs and the structure in which the outputs are handed back.

    `result` is a tree whose leaves stand for `outputs` in order and carry their names.
    """

    name: str
    params: tuple[Value, ...]
    outputs: tuple[Value, ...]
    result: Tree = field(default_factory=lambda: Leaf("value"))
    _live: tuple[Value, ...] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def graph(self) -> Graph:
        return self.outputs[0].graph

    @property
    def param_names(self) -> tuple[str, ...]:
        return tuple(p.attr("name") for p in self.params)

    def live(self) -> tuple[Value, ...]:
        """The values that the outputs need, operands first; parameters too where they are used."""
        found = self._live
        if found is None:
            found = live(self.outputs)
            object.__setattr__(self, "_live", found)  # once: every pass asks for it several times
        return found

    def knowing_live(self, values: Iterable[Value]) -> Function:
        """The same function, told what `live` would find, by whoever knows it."""
        object.__setattr__(self, "_live", tuple(values))
        return self


def live(outputs: Iterable[Value]) -> tuple[Value, ...]:
    """All values that `outputs` depend on, operands first (a toposort without recursion)."""
    roots = list(outputs)
    if not roots:
        return ()
    values = roots[0].graph.values
    top = max(v.index for v in roots) + 1
    needed = bytearray(top)
    for root in roots:
        needed[root.index] = 1
    for index in range(top - 1, -1, -1):
        if needed[index]:
            for arg in values[index].args:
                needed[arg.index] = 1
    return tuple(compress(values, needed))


def use_counts(fn: Function) -> dict[Value, int]:
    """How often each live value is an operand or an output."""
    counts = dict.fromkeys(fn.live(), 0)
    for value in counts:
        for arg in value.args:
            counts[arg] += 1
    for output in fn.outputs:
        counts[output] += 1
    return counts


def _given(*_: Any, **__: Any) -> Any:
    raise IRError("a parameter is not computed; it is given")


def _item_type(types: tuple[Any, ...], index: int) -> Type:
    (whole,) = types
    if not isinstance(whole, TupleType) or not 0 <= index < len(whole.elements):
        raise IRError(f"item {index} of a value of type {whole}")
    return whole.elements[index]


def _const_type(types: tuple[Any, ...], value: Literal) -> Type:
    return value.type


def _const_value(value: Literal) -> Any:
    return value.array


def _param_type(types: tuple[Any, ...], name: str, type: Type) -> Type:
    return type


def _item_value(whole: tuple[Any, ...], index: int) -> Any:
    return whole[index]


CONST: Final = Op("const", arity=0, type=_const_type, value=_const_value)
PARAM: Final = Op("param", arity=0, type=_param_type, value=_given)
ITEM: Final = Op("item", type=_item_type, value=_item_value)
