"""Bound kernels: a kernel and the memory that it works on, for calls without arguments."""

from __future__ import annotations

import ctypes
import math
import threading
import weakref
from collections.abc import Callable
from typing import Any, NoReturn, cast

import numpy as np

from symdiff import ir
from symdiff.errors import ArgumentError, UnsupportedError
from symdiff.runtime import native, tables
from symdiff.runtime.arguments import (
    Array,
    address_reader,
    as_array,
    in_memory,
    leading_axes,
    scratch,
)
from symdiff.runtime.code import Code
from symdiff.runtime.dispatch import Dispatcher
from symdiff.runtime.donated import check_batch, check_donated, check_unshared, refuse_out
from symdiff.runtime.once import once
from symdiff.runtime.program import Operand, Program
from symdiff.runtime.tables import BoundFields


class BoundKernel:
    """A kernel with its arguments and results: calling it computes on their memory as it is then.

    Made by `Kernel.bind`. A call takes no arguments, makes no objects, and returns `out`. Its
    scratch memory serves one call at a time: a call while another thread is in one is refused.

    Attributes:
        args: the arrays that are read, one an argument, or in its structure. Those given to
            `bind` are among them; numbers and lists are arrays here, and may be written to.
        out: the arrays that are written, in the structure of the result; single numbers are
            arrays without axes.
    """

    __slots__ = ()

    # What the instances of the two concrete types have in their dictionaries.
    args: tuple[Any, ...]
    out: Any
    _name: str
    _run: Callable[[], Any]
    _lock: threading.Lock

    def __call__(self) -> Any:
        """`out`, computed anew.

        Raises:
            IndexRangeError: an index among the arguments is out of range.
            UnsupportedError: the same bound kernel is running in another thread.
        """
        if not self._lock.acquire(blocking=False):
            _refuse(self._name)
        try:
            self._run()
        finally:
            self._lock.release()
        return self.out

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            f"bound kernels are immutable: cannot set {name!r}; write into the arrays of args, as "
            "in bound.args[0][...] = values"
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"bound kernels are immutable: cannot delete {name!r}")

    def __reduce__(self) -> NoReturn:
        raise UnsupportedError(
            f"{self._name}: a bound kernel is tied to memory of this process; pickle or copy the "
            "kernel, and bind it there"
        )

    def __repr__(self) -> str:
        return f"<bound symdiff kernel {self._name}>"


class PlainBoundKernel(BoundKernel):
    """A bound kernel that is called through ctypes."""


@once
def _fast_type() -> Any:
    return native.vectorcall_type(BoundKernel)


def _refuse(name: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Raises what is wrong with a call that the machine code does not take."""
    if args or kwargs:
        raise ArgumentError(
            f"{name}: a bound kernel takes no arguments; write new numbers into the arrays of its "
            "args, or bind again"
        )
    raise UnsupportedError(
        f"{name}: this bound kernel is running in another thread, and has memory for one call at "
        "a time; bind one for each thread"
    )


def bind_memory(
    program: Program, code: Code, dispatcher: Dispatcher, operands: list[Any], out: Any
) -> BoundKernel:
    """The kernel of `program` bound to the leaves of its arguments, and to `out` if it is given.

    Raises:
        ArgumentError: arguments that do not fit, or that cannot be read or written where they lie.
    """
    refuse_out(program, out)
    check_donated(program, operands)
    arrays = [_held(p, a) for p, a in zip(program.params, operands, strict=True)]
    leads = [leading_axes(p, a) for p, a in zip(program.params, arrays, strict=True)]
    shape = dispatcher.broadcast(leads)
    check_batch(program, leads, shape)
    check_unshared(program, arrays)
    results = dispatcher.results(shape, out, arrays)[0]
    if out is None:
        out = ir.build(program.result, iter(results))
    else:
        _check_in_place(program, ir.flatten(program.result, out), results, arrays)
    pairs = zip(program.params, arrays, leads, strict=True)
    views = [_in_place(p, a, lead, shape) for p, a, lead in pairs]
    address = address_reader()
    pointers = [*[address(view) for view, _ in views], *[address(r) for r in results]]
    steps = [*[step for _, step in views], *[o.bytes for o in program.outputs]]
    count = math.prod(shape)
    rest = iter(arrays)
    parts: dict[str, Any] = {
        "args": tuple([ir.build(tree, rest) for _, tree in program.arguments]),
        "out": out,
        "_name": program.name,
        # NumPy does not resize an array that a weak reference refers to.
        "_kept": (code, views, results, _owners([*arrays, *results])),
    }
    if tables.available() and program.threads == 1:
        return _fast(program, code, dispatcher, parts, (pointers, steps, count))

    def run() -> None:
        status = dispatcher.points(pointers, steps, count)
        if status:
            dispatcher.fail(status)

    return _made(PlainBoundKernel, {**parts, "_run": run, "_lock": threading.Lock()})


def _fast(
    program: Program,
    code: Code,
    dispatcher: Dispatcher,
    parts: dict[str, Any],
    points: tuple[list[int], list[int], int],
) -> BoundKernel:
    """A bound kernel whose call is machine code, for the given pointers, steps and number."""
    count = points[2]
    pointers: Any = (ctypes.c_void_p * max(1, len(points[0])))(*points[0])
    steps: Any = (ctypes.c_int64 * max(1, len(points[1])))(*points[1])
    memory, workspace = scratch(code.workspace(count))

    def refuse(*args: Any, name: str = program.name, **kwargs: Any) -> NoReturn:
        _refuse(name, *args, **kwargs)

    fields = BoundFields(
        call=code.address(count),
        pointers=ctypes.addressof(pointers),
        steps=ctypes.addressof(steps),
        count=count,
        scratch=workspace,
        checked=bool(program.checks),
        long=count * program.work > tables.LONG,
        busy=0,
        result=id(parts["out"]),
        fail=id(dispatcher.fail),
    )
    made = _made(
        _fast_type(),
        {
            **parts,
            "_fields": fields,
            "_fail": dispatcher.fail,
            "_refuse": refuse,
            "_memory": (pointers, steps, memory),
        },
    )
    machine = tables.entries(program)
    native.attach(made, machine.addresses["symdiff_bound"], refuse, ctypes.addressof(fields))
    return made


def _made(kind: Any, parts: dict[str, Any]) -> BoundKernel:
    bound = object.__new__(kind)
    for name, part in parts.items():
        object.__setattr__(bound, name, part)
    return bound


def _held(param: Operand, argument: Any) -> Array:
    """The memory of an argument: its own if it is an array, else a copy."""
    if not isinstance(argument, np.ndarray) or isinstance(argument, np.ma.MaskedArray):
        return np.array(as_array(param, argument))
    array = np.asarray(cast("Array", argument))
    if array.dtype != param.dtype:
        as_array(param, array)  # raises where it could not even be converted
        raise ArgumentError(
            f"{param.name}: bound kernels read arrays where they lie, and this one is "
            f"{array.dtype}; convert it with .astype({param.dtype.name!r})"
        )
    return array


def _in_place(
    param: Operand, array: Array, lead: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[Array, int]:
    """The array as the loop over `shape` reads it, in the same memory, and the step in bytes."""
    view, step = in_memory(array, lead, shape)
    address = address_reader()
    if array.size and address(view) != address(array):
        raise ArgumentError(
            f"{param.name}: bound kernels read arrays where they lie, and this one would have to "
            f"be copied to be C-contiguous over {(*shape, *param.shape)}; make such a copy first"
        )
    return view, step


def _check_in_place(
    program: Program, wanted: list[Any], results: list[Array], arrays: list[Array]
) -> None:
    """Nothing, where the results can be written as they are, and apart from the arguments.

    Raises:
        ArgumentError: the arrays of out= are not contiguous, or share memory with an argument.
    """
    for operand, given, result in zip(program.outputs, wanted, results, strict=True):
        if given is not result:
            raise ArgumentError(
                f"out=: {operand.name} is to be C-contiguous and aligned in a bound kernel"
            )
        for param, array in zip(program.params, arrays, strict=True):
            if np.may_share_memory(array, result):
                raise ArgumentError(
                    f"out=: {operand.name} shares memory with {param.name}, which a bound kernel "
                    "would change while it reads it"
                )


def _owners(arrays: list[Array]) -> list[Any]:
    """Weak references to the arrays, and to those whose memory they show."""
    found: list[Any] = []
    for array in arrays:
        owner: Any = array
        while isinstance(owner, np.ndarray):
            found.append(weakref.ref(cast("Any", owner)))
            owner = owner.base
    return found
