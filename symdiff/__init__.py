"""symdiff: a differentiation compiler.

A formula, as text, as a SymPy expression or as a Python function, becomes a native function for
its value and its derivatives. Every stage of that can be read.

    >>> import symdiff as sd
    >>> f = sd.compile(sd.value_and_grad("(x + y) * max(y, z)"))
    >>> f(1.0, 2.0, 0.0)
    (6.0, Gradient(x=2.0, y=5.0, z=0.0))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

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
from symdiff.parser import as_gate as gate
from symdiff.parser import custom_jvp, custom_vjp, fori_loop, scan, stop_gradient, where
from symdiff.runtime import BoundKernel, Kernel

if TYPE_CHECKING:
    from symdiff import learn as learn
    from symdiff.debugging import DebugReport, debug
    from symdiff.graph import ComputationGraph, Node
    from symdiff.view import Drawing, draw

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


# What is for looking and for learning loads when it is first asked for.
_LATER: Final = {
    "ComputationGraph": "symdiff.graph",
    "DebugReport": "symdiff.debugging",
    "Drawing": "symdiff.view",
    "Node": "symdiff.graph",
    "debug": "symdiff.debugging",
    "draw": "symdiff.view",
}


def __getattr__(name: str) -> Any:
    if name == "learn":
        return import_module("symdiff.learn")
    if name not in _LATER:
        raise AttributeError(f"module 'symdiff' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_LATER[name]), name)
    return found


def _drawn(function: Function, at: Any = None) -> Any:
    return import_module("symdiff.view").draw(function, at)


Function.drawer = _drawn
