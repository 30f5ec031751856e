"""Arguments and results as memory: conversion, layout, and every message about them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.runtime.once import once
from symdiff.runtime.program import Operand

Array = np.ndarray[Any, np.dtype[Any]]

# NumPy's flags C_CONTIGUOUS and ALIGNED.
READY: Final = 0x0101
ALIGNMENT: Final = 64  # bytes, of scratch memory
_DATA_OFFSET: Final = 16  # of the data pointer in NumPy's array objects, after the object's head
_OVERLAP_WORK: Final = 10_000  # candidates that the search for an overlap may look at


def _described_address(array: Array) -> int:
    return array.__array_interface__["data"][0]


def _direct_address(array: Array, read: Any = ctypes.c_size_t.from_address) -> int:
    return read(id(array) + _DATA_OFFSET).value


@once
def address_reader() -> Callable[[Array], int]:
    """What gives the address of the first element of an array.

    Read from the array object itself, a tenth of the time that NumPy's own ways take, where that
    is seen to give the same.
    """
    probe = np.arange(12.0).reshape(3, 4)[1:, 1:]
    direct = object.__basicsize__ == _DATA_OFFSET
    if direct and _direct_address(probe) == _described_address(probe):
        return _direct_address
    return _described_address


def scratch(words: int) -> tuple[Array, int]:
    """Scratch memory of 8-byte words, and the address from which it is to be used."""
    memory = np.empty(words + ALIGNMENT // 8)
    return memory, -(-address_reader()(memory) // ALIGNMENT) * ALIGNMENT


def as_array(param: Operand, argument: Any) -> Array:
    """`argument` as an array of the parameter's dtype, without a copy where it has that already.

    Raises:
        ArgumentError: it is not made of real numbers, or would lose precision.
    """
    floating = param.dtype.kind == "f"
    if isinstance(argument, np.ma.MaskedArray):
        raise ArgumentError(f"{param.name}: a masked array; fill it first, with .filled(...)")
    try:
        if floating and isinstance(argument, int) and not isinstance(argument, bool):
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
    weak = not numpys and (floating or _holds(array, param.dtype))
    if not weak and not np.can_cast(array.dtype, param.dtype):
        raise ArgumentError(
            f"{param.name}: {array.dtype} would be narrowed to {param.dtype}; "
            f"convert it with .astype({param.dtype.name!r}) if that is meant"
        )
    with np.errstate(over="ignore"):
        return array.astype(param.dtype)


def _holds(array: Array, dtype: np.dtype[Any]) -> bool:
    """Whether integers of `dtype` can be those of `array`, or it has no elements at all."""
    if dtype.kind != "i":
        return False
    if not array.size:
        return True
    limits = np.iinfo(dtype)
    return array.dtype.kind == "i" and limits.min <= array.min() and array.max() <= limits.max


def leading_axes(param: Operand, array: Array) -> tuple[int, ...]:
    """The axes before those of the parameter's own shape, over which a kernel is mapped.

    Raises:
        ArgumentError: the array does not end with the parameter's shape.
    """
    lead = array.ndim - len(param.shape)
    if lead < 0 or array.shape[lead:] != param.shape:
        got = f"an array of shape {array.shape}" if array.ndim else "a number"
        raise ArgumentError(
            f"{param.name}: expected an array of shape {param.shape}, "
            f"or with further axes before these, got {got}"
        )
    return array.shape[:lead]


def in_memory(array: Array, lead: tuple[int, ...], shape: tuple[int, ...]) -> tuple[Array, int]:
    """`array` as the loop over `shape` reads it: memory and a step in bytes; copied if need be.

    `lead` is the array's own part of `shape`, before the axes of the parameter, which are
    contiguous in the memory that comes back.
    """
    core = array.shape[len(lead) :]
    size = array.itemsize
    for extent in core:
        size *= extent
    flags = array.flags
    if all(extent == 1 for extent in lead):
        if not (flags.c_contiguous and flags.aligned):
            array = np.ascontiguousarray(array).reshape(array.shape)
        return array, 0
    if lead != shape:
        array = np.broadcast_to(array, (*shape, *core))
    # The strides of axes of length 1 mean nothing, so those of contiguous arrays are not read.
    flags = array.flags
    if flags.aligned and flags.c_contiguous:
        return array, size
    if flags.aligned and len(shape) == 1 and (not core or array[0].flags.c_contiguous):
        return array, array.strides[0]
    return np.ascontiguousarray(array), size


def check_out(operand: Operand, array: Any, shape: tuple[int, ...]) -> None:
    """Nothing, for an array that can take the output `operand` over the batch `shape`.

    Raises:
        ArgumentError: no array, of another shape or dtype, read-only, or with elements that
            share memory.
    """
    if not isinstance(array, np.ndarray):
        kind = type(array).__name__
        raise ArgumentError(f"out=: {operand.name} must be an array, got {kind}")
    array = cast("Array", array)
    wanted = (*shape, *operand.shape)
    if array.shape != wanted or array.dtype != operand.dtype:
        raise ArgumentError(
            f"out=: {operand.name} is {array.dtype}{list(array.shape)}, "
            f"expected {operand.dtype}{list(wanted)}"
        )
    if not array.flags.writeable:
        raise ArgumentError(f"out=: {operand.name} is read-only")
    if not array.flags.c_contiguous and _folds(array):
        raise ArgumentError(f"out=: elements of {operand.name} share memory with each other")


def _folds(array: Array) -> bool:
    """Whether elements of `array` overlap, or its strides are too odd to tell that they do not."""
    span = array.itemsize  # bytes that the axes so far reach over
    steps = zip(array.strides, array.shape, strict=True)
    for step, extent in sorted((abs(s), n) for s, n in steps if n > 1):
        if step < span:
            return True
        span += step * (extent - 1)
    return False


def check_apart(arrays: Sequence[Array]) -> None:
    """Nothing, where no two of the arrays have an element in common.

    Raises:
        ArgumentError: two of them overlap, or this cannot be told in reasonable time.
    """
    for i, first in enumerate(arrays):
        if any(_overlap(first, second) for second in arrays[:i]):
            raise ArgumentError("out=: two of the arrays overlap in memory")


def _overlap(first: Array, second: Array) -> bool:
    if not np.may_share_memory(first, second):
        return False
    try:
        return np.shares_memory(first, second, max_work=cast("Any", _OVERLAP_WORK))
    except RuntimeError:  # too much work, or too large a problem
        return True


def unaliased(array: Array, results: Sequence[Array]) -> Array:
    """`array`, or a copy where writing a result would change what is still to be read."""
    overlap = any(np.may_share_memory(array, r) for r in results)
    return array.copy() if overlap else array
