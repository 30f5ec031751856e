"""Which operation first makes a NaN or an infinity, in the value or on the way back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from symdiff.graph import Node, Place
from symdiff.graph.node import brief
from symdiff.ops import broadcast

_KINDS: Final = ("", "infinity", "NaN")
_LONGEST: Final = 50  # of what an operand is called, in characters


@dataclass(frozen=True, slots=True)
class Operand:
    """An operand of an operation, as a finding tells of it.

    Attributes:
        node: the node that it is.
        value: the number that took part in what was found, or an array where no single one did.
    """

    node: Node
    value: Any

    def __str__(self) -> str:
        return f"{called(self.node)} = {brief(self.value)}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A NaN or an infinity made from what was none.

    Attributes:
        phase: "input" or "constant" if it was among these to begin with; "forward", "backward".
        kind: "NaN" or "infinity".
        node: the operation that made it; for a sum of gradients, the value whose gradient it is.
        operands: the operands of the operation.
        index: the first element of an array that is concerned; None for numbers.
        count: how many elements are.
        towards: backward, the operand whose share it is; None for the sum of shares.
        upstream, local: backward, the gradient that came to the operation, and its own derivative
            by the operand where that is known.
        step: the step of the loop `node` in which it happened, counted from 0; None elsewhere.
        inside: the operation in the body of the loop, which `operands` are those of.
        reaches: whether it gets to an output, or backward to the gradient of a parameter. What
            does not was selected away, or divided by.
    """

    phase: str
    kind: str
    node: Node
    operands: tuple[Operand, ...] = ()
    index: tuple[int, ...] | None = None
    count: int = 1
    towards: Node | None = None
    upstream: Any = None
    local: Any = None
    step: int | None = None
    inside: Node | None = None
    reaches: bool = True

    @property
    def place(self) -> Place | None:
        """Where in the source it is made, a `Place`; None for an argument, and for SymPy."""
        if self.phase == "input":
            return None
        nodes = (self.inside or self.node, *self.node.users)  # constants stand where they are used
        return next((node.place for node in nodes if node.place is not None), None)

    @property
    def follows(self) -> bool:
        """Whether the values at hand were no better before: then it is no news of its own."""
        return any(rank(node.value) for node in (self.node, *(o.node for o in self.operands)))

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        element = f" (element {_brackets(self.index)}, {_many(self.count)})" if self.index else ""
        if self.phase == "input":
            yield f"{self.kind} among the arguments: {self.node.name}{element}"
            return
        if self.phase == "constant":
            where = "" if self.place is None else f", {self.place}"
            yield f"{self.kind} among the constants{where}"
            return
        maker = self.inside or self.node
        place = maker.place
        where = "" if place is None else f", {place}"
        if self.step is not None:
            where += f", in step {self.step} of the loop"
        by = "by"
        if self.phase == "backward" and self.towards is None:
            by = "in the sum of what comes back to"
        elif self.towards is not None:
            where += f", for {called(self.towards)}"
        yield f"{self.phase}: {self.kind} first made {by} {called(maker)}{where}{element}"
        if place is not None:
            yield place.excerpt
        operands = [str(o) for o in self.operands if o.node.kind != "constant"]
        if operands:
            yield f"  operands: {', '.join(operands)}"
        if self.phase == "backward" and self.towards is not None:
            yield f"  upstream gradient {brief(self.upstream)}, local gradient " + (
                "unknown" if self.local is None else brief(self.local)
            )
        if self.phase == "backward" and maker.core.op.elementwise and maker.core.op.note:
            yield f"  {maker.op}: {maker.core.op.note}"
        if not self.reaches:
            yield "  it does not get any further: " + (
                "the outputs are finite" if self.phase == "forward" else "the gradients are finite"
            )


def called(node: Node) -> str:
    """What the user calls a value: what stands in the source, or the name."""
    while node.core.op is broadcast:  # which nobody writes
        (node,) = node.inputs
    place = node.place
    if node.kind != "operation" or place is None or place.column is None:
        return node.name if node.kind != "operation" else node.formula
    text = " ".join(place.text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _many(count: int) -> str:
    return "the only one" if count == 1 else f"the first of {count}"


def _brackets(index: Sequence[int]) -> str:
    return f"[{', '.join(map(str, index))}]"


# What is not finite.


def rank(value: Any) -> int:
    """0 for what is finite, 1 with infinities in it, 2 with NaNs."""
    if value is None:
        return 0
    if isinstance(value, float):  # most nodes have one, and NumPy takes ten times as long
        return 0 if math.isfinite(value) else 2 if math.isnan(value) else 1
    if isinstance(value, tuple):
        return max(map(rank, cast("tuple[Any, ...]", value)), default=0)
    array = np.asarray(value)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return 0
    return 2 if np.isnan(array).any() else 1


def _worst(value: Any) -> tuple[tuple[int, ...] | None, int]:
    """The first element of an array that is not finite, of the worst kind, and how many are so."""
    array = np.asarray(value if not isinstance(value, tuple) else 0.0)
    if not array.ndim:
        return None, 1
    wrong = np.isnan(array) if np.isnan(array).any() else np.isinf(array)
    where = np.argwhere(wrong)
    return tuple(where[0].tolist()), len(where)


def _element(value: Any, index: tuple[int, ...] | None, shape: tuple[int, ...]) -> Any:
    """The number at `index`, if `value` has the shape that the index is for."""
    if index is None or np.shape(value) != shape:
        return value
    return value[index].item()


# Forward.


def forward_findings(nodes: Sequence[Node]) -> list[Finding]:
    """What the values tell, in the order in which they are computed."""
    found: list[Finding] = []
    for node in nodes:
        here = rank(node.value)
        if not here:
            continue
        if here > max((rank(operand.value) for operand in node.inputs), default=0):
            index, count = _worst(node.value)
            reaches = _gets(node, lambda n: n.users, lambda n: n.value, lambda n: n.is_output)
            if node.kind == "constant" and not reaches:
                continue  # such as the -inf by which a softmax leaves something out
            phase = "forward" if node.kind == "operation" else node.kind
            found.append(
                Finding(
                    phase, _KINDS[here], node, _operands(node, index), index, count, reaches=reaches
                )
            )
    return found


def _operands(node: Node, index: tuple[int, ...] | None) -> tuple[Operand, ...]:
    shape = getattr(node.type, "shape", ())
    known = index if node.core.op.elementwise else None
    return tuple([Operand(n, _element(n.value, known, shape)) for n in node.inputs])


def _gets(
    start: Node,
    following: Callable[[Node], Iterable[Node]],
    number: Callable[[Node], Any],
    at_end: Callable[[Node], bool],
) -> bool:
    """Whether what is not finite at `start` gets to an end by nodes that are not finite."""
    seen, pending = {start}, [start]
    while pending:
        node = pending.pop()
        if at_end(node):
            return True
        for other in following(node):
            if other not in seen and rank(number(other)):
                seen.add(other)
                pending.append(other)
    return False


# Backward.


def backward_findings(nodes: Sequence[Node]) -> list[Finding]:
    """What the gradients tell, in the order in which they are computed."""
    found: list[Finding] = []
    incoming: dict[Node, int] = {}  # the worst that has been passed back to a node
    for node in reversed(nodes):
        here = rank(node.gradient)
        if here > incoming.get(node, 0) and not node.is_output:
            index, count = _worst(node.gradient)
            found.append(
                Finding("backward", _KINDS[here], node, (), index, count, reaches=_gets_back(node))
            )
        for i, (operand, share) in enumerate(zip(node.inputs, node.downstream, strict=True)):
            passed = rank(share)
            incoming[operand] = max(incoming.get(operand, 0), passed)
            if passed > here:
                found.append(_passed_back(node, i, share, passed))
    return found


def _passed_back(node: Node, position: int, share: Any, passed: int) -> Finding:
    """What a node has made of a gradient that was finite, or no NaN."""
    operand = node.inputs[position]
    index, count = _worst(share)
    elementwise = node.core.op.elementwise
    shape = getattr(node.type, "shape", ())
    upstream = _element(node.gradient, index if elementwise else None, shape)
    local = node.local_gradients[position]
    if index is not None and local is not None:
        local = local[(*index, *index)].item() if elementwise else None
    return Finding(
        "backward",
        _KINDS[passed],
        node,
        _operands(node, index),
        index,
        count,
        towards=operand,
        upstream=upstream,
        local=local,
        reaches=_gets_back(operand),
    )


def _gets_back(node: Node) -> bool:
    return bool(rank(node.gradient)) and _gets(
        node, lambda n: n.inputs, lambda n: n.gradient, lambda n: n.kind == "input"
    )
