"""Passes one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symdiff.ir import Function, verify

Pass = Callable[[Function], Function]


def run(pipeline: Sequence[Pass], fn: Function, *, check: bool = False) -> Function:
    """`fn` through each pass in turn; with `check`, verified after each.

    The graphs of the functions in between are emptied: they are large.
    """
    given = fn.graph
    for step in pipeline:
        before, fn = fn.graph, step(fn)
        if check:
            verify(fn)
        if before is not given and before is not fn.graph:
            before.discard()
    return fn
