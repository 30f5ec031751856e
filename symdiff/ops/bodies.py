"""Loops and their bodies: taken apart and put together, and parts of graphs copied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from symdiff.ir import ITEM, PARAM, Branch, Function, Graph, Leaf, Type, Value
from symdiff.ops.control import scan


class Loop(NamedTuple):
    """A scan: the body, and how often and in which order it runs."""

    body: Function
    carries: int
    inputs: int
    length: int
    reverse: bool
    checkpoint: bool

    @staticmethod
    def of(value: Value) -> Loop:
        """What the attributes of a scan say."""
        attrs = dict(value.attrs)
        return Loop(
            attrs["body"],
            attrs["carries"],
            attrs["inputs"],
            attrs["length"],
            attrs["reverse"],
            attrs.get("checkpoint", False),
        )

    def on(self, graph: Graph, operands: Sequence[Value]) -> Value:
        """The loop, run on carries, per-step inputs and the rest."""
        attrs = [(name, v) for name, v in self._asdict().items() if name != "checkpoint" or v]
        return graph.add(scan, tuple(operands), tuple(sorted(attrs)))


def items(value: Value) -> list[Value]:
    """The elements of a tuple-typed value."""
    return [item(value, i) for i in range(len(elements(value)))]


def elements(value: Value) -> tuple[Type, ...]:
    """The types of the elements of a tuple-typed value; of another one, its type alone."""
    return getattr(value.type, "elements", (value.type,))


def item(value: Value, index: int) -> Value:
    return value.graph.add(ITEM, (value,), (("index", index),))


class Body:
    """A function being written: a graph, and parameters with names of their own."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.params: list[Value] = []
        self._taken: set[str] = set()

    def param(self, name: str, type: Type) -> Value:
        """A new parameter; a name that is taken gets a number."""
        free, count = name, 0
        while free in self._taken:
            count += 1
            free = f"{name}_{count}"
        self._taken.add(free)
        made = self.graph.param(free, type)
        self.params.append(made)
        return made

    def like(self, value: Value, prefix: str = "", suffix: str = "") -> Value:
        """A parameter typed like `value`, and called after it if that is one too."""
        name = value.attr("name") if value.op is PARAM else "kept"
        return self.param(f"{prefix}{name}{suffix}", value.type)

    def function(self, name: str, outputs: Sequence[Value]) -> Function:
        """The function that returns `outputs`."""
        return Function(name, tuple(self.params), tuple(outputs), flat_tree(len(outputs)))


def flat_tree(count: int) -> Branch:
    """The structure of a body's results: a tuple of all."""
    return Branch(tuple(Leaf(f"value_{i}") for i in range(count)))


def upto(outputs: Iterable[Value], stop: Iterable[Value]) -> list[Value]:
    """The values that `outputs` need, operands first, down to those in `stop` and no further."""
    ends = set(stop)
    found: set[Value] = set()
    stack = list(outputs)
    while stack:
        value = stack.pop()
        if value not in found:
            found.add(value)
            if value not in ends:
                stack.extend(value.args)
    return sorted(found, key=lambda v: v.index)


def extract(graph: Graph, outputs: Sequence[Value], known: dict[Value, Value]) -> list[Value]:
    """Copies of `outputs` in `graph` made from the values in `known`, which grows.

    What is below the known values is not copied.
    """
    for value in upto(outputs, known):
        if value not in known:
            graph.location = value.location
            args = tuple([known[a] for a in value.args])
            known[value] = graph.add(value.op, args, value.attrs, value.type)
    graph.location = None
    return [known[v] for v in outputs]


def reached(graph: Graph, roots: Iterable[Value]) -> set[Value]:
    """The values of `graph` that `roots` have a part in, themselves included."""
    found = set(roots)
    for value in graph.values[min((v.index for v in found), default=len(graph.values)) :]:
        if any(a in found for a in value.args):
            found.add(value)
    return found
