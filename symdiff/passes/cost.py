"""How much work a function is."""

from __future__ import annotations

from collections import Counter

from symdiff.ir import CONST, ITEM, PARAM, Function


class OperationCount(dict[str, int]):
    """Operations by kind, and their `total`. Constants and parameters cost nothing."""

    @property
    def total(self) -> int:
        """The number of operations of all kinds."""
        return sum(self.values())


def count_operations(fn: Function) -> OperationCount:
    """The operations that one evaluation of `fn` takes."""
    free = (CONST, ITEM, PARAM)
    return OperationCount(Counter(v.op.name for v in fn.live() if v.op not in free))
