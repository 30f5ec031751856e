"""symdiff: a differentiation compiler.

A formula, as text, as a SymPy expression or as a Python function, becomes a native function for
its value and its derivatives. Every stage of that can be read.

    >>> import symdiff as sd
    >>> f = sd.compile(sd.value_and_grad("(x + y) * max(y, z)"))
    >>> f(1.0, 2.0, 0.0)
    (6.0, Gradient(x=2.0, y=5.0, z=0.0))
"""

from typing import TYPE_CHECKING, Any

from symdiff import cache, numpy
from symdiff.api import (
    Cost,
    Function,
    compile,
    function,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    value_and_jacobian,
    vjp,
    vmap,
)
from symdiff.check import Report, check
from symdiff.debug import DebugReport, debug
from symdiff.errors import (
    ArgumentError,
    CompileError,
    DifferentiationError,
    IndexRangeError,
    IRError,
    NeedsShapes,
    ParseError,
    ShapeError,
    SymdiffError,
    TraceError,
    UnsupportedError,
)
from symdiff.explain import Explanation, explain
from symdiff.flat import FlatFunction, flat, ravel
from symdiff.graph import ComputationGraph, Node
from symdiff.parser import as_gate as gate
from symdiff.parser import custom_jvp, custom_vjp, fori_loop, scan, stop_gradient, where
from symdiff.runtime import BoundKernel, Kernel
from symdiff.view import Drawing, draw

Function.drawer = draw

if TYPE_CHECKING:
    from symdiff import learn as learn

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "BoundKernel",
    "CompileError",
    "ComputationGraph",
    "Cost",
    "DebugReport",
    "DifferentiationError",
    "Drawing",
    "Explanation",
    "FlatFunction",
    "Function",
    "IRError",
    "IndexRangeError",
    "Kernel",
    "NeedsShapes",
    "Node",
    "ParseError",
    "Report",
    "ShapeError",
    "SymdiffError",
    "TraceError",
    "UnsupportedError",
    "__version__",
    "cache",
    "check",
    "compile",
    "custom_jvp",
    "custom_vjp",
    "debug",
    "draw",
    "explain",
    "flat",
    "fori_loop",
    "function",
    "gate",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "numpy",
    "ravel",
    "scan",
    "stop_gradient",
    "value_and_grad",
    "value_and_jacobian",
    "vjp",
    "vmap",
    "where",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """The room `learn`, loaded when it is first asked for."""
    if name == "learn":
        from importlib import import_module

        return import_module("symdiff.learn")
    raise AttributeError(f"module 'symdiff' has no attribute {name!r}")
