"""The loop IR as text, for people."""

from __future__ import annotations

from typing import Any

from symdiff.codegen.loops.program import (
    Affine,
    Block,
    Buffer,
    Compute,
    Constant,
    Copy,
    For,
    Gemm,
    Index,
    Load,
    Local,
    Located,
    Nest,
    Operand,
    Program,
    Read,
    Repeat,
    Store,
    Update,
    Var,
    Write,
    Zero,
)
from symdiff.codegen.origins import mark


def print_program(program: Program, indent: str = "", traced: bool = False) -> str:
    """The program, one statement a line: buffers in brackets, loop variables as i, j, k.

    With `traced`, lines are marked with the `location` of their statement.
    """
    lines = [f"{indent}program {program.name}, workspace {program.workspace} bytes"]
    for step in program.steps:
        lines += _Writer(indent + "  ", traced).step(step)
    return "\n".join(lines)


class _Writer:
    """The text of one step."""

    def __init__(self, indent: str, traced: bool) -> None:
        self.indent = indent
        self.traced = traced
        self.vars: dict[Var, str] = {}

    def step(self, step: Any) -> list[str]:
        pad, tail = self.indent, self.mark(step)
        if isinstance(step, Nest):
            lines = self.block(step.block, pad)
            if step.status is not None:
                lines.append(f"{pad}if {step.status[0].name}: return {step.status[1]}")
            return [f"{pad}nest", *(f"  {line}" for line in lines)]
        if isinstance(step, Zero):
            return [f"{pad}zero {_buffer(step.buffer)}{tail}"]
        if isinstance(step, Copy):
            return [f"{pad}copy {_buffer(step.source)} to {_buffer(step.target)}{tail}"]
        if isinstance(step, Gemm):
            a, b = (
                _buffer(x) + ("'" if t else "")
                for x, t in zip((step.a, step.b), step.transposed, strict=True)
            )
            count = f", {step.batch[0]} times" if step.batch[0] > 1 else ""
            sizes = f"{step.m}x{step.k} by {step.k}x{step.n}"
            return [f"{pad}{_buffer(step.c)} = {a} @ {b}  ({sizes}{count}){tail}"]
        assert isinstance(step, Repeat)
        operands = ", ".join(_buffer(b) + (f" by {n}" if n else "") for b, n in step.operands)
        order = "down" if step.reverse else "up"
        lines = [f"{pad}repeat {step.length} times, counting {order}, with {operands}{tail}"]
        lines.append(print_program(step.body, pad + "  ", self.traced))
        return lines

    def block(self, block: Block, pad: str) -> list[str]:
        lines: list[str] = []
        for s in block.statements:
            if isinstance(s, For):
                name = self.var(s.var)
                low = _joined("max", [self.affine(a) for a in s.low])
                high = _joined("min", [self.affine(a) for a in s.high])
                lines.append(f"{pad}for {name} from {low} to {high}:")
                lines += self.block(s.body, pad + "  ")
            else:
                lines.append(f"{pad}{self.statement(s)}{self.mark(s)}")
        return lines

    def mark(self, part: Located) -> str:
        return mark(part.location) if self.traced else ""

    def statement(self, s: Any) -> str:
        if isinstance(s, Compute):
            dest = s.dest if isinstance(s.dest, tuple) else (s.dest,)
            attrs = "".join(f" {k}={v}" for k, v in s.attrs)
            args = ", ".join(_operand(a) for a in s.args)
            return f"{', '.join(f'%{d}' for d in dest)} = {s.op.name} {args}{attrs}"
        if isinstance(s, Load):
            return f"%{s.dest} = {s.buffer.name}[{self.affine(s.index)}]"
        if isinstance(s, Store):
            return f"{s.buffer.name}[{self.affine(s.index)}] = {_operand(s.value)}"
        if isinstance(s, Index):
            return f"%{s.dest} = {self.affine(s.index)}"
        if isinstance(s, Local):
            return f"{s.name}: {s.dtype} = {_operand(s.initial)}"
        if isinstance(s, Read):
            return f"%{s.dest} = {s.local.name}"
        if isinstance(s, Write):
            return f"{s.local.name} = {_operand(s.value)}"
        assert isinstance(s, Update)
        target = s.target.name
        if isinstance(s.target, Buffer):
            target += f"[{self.affine(s.index)}]"
        return f"{target} {s.kind}= {_operand(s.value)}"

    def var(self, var: Var) -> str:
        if var.register is not None:
            return f"%{var.register}"
        return self.vars.setdefault(var, f"i{len(self.vars)}")

    def affine(self, index: Affine) -> str:
        parts = [f"{c}*{self.var(v)}" if c != 1 else self.var(v) for v, c in index.terms]
        if index.const or not parts:
            parts.append(str(index.const))
        return " + ".join(parts).replace("+ -", "- ")


def _buffer(buffer: Buffer) -> str:
    return f"{buffer.name}[{buffer.size}]"


def _operand(operand: Operand) -> str:
    return str(operand.number) if isinstance(operand, Constant) else f"%{operand}"


def _joined(name: str, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{name}({', '.join(parts)})"
