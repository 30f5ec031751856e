"""NumPy expressions of the operations on single elements."""

from __future__ import annotations

import builtins
import keyword
import math
from typing import Final

import numpy as np

from symdiff.codegen.source import ATOM, UNARY, InfixEmitter, Term, call
from symdiff.errors import UnsupportedError
from symdiff.ir import DTYPES, DType, boolean, f32, i32, i64

# NumPy's name where it is not C's.
_UFUNCS: Final = {
    "acos": "arccos",
    "acosh": "arccosh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atan2": "arctan2",
    "atanh": "arctanh",
    "pow": "power",
}

# Functions that NumPy lacks. Python's raise at poles, where C's return what is returned here;
# NumPy's indexing counts negative indices from the end.
HELPERS: Final = {
    "erf": """\
    erf = np.vectorize(math.erf, otypes=[np.float64])""",
    "erfc": """\
    erfc = np.vectorize(math.erfc, otypes=[np.float64])""",
    "tgamma": """\
    def gamma_or_pole(x):
        try:
            return math.gamma(x)
        except OverflowError:
            return math.inf
        except ValueError:
            return math.copysign(math.inf, x) if x == 0 else math.nan

    tgamma = np.vectorize(gamma_or_pole, otypes=[np.float64])""",
    "lgamma": """\
    def lgamma_or_pole(x):
        try:
            return math.lgamma(x)
        except (OverflowError, ValueError):
            return math.inf

    lgamma = np.vectorize(lgamma_or_pole, otypes=[np.float64])""",
    "checked": """\
    def checked(index, extent):
        if np.size(index) and not 0 <= np.min(index) <= np.max(index) < extent:
            raise IndexError(f"an index is outside 0..{extent - 1}")
        return index""",
}
RESERVED: Final = frozenset(
    {
        *keyword.kwlist, *dir(builtins), *HELPERS,
        "np", "math", "base64", "gamma_or_pole", "lgamma_or_pole",
    }
)  # fmt: skip


class NumpyEmitter(InfixEmitter):
    """NumPy expressions of the operations; `ops.Emitter` says what each one means.

    `helpers` collects the functions that the source has to define.
    """

    def __init__(self) -> None:
        self.helpers: set[str] = set()

    def const(self, number: float) -> Term:
        return numpy_number(number, self.dtype)

    def libm(self, name: str, *operands: Term) -> Term:
        if name not in HELPERS:
            return call(f"np.{_UFUNCS.get(name, name)}", *operands)
        self.helpers.add(name)
        result = call(name, *operands)
        return Term(f"{result.text}.astype(np.float32)") if self.dtype is f32 else result

    def special(self, name: str, *operands: Term) -> Term:
        named = {"psi": "digamma"}.get(name, name)
        raise UnsupportedError(f"{named} has no counterpart in NumPy or Python's math")

    def fma(self, x: Term, y: Term, z: Term) -> Term:
        return self.add(self.mul(x, y), z)

    def abs(self, x: Term) -> Term:
        return call("np.abs", x)

    def sqrt(self, x: Term) -> Term:
        return call("np.sqrt", x)

    def floor(self, x: Term) -> Term:
        return call("np.floor", x)

    def ceil(self, x: Term) -> Term:
        return call("np.ceil", x)

    def trunc(self, x: Term) -> Term:
        return call("np.trunc", x)

    def rint(self, x: Term) -> Term:
        return call("np.rint", x)

    def copysign(self, x: Term, y: Term) -> Term:
        return call("np.copysign", x, y)

    def minimum(self, x: Term, y: Term) -> Term:
        return call("np.minimum", x, y)

    def maximum(self, x: Term, y: Term) -> Term:
        return call("np.maximum", x, y)

    def and_(self, x: Term, y: Term) -> Term:
        return call("np.logical_and", x, y)

    def or_(self, x: Term, y: Term) -> Term:
        return call("np.logical_or", x, y)

    def not_(self, x: Term) -> Term:
        return call("np.logical_not", x)

    def select(self, condition: Term, x: Term, y: Term) -> Term:
        return call("np.where", condition, x, y)

    def convert(self, x: Term, dtype: str) -> Term:
        return Term(f"{x.within(ATOM)}.astype({numpy_dtype(DTYPES[dtype])})")


def numpy_dtype(dtype: DType) -> str:
    """The name of an element type in the source."""
    return "np.bool_" if dtype is boolean else f"np.{dtype.numpy.name}"


def numpy_number(number: float, dtype: DType) -> Term:
    """A Python constant with the value of `number` that does not widen other operands."""
    if dtype is boolean:
        return Term(repr(bool(number)))
    if dtype is i32:
        return Term(f"np.int32({int(number)})")
    if dtype is i64:
        return Term(repr(int(number)), UNARY if number < 0 else ATOM)
    sign = "-" if math.copysign(1.0, number) < 0 else ""
    if math.isfinite(number):
        digits = str(np.float32(abs(number))) if dtype is f32 else repr(abs(number))
    else:
        sign, digits = ("", "np.nan") if math.isnan(number) else (sign, "np.inf")
    if dtype is f32:
        return Term(f"np.float32({sign}{digits})")
    return Term(sign + digits, UNARY if sign else ATOM)
