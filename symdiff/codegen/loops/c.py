"""Loop programs as C: the body of a function, and the functions for the bodies of its loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from symdiff.codegen.c import POINTEES, TYPES, CEmitter, c_number
from symdiff.codegen.loops.program import (
    Affine,
    Block,
    Buffer,
    Compute,
    Constant,
    Copy,
    For,
    Index,
    Load,
    Local,
    Nest,
    Operand,
    Program,
    Read,
    Repeat,
    Step,
    Store,
    Update,
    Var,
    Write,
    Zero,
    read_registers,
    result_dtype,
)
from symdiff.codegen.origins import mark
from symdiff.codegen.source import Term
from symdiff.ir import DType

_PER_LINE: Final = 8


def write_program(
    program: Program,
    name: str,
    arguments: Sequence[str],
    workspace: str,
    traced: bool = False,
) -> tuple[list[str], list[str]]:
    """The functions that `program` needs, and the lines of its own body.

    `arguments` are the names of its parameters and outputs, `workspace` that of its memory. With
    `traced`, lines are marked with the `location` of their statement.
    """
    writer = _Writer(name, traced)
    names = dict(zip((*program.params, *program.outputs), arguments, strict=True))
    lines = writer.program(program, names, workspace)
    return writer.functions, lines


class _Writer:
    """The functions of a program, and the statements of the one being written."""

    def __init__(self, name: str, traced: bool) -> None:
        self.name = name
        self.traced = traced
        self.functions: list[str] = []

    def program(self, program: Program, names: dict[Buffer, str], workspace: str) -> list[str]:
        lines: list[str] = []
        for buffer in program.constants:
            names[buffer] = self.constant(buffer)
        for buffer in program.scratch:
            names[buffer] = f"s{buffer.offset}_{len(names)}"
            kind = POINTEES[buffer.dtype]
            place = f"({workspace} + {buffer.offset})" if buffer.offset else workspace
            lines.append(f"{kind} *{names[buffer]} = ({kind} *){place};")
        for step in program.steps:
            lines += self.step(step, names, program, workspace)
        return lines

    def constant(self, buffer: Buffer) -> str:
        name = f"{self.name}_const{len(self.functions)}"
        array = np.frombuffer(buffer.data, buffer.dtype.numpy)
        numbers = [c_number(n.item(), buffer.dtype).text for n in array]
        rows = [", ".join(numbers[i : i + _PER_LINE]) for i in range(0, len(numbers), _PER_LINE)]
        body = ",\n    ".join(rows)
        kind = POINTEES[buffer.dtype]
        self.functions.append(f"static const {kind} {name}[{len(numbers)}] = {{\n    {body}\n}};")
        return name

    def step(
        self, step: Step, names: dict[Buffer, str], program: Program, workspace: str
    ) -> list[str]:
        if isinstance(step, Nest):
            nest = _NestWriter(names, read_registers(step.block), self.traced)
            lines = ["{", *(f"    {line}" for line in nest.block(step.block))]
            if step.status is not None:
                lines.append(f"    if ({step.status[0].name}) return {step.status[1]};")
            return [*lines, "}"]
        if isinstance(step, Zero):
            size = step.buffer.size * step.buffer.dtype.itemsize
            return [f"memset({names[step.buffer]}, 0, {size});"]
        if isinstance(step, Copy):
            size = step.source.size * step.source.dtype.itemsize
            return [f"memmove({names[step.target]}, {names[step.source]}, {size});"]
        assert isinstance(step, Repeat)  # programs for C have no other matrix products than loops
        return self.repeat(step, names, program, workspace)

    def repeat(
        self, step: Repeat, names: dict[Buffer, str], program: Program, workspace: str
    ) -> list[str]:
        body = step.body
        own = [f"a{i}" for i in range(len(step.operands))]
        buffers = (*body.params, *body.outputs)
        lines = self.program(body, dict(zip(buffers, own, strict=True)), "ws")
        name = f"{self.name}_body{len(self.functions)}"
        written = set(body.outputs)
        arguments = [
            f"{'' if b in written else 'const '}{POINTEES[b.dtype]} *{n}"
            for b, n in zip(buffers, own, strict=True)
        ]
        unused = [f"(void){n};" for n in (*own, "ws")]
        inner = "\n".join(f"    {line}" for line in [*unused, *lines, "return 0;"])
        header = ", ".join([*arguments, "char *ws"])
        self.functions.append(f"static int {name}({header})\n{{\n{inner}\n}}")
        passed = [f"{names[b]} + {moved} * i" if moved else names[b] for b, moved in step.operands]
        rest = program.workspace - body.workspace
        passed.append(f"{workspace} + {rest}" if rest else workspace)
        head = (
            f"for (long long i = {step.length - 1}; i >= 0; i--) {{"
            if step.reverse
            else f"for (long long i = 0; i < {step.length}; i++) {{"
        )
        lines = [head, f"    int status = {name}({', '.join(passed)});"]
        lines.append(f"    if (status) return status + {step.status};")
        return [*lines, "}"]


class _NestWriter:
    """The statements of one nest. Of several registers set at once, those in `read` are kept."""

    def __init__(self, names: dict[Buffer, str], read: set[int], traced: bool) -> None:
        self.traced = traced
        self.names = names
        self.read = read
        self.e = CEmitter()
        self.vars: dict[Var, str] = {}

    def block(self, block: Block) -> list[str]:
        lines: list[str] = []
        for statement in block.statements:
            if isinstance(statement, For):
                lines += self.loop(statement)
            else:
                tail = mark(statement.location) if self.traced else ""
                lines += [line + tail for line in self.statement(statement)]
        return lines

    def loop(self, s: For) -> list[str]:
        name = self.vars[s.var] = f"i{len(self.vars)}"
        lines: list[str] = []
        low, high = self.affine(s.low[0]), self.affine(s.high[0])
        if len(s.low) + len(s.high) > 2:
            lines += [f"long long {name}_from = {low}, {name}_to = {high};"]
            for part in s.low[1:]:
                text = self.affine(part)
                lines.append(f"if ({text} > {name}_from) {name}_from = {text};")
            for part in s.high[1:]:
                text = self.affine(part)
                lines.append(f"if ({text} < {name}_to) {name}_to = {text};")
            low, high = f"{name}_from", f"{name}_to"
        lines.append(f"for (long long {name} = {low}; {name} < {high}; {name}++) {{")
        return [*lines, *(f"    {line}" for line in self.block(s.body)), "}"]

    def statement(self, s: Any) -> list[str]:
        if isinstance(s, Compute):
            return self.compute(s)
        if isinstance(s, Load):
            return [self.declare(s.dest, s.buffer.dtype, self.element(s.buffer, s.index))]
        if isinstance(s, Store):
            return [f"{self.element(s.buffer, s.index)} = {self.operand(s.value).text};"]
        if isinstance(s, Index):
            cast = f"({TYPES[s.dtype]})({self.affine(s.index)})"
            return [self.declare(s.dest, s.dtype, cast)]
        if isinstance(s, Local):
            return [f"{TYPES[s.dtype]} {s.name} = {self.operand(s.initial).text};"]
        if isinstance(s, Read):
            return [self.declare(s.dest, s.local.dtype, s.local.name)]
        if isinstance(s, Write):
            return [f"{s.local.name} = {self.operand(s.value).text};"]
        assert isinstance(s, Update)
        target = s.target.name if isinstance(s.target, Local) else self.element(s.target, s.index)
        value = self.operand(s.value).text
        if s.kind == "sum":
            return [f"{target} += {value};"]
        if s.kind == "any":
            return [f"{target} |= {value};"]
        before = ">" if s.kind == "max" else "<"
        odd = f" || isnan({value})" if s.dtype.kind == "f" else ""
        return [f"if ({value} {before} {target}{odd}) {target} = {value};"]

    def compute(self, s: Compute) -> list[str]:
        self.e.dtype = s.dtype
        assert s.op.emit is not None, s.op
        result: Any = s.op.emit(self.e, *[self.operand(a) for a in s.args], **dict(s.attrs))
        dtype = result_dtype(s)
        if isinstance(s.dest, tuple):
            pairs = zip(s.dest, result, strict=True)
            return [self.declare(d, dtype, term.text) for d, term in pairs if d in self.read]
        return [self.declare(s.dest, dtype, result.text)]

    def declare(self, dest: int, dtype: DType, expression: str) -> str:
        return f"const {TYPES[dtype]} t{dest} = {expression};"

    def operand(self, operand: Operand) -> Term:
        if isinstance(operand, Constant):
            return c_number(operand.number, operand.dtype)
        return Term(f"t{operand}")

    def element(self, buffer: Buffer, index: Affine) -> str:
        return f"{self.names[buffer]}[{self.affine(index)}]"

    def affine(self, index: Affine) -> str:
        parts: list[str] = []
        for var, step in index.terms:
            name = self.vars[var] if var.register is None else f"t{var.register}"
            parts.append(name if step == 1 else f"{step} * {name}")
        if index.const or not parts:
            parts.append(str(index.const))
        return " + ".join(parts).replace("+ -", "- ")
