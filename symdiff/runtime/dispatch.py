"""Calls in full generality: names, arrays that broadcast, `out=`, and every error message."""

from __future__ import annotations

import ctypes
import difflib
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.ir import build, flatten
from symdiff.runtime.code import Code
from symdiff.runtime.program import Operand, Program

Array = np.ndarray[Any, np.dtype[Any]]


class Dispatcher:
    """A program as a plain Python callable. Kernels use it for all but plain numbers."""

    def __init__(self, program: Program, code: Code) -> None:
        self._program = program
        self._code = code
        self._plain = all(o.dtype == np.float64 for o in (*program.params, *program.outputs))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs at the given arguments, as Python numbers or as arrays.

        Raises:
            ArgumentError: wrong, missing or unknown arguments.
        """
        out = kwargs.pop("out", None)
        program = self._program
        operands = self._bind(args, kwargs)
        if self._plain and out is None and all(type(a) is float for a in operands):
            return self._numbers(operands)
        arrays = [_as_array(p, a) for p, a in zip(program.params, operands, strict=True)]
        shape = self._broadcast(arrays)
        results, finish = self._results(shape, out)
        if out is not None:
            arrays = [_unaliased(a, results) for a in arrays]
        self._run(arrays, results, shape)
        finish()
        if out is not None:
            return out
        values = results if shape else [r.item() for r in results]
        return build(program.result, iter(values))

    def _numbers(self, operands: list[float]) -> Any:
        """The outputs at floats, without arrays in between."""
        program = self._program
        count = len(operands) + len(program.outputs)
        words = (ctypes.c_double * (count + program.workspace))(*operands)
        start = ctypes.addressof(words)
        pointers = (ctypes.c_void_p * count)(*range(start, start + 8 * count, 8))
        self._code.batch()(pointers, (ctypes.c_int64 * count)(), 1, start + 8 * count)
        return build(program.result, iter(words[len(operands) : count]))

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The arguments in the order of the parameters."""
        names = [p.name for p in self._program.params]
        if not kwargs and len(args) == len(names):
            return list(args)
        takes = f"{self._program.name} takes {', '.join(names) or 'no arguments'}"
        if len(args) > len(names):
            raise ArgumentError(f"{len(args)} arguments given, but {takes}")
        given = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ArgumentError(f"unknown argument {name!r}: {takes}{hint}")
            if name in given:
                raise ArgumentError(f"argument {name!r} is given twice: {takes}")
            given[name] = value
        missing = [n for n in names if n not in given]
        if missing:
            raise ArgumentError(f"missing {', '.join(missing)}: {takes}")
        return [given[n] for n in names]

    def _broadcast(self, arrays: Sequence[Array]) -> tuple[int, ...]:
        try:
            return np.broadcast_shapes(*(a.shape for a in arrays))
        except (ValueError, RuntimeError):  # the latter for more than 32 axes
            pairs = zip(self._program.params, arrays, strict=True)
            shapes = ", ".join(f"{p.name}: {a.shape}" for p, a in pairs if a.ndim)
            raise ArgumentError(f"the shapes do not broadcast together: {shapes}") from None

    def _results(self, shape: tuple[int, ...], out: Any) -> tuple[list[Array], Any]:
        """Contiguous arrays for the outputs, and what copies them to `out` where it is not."""
        if out is None:
            return [np.empty(shape, o.dtype) for o in self._program.outputs], lambda: None
        try:
            wanted = flatten(self._program.result, out)
        except ValueError as error:
            raise ArgumentError(
                f"out= does not have the structure of the result: {error}"
            ) from None
        for operand, array in zip(self._program.outputs, wanted, strict=True):
            _check_out(operand, array, shape)
        for i, first in enumerate(wanted):
            if any(np.may_share_memory(first, second) for second in wanted[:i]):
                raise ArgumentError("out=: two of the arrays overlap in memory")
        results = [a if a.flags.c_contiguous and a.flags.aligned else a.copy() for a in wanted]

        def finish() -> None:
            for array, result in zip(wanted, results, strict=True):
                if array is not result:
                    array[...] = result

        return results, finish

    def _run(self, arrays: list[Array], results: list[Array], shape: tuple[int, ...]) -> None:
        count = int(np.prod(shape, dtype=np.int64))
        operands = [_operand(a, shape) for a in arrays]
        # `operands` keeps copies alive while the code runs.
        pointers = [a.ctypes.data for a, _ in operands] + [r.ctypes.data for r in results]
        steps = [step for _, step in operands] + [r.itemsize for r in results]
        workspace = np.empty(self._program.workspace)
        self._code.batch()(
            (ctypes.c_void_p * len(pointers))(*pointers),
            (ctypes.c_int64 * len(steps))(*steps),
            count,
            workspace.ctypes.data,
        )


def _as_array(param: Operand, argument: Any) -> Array:
    """`argument` as an array of the parameter's dtype, without a copy where it has that already.

    Raises:
        ArgumentError: it is not made of real numbers, or would lose precision.
    """
    try:
        if isinstance(argument, int) and not isinstance(argument, bool):
            argument = float(argument)  # NumPy makes objects of those beyond 64 bits
        array = np.asarray(argument)
    except OverflowError:
        raise ArgumentError(f"{param.name}: this integer is too large for {param.dtype}") from None
    except (ValueError, TypeError) as error:
        raise ArgumentError(f"{param.name}: cannot make an array of this: {error}") from error
    if array.dtype == param.dtype:
        return array
    if array.dtype.kind not in "biuf":
        what = f"an array of {array.dtype}" if array.ndim else type(argument).__name__
        raise ArgumentError(f"{param.name}: expected real numbers, got {what}")
    # Python's own numbers, also in lists, take the dtype that they meet, as in NumPy.
    numpys = isinstance(argument, (np.ndarray, np.generic)) and not isinstance(argument, float)
    weak = not numpys and param.dtype.kind == "f"
    if not weak and not np.can_cast(array.dtype, param.dtype):
        raise ArgumentError(
            f"{param.name}: {array.dtype} would be narrowed to {param.dtype}; "
            f"convert it with .astype({param.dtype.name!r}) if that is meant"
        )
    with np.errstate(over="ignore"):
        return array.astype(param.dtype)


def _check_out(operand: Operand, array: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray):
        kind = type(array).__name__
        raise ArgumentError(f"out=: {operand.name} must be an array, got {kind}")
    array = cast("Array", array)
    if array.shape != shape or array.dtype != operand.dtype:
        raise ArgumentError(
            f"out=: {operand.name} is {array.dtype}{list(array.shape)}, "
            f"expected {operand.dtype}{list(shape)}"
        )
    if not array.flags.writeable:
        raise ArgumentError(f"out=: {operand.name} is read-only")


def _unaliased(array: Array, results: Sequence[Array]) -> Array:
    """`array`, or a copy where writing a result would change what is still to be read."""
    overlap = any(np.may_share_memory(array, r) for r in results)
    return array.copy() if overlap else array


def _operand(array: Array, shape: tuple[int, ...]) -> tuple[Array, int]:
    """`array` as the batch loop reads it: memory and a step in bytes; copied where it must be."""
    if array.size == 1 and array.flags.aligned:
        return array, 0
    if array.shape != shape:
        array = np.broadcast_to(array, shape)
    # The strides of axes of length 1 mean nothing, so those of contiguous arrays are not read.
    if array.flags.aligned and array.flags.c_contiguous:
        return array, array.itemsize
    if array.flags.aligned and array.ndim == 1:
        return array, array.strides[0]
    array = np.ascontiguousarray(array)
    return array, array.itemsize
