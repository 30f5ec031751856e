"""What debugging a function at a point finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from symdiff.check import brief as brief_argument
from symdiff.debugging.findings import Finding, called
from symdiff.debugging.magnitudes import EXPLODING, VANISHING, Magnitude
from symdiff.debugging.relus import Relu
from symdiff.graph import ComputationGraph
from symdiff.graph.node import brief

_SHOWN: Final = 12  # entries of a list that are printed


@dataclass(frozen=True)
class DebugReport:
    """Where NaNs and infinities come from, how large gradients are, and what is dead.

    It is true where all that comes out is finite. Printing it shows what was found.

    Attributes:
        graph: the computation graph at the point, to look further.
        at: the arguments by name.
        value: what the function returns.
        gradient: the gradients by parameter, of the sum of the outputs; None where there are none.
        findings: NaNs and infinities, in the order in which they were made: those among the
            arguments and forward ones first.
        magnitudes: the sizes of values and gradients, in topological order.
        relus: the rectifiers.
        notes: what could not be looked at.
    """

    graph: ComputationGraph
    at: Mapping[str, Any]
    value: Any
    gradient: Mapping[str, Any] | None
    findings: tuple[Finding, ...]
    magnitudes: tuple[Magnitude, ...]
    relus: tuple[Relu, ...]
    notes: tuple[str, ...] = ()

    @property
    def forward(self) -> Finding | None:
        """What first spoiled the value: an argument, a constant or an operation; or None."""
        return self._first("input", "constant", "forward")

    @property
    def backward(self) -> Finding | None:
        """What first spoiled a gradient, by itself; None if nothing did."""
        return self._first("backward")

    def _first(self, *phases: str) -> Finding | None:
        return next((f for f in self.findings if f.reaches and f.phase in phases), None)

    @property
    def vanishing(self) -> tuple[Magnitude, ...]:
        """The nodes whose gradient is less than 1e-6 of that at the outputs, and not zero."""
        return tuple([m for m in self.magnitudes if m.verdict == "vanishing"])

    @property
    def exploding(self) -> tuple[Magnitude, ...]:
        """The nodes whose gradient is more than 1e6 times that at the outputs."""
        return tuple([m for m in self.magnitudes if m.verdict == "exploding"])

    @property
    def finite(self) -> bool:
        """Whether the value and all gradients are."""
        return not any(finding.reaches for finding in self.findings)

    def __bool__(self) -> bool:
        return self.finite

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        where = ", ".join(f"{name}={brief_argument(v)}" for name, v in self.at.items())
        yield f"{self.graph.function.name} at {where}"
        yield from self._findings()
        yield from self._magnitudes()
        for relu in self.relus:
            yield f"relu: {relu}"
        yield from self.notes

    def _findings(self) -> Iterator[str]:
        if self.finite:
            what = "the value is" if self.gradient is None else "the value and all gradients are"
            yield f"{what} finite"
        # Where the value is spoiled, gradients are, and that they are tells nothing more.
        for finding in self.findings[:_SHOWN]:
            yield str(finding)
        if len(self.findings) > _SHOWN:
            yield f"... {len(self.findings) - _SHOWN} more in findings"

    def _magnitudes(self) -> Iterator[str]:
        rows = [m for m in self.magnitudes if m.node.kind == "input"]
        if rows:
            yield "parameter: norm of the value, norm of the gradient"
        for row in rows[:_SHOWN]:
            verdict = f", {row.verdict}" if row.verdict else ""
            yield f"  {row.node.name}: {brief(row.value)}, {brief(row.gradient)}{verdict}"
        for name, found in (("vanishing", self.vanishing), ("exploding", self.exploding)):
            inner = [m for m in found if m.node.kind == "operation"]
            if inner:
                last = inner[-1].node  # the first on the way back
                bound = f"below {VANISHING:g}" if name == "vanishing" else f"above {EXPLODING:g}"
                place = "" if last.place is None else f", {last.place}"
                yield (
                    f"{name} gradients ({bound} of those at the outputs): {len(inner)}, the first "
                    f"on the way back at {called(last)}{place}"
                )
