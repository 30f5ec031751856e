"""Points at which derivatives are checked: given by the user, or drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any, Final, cast

import numpy as np

from symdiff import api, ir
from symdiff.errors import ArgumentError, IndexRangeError
from symdiff.polymorphic import Parsed, Polymorphic, is_python
from symdiff.runtime import Operand
from symdiff.runtime.arguments import as_array

_RANGES: Final = ((0.5, 2.0), (-1.0, 1.0), (-10.0, 10.0), (0.0, 100.0))
_OF_ARRAYS: Final = (1, 0, 2, 3)  # sums of positive numbers are large, where functions are flat
_INTEGERS: Final = (4, 2, 1, 10)  # what drawn integers are below, which may be indices
_TRIED: Final = 200

Array = np.ndarray[Any, np.dtype[Any]]


def typed(source: api.Source, at: Any, args: api.Args | None) -> api.Function:
    """The function with the shapes and the structures that `at` has, where its own are open.

    Those of a Python function are, if it is given arrays, even where numbers would do.
    """
    fn = api.function(source, args)
    if is_python(source) and args is None and _has_arrays(at):
        fn = Polymorphic(Parsed(source))
    if not isinstance(fn, Polymorphic) or at is None:
        return fn
    names = fn.parameters
    if isinstance(at, Mapping):
        named = cast("Mapping[Any, Any]", at)
        own = [named[name] for name in _all_named(names, named, exactly=not fn.adds)]
    else:
        own = _in_order(names, at)[: len(names)]
        _require_count(names, own)
    return fn.specialize(*own)


def _has_arrays(at: Any) -> bool:
    values: Any = ()
    if isinstance(at, Mapping):
        values = cast("Mapping[Any, Any]", at).values()
    elif isinstance(at, (list, tuple)):
        values = cast("Sequence[Any]", at)
    return any(isinstance(value, np.ndarray) and np.ndim(cast("Any", value)) for value in values)


def given(fn: api.Function, at: Any) -> list[Array]:
    """The leaves of the point `at`, in the order of the parameters in the IR.

    Raises:
        ArgumentError: `at` does not fit the parameters.
    """
    names = fn.parameters
    if isinstance(at, Mapping):
        named = cast("Mapping[Any, Any]", at)
        arguments = [named[name] for name in _all_named(names, named)]
    else:
        arguments = _in_order(names, at)
        _require_count(names, arguments)
    params = iter(fn.ir.params)
    point: list[Array] = []
    for (name, tree), argument in zip(fn.arguments, arguments, strict=True):
        try:
            leaves = ir.flatten(tree, argument)
        except ValueError as error:
            raise ArgumentError(f"at: {name}: {error}") from None
        point += [_leaf(next(params), leaf) for leaf in leaves]
    return point


def _all_named(
    names: Sequence[str], named: Mapping[Any, Any], exactly: bool = True
) -> Sequence[str]:
    """`names`, if the point has all of them, and `exactly` these."""
    missing = [name for name in names if name not in named]
    unknown = [str(name) for name in named if name not in names] if exactly else []
    if missing or unknown:
        wrong = [f"missing {', '.join(missing)}"] if missing else []
        wrong += [f"unknown {', '.join(unknown)}"] if unknown else []
        raise ArgumentError(f"at: {'; '.join(wrong)}; parameters are {', '.join(names)}")
    return names


def _in_order(names: Sequence[str], at: Any) -> list[Any]:
    try:
        if not isinstance(at, (str, bytes, Set)):
            return list(at)
    except TypeError:
        pass
    expected = f"expected values by name or in order, for {', '.join(names)}"
    raise ArgumentError(f"at={at!r:.60}: {expected}")


def _require_count(names: Sequence[str], values: list[Any]) -> None:
    if len(values) != len(names):
        raise ArgumentError(f"at: {len(values)} values for the parameters {', '.join(names)}")


def _leaf(param: ir.Value, given: Any) -> Array:
    """What is given for a parameter as an array of its type."""
    name, type = param.attr("name"), param.type
    if not type.shape and type.dtype.kind == "f":
        return np.asarray(_real(name, given), type.dtype.numpy)
    try:
        array = as_array(Operand(name, type.dtype.numpy, type.shape), given)
    except ArgumentError as error:
        raise ArgumentError(f"at: {error}") from None
    if array.shape != type.shape:
        shape = f"an array of shape {array.shape}" if array.ndim else "a number"
        raise ArgumentError(f"at: {name} is {shape}, expected {type}")
    return array


def _real(name: str, value: Any) -> float:
    shape: tuple[int, ...] = getattr(value, "shape", ())
    try:
        if not isinstance(value, (str, bytes)) and not shape:
            return float(value)
    except OverflowError:
        raise ArgumentError(f"at: {name} is too large for a float64") from None
    except (TypeError, ValueError):
        pass
    if shape or isinstance(value, (list, tuple)):
        shape = shape or (len(cast("list[Any]", value)),)
        wanted = f'a number; to declare an array: args={{"{name}": "{ir.Type(ir.f64, shape)}"}}'
        raise ArgumentError(f"at: {name} is an array, expected {wanted}")
    raise ArgumentError(f"at: {name} is {value!r:.60}, expected a number")


def drawn(fn: ir.Function, numbers: Callable[[list[Array]], Iterator[Any]]) -> list[Array]:
    """A point at which the `numbers` that there are at it are finite, always the same one.

    Raises:
        ArgumentError: none was found.
    """
    rng = np.random.default_rng(0)
    arrays = any(param.type.shape for param in fn.params)
    for attempt in range(_TRIED):
        which = attempt % len(_RANGES)
        which = _OF_ARRAYS[which] if arrays else which
        point = [_random(rng, param.type, which) for param in fn.params]
        try:
            if all(np.all(np.isfinite(array)) for array in numbers(point)):
                return point
        except IndexRangeError:
            continue
    raise ArgumentError("no point with a finite value and gradient was found; give one with at=")


def _random(rng: np.random.Generator, type: ir.Type, which: int) -> Array:
    if type.dtype.kind == "f":
        numbers = rng.uniform(*_RANGES[which], type.shape)
    elif type.dtype.kind == "i":
        numbers = rng.integers(0, _INTEGERS[which], type.shape)
    else:
        numbers = rng.integers(0, 2, type.shape)
    return np.asarray(numbers, type.dtype.numpy)
