"""Traced values: stand-ins that record in a graph what Python and NumPy do to them."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Sequence
from types import CodeType, FrameType
from typing import Any, Final, NoReturn, cast

import numpy as np

from symdiff.errors import ArgumentError, TraceError, UnsupportedError
from symdiff.ir import BOOL, DType, Graph, Type, Value, boolean, f32, f64
from symdiff.ops import FUNCTIONS
from symdiff.parser.coerce import build_call, compute_call


def apply(name: str, *operands: Any) -> Any:
    """The function called `name` in the table: of traced values a Tracer, otherwise what NumPy
    computes.

    Raises:
        TraceError: an operand is neither a real number nor a traced value of this function.
        ArgumentError: too few or too many operands.
        UnsupportedError: a traced value meets an array.
    """
    entry = FUNCTIONS[name]
    if not entry.least <= len(operands) <= entry.most:
        raise ArgumentError(f"{name} takes {entry.expects}, got {len(operands)}")
    try:
        if not any(isinstance(o, Tracer) for o in operands):
            return compute_call(entry, operands)
        graph, dtype = graph_of(operands), _dtype(operands)
        frame = _user_frame()
        graph.location = (frame.f_lineno, 0) if frame else None
        return Tracer(build_call(entry, [lift(graph, o, dtype) for o in operands], dtype))
    except ValueError as error:
        raise _error(str(error)) from None


def where(condition: Any, x: Any, y: Any) -> Any:
    """`x` where `condition` holds, `y` elsewhere; see `apply`."""
    return apply("where", condition, x, y)


# Operands.


def is_number(x: Any) -> bool:
    """Whether `x` is a real number or truth value, of Python or NumPy."""
    if isinstance(x, np.ndarray):
        array = cast("np.ndarray[Any, Any]", x)
        return array.shape == () and array.dtype.kind in "fiub"
    # Fractions and the like come with __float__; so do complex numbers of NumPy.
    if isinstance(x, (str, bytes, complex, np.complexfloating)):
        return False
    return isinstance(x, (int, float, np.bool)) or hasattr(x, "__float__")


def described(x: Any) -> str:
    text = repr(x)
    return f"{text if len(text) <= 40 else text[:37] + '...'} (a {type(x).__name__})"


def lift(graph: Graph, operand: Any, dtype: DType) -> Value:
    """`operand` in `graph`; a number takes the given dtype, a truth value stays one."""
    if isinstance(operand, Tracer):
        if operand.value.graph is not graph:
            raise _error(
                "a traced value of another function is used here; "
                "values must not be kept from one trace to the next, nor reach into an inner one"
            )
        return operand.value
    if getattr(operand, "shape", ()):
        raise UnsupportedError(f"{_place()}an array meets a traced value; only scalars so far")
    if not is_number(operand):
        raise _error(f"a traced value cannot be combined with {described(operand)}")
    if np.asarray(operand).dtype == np.bool:
        return graph.const(bool(operand), BOOL)
    try:
        return graph.const(float(operand), Type(dtype))
    except (TypeError, ValueError, OverflowError) as error:
        raise _error(f"{described(operand)} is not a number: {error}") from None


def graph_of(operands: Sequence[Any]) -> Graph:
    """The graph of the first traced operand."""
    for operand in operands:
        if isinstance(operand, Tracer):
            return operand.value.graph
    raise ArgumentError("none of the arguments is a traced value")


def _dtype(operands: Sequence[Any]) -> DType:
    """The dtype to compute in: f32 if every traced number has it, otherwise f64."""
    traced = {o.value.type.dtype for o in operands if isinstance(o, Tracer)}
    return f32 if traced - {boolean} == {f32} else f64


# Places in the user's program.


# Code that the user did not write, and whose lines would tell them nothing.
_LIBRARIES: Final = {"symdiff", "numpy", "scipy", "sympy"}


def _user_frame() -> FrameType | None:
    """The innermost frame that is in none of the libraries."""
    frame = inspect.currentframe()
    while frame is not None and _is_library(frame):
        frame = frame.f_back
    return frame


def _is_library(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in _LIBRARIES


def _place() -> str:
    frame = _user_frame()
    return _written(frame.f_code, frame.f_lineno) if frame else ""


def place_of(error: BaseException) -> str:
    """The innermost line in none of the libraries that `error` passed through, for a message."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        if not _is_library(trace.tb_frame):
            place = _written(trace.tb_frame.f_code, trace.tb_lineno)
        trace = trace.tb_next
    return place


def _written(code: CodeType, line: int) -> str:
    return f"{code.co_filename}, line {line}: "


def _error(message: str) -> TraceError:
    return TraceError(_place() + message)


# Traced values.


class _MissingAttributeError(TraceError, AttributeError):
    """The TraceError of an attribute, which hasattr() and the protocols of Python understand."""


def _binary(name: str) -> Callable[[Tracer, Any], Any]:
    return lambda self, other: _UFUNCS[name](self, other)


def _reflected(name: str) -> Callable[[Tracer, Any], Any]:
    return lambda self, other: _UFUNCS[name](other, self)


def _unary(name: str) -> Callable[[Tracer], Any]:
    return lambda self: _UFUNCS[name](self)


def _refused(what: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: Tracer, *_: Any, **__: Any) -> NoReturn:
        raise _error(f"{what}, but a traced value has none while tracing; {instead}")

    return refuse


class Tracer:
    """A scalar of a function being traced: what is done to it is recorded in the graph.

    Attributes:
        value: the node of the graph that it stands for.
    """

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Tracer({self.value!r})"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, which is that of a scalar."""
        return self.value.type.shape

    @property
    def ndim(self) -> int:
        """The number of dimensions: 0."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements: 1."""
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the numbers that it stands for."""
        return self.value.type.dtype.numpy

    @property
    def real(self) -> Tracer:
        """The real part: itself."""
        return self

    @property
    def imag(self) -> float:
        """The imaginary part: 0."""
        return 0.0

    def __getattr__(self, name: str) -> NoReturn:
        known = name in _numpy_functions()
        instead = f"np.{name}(...)" if known else "operators and NumPy's functions"
        raise _MissingAttributeError(f"{_place()}a traced value has no `{name}`; use {instead}")

    def __copy__(self) -> Tracer:
        return self

    def __deepcopy__(self, memo: Any) -> Tracer:
        return self

    def __format__(self, spec: str) -> str:
        if spec:
            raise _error(
                f"the format {spec!r} needs a number; a traced value has none, write {{x}}"
            )
        return str(self)

    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("subtract"), _reflected("subtract")
    __mul__, __rmul__ = _binary("multiply"), _reflected("multiply")
    __truediv__, __rtruediv__ = _binary("divide"), _reflected("divide")
    __floordiv__, __rfloordiv__ = _binary("floor_divide"), _reflected("floor_divide")
    __mod__, __rmod__ = _binary("remainder"), _reflected("remainder")
    __divmod__, __rdivmod__ = _binary("divmod"), _reflected("divmod")
    __and__, __rand__ = _binary("bitwise_and"), _reflected("bitwise_and")
    __or__, __ror__ = _binary("bitwise_or"), _reflected("bitwise_or")
    __xor__, __rxor__ = _binary("bitwise_xor"), _reflected("bitwise_xor")
    __lt__, __le__ = _binary("less"), _binary("less_equal")
    __gt__, __ge__ = _binary("greater"), _binary("greater_equal")
    __neg__, __pos__ = _unary("negative"), _unary("positive")
    __abs__, __invert__ = _unary("absolute"), _unary("invert")
    __floor__, __ceil__, __trunc__ = _unary("floor"), _unary("ceil"), _unary("trunc")

    def __eq__(self, other: object) -> Any:
        return apply("eq", self, other)

    def __ne__(self, other: object) -> Any:
        return apply("ne", self, other)

    __hash__ = object.__hash__

    def __pow__(self, exponent: Any, modulus: None = None) -> Any:
        if modulus is not None:
            raise _error("pow with a modulus; write (x**y) % m")
        return apply("pow", self, exponent)

    def __rpow__(self, base: Any) -> Any:
        return apply("pow", base, self)

    def __round__(self, digits: int | None = None) -> Any:
        return _round(self, digits or 0)

    __bool__ = _refused(
        "`if`, `while`, `and`, `or`, `not`, min() and max() need a truth value",
        "use sd.where(condition, a, b), the operators &, |, ~, and np.minimum, np.maximum",
    )
    __float__ = _refused(
        "float() and the functions of `math` need a number",
        "use NumPy's function (np.sin for math.sin), and leave float() out",
    )
    __complex__ = _refused("complex() needs a number", "symdiff works with real numbers")
    __int__ = _refused("int() needs a number", "use np.trunc or np.floor")
    __index__ = _refused("an index or a range needs a whole number", "close over a Python int")
    __iter__ = _refused("a loop or an unpacking needs elements", "make each scalar a parameter")
    __len__ = _refused("len() needs a length", "make each scalar a parameter")
    __getitem__ = _refused("indexing needs elements", "make each scalar a parameter")
    __setitem__ = _refused("an assignment to an element needs elements", "make new values instead")
    __delitem__ = _refused("`del` of an element needs elements", "make each scalar a parameter")
    __contains__ = _refused("`in` needs elements", "compare with == and |")
    __enter__ = __exit__ = _refused("`with` needs a context", "use the value as it is")
    __reduce_ex__ = _refused("pickle needs a number", "pickle the Function that tracing gives")
    __matmul__ = __rmatmul__ = _refused("`@` needs arrays", "write * for a product of numbers")
    __lshift__ = __rlshift__ = _refused("`<<` needs a whole number", "write x * 2**n")
    __rshift__ = __rrshift__ = _refused("`>>` needs a whole number", "write x / 2**n")
    __array__ = _refused(
        "a NumPy array needs numbers",
        "return a tuple or a list for several results, and use scalar functions such as np.sin",
    )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        name = str(ufunc.__name__)
        if method != "__call__":
            raise _error(f"np.{name}.{method} of a traced value; only np.{name}(...) is known")
        if options:
            raise _error(f"np.{name} of a traced value does not take {', '.join(options)}=")
        if name not in _UFUNCS:
            raise _unknown(name)
        return _UFUNCS[name](*inputs)

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        known = _ARRAY_FUNCTIONS.get(function)
        if known is None:
            raise _unknown(str(function.__name__))
        try:
            inspect.signature(known).bind(*args, **kwargs)
        except TypeError as error:
            raise _error(f"np.{function.__name__} of a traced value: {error}") from None
        return known(*args, **kwargs)


def _numpy_functions() -> set[str]:
    """The names of those of NumPy's functions that take traced values."""
    ufuncs = {n for n in _UFUNCS if isinstance(getattr(np, n, None), np.ufunc)}
    return ufuncs | {f.__name__ for f in _ARRAY_FUNCTIONS}


def _unknown(name: str) -> TraceError:
    known = ", ".join(sorted(_numpy_functions()))
    return _error(f"np.{name} does not work on a traced scalar; these do: {known}")


# NumPy's functions.


def _named(name: str) -> Callable[..., Any]:
    def call(*operands: Any) -> Any:
        return apply(name, *operands)

    return call


def _is_condition(x: Any) -> bool:
    if isinstance(x, Tracer):
        return x.value.type.dtype is boolean
    return is_number(x) and np.asarray(x).dtype == np.bool


def _logic(symbol: str, name: str) -> Callable[..., Any]:
    def combine(*conditions: Any) -> Any:
        for condition in conditions:
            if not _is_condition(condition):
                raise _error(f"`{symbol}` combines conditions, such as (x > 0) {symbol} (y > 0)")
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


def _round(x: Any, decimals: Any = 0) -> Any:
    """As NumPy does it: scaled, rounded half to even, scaled back."""
    try:
        digits = operator.index(decimals)
    except TypeError:
        raise _error("the number of digits to round to must be a Python int") from None
    if digits == 0:
        return apply("round", x)
    scale = 10.0 ** abs(digits)
    up, down = ("mul", "div") if digits > 0 else ("div", "mul")
    return apply(down, apply("round", apply(up, x, scale)), scale)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    if low is not None and high is not None:
        return apply("clip", a, low, high)
    if low is not None:
        return where(apply("lt", a, low), low, a)
    return a if high is None else where(apply("lt", high, a), high, a)


def _select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise _error("np.select needs as many choices as conditions")
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        default = where(condition, choice, default)
    return default


def _piecewise(x: Any, condlist: Any, funclist: Sequence[Any]) -> Any:
    several = isinstance(condlist, (list, tuple))
    conditions = cast("Sequence[Any]", condlist if several else [condlist])
    pieces = [f(x) if callable(f) else f for f in funclist]
    if len(pieces) not in (len(conditions), len(conditions) + 1):
        raise _error("np.piecewise needs a function per condition, and at most one more")
    result = pieces.pop() if len(pieces) > len(conditions) else 0.0
    for condition, piece in zip(conditions, pieces, strict=True):
        result = where(condition, piece, result)  # of several that hold, NumPy takes the last
    return result


def _zeros_like(a: Any) -> float:
    return 0.0


def _ones_like(a: Any) -> float:
    return 1.0


_UFUNCS: Final[dict[str, Callable[..., Any]]] = {
    **{name: _named(name) for name in FUNCTIONS},
    "positive": _positive,
    "divmod": _divmod,
    "bitwise_and": _logic("&", "logical_and"),
    "bitwise_or": _logic("|", "logical_or"),
    "bitwise_xor": _logic("^", "logical_xor"),
    "invert": _logic("~", "logical_not"),
    "isnan": _isnan,
    "isinf": _isinf,
    "isfinite": _isfinite,
}
_ARRAY_FUNCTIONS: Final[dict[Any, Callable[..., Any]]] = {
    np.where: where,
    np.clip: _clip,
    np.round: _round,
    np.around: _round,
    np.select: _select,
    np.piecewise: _piecewise,
    np.zeros_like: _zeros_like,
    np.ones_like: _ones_like,
}
