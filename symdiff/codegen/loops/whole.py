"""Steps of their own: matrix products, loops of functions, and arrays before they change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from symdiff.codegen.loops.evaluate import Memory
from symdiff.codegen.loops.program import Buffer, Copy, Gemm, Program, Repeat, Step, Zero
from symdiff.codegen.loops.values import CHANGES
from symdiff.ir import Function, TupleType, Value
from symdiff.ops import OPS


class Build(Protocol):
    """`build_program`, as the loops of a function need it for its body."""

    def __call__(self, fn: Function, *, donated: Sequence[tuple[int, int]]) -> Program:
        """The loops that compute `fn`."""
        ...


class WholeSteps:
    """Makes the steps of `program` that no other loops go into.

    `items` has, by value that is a tuple, what takes elements out of it.
    """

    def __init__(
        self,
        program: Program,
        memory: Memory,
        items: Mapping[Value, Mapping[int, Value]],
        build: Build,
    ) -> None:
        self.program = program
        self.memory = memory
        self.items = items
        self.build = build
        self.filled: dict[Value, Buffer] = {}  # constants, written out for these steps

    def steps(self, value: Value) -> list[Step]:
        """What computes `value`, or what it is before some of its elements change."""
        steps: list[Step]
        if value.op is OPS["scan"]:
            steps = self._repeat(value)
        elif value.op in CHANGES:
            steps = self._base(value)
        else:
            steps = [self._gemm(value)]
        for step in steps:
            step.location = value.location
        return steps

    def _operand(self, value: Value) -> Buffer:
        """The buffer of an operand; constants that are one number get one here."""
        found = self.memory.buffers.get(value) or self.filled.get(value)
        if found is None:
            assert value.literal is not None
            data = value.literal.array.tobytes()
            name = f"const{len(self.program.constants)}"
            found = Buffer(name, value.type.dtype, value.type.size, "const", data=data)
            self.program.constants.append(found)
            self.filled[value] = found
        return found

    def _start(self, value: Value, target: Buffer) -> Step:
        """What puts `value` into `target`."""
        if value.literal is not None and not any(value.literal.data):
            return Zero(target)
        return Copy(self._operand(value), target)

    def _base(self, value: Value) -> list[Step]:
        before, target = value.args[0], self.memory.buffers[value]
        return [] if self.memory.buffers.get(before) is target else [self._start(before, target)]

    def _gemm(self, value: Value) -> Gemm:
        x, y = value.args
        left, _, rest = value.attr("spec").partition(",")
        right = rest.partition("->")[0]
        extents = dict(zip(left + right, x.type.shape + y.type.shape, strict=True))
        m, n, k = (extents[c] for c in "mnk")
        count = extents.get("b", 1)
        transposed = (left.endswith("km"), right.endswith("nk"))
        batch = (count, (m * k, k * n, m * n))
        a, b = self._operand(x), self._operand(y)
        return Gemm(a, b, self.memory.buffers[value], m, n, k, transposed, batch)

    def _repeat(self, value: Value) -> list[Step]:
        """The loop of a scan; the next carries take the memory of the ones before them."""
        body: Function = value.attr("body")
        carries, inputs = value.attr("carries"), value.attr("inputs")
        length = value.attr("length")
        targets = self._targets(value)
        steps = [
            self._start(init, target)
            for init, target in zip(value.args[:carries], targets[:carries], strict=True)
        ]
        if not length:
            return steps
        operands: list[tuple[Buffer, int]] = [(t, 0) for t in targets[:carries]]
        for i, arg in enumerate(value.args[carries:]):
            operands.append((self._operand(arg), arg.type.size // length if i < inputs else 0))
        operands += [(target, 0) for target in targets[:carries]]
        operands += [(target, target.size // length) for target in targets[carries:]]
        inner = self.build(body, donated=[(i, i) for i in range(carries)])
        inner.name = f"{self.program.name}.body{value.index}"
        offset = len(self.program.checks)
        self.program.checks += inner.checks
        steps.append(Repeat(inner, length, value.attr("reverse"), tuple(operands), offset))
        return steps

    def _targets(self, value: Value) -> list[Buffer]:
        """The buffers of a scan's results: those of the items that are used, and scratch."""
        items = self.items.get(value, {})
        assert isinstance(value.type, TupleType)
        targets: list[Buffer] = []
        for i, type in enumerate(value.type.elements):
            target = self.memory.buffers.get(items[i]) if i in items else None
            if target is None:
                target = Buffer(f"s{value.index}_{i}", type.dtype, type.size, "scratch")
                self.program.scratch.append(target)
            targets.append(target)
        return targets
