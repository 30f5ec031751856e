"""How much work a function is."""

from __future__ import annotations

from collections import Counter

from symdiff.ir import CONST, ITEM, PARAM, Function


class OperationCount(Counter[str]):
    """Operations by kind, and their `total`. Constants and parameters cost nothing."""

    @property
    def total(self) -> int:  # type: ignore[override]
        """The number of operations of all kinds."""
        return sum(self.values())


def count_operations(fn: Function) -> OperationCount:
    """The operations that one evaluation of `fn` takes."""
    return OperationCount(v.op.name for v in fn.live() if v.op not in (CONST, ITEM, PARAM))
