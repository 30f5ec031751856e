"""Calls in full generality: names, structures, arrays that broadcast, and `out=`."""

from __future__ import annotations

import ctypes
import difflib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NoReturn

import numpy as np

from symdiff.errors import ArgumentError, IndexRangeError
from symdiff.ir import Leaf, build, flatten
from symdiff.runtime.arguments import (
    ALIGNMENT,
    READY,
    Array,
    address_reader,
    as_array,
    check_apart,
    check_out,
    in_memory,
    leading_axes,
    scratch,
    unaliased,
)
from symdiff.runtime.code import MANY, Code
from symdiff.runtime.donated import (
    check_batch,
    check_donated,
    check_ranges,
    check_unshared,
    refuse_out,
)
from symdiff.runtime.program import Operand, Program
from symdiff.runtime.sharing import parts_of_batch, run_batch, run_team

_CELLS: Final = {
    "float64": ctypes.c_double,
    "float32": ctypes.c_float,
    "int64": ctypes.c_int64,
    "int32": ctypes.c_int32,
    "bool": ctypes.c_bool,
}
_GRAIN: Final = 16  # points of which parts of a batch are multiples: whole groups of lanes


class _Frame:
    """The memory that one running call has for itself; kept for the calls that follow.

    Attributes:
        pointers: a pointer per parameter, then one per output.
        start: the address of `pointers`.
        inputs: for each parameter itself, shape, dtype, and a place for a number with its
            address; None for arrays.
        outputs: for each output shape, dtype, and the place for a number; None for arrays.
        workspace: the address of the scratch memory.
    """

    __slots__ = ("_scratch", "inputs", "outputs", "pointers", "start", "workspace")

    def __init__(self, program: Program) -> None:
        count = len(program.params) + len(program.outputs)
        self.pointers: Any = (ctypes.c_void_p * count)()
        self.start = ctypes.addressof(self.pointers)
        self.inputs: list[tuple[Operand, tuple[int, ...], Any, Any, int]] = []
        self.outputs: list[tuple[tuple[int, ...], Any, Any]] = []
        for param in program.params:
            cell = None if param.shape else _CELLS[param.dtype.name]()
            place = 0 if cell is None else ctypes.addressof(cell)
            self.inputs.append((param, param.shape, param.dtype, cell, place))
        for position, output in enumerate(program.outputs, len(program.params)):
            cell = None if output.shape else _CELLS[output.dtype.name]()
            if cell is not None:
                self.pointers[position] = ctypes.addressof(cell)
            self.outputs.append((output.shape, output.dtype, cell))
        words = program.workspace if program.team is None else program.team[0]
        self._scratch, self.workspace = scratch(words)


class Dispatcher:
    """A program as a plain Python callable. Kernels use it for all but plain numbers."""

    def __init__(self, program: Program, code: Code) -> None:
        self._program = program
        self._code = code
        self._names = [name for name, _ in program.arguments]
        self._taken = dict(program.donated)  # parameters, by the outputs that take their memory
        self._structured = not all(isinstance(tree, Leaf) for _, tree in program.arguments)
        operands = (*program.params, *program.outputs)
        self._scalar = not (program.loops or any(o.shape for o in operands))
        self._plain = self._scalar and all(o.dtype == np.float64 for o in operands)
        self._steps: Any = (ctypes.c_int64 * len(operands))()
        self._still = ctypes.addressof(self._steps)  # no steps: a single point
        self._address = address_reader()
        self._frames: list[_Frame] = []
        self.fail = partial(_fail, program.name, program.checks)
        self.native: Callable[..., Any] | None = None  # `spread` in machine code, if any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs at the given arguments, as Python numbers or as arrays.

        Raises:
            ArgumentError: wrong, missing or unknown arguments.
            IndexRangeError: an index among them is out of range.
        """
        out = kwargs.pop("out", None) if kwargs else None
        leaves = self.leaves(args, kwargs)
        if self._structured:
            return (self.native or self.spread)(*leaves, out=out)
        return self.at(leaves, out)

    def leaves(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The leaves of the arguments, one for each parameter of the machine code.

        Raises:
            ArgumentError: wrong, missing or unknown arguments.
        """
        operands = self._bind(args, kwargs)
        return self._leaves(operands) if self._structured else operands

    def spread(self, *leaves: Any, out: Any = None) -> Any:
        """The outputs at the leaves of the arguments."""
        return self.at(list(leaves), out)

    def at(self, operands: list[Any], out: Any = None) -> Any:
        """The outputs at the leaves of the arguments; the list is used up."""
        if self._taken:
            refuse_out(self._program, out)
            check_donated(self._program, operands)
        if out is None:
            if self._plain and all(type(a) is float for a in operands):
                return self._numbers(operands)
            if not self._scalar:
                results = self._single(operands)
                if results is not None:
                    return build(self._program.result, iter(results))
        return self._mapped(operands, out)

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
        names = self._names
        if not kwargs and len(args) == len(names):
            return list(args)
        return bind(self._program.name, names, args, kwargs)

    def _leaves(self, operands: list[Any]) -> list[Any]:
        found: list[Any] = []
        for (name, tree), operand in zip(self._program.arguments, operands, strict=True):
            if isinstance(tree, Leaf):
                found.append(operand)
                continue
            try:
                found += flatten(tree, operand)
            except ValueError as error:
                raise ArgumentError(f"{name}: {error}, got {type(operand).__name__}") from None
        return found

    # One point.

    def _single(self, operands: list[Any]) -> list[Any] | None:
        """The outputs, if there is one point only; None if there are several.

        Operands are converted in place.
        """
        given = list(operands) if self._taken else operands
        try:
            frame = self._frames.pop()
        except IndexError:
            frame = _Frame(self._program)
        try:
            if not self._set_inputs(frame, operands):
                return None
            pointers, address, position = frame.pointers, self._address, len(operands)
            if self._taken:
                check_ranges(self._program, pointers[:position])
            results: list[Any] = []
            for i, (shape, dtype, cell) in enumerate(frame.outputs):
                if i in self._taken:
                    donor = self._taken[i]
                    pointers[position] = pointers[donor]
                    held = operands[donor]
                    cell = held if held.__class__ is np.ndarray else frame.inputs[donor][3]
                elif cell is None:
                    cell = np.empty(shape, dtype)
                    pointers[position] = address(cell)
                results.append(cell)
                position += 1
            status = self._point(frame.start, frame.workspace)
            if status:
                self.fail(status)
            values = [r if r.__class__ is np.ndarray else r.value for r in results]
            return self._handed_back(given, values) if self._taken else values
        finally:
            if not self._frames:
                self._frames.append(frame)

    def _handed_back(self, given: list[Any], values: list[Any]) -> list[Any]:
        """`values` with the donated arrays themselves, and numbers where numbers were given."""
        for output, donor in self._taken.items():
            if isinstance(given[donor], np.ndarray):
                values[output] = given[donor]
            elif isinstance(values[output], np.ndarray):
                values[output] = values[output].item()
        return values

    def _set_inputs(self, frame: _Frame, operands: list[Any]) -> bool:
        """Whether there is one point only; its operands are in the frame then."""
        pointers, address, ndarray = frame.pointers, self._address, np.ndarray
        for position, (param, shape, dtype, cell, place) in enumerate(frame.inputs):
            argument = operands[position]
            if (
                argument.__class__ is ndarray
                and argument.dtype is dtype
                and argument.shape == shape
                and argument.flags.num & READY == READY
            ):
                pointers[position] = address(argument)
            elif argument.__class__ is float and cell is not None and dtype.kind == "f":
                cell.value = argument
                pointers[position] = place
            else:
                array = operands[position] = as_array(param, argument)
                if leading_axes(param, array):
                    return False
                array = operands[position] = in_memory(array, (), ())[0]
                pointers[position] = address(array)
        return True

    def _point(self, pointers: int, workspace: int) -> int | None:
        """The status of one point."""
        program = self._program
        if program.team is None:
            return self._code.batch()(pointers, self._still, 1, workspace)
        functions, (_, phases) = self._code.protocol(), program.team
        return run_team(
            functions, self._code.team(), (pointers, workspace), phases, program.threads
        )

    # Any number of points.

    def _mapped(self, operands: list[Any], out: Any) -> Any:
        """The outputs where the axes before those of the parameters broadcast."""
        program = self._program
        arrays = [as_array(p, a) for p, a in zip(program.params, operands, strict=True)]
        leads = [leading_axes(p, a) for p, a in zip(program.params, arrays, strict=True)]
        shape = self.broadcast(leads)
        check_batch(program, leads, shape)
        check_unshared(program, arrays)
        results, finish = self.results(shape, out, arrays)
        if out is not None:
            arrays = [unaliased(a, results) for a in arrays]
        self._run(arrays, leads, results, shape)
        finish()
        if out is not None:
            return out
        outputs = zip(results, program.outputs, strict=True)
        values = [r if shape or o.shape else r.item() for r, o in outputs]
        return build(program.result, iter(self._handed_back(operands, values)))

    def broadcast(self, leads: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """The shape of a batch whose operands have these axes before their own."""
        try:
            return np.broadcast_shapes(*leads)
        except (ValueError, RuntimeError):  # the latter for more than 32 axes
            pairs = zip(self._program.params, leads, strict=True)
            shapes = ", ".join(f"{p.name}: {lead}" for p, lead in pairs if lead)
            what = "shapes" if self._scalar else "axes before those of the parameters"
            raise ArgumentError(f"the {what} do not broadcast together: {shapes}") from None

    def results(
        self, shape: tuple[int, ...], out: Any, arguments: Sequence[Array]
    ) -> tuple[list[Array], Any]:
        """Contiguous arrays for the outputs, and what copies them to `out` where it is not.

        Those that replace donated parameters are among the `arguments`.
        """
        if out is None:
            found = [
                arguments[self._taken[i]]
                if i in self._taken
                else np.empty((*shape, *o.shape), o.dtype)
                for i, o in enumerate(self._program.outputs)
            ]
            return found, lambda: None
        try:
            wanted = flatten(self._program.result, out)
        except ValueError as error:
            raise ArgumentError(
                f"out= does not have the structure of the result: {error}"
            ) from None
        for operand, array in zip(self._program.outputs, wanted, strict=True):
            check_out(operand, array, shape)
        check_apart(wanted)
        results = [a if a.flags.c_contiguous and a.flags.aligned else a.copy("C") for a in wanted]

        def finish() -> None:
            for array, result in zip(wanted, results, strict=True):
                if array is not result:
                    array[...] = result

        return results, finish

    def _run(
        self,
        arrays: list[Array],
        leads: list[tuple[int, ...]],
        results: list[Array],
        shape: tuple[int, ...],
    ) -> None:
        count = 1
        for extent in shape:
            count *= extent
        operands = [in_memory(a, lead, shape) for a, lead in zip(arrays, leads, strict=True)]
        # `operands` keeps what the code works on alive while it runs.
        pointers = [self._address(a) for a, _ in operands] + [self._address(r) for r in results]
        steps = [step for _, step in operands]
        steps += [o.bytes for o in self._program.outputs]
        status = self.points(pointers, steps, count)
        if status:
            self.fail(status)

    def points(self, pointers: list[int], steps: list[int], count: int) -> int | None:
        """The status of many points."""
        program, code = self._program, self._code
        if program.team is not None and count == 1:
            _memory, workspace = scratch(program.team[0])
            held = (ctypes.c_void_p * len(pointers))(*pointers)
            return self._point(ctypes.addressof(held), workspace)
        run, words, threads = code.loop(count), code.workspace(count), program.threads
        grain, parts = _GRAIN if count >= MANY else 1, 1
        if threads > 1:
            parts = parts_of_batch(count, program.work, grain, threads)
        if parts > 1:
            threads = min(threads, parts)
            words = -(-words * 8 // ALIGNMENT) * ALIGNMENT // 8  # each on lines of its own
            _memory, workspace = scratch(words * threads)
            return run_batch(
                code.protocol(),
                run,
                (pointers, steps, count),
                (grain, parts, threads),
                (workspace, words * 8),
            )
        _memory, workspace = scratch(words)
        return run(
            (ctypes.c_void_p * len(pointers))(*pointers),
            (ctypes.c_int64 * len(steps))(*steps),
            count,
            workspace,
        )


def _fail(name: str, checks: Sequence[str], status: int) -> NoReturn:
    """Raises what the status of a call means."""
    raise IndexRangeError(f"{name}: {checks[status - 1]}")


def bind(
    name: str, names: Sequence[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[Any]:
    """The arguments of a call of `name` in the order of its parameters `names`.

    Raises:
        ArgumentError: wrong, missing or unknown arguments.
    """
    takes = f"{name} takes {', '.join(names) or 'no arguments'}"
    if len(args) > len(names):
        raise ArgumentError(f"{len(args)} arguments given, but {takes}")
    given = dict(zip(names, args, strict=False))
    for key, value in kwargs.items():
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ArgumentError(f"unknown argument {key!r}: {takes}{hint}")
        if key in given:
            raise ArgumentError(f"argument {key!r} is given twice: {takes}")
        given[key] = value
    missing = [n for n in names if n not in given]
    if missing:
        raise ArgumentError(f"missing {', '.join(missing)}: {takes}")
    return [given[n] for n in names]
