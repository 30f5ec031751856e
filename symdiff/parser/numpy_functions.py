"""NumPy's functions on traced values: universal functions, their methods, and the others."""

from __future__ import annotations

import difflib
import inspect
import math
import operator
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, Final, cast

import numpy as np

from symdiff.errors import TraceError
from symdiff.ir import boolean
from symdiff.ops import FUNCTIONS, arrays
from symdiff.parser.places import trace_error
from symdiff.parser.recording import (
    Traced,
    apply,
    first_traced,
    is_number,
    need_shapes,
    record,
    where,
)

# Universal functions.


def _is_condition(x: Any) -> bool:
    if isinstance(x, Traced):
        return x.value.type.dtype is boolean
    return (is_number(x) or isinstance(x, np.ndarray)) and np.result_type(cast("Any", x)) == np.bool


def _logic(symbol: str, name: str) -> Callable[..., Any]:
    def combine(*conditions: Any) -> Any:
        for condition in conditions:
            if not _is_condition(condition):
                raise trace_error(
                    f"`{symbol}` combines conditions, such as (x > 0) {symbol} (y > 0)"
                )
        return apply(name, *conditions)

    return combine


def _positive(x: Any) -> Any:
    return x


def _divmod(x: Any, y: Any) -> tuple[Any, Any]:
    return apply("floor_div", x, y), apply("mod", x, y)


def _isnan(x: Any) -> Any:
    return apply("ne", x, x)


def _isinf(x: Any) -> Any:
    return apply("eq", apply("abs", x), math.inf)


def _isfinite(x: Any) -> Any:
    return apply("lt", apply("abs", x), math.inf)


def _vecdot(x: Any, y: Any) -> Any:
    return record(arrays.einsum, "...i,...i->...", x, y)


def _matvec(x: Any, y: Any) -> Any:
    return record(arrays.einsum, "...ij,...j->...i", x, y)


def _vecmat(x: Any, y: Any) -> Any:
    return record(arrays.einsum, "...i,...ij->...j", x, y)


UFUNCS: Final[dict[str, Callable[..., Any]]] = {
    **{name: partial(apply, name) for name in FUNCTIONS},
    "positive": _positive,
    "conjugate": _positive,
    "divmod": _divmod,
    "bitwise_and": _logic("&", "logical_and"),
    "bitwise_or": _logic("|", "logical_or"),
    "bitwise_xor": _logic("^", "logical_xor"),
    "invert": _logic("~", "logical_not"),
    "isnan": _isnan,
    "isinf": _isinf,
    "isfinite": _isfinite,
    "matmul": partial(record, arrays.matmul),
    "vecdot": _vecdot,
    "matvec": _matvec,
    "vecmat": _vecmat,
}

_REDUCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "add": arrays.sum,
    "multiply": arrays.prod,
    "maximum": arrays.max,
    "minimum": arrays.min,
    "logical_and": arrays.all,
    "logical_or": arrays.any,
}
_RUNNING: Final[dict[str, Callable[..., Any]]] = {
    "add": arrays.cumsum,
    "multiply": arrays.cumprod,
}


def call_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
    """What `ufunc.method(*inputs, **options)` gives, recorded.

    Raises:
        TraceError: symdiff does not know the function, the method or an option.
    """
    name = str(ufunc.__name__)
    written = f"np.{name}" if method == "__call__" else f"np.{name}.{method}"
    if "out" in options:
        raise trace_error(
            f"{written} cannot write a traced value into an array, by out= or an operator like +=; "
            "make a new value: x = x + y"
        )
    if method == "__call__":
        if options:
            raise trace_error(f"{written} of a traced value does not take {', '.join(options)}=")
        if name not in UFUNCS:
            raise _unknown(name)
        return UFUNCS[name](*inputs)
    if method == "outer" and not options and name in UFUNCS:
        return _outer(name, *inputs)
    table = {"reduce": _REDUCTIONS, "accumulate": _RUNNING}.get(method, {})
    if name not in table:
        instead = "; use sd.numpy.add_at(x, key, value)" if method == "at" else ""
        raise trace_error(f"{written} does not work on a traced value{instead}")
    return _bound(written, table[name], inputs, {"axis": 0, **options})


def _outer(name: str, x: Any, y: Any) -> Any:
    need_shapes(_graph((x, y)), f"np.{name}.outer of a traced value")
    shape = (*np.shape(x), *(1,) * len(np.shape(y)))
    wide = np.reshape(x, shape)
    return UFUNCS[name](wide, y)


def _graph(operands: Any) -> Any:
    found = first_traced(operands)
    return None if found is None else found.value.graph


# Functions of elements that NumPy does not count as universal.


def round_to(x: Any, decimals: Any = 0) -> Any:
    """As NumPy does it: scaled, rounded half to even, scaled back."""
    try:
        digits = operator.index(decimals)
    except TypeError:
        raise trace_error("the number of digits to round to must be a Python int") from None
    if digits == 0:
        return apply("round", x)
    scale = 10.0 ** abs(digits)
    up, down = ("mul", "div") if digits > 0 else ("div", "mul")
    return apply(down, apply("round", apply(up, x, scale)), scale)


def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """`a` within the limits, either of which may be missing."""
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    if low is not None and high is not None:
        return apply("clip", a, low, high)
    if low is not None:
        return where(apply("lt", a, low), low, a)
    return a if high is None else where(apply("lt", high, a), high, a)


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise trace_error(
            "np.where(condition) alone gives indices whose number is not known; "
            "write np.where(condition, x, y)"
        )
    return where(condition, x, y)


def _select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise trace_error("np.select needs as many choices as conditions")
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        default = where(condition, choice, default)
    return default


def _piecewise(x: Any, condlist: Any, funclist: Sequence[Any]) -> Any:
    several = isinstance(condlist, (list, tuple))
    conditions = cast("Sequence[Any]", condlist if several else [condlist])
    pieces = [f(x) if callable(f) else f for f in funclist]
    if len(pieces) not in (len(conditions), len(conditions) + 1):
        raise trace_error("np.piecewise needs a function per condition, and at most one more")
    result = pieces.pop() if len(pieces) > len(conditions) else 0.0
    for condition, piece in zip(conditions, pieces, strict=True):
        result = where(condition, piece, result)  # of several that hold, NumPy takes the last
    return result


def _like(number: float) -> Callable[..., Any]:
    def full(a: Any, dtype: Any = None, shape: Any = None) -> Any:
        return full_like(a, number, dtype, shape)

    return full


def full_like(a: Any, fill_value: Any, dtype: Any = None, shape: Any = None) -> Any:
    """An array of the shape and dtype of `a` with equal elements; for a scalar, the number."""
    extents = shape_of(a) if shape is None else shape
    if shape is None and dtype is None and not extents:
        return fill_value
    kind = dtype or (a.value.type.dtype.numpy if isinstance(a, Traced) else np.asarray(a).dtype)
    if first_traced(fill_value) is None:
        return np.full(extents, fill_value, kind)
    return record(arrays.broadcast_to, record(arrays.astype, fill_value, kind), extents)


# What NumPy tells about an array.


def shape_of(a: Any) -> tuple[int, ...]:
    """The shape of a traced value, or of whatever NumPy makes an array of."""
    if isinstance(a, Traced):
        return a.value.type.shape
    found = first_traced(a)
    if found is not None:  # nested lists
        return (len(a), *shape_of(a[0]))
    return np.shape(a)


def _shape(a: Any) -> tuple[int, ...]:
    need_shapes(_graph(a), "np.shape of a traced value")
    return shape_of(a)


def _ndim(a: Any) -> int:
    return len(_shape(a))


def _size(a: Any, axis: int | None = None) -> int:
    shape = _shape(a)
    return math.prod(shape) if axis is None else shape[axis]


def _is_complex(x: Any) -> bool:
    return False


def _is_real(x: Any) -> bool:
    return True


def _copy(a: Any) -> Any:
    return a


def _einsum(*operands: Any, **options: Any) -> Any:
    unknown = options.keys() - {"optimize"}
    if unknown:
        raise trace_error(f"np.einsum of a traced value does not take {', '.join(unknown)}=")
    return record(arrays.einsum, *operands)


def _atleast(function: Callable[..., Any]) -> Callable[..., Any]:
    def several(*arys: Any) -> Any:
        made = tuple([record(function, a) for a in arys])
        return made[0] if len(made) == 1 else made

    return several


# Those that change their argument have no counterpart under NumPy's name.
_NOT_NUMPYS: Final = {"put", "where", "clip", "einsum", "astype"}
_WRITTEN_OUT: Final[dict[str, Callable[..., Any]]] = {
    "where": _where,
    "clip": clip,
    "round": round_to,
    "around": round_to,
    "select": _select,
    "piecewise": _piecewise,
    "zeros_like": _like(0.0),
    "ones_like": _like(1.0),
    "empty_like": _like(0.0),
    "full_like": full_like,
    "shape": _shape,
    "ndim": _ndim,
    "size": _size,
    "iscomplexobj": _is_complex,
    "isrealobj": _is_real,
    "real": _copy,
    "copy": _copy,
    "real_if_close": _copy,
    "einsum": _einsum,
    "atleast_1d": _atleast(arrays.atleast_1d),
    "atleast_2d": _atleast(arrays.atleast_2d),
    "atleast_3d": _atleast(arrays.atleast_3d),
}
_LINALG: Final = (
    "cross", "diagonal", "matmul", "matrix_power", "matrix_transpose", "multi_dot", "norm",
    "outer", "tensordot", "trace",
)  # fmt: skip


@cache
def functions() -> dict[Any, Callable[..., Any]]:
    """NumPy's functions that work on traced values, other than the universal ones, and how."""
    known: dict[Any, Callable[..., Any]] = {}
    for name, ours in arrays.ARRAY_FUNCTIONS.items():
        theirs: Any = getattr(np, name, None)
        if theirs is not None and name not in _NOT_NUMPYS and not isinstance(theirs, np.ufunc):
            known[theirs] = partial(_called, theirs, ours)
    for name in _LINALG:
        theirs = getattr(np.linalg, name)
        known[theirs] = partial(_called, theirs, arrays.ARRAY_FUNCTIONS[name])
    for name, ours in _WRITTEN_OUT.items():
        theirs = getattr(np, name)
        known[theirs] = partial(_checked, theirs, ours)
    known[np.astype] = partial(_called, np.astype, arrays.astype)
    return known


def call_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What NumPy's `function` gives for traced values among its arguments, recorded.

    Raises:
        TraceError: symdiff does not know the function, or one of the arguments.
    """
    known = functions().get(function)
    if known is None:
        module = "linalg." if function.__module__ == "numpy.linalg" else ""
        raise _unknown(f"{module}{function.__name__}")
    return known(*args, **kwargs)


def _checked(theirs: Any, ours: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`ours` of the arguments, which have to fit its signature."""
    try:
        inspect.signature(ours).bind(*args, **kwargs)
    except TypeError as error:
        raise trace_error(f"np.{theirs.__name__} of a traced value: {error}") from None
    return ours(*args, **kwargs)


def _called(theirs: Any, ours: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`ours`, recorded, of arguments given as to `theirs`, without those left at defaults."""
    written = f"np.{theirs.__name__}"
    signature = _signature(theirs)
    if signature is None:
        return _bound(written, ours, args, kwargs)
    given = signature.bind(*args, **kwargs).arguments
    operands: list[Any] = []
    options: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        if name not in given:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            operands += given[name]
        elif parameter.kind is parameter.VAR_KEYWORD:
            options |= given[name]
        elif parameter.default is parameter.empty:
            operands.append(given[name])
        elif not _is_default(given[name], parameter.default):
            options[name] = given[name]
    return _bound(written, ours, operands, options)


@cache
def _signature(function: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except ValueError:  # some of those written in C cannot tell
        return None


def _is_default(given: Any, default: Any) -> bool:
    simple = isinstance(given, (str, int, float, bool))
    return given is default or (simple and isinstance(default, type(given)) and given == default)


def _bound(
    written: str, ours: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    options = {k: v for k, v in kwargs.items() if k != "copy"}
    signature = _signature(ours) or inspect.signature(ours)
    unknown = [k for k in options if k not in signature.parameters]
    if unknown:
        raise trace_error(f"{written} of a traced value does not take {', '.join(unknown)}=")
    try:
        signature.bind(*args, **options)
    except TypeError as error:
        raise trace_error(f"{written} of a traced value: {error}") from None
    return record(ours, *args, **options)


def names() -> set[str]:
    """The names of NumPy's functions that take traced values."""
    ufuncs = {n for n in UFUNCS if isinstance(getattr(np, n, None), np.ufunc)}
    return ufuncs | {f.__name__ for f in functions()}


def _unknown(name: str) -> TraceError:
    near = difflib.get_close_matches(name, names(), 3, 0.6)
    hint = f"did you mean {', '.join(f'np.{n}' for n in near)}? " if near else ""
    return trace_error(
        f"np.{name} does not work on a traced value; {hint}dir(sd.numpy) lists what does"
    )
