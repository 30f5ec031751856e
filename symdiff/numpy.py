"""NumPy's functions by an explicit namespace, and what NumPy lacks.

    >>> import numpy as np
    >>> import symdiff as sd
    >>> sd.numpy.softmax(np.zeros(4))
    array([0.25, 0.25, 0.25, 0.25])

Everything takes traced values and plain arrays alike. Beside the functions written out here there
are those of NumPy that work on traced values (`dir(sd.numpy)` lists them): they are NumPy's own,
but for lists with traced values in them, which they take as arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import numpy as _np

from symdiff.ops import arrays as _arrays
from symdiff.parser import numpy_functions as _known
from symdiff.parser import recording as _recording

_CONSTANTS: Final = (
    "arange", "bool", "e", "euler_gamma", "eye", "finfo", "float32", "float64", "full", "identity",
    "inf", "int32", "int64", "linalg", "linspace", "logspace", "meshgrid", "nan", "newaxis", "ones",
    "pi", "tri", "zeros",
)  # fmt: skip
# Their lists are lists of arrays.
_JOINING: Final = frozenset(
    ("column_stack", "concat", "concatenate", "hstack", "piecewise", "select", "stack", "vstack")
)


def array(object: Any, dtype: Any = None) -> Any:
    """An array of `object`: numbers and traced values in nested lists, or an array."""
    if _recording.first_traced(object) is None:
        return _np.array(object, dtype)
    made = object if isinstance(object, _recording.Traced) else _stacked(object)
    return made if dtype is None else _recording.record(_arrays.astype, made, dtype)


asarray = array


def _stacked(parts: Any) -> Any:
    return _recording.record(_arrays.stack, [array(part) for part in parts])


def take(a: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements at `indices` along `axis`, or of the flattened array; either may be traced."""
    if _recording.first_traced((a, indices)) is None:
        return _np.take(a, indices, axis)
    return _recording.record(_arrays.take, _lifted(a, indices), indices, axis)


def take_along_axis(a: Any, indices: Any, axis: int | None = -1) -> Any:
    """The elements at `indices`, of as many axes as `a`, along `axis`; either may be traced."""
    if _recording.first_traced((a, indices)) is None:
        return _np.take_along_axis(a, indices, axis)
    return _recording.record(_arrays.take_along_axis, a, indices, axis)


def _lifted(a: Any, other: Any) -> Any:
    """`a` as a constant of the graph of `other`, where it is not traced itself."""
    if _recording.first_traced(a) is not None:
        return array(a)
    traced = _recording.first_traced(other)
    assert traced is not None
    return traced.__class__(_recording.lift(traced.value.graph, _np.asarray(a)))


def put(a: Any, key: Any, value: Any) -> Any:
    """A copy of `a` with `value` in place of `a[key]`: what `a[key] = value` would make of it.

    Where an element is named twice, the last one counts. The dtype is that of `a`.

        >>> import symdiff as sd
        >>> sd.numpy.put([1.0, 2.0, 3.0], slice(1, None), 0.0)
        array([1., 0., 0.])
    """
    return _changed(_arrays.put, a, key, value)


def add_at(a: Any, key: Any, value: Any) -> Any:
    """A copy of `a` with `value` added to `a[key]`; an element named twice is added to twice.

    >>> import symdiff as sd
    >>> sd.numpy.add_at([1.0, 2.0, 3.0], [0, 0, 2], 1.0)
    array([3., 2., 4.])
    """
    return _changed(_arrays.add_at, a, key, value)


def _changed(function: Callable[..., Any], a: Any, key: Any, value: Any) -> Any:
    traced = _recording.first_traced((a, key, value))
    if traced is None:
        return _recording.record(function, a, key, value)
    known = _recording.index_key(traced.value.graph, key)
    whole = a if _recording.first_traced(a) is not None else _lifted(a, traced)
    return _recording.record(function, whole, known, value)


def softmax(x: Any, axis: Any = None) -> Any:
    """exp(x) / sum(exp(x)) over `axis` (all for None), without overflow."""
    return _recording.record(_arrays.softmax, x, axis)


def log_softmax(x: Any, axis: Any = None) -> Any:
    """log(softmax(x)) over `axis` (all for None), without cancellation."""
    return _recording.record(_arrays.log_softmax, x, axis)


def logsumexp(x: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    """log(sum(b exp(x))) over `axis` (all for None), without overflow."""
    return _recording.record(_arrays.logsumexp, x, axis, b, keepdims)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors or matrices, as `numpy.linalg.norm`; its derivative at 0 is 0."""
    return _np.linalg.norm(array(x), ord, axis, keepdims)


def relu(x: Any) -> Any:
    """max(x, 0) with derivative 0 at 0."""
    return _recording.apply("relu", x)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return _recording.apply("sigmoid", x)


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), without overflow."""
    return _recording.apply("softplus", x)


def __getattr__(name: str) -> Any:
    if name in _CONSTANTS:
        return getattr(_np, name)
    if name.startswith("_") or name not in _known.names() or not hasattr(_np, name):
        raise AttributeError(f"symdiff.numpy has no {name!r}; dir(symdiff.numpy) lists what it has")
    theirs = getattr(_np, name)

    @wraps(theirs)
    def function(*args: Any, **kwargs: Any) -> Any:
        if name not in _JOINING and _recording.first_traced((args, kwargs)) is not None:
            args = tuple([_array_of(a) for a in args])
        return theirs(*args, **kwargs)

    return function


def _array_of(argument: Any) -> Any:
    """Lists with traced values as arrays; everything else as it is."""
    if argument.__class__ not in (list, tuple) or _recording.first_traced(argument) is None:
        return argument
    return array(argument)


def __dir__() -> list[str]:
    own = [n for n in globals() if not n.startswith("_") and n not in ("annotations", "Any")]
    theirs = [n for n in _known.names() if hasattr(_np, n)]
    return sorted({*own, *theirs, *_CONSTANTS} - {"Callable", "Final", "wraps"})
