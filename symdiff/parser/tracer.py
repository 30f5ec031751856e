"""Traced values: stand-ins that record in a graph what Python and NumPy do to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NoReturn

import numpy as np

from symdiff.errors import NeedsShapes, TraceError
from symdiff.ops import arrays
from symdiff.parser.numpy_functions import (
    UFUNCS,
    call_function,
    call_ufunc,
    clip,
    names,
    round_to,
)
from symdiff.parser.places import place, trace_error
from symdiff.parser.recording import (
    Traced,
    apply,
    graph_of,
    index_key,
    lowered,
    need_shapes,
    note_need,
    record,
    recorded,
)


class _MissingAttributeError(TraceError, AttributeError):
    """The TraceError of an attribute, which hasattr() and the protocols of Python understand."""


class _MissingShapesError(NeedsShapes, AttributeError):
    """The NeedsShapes of an attribute."""


def _binary(name: str) -> Callable[[Tracer, Any], Any]:
    return lambda self, other: UFUNCS[name](self, other)


def _reflected(name: str) -> Callable[[Tracer, Any], Any]:
    return lambda self, other: UFUNCS[name](other, self)


def _unary(name: str) -> Callable[[Tracer], Any]:
    return lambda self: UFUNCS[name](self)


def _refused(what: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: Tracer, *_: Any, **__: Any) -> NoReturn:
        raise trace_error(f"{what}, but a traced value has none while tracing; {instead}")

    return refuse


def _changing(what: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: Tracer, *_: Any, **__: Any) -> NoReturn:
        need_shapes(self.value.graph, what)
        raise trace_error(f"{what}, but traced values do not change; {instead}")

    return refuse


class Tracer(Traced):
    """A number or an array of a function being traced: what is done to it is recorded.

    It has the attributes and methods of NumPy's arrays that have a meaning for it, see
    `_ATTRIBUTES` and `_METHODS`.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Tracer({self.value!r})"

    def __getattr__(self, name: str) -> Any:
        # Everything that is looked up by name goes through here: while shapes are not known,
        # the parameter may be an object of the user's, with fields of these names.
        if name.startswith("_"):
            raise _MissingAttributeError(f"{place()}a traced value has no `{name}`")
        graph = self.value.graph
        if graph.unshaped is not None:
            raise _MissingShapesError(note_need(graph, f"`.{name}` of a traced value"))
        if name in _ATTRIBUTES:
            return _ATTRIBUTES[name](self)
        if name in _METHODS:
            return partial(_METHODS[name], self)
        instead = f"np.{name}(...)" if name in names() else "operators and NumPy's functions"
        raise _MissingAttributeError(f"{place()}a traced value has no `{name}`; use {instead}")

    def __copy__(self) -> Tracer:
        return self

    def __deepcopy__(self, memo: Any) -> Tracer:
        return self

    def __format__(self, spec: str) -> str:
        if spec:
            raise trace_error(
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
    __matmul__, __rmatmul__ = _binary("matmul"), _reflected("matmul")
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
            raise trace_error("pow with a modulus; write (x**y) % m")
        return apply("pow", self, exponent)

    def __rpow__(self, base: Any) -> Any:
        return apply("pow", base, self)

    def __round__(self, digits: int | None = None) -> Any:
        return round_to(self, digits or 0)

    # Elements.

    def __getitem__(self, key: Any) -> Tracer:
        graph = graph_of((self, key))
        need_shapes(graph, "an index into a traced value")
        known = index_key(graph, key)
        return Tracer(recorded(graph, arrays.getitem, lowered(graph, self), known))

    def __len__(self) -> int:
        need_shapes(self.value.graph, "len() of a traced value")
        shape = self.value.type.shape
        if not shape:
            raise trace_error("len() of a traced scalar, which has no length")
        return shape[0]

    def __iter__(self) -> Iterator[Tracer]:
        need_shapes(self.value.graph, "a loop over a traced value, or its unpacking,")
        shape = self.value.type.shape
        if not shape:
            raise trace_error("a traced scalar has no elements for a loop or an unpacking")
        return iter([self[i] for i in range(shape[0])])

    def __contains__(self, item: Any) -> Any:
        need_shapes(self.value.graph, "`in` a traced value")
        raise trace_error("`in` needs a truth value; write np.any(x == item)")

    __setitem__ = _changing(
        "an assignment to an element", "make a new value: x = sd.numpy.put(x, key, value)"
    )
    __delitem__ = _changing("`del` of an element", "select the others: x[np.arange(1, n)]")

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
    __index__ = _refused(
        "an index or a range needs a whole number",
        "close over a Python int, or select with sd.numpy.take(array, index)",
    )
    __enter__ = __exit__ = _refused("`with` needs a context", "use the value as it is")
    __reduce_ex__ = _refused("pickle needs a number", "pickle the Function that tracing gives")
    __lshift__ = __rlshift__ = _refused("`<<` needs a whole number", "write x * 2**n")
    __rshift__ = __rrshift__ = _refused("`>>` needs a whole number", "write x / 2**n")
    __array__ = _refused(
        "a NumPy array needs numbers",
        "write np.stack([x, y]) for np.array([x, y]), leave np.asarray out, use "
        "sd.numpy.take(array, index) for array[index], and return a tuple for several results",
    )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return call_ufunc(ufunc, method, inputs, options)

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return call_function(function, args, kwargs)


# Attributes and methods of arrays.


def _reshape(x: Tracer, *shape: Any, order: str = "C", **options: Any) -> Any:
    if order != "C":
        raise trace_error(f"reshape in the order {order!r}; only C order is known")
    wanted: Any = shape[0] if len(shape) == 1 else shape
    return record(arrays.reshape, x, options.get("shape", wanted))


def _astype(x: Tracer, dtype: Any, *_: Any, **__: Any) -> Any:
    return record(arrays.astype, x, dtype)


def _transpose(x: Tracer, *axes: Any) -> Any:
    return record(arrays.transpose, x, axes[0] if len(axes) == 1 else (axes or None))


def _copied(x: Tracer, *_: Any, **__: Any) -> Tracer:
    return x


def _no_number(x: Tracer, *_: Any) -> NoReturn:
    raise trace_error("item() and tolist() need numbers; a traced value has none while tracing")


def _zero(x: Tracer) -> Any:
    shape = x.value.type.shape
    return np.zeros(shape, x.value.type.dtype.numpy) if shape else 0.0


def _method(name: str) -> Callable[..., Any]:
    """The method of this name: NumPy's function, which has the same parameters."""
    theirs = getattr(np, name)

    def method(x: Tracer, *args: Any, **kwargs: Any) -> Any:
        return call_function(theirs, (x, *args), kwargs)

    return method


_ATTRIBUTES: Final[dict[str, Callable[[Tracer], Any]]] = {
    "shape": lambda x: x.value.type.shape,
    "ndim": lambda x: len(x.value.type.shape),
    "size": lambda x: x.value.type.size,
    "dtype": lambda x: x.value.type.dtype.numpy,
    "itemsize": lambda x: x.value.type.dtype.itemsize,
    "nbytes": lambda x: x.value.type.dtype.itemsize * x.value.type.size,
    "T": lambda x: record(arrays.transpose, x),
    "mT": lambda x: record(arrays.matrix_transpose, x),
    "real": lambda x: x,
    "imag": _zero,
}
_METHODS: Final[dict[str, Callable[..., Any]]] = {
    **{
        name: _method(name)
        for name in (
            "all", "any", "argmax", "argmin", "cumprod", "cumsum", "diagonal", "dot", "max",
            "mean", "min", "prod", "repeat", "squeeze", "std", "sum", "swapaxes", "take", "trace",
            "var", "ravel",
        )
    },
    "astype": _astype,
    "clip": clip,
    "conj": _copied,
    "conjugate": _copied,
    "copy": _copied,
    "flatten": partial(record, arrays.ravel),
    "item": _no_number,
    "reshape": _reshape,
    "round": round_to,
    "tolist": _no_number,
    "transpose": _transpose,
}  # fmt: skip
