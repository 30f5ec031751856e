"""Functions traced inside others: the bodies of loops, and what they read from outside."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from symdiff.errors import TraceError
from symdiff.ir import Graph, Value


class _Active(threading.local):
    """The graphs that are being traced in this thread, the innermost last."""

    def __init__(self) -> None:
        self.graphs: list[Graph] = []


_ACTIVE = _Active()


class BodyGraph(Graph):
    """The graph of a function that is traced while another one is.

    Attributes:
        outer: the graph of the other one; None for a function that must not read from it.
        captured: what it reads from there: values of `outer`, and the parameters for them here.
        purpose: what it is, for messages.
    """

    __slots__ = ("captured", "outer", "purpose")

    def __init__(self, outer: Graph | None, purpose: str) -> None:
        super().__init__()
        self.outer = outer
        self.captured: dict[Value, Value] = {}
        self.purpose = purpose
        self.unshaped = outer.unshaped if outer is not None else None


@contextmanager
def tracing(graph: Graph) -> Generator[None, None, None]:
    """Inside, functions are traced into `graph`."""
    _ACTIVE.graphs.append(graph)
    try:
        yield
    finally:
        _ACTIVE.graphs.pop()


def current() -> Graph | None:
    """The graph of the innermost function being traced."""
    return _ACTIVE.graphs[-1] if _ACTIVE.graphs else None


def is_nested() -> bool:
    """Whether a function is being traced inside another one."""
    return len(_ACTIVE.graphs) > 1


def depth(graph: Graph) -> int:
    """How many functions being traced `graph` lies within."""
    count = 0
    while isinstance(graph, BodyGraph) and graph.outer is not None:
        graph, count = graph.outer, count + 1
    return count


def captured(graph: Graph, value: Value) -> Value:
    """What stands in `graph` for `value`, which is one of a function around it.

    Raises:
        TraceError: `value` is one of no such function.
    """
    chain: list[BodyGraph] = []
    while graph is not value.graph:
        if not isinstance(graph, BodyGraph):
            raise TraceError(
                "a traced value of another function is used here: make it an argument of this "
                "one (with in_axes=None for sd.vmap); values must not be kept from one trace to "
                "the next, nor leave the step of a loop but as its results"
            )
        if graph.outer is None:
            raise TraceError(
                f"{graph.purpose} uses a traced value that is not among its arguments; "
                "make it one of them"
            )
        chain.append(graph)
        graph = graph.outer
    for inner in reversed(chain):
        value = _brought_in(inner, value)
    return value


def _brought_in(graph: BodyGraph, value: Value) -> Value:
    if value.literal is not None:
        return graph.add(value.op, (), value.attrs)
    known = graph.captured.get(value)
    if known is None:
        known = graph.param(f"captured {len(graph.captured)}", value.type)
        graph.captured[value] = known
    return known
