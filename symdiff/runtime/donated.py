"""Arguments whose memory the results take: what they must be, and every message about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from symdiff.errors import ArgumentError, UnsupportedError
from symdiff.runtime.arguments import Array
from symdiff.runtime.program import Operand, Program


def check_donated(program: Program, arguments: Sequence[Any]) -> None:
    """Nothing, where every donated argument is an array that can be written where it lies.

    A number may stand in the place of a parameter without axes: it has no memory to give up.

    Raises:
        ArgumentError: no array, one of another dtype, read-only, or not C-contiguous.
    """
    for _, position in program.donated:
        param, argument = program.params[position], arguments[position]
        if isinstance(argument, np.ma.MaskedArray) or not isinstance(argument, np.ndarray):
            if param.shape or not isinstance(argument, (bool, int, float, np.generic)):
                _refuse(param, f"must be an array, not {_kind(argument)}")
            continue
        array = cast("Array", argument)
        if array.dtype != param.dtype:
            _refuse(param, f"must be {param.dtype}, and is {array.dtype}")
        if not (array.flags.c_contiguous and array.flags.aligned):
            _refuse(param, "must be C-contiguous and aligned; pass a copy made by np.array(...)")
        if not array.flags.writeable:
            _refuse(param, "is read-only; pass a copy made by np.array(...)")


def _kind(argument: Any) -> str:
    return argument.__class__.__name__


def _refuse(param: Operand, why: str) -> None:
    raise ArgumentError(f"{param.name}: is donated, so its memory is overwritten: it {why}")


def check_batch(program: Program, leads: Sequence[tuple[int, ...]], shape: tuple[int, ...]) -> None:
    """Nothing, where each point of the batch `shape` has donated memory of its own.

    Raises:
        ArgumentError: a donated argument is to be the same for several points.
        UnsupportedError: the index of one point could be out of range after others have been
            written.
    """
    if not shape or not program.donated:
        return
    for _, position in program.donated:
        if leads[position] != shape:
            param = program.params[position]
            raise ArgumentError(
                f"{param.name}: is donated, so each point of the batch {shape} overwrites its own: "
                f"expected an array of shape {(*shape, *param.shape)}, got "
                f"{(*leads[position], *param.shape)}"
            )
    if program.checks:
        raise UnsupportedError(
            f"{program.name}: a batch of calls that look up elements and overwrite their donated "
            "arguments would be left half done by an index out of range; compile "
            "symdiff.vmap of the function, whose indices are all checked first"
        )


def check_ranges(program: Program, starts: Sequence[int]) -> None:
    """The same as `check_unshared` for contiguous arguments of one point at these addresses."""
    written = {position for _, position in program.donated}
    ranges = sorted(
        (start, start + param.bytes, i)
        for i, (start, param) in enumerate(zip(starts, program.params, strict=True))
        if param.bytes
    )
    last = last_written = (0, -1)  # an end, and whose it is
    for start, end, i in ranges:
        other = last if i in written else last_written
        if start < other[0]:
            _refuse_shared(program, i, other[1])
        last = max(last, (end, i))
        if i in written:
            last_written = max(last_written, (end, i))


def check_unshared(program: Program, arrays: Sequence[Array]) -> None:
    """Nothing, where no other argument shares memory with a donated one.

    Raises:
        ArgumentError: two of them do.
    """
    written = {position for _, position in program.donated}
    for i in written:
        for j, other in enumerate(arrays):
            if j != i and np.may_share_memory(arrays[i], other):
                _refuse_shared(program, i, j)


def _refuse_shared(program: Program, i: int, j: int) -> None:
    written = {position for _, position in program.donated}
    first, second = (i, j) if i in written else (j, i)
    names = program.params[first].name, program.params[second].name
    raise ArgumentError(
        f"{names[0]}: is donated, so its memory is overwritten, and {names[1]} shares it; "
        "pass a copy of one of them"
    )


def refuse_out(program: Program, out: Any) -> None:
    """Nothing, unless `out=` is given where arguments are donated.

    Raises:
        ArgumentError: it is.
    """
    if out is not None and program.donated:
        raise ArgumentError(
            f"{program.name}: out= is not for kernels with donated parameters, whose results go "
            "into the arguments"
        )
