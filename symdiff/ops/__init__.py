"""What each operation means: one entry per operation, one file per family."""

from symdiff.ops.arithmetic import (
    abs,
    add,
    cbrt,
    copysign,
    div,
    fma,
    mul,
    neg,
    sign,
    sqrt,
    sub,
)
from symdiff.ops.comparison import and_, eq, le, lt, max, min, ne, not_, or_, where
from symdiff.ops.define import OPS, Masked, like
from symdiff.ops.emitter import Emitter, Operand
from symdiff.ops.functions import FUNCTIONS, NamedFunction
from symdiff.ops.rounding import ceil, floor, floor_div, fmod, mod, round, trunc
from symdiff.ops.special import digamma, erf, erfc, gamma, lgamma, polygamma
from symdiff.ops.structure import broadcast, convert, reduce_sum
from symdiff.ops.transcendental import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cos,
    cosh,
    exp,
    exp2,
    expm1,
    hypot,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    pow,
    sech2,
    sigmoid,
    sin,
    sincos,
    sinh,
    softplus,
    tan,
    tanh,
)

__all__ = [
    "FUNCTIONS", "OPS", "Emitter", "Masked", "NamedFunction", "Operand", "abs", "acos", "acosh",
    "add", "and_", "asin", "asinh", "atan", "atan2", "atanh", "broadcast", "cbrt", "ceil",
    "convert", "copysign", "cos", "cosh", "digamma", "div", "eq", "erf", "erfc", "exp", "exp2",
    "expm1", "floor", "floor_div", "fma", "fmod", "gamma", "hypot", "le", "lgamma", "like", "log",
    "log10", "log1p", "log2", "logaddexp", "lt", "max", "min", "mod", "mul", "ne", "neg", "not_",
    "or_", "polygamma", "pow", "reduce_sum", "round", "sech2", "sigmoid", "sign", "sin", "sincos",
    "sinh", "softplus", "sqrt", "sub", "tan", "tanh", "trunc", "where",
]  # fmt: skip
