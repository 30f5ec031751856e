"""What no back end can compile: gates that need numbers."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from symdiff.ir import Function
from symdiff.ops import custom, gate, gate_backward, scan

_OP: Final = attrgetter("op")
_GATES: Final = frozenset((gate, gate_backward))


def refuse_gates(fn: Function) -> None:
    """Nothing, if there are no gates in `fn` and the functions in it.

    Raises:
        UnsupportedError: there is one; says why it cannot be compiled.
    """
    pending, seen = [fn], {fn}
    while pending:
        live = pending.pop().live()
        present = set(map(_OP, live))
        if not _GATES.isdisjoint(present):
            raise next(value for value in live if value.op in _GATES).attr("use").refusal()
        if scan in present or custom in present:
            held = {a for value in live for _, a in value.attrs if isinstance(a, Function)}
            pending += held - seen
            seen |= held
