"""Points at which functions are evaluated: arguments by name or in order, in structures or flat."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Any, cast

import numpy as np

from symdiff import ir
from symdiff.errors import ArgumentError
from symdiff.functions import Function
from symdiff.polymorphic import Polymorphic
from symdiff.runtime import Operand
from symdiff.runtime.arguments import as_array

Array = np.ndarray[Any, np.dtype[Any]]


def typed(fn: Function, at: Any, what: str = "at") -> Function:
    """`fn` with the shapes and the structures that the point `at` has, where its own are open.

    Those of a Python function are, if it is given arrays, even where numbers would do. Messages
    call the point `what`.

    Raises:
        ArgumentError: `at` does not fit the parameters.
    """
    if not isinstance(fn, Polymorphic) and fn.of_arrays is not None and _has_arrays(at):
        fn = fn.of_arrays
    if not isinstance(fn, Polymorphic) or at is None:
        return fn
    with _about(what):
        return fn.specialize(*_arguments(fn.parameters, at, exactly=not fn.adds))


def _has_arrays(at: Any) -> bool:
    values: Any = ()
    if isinstance(at, Mapping):
        values = cast("Mapping[Any, Any]", at).values()
    elif isinstance(at, (list, tuple)):
        values = cast("Sequence[Any]", at)
    return any(isinstance(value, np.ndarray) and np.ndim(cast("Any", value)) for value in values)


def given(fn: Function, at: Any, what: str = "at") -> list[Array]:
    """The leaves of the point `at`, in the order of the parameters in the IR.

    Raises:
        ArgumentError: `at` does not fit the parameters; the message calls it `what`.
    """
    params = iter(fn.ir.params)
    point: list[Array] = []
    with _about(what):
        arguments = _arguments(fn.parameters, at)
        for (name, tree), argument in zip(fn.arguments, arguments, strict=True):
            try:
                leaves = ir.flatten(tree, argument)
            except ValueError as error:
                raise ArgumentError(f"{name}: {error}") from None
            point += [_leaf(next(params), leaf) for leaf in leaves]
    return point


@contextmanager
def _about(what: str) -> Generator[None, None, None]:
    """Errors about arguments begin with what these are."""
    try:
        yield
    except ArgumentError as error:
        raise ArgumentError(f"{what}: {error}") from None


def _arguments(names: Sequence[str], at: Any, exactly: bool = True) -> list[Any]:
    """The arguments for the parameters `names`; with `exactly`, there must be no others."""
    if isinstance(at, Mapping):
        named = cast("Mapping[Any, Any]", at)
        missing = [name for name in names if name not in named]
        unknown = [str(name) for name in named if name not in names] if exactly else []
        if missing or unknown:
            wrong = [f"missing {', '.join(missing)}"] if missing else []
            wrong += [f"unknown {', '.join(unknown)}"] if unknown else []
            raise ArgumentError(f"{'; '.join(wrong)}; parameters are {', '.join(names)}")
        return [named[name] for name in names]
    values = _in_order(names, at)
    if not exactly:
        values = values[: len(names)]
    if len(values) != len(names):
        raise ArgumentError(f"{len(values)} values for the parameters {', '.join(names)}")
    return values


def _in_order(names: Sequence[str], at: Any) -> list[Any]:
    try:
        if not isinstance(at, (str, bytes, Set)):
            return list(at)
    except TypeError:
        pass
    raise ArgumentError(f"{at!r:.60}: expected values by name or in order, for {', '.join(names)}")


def _leaf(param: ir.Value, given: Any) -> Array:
    """What is given for a parameter as an array of its type."""
    name, type = param.attr("name"), param.type
    if not type.shape and type.dtype.kind == "f":
        return np.asarray(_real(name, given), type.dtype.numpy)
    array = as_array(Operand(name, type.dtype.numpy, type.shape), given)
    if array.shape != type.shape:
        shape = f"an array of shape {array.shape}" if array.ndim else "a number"
        raise ArgumentError(f"{name} is {shape}, expected {type}")
    return array


def _real(name: str, value: Any) -> float:
    shape: tuple[int, ...] = getattr(value, "shape", ())
    try:
        if not isinstance(value, (str, bytes)) and not shape:
            return float(value)
    except OverflowError:
        raise ArgumentError(f"{name} is too large for a float64") from None
    except (TypeError, ValueError):
        pass
    if shape or isinstance(value, (list, tuple)):
        shape = shape or (len(cast("list[Any]", value)),)
        wanted = f'a number; to declare an array: args={{"{name}": "{ir.Type(ir.f64, shape)}"}}'
        raise ArgumentError(f"{name} is an array, expected {wanted}")
    raise ArgumentError(f"{name} is {value!r:.60}, expected a number")
