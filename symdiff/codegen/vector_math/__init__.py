"""Vector mathematics: C's functions on vectors of doubles, as LLVM text of our own.

Every function is straight-line code on vectors of any number of lanes, with a branch to a slower
function of its own where a lane holds a rare operand; so it runs on every machine that LLVM knows,
inlined into the loop that calls it. A lane's bits depend on its operands and on the machine, never
on the number of lanes or on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal

from symdiff.codegen.vector_math.emitter import Kernel, VectorFunction, write
from symdiff.codegen.vector_math.exponential import cosh, exp, exp2, expm1, sinh, tanh
from symdiff.codegen.vector_math.inverse import acos, asin, atan, atan2
from symdiff.codegen.vector_math.logarithm import log, log1p, log2, log10
from symdiff.codegen.vector_math.power import hypot, pow
from symdiff.codegen.vector_math.trigonometric import cos, sin, sincos, tan
from symdiff.codegen.vectors import PORTABLE, Machine

__all__ = ["FUNCTIONS", "PORTABLE", "Machine", "Shape", "VectorFunction", "function"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a function is called: its numbers of operands and of results."""

    arity: int
    results: int


_UNARY: Final = (
    exp, exp2, expm1, log, log2, log10, log1p, sin, cos, tan, asin, acos, atan, sinh, cosh, tanh,
)  # fmt: skip
_BODIES: Final[Mapping[str, tuple[Callable[..., Any], Shape]]] = {
    **{body.__name__: (body, Shape(1, 1)) for body in _UNARY},
    **{body.__name__: (body, Shape(2, 1)) for body in (pow, atan2, hypot)},
    "sincos": (sincos, Shape(1, 2)),
}

FUNCTIONS: Final[Mapping[str, Shape]] = MappingProxyType({n: s for n, (_, s) in _BODIES.items()})


@lru_cache(maxsize=256)
def function(
    name: str, lanes: int, dtype: Literal["f64", "f32"] = "f64", machine: Machine = PORTABLE
) -> VectorFunction:
    """The function `name` of FUNCTIONS for vectors of `lanes` elements; 1 means scalars.

    It takes `<lanes x double>` for every operand and returns as much, or a struct of such vectors
    if it has several results; `float` with dtype "f32", computed in doubles. It is `internal` and
    `alwaysinline`: put its text once into a module, with what it declares.
    """
    body, shape = _BODIES[name]
    single = dtype == "f32"
    suffix = ".f32" if single else ""
    kernel = Kernel(f"symdiff.{name}.v{lanes}{suffix}", lanes, machine)
    return write(kernel, shape.arity, body, single)
