"""Linked code against LLVM's own linker: the same bits, and nothing that is not understood."""

from __future__ import annotations

import gc
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formulas import physics
from hypothesis import given
from hypothesis import strategies as st
from opcases import SAMPLED, samples, single

import symdiff as sd
from symdiff.errors import CompileError
from symdiff.ir import Op
from symdiff.runtime import elf, engine, memory
from symdiff.runtime.engine import Loaded
from symdiff.runtime.memory import Mapped

pytestmark = pytest.mark.skipif(not memory.available(), reason="for x86-64 Linux")

ADD = "define double @add(double %x) {\n  %y = fadd double %x, 1.5\n  ret double %y\n}\n"
Make = Callable[[], sd.Kernel]


def both_ways(make: Make, monkeypatch: pytest.MonkeyPatch) -> tuple[sd.Kernel, sd.Kernel]:
    """The same kernel, linked here and by LLVM."""
    here = make()
    with monkeypatch.context() as patch:
        patch.setattr(memory, "available", lambda: False)
        theirs = make()
    return here, theirs


def loaders(kernel: sd.Kernel) -> set[type]:
    return {type(loaded) for loaded in kernel._code._loaded.values()}


def same_bits(first: Any, second: Any) -> None:
    for a, b in zip(np.atleast_1d(first), np.atleast_1d(second), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
def test_every_op(op: Op, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    fn = sd.Function(single(op, rng))
    here, theirs = both_ways(lambda: sd.compile(fn, cache=False), monkeypatch)
    operands: list[Any] = samples(op, rng)
    points = zip(*operands, strict=True) if op.elementwise else [operands]
    for point in points:
        numbers = [a.item() if op.elementwise else a for a in point]
        same_bits(here(*numbers), theirs(*numbers))
    assert loaders(here) == {Mapped}
    assert loaders(theirs) == {Loaded}


@pytest.mark.parametrize("equation", physics()[:3], ids=lambda e: e.name)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_batches_with_vector_math(
    equation: Any, dtype: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fn = sd.value_and_grad(equation.formula)
    here, theirs = both_ways(lambda: sd.compile(fn, dtype=dtype, cache=False), monkeypatch)
    point: dict[str, Any] = {}
    for name in fn.parameters:
        low, high = equation.ranges[name]
        point[name] = rng.uniform(low, high, 37).astype(dtype)
    ours, reference = here(**point), theirs(**point)
    same_bits(ours[0], reference[0])
    for mine, other in zip(np.atleast_2d(ours[1]), np.atleast_2d(reference[1]), strict=True):
        same_bits(mine, other)
    assert Mapped in loaders(here)


def test_blas_scipy_and_chunks(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = rng.normal(size=(2, 64, 64))
    product = sd.function("A @ B", args={"A": "f64[64,64]", "B": "f64[64,64]"})
    here, theirs = both_ways(lambda: sd.compile(product, cache=False), monkeypatch)
    same_bits(here(a, b), theirs(a, b))
    special = sd.value_and_grad("gamma(x) + digamma(x)")
    here, theirs = both_ways(lambda: sd.compile(special, cache=False), monkeypatch)
    same_bits(here(2.5), theirs(2.5))
    long = sd.value_and_grad(" + ".join(f"sin(x*{i} + y)" for i in range(600)))
    here, theirs = both_ways(lambda: sd.compile(long, cache=False), monkeypatch)
    same_bits(here(0.5, 0.25)[1], theirs(0.5, 0.25)[1])


def test_two_files_call_each_other() -> None:
    caller = (
        "declare double @add(double)\n"
        "define double @twice(double %x) {\n"
        "  %y = call double @add(double %x)\n  %z = call double @add(double %y)\n"
        "  ret double %z\n}\n"
    )
    linked = elf.link([engine.assemble(caller).data, engine.assemble(ADD).data])
    assert linked.exports.keys() == {"add", "twice"}
    assert linked.imports == {}
    # Without the second file the call goes through a slot.
    assert elf.link([engine.assemble(caller).data]).imports.keys() == {"add"}


@pytest.mark.parametrize(
    "text",
    [
        "@state = global i64 1\ndefine ptr @f() {\n  ret ptr @state\n}\n",
        "@state = thread_local global i64 0\ndefine ptr @f() {\n  ret ptr @state\n}\n",
        "@table = constant [1 x ptr] [ptr @f]\ndefine ptr @f() {\n  ret ptr @table\n}\n",
        "declare extern_weak i32 @g()\ndefine i1 @f() {\n"
        "  %y = icmp eq ptr @g, null\n  ret i1 %y\n}\n",
    ],
)
def test_what_is_not_known_is_left_to_llvm(text: str) -> None:
    with pytest.raises(elf.NotLinkable):
        elf.link([engine.assemble(text).data])


def test_other_files_are_refused() -> None:
    with pytest.raises(elf.NotLinkable, match="no relocatable"):
        elf.link([engine.assemble(ADD, "aarch64-unknown-linux-gnu").data])
    with pytest.raises(elf.NotLinkable):
        elf.link([Path(sys.executable).read_bytes()[:4096]])


@given(st.data())
def test_damaged_files_are_refused_or_linked_and_never_worse(data: Any) -> None:
    file = bytearray(engine.assemble(ADD).data)
    if data.draw(st.booleans()):
        del file[data.draw(st.integers(0, len(file) - 1)) :]
    else:
        file[data.draw(st.integers(0, len(file) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        linked = elf.link([bytes(file)])
    except elf.NotLinkable:
        return
    assert len(linked.memory) < 1 << 20


def test_a_missing_function_is_named() -> None:
    text = "declare double @no_such_function(double)\n" + ADD.replace(
        "fadd double %x, 1.5", "call double @no_such_function(double %x)"
    )
    with pytest.raises(CompileError, match="needs no_such_function, which is not"):
        Mapped(elf.link([engine.assemble(text).data]), {})


def protections(address: int) -> str | None:
    """The rights of the memory at an address, as Linux says them."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights = line.split()[:2]
        first, last = (int(part, 16) for part in span.split("-"))
        if first <= address < last:
            return rights
    return None


def test_memory_is_never_writable_and_executable_and_is_freed() -> None:
    loaded = Mapped(elf.link([engine.assemble(ADD).data]), {})
    address = loaded.addresses["add"]
    assert protections(address) == "r-xp"
    del loaded
    gc.collect()
    assert protections(address) != "r-xp"


def test_a_kernel_that_is_dropped_takes_its_code_along() -> None:
    kernel = sd.compile("x*y + 3", cache=False)
    address = kernel._code.entry()
    assert protections(address) == "r-xp"
    del kernel
    gc.collect()
    assert protections(address) != "r-xp"


def test_constants_keep_their_alignment() -> None:
    # Two lanes: every x86-64 processor has them, and keeps their constants aligned to 16 bytes.
    text = (
        "define <2 x double> @f(<2 x double> %x) {\n"
        "  %y = fadd <2 x double> %x, <double 0.5, double 1.5>\n"
        "  ret <2 x double> %y\n}\n"
    )
    memory_ = elf.link([engine.assemble(text).data]).memory
    expected = struct.pack("<2d", 0.5, 1.5)
    assert memory_.index(expected) % len(expected) == 0
