"""Longer texts that are reviewed as a diff: IR after the passes, LLVM before LLVM sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import symdiff as sd
from symdiff import codegen, passes
from symdiff.ir import print_function

SOURCES: dict[str, Callable[[], Any]] = {
    "lecture": lambda: sd.value_and_grad("(x + y) * max(y, z)"),
    "gaussian": lambda: sd.value_and_grad("exp(-(theta/sigma)**2/2)/(sqrt(2*pi)*sigma)"),
    "relativity": lambda: sd.hessian("m*c**2/sqrt(1 - v**2/c**2)"),
    "branches": lambda: sd.grad("log(x) if x > 0 else (y*x if y > 1 else x**3)"),
    "polar": lambda: sd.jacobian("r*cos(t), r*sin(t)"),
}
every_source = pytest.mark.parametrize("name", SOURCES)


@every_source
def test_optimized_ir(name: str, golden: Callable[[str], None]) -> None:
    golden(print_function(SOURCES[name]().optimized()))


@pytest.mark.parametrize("formula", ["tanh(x)", "sigmoid(x)", "x % y"])
def test_lowered_ir(formula: str, golden: Callable[[str], None]) -> None:
    fn = passes.run(passes.LOWERING, sd.value_and_grad(formula).optimized())
    golden(print_function(passes.contract(fn)))


def test_llvm_text(golden: Callable[[str], None]) -> None:
    """Behind a C signature, and the loops over points: one by one, and in two lanes."""
    fn = passes.run(passes.LOWERING, sd.value_and_grad("x*sqrt(y)").optimized())
    place = codegen.layout(passes.contract(fn))
    golden(codegen.lower(place, ("c", "batch", "many"), vectors=codegen.VectorMath(2)))


def test_c_source(golden: Callable[[str], None]) -> None:
    golden(sd.compile(SOURCES["gaussian"]()).c_source)
