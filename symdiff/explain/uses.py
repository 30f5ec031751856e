"""What serves the value, what the derivatives, and what both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from symdiff import ir
from symdiff.ir import Function, Value
from symdiff.passes import OperationCount, operations_of

VALUE: Final = "value"
DERIVATIVE: Final = "derivative"
BOTH: Final = "both"


@dataclass(frozen=True, slots=True)
class Uses:
    """Operations by what they serve: the value alone, derivatives alone, or both."""

    value: OperationCount
    derivative: OperationCount
    both: OperationCount


def served(fn: Function, values: int) -> dict[Value, str]:
    """What each value of `fn` serves, whose first `values` outputs are those of the primal.

    What is inside of a loop serves what the loop does.
    """
    forward = set(ir.live(fn.outputs[:values]))
    backward = set(ir.live(fn.outputs[values:]))
    found: dict[Value, str] = {}
    for value in fn.live():
        uses = (value in forward) + 2 * (value in backward)
        found[value] = ("", VALUE, DERIVATIVE, BOTH)[uses]
    pending = list(found.items())
    while pending:
        value, use = pending.pop()
        for _, attr in value.attrs:
            if isinstance(attr, Function):
                for inner in attr.live():
                    if inner in found and found[inner] != use:
                        use = BOTH
                    found[inner] = use
                    pending.append((inner, use))
    return found


def count_uses(fn: Function, uses: Mapping[Value, str]) -> Uses:
    """The operations of `fn` by what they serve, see `passes.count_operations`."""
    kinds = (VALUE, DERIVATIVE, BOTH)
    return Uses(*(operations_of(v for v in fn.live() if uses[v] == kind) for kind in kinds))
