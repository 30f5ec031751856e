"""symdiff: a differentiation compiler.

A formula, as text, as a SymPy expression or as a Python function, becomes a native function for
its value and its derivatives. Every stage of that can be read.

    >>> import symdiff as sd
    >>> f = sd.compile(sd.value_and_grad("(x + y) * max(y, z)"))
    >>> f(1.0, 2.0, 0.0)
    (6.0, Gradient(x=2.0, y=5.0, z=0.0))
"""

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
)
from symdiff.check import Report, check
from symdiff.errors import (
    ArgumentError,
    CompileError,
    DifferentiationError,
    IRError,
    ParseError,
    ShapeError,
    SymdiffError,
    TraceError,
    UnsupportedError,
)
from symdiff.parser import where
from symdiff.runtime import Kernel

__version__ = "0.1.0"

__all__ = [
    "ArgumentError", "CompileError", "Cost", "DifferentiationError", "Function", "IRError",
    "Kernel", "ParseError", "Report", "ShapeError", "SymdiffError", "TraceError",
    "UnsupportedError", "__version__", "check", "compile", "function", "grad", "hessian", "hvp",
    "jacobian", "jvp", "value_and_grad", "value_and_jacobian", "vjp", "where",
]  # fmt: skip
