"""What the shared entries of `symdiff.codegen.entry` know of one kernel or of one bound call.

The tables are structures in memory whose fields the entries read. Everything that a table points
at is kept alive by the object that owns it.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np

from symdiff import ir
from symdiff.runtime import native
from symdiff.runtime.arguments import scratch
from symdiff.runtime.code import Code, capsule_functions
from symdiff.runtime.engine import Loaded
from symdiff.runtime.memory import Mapped
from symdiff.runtime.once import once
from symdiff.runtime.program import Operand, Program
from symdiff.runtime.shared import Text, load_shared

EXPORTS: Final = ("symdiff_entry", "symdiff_bound")
STACK: Final = 16384  # bytes of scratch memory that a call takes from the stack
LONG: Final = 50_000  # work of a call, above which other threads are to run meanwhile
_SPARE: Final = 1 << 28  # bytes of scratch memory that a kernel keeps for the next call
_OPERANDS: Final = 500  # that fit on the stack

_KINDS: Final = {"float64": 1, "float32": 2, "int64": 3, "int32": 4, "bool": 5}

# The places of functions in NumPy's table, fixed by its ABI.
_NEW_FROM_DESCR: Final = 94


def _structure(name: str, fields: Sequence[str]) -> type[ctypes.Structure]:
    members = [(field, ctypes.c_int64) for field in fields]
    return type(name, (ctypes.Structure,), {"_fields_": members})


OperandFields: Final = _structure(
    "OperandFields", ("kind", "descr", "nd", "dims", "bytes", "donor")
)
NodeFields: Final = _structure("NodeFields", ("parent", "position", "type", "size"))
TableFields: Final = _structure(
    "TableFields",
    ("inputs", "outputs", "operands", "call", "steps", "checked", "long", "scratch",
     "spare", "nodes", "node_count", "pack", "fail", "donors"),
)  # fmt: skip
BoundFields: Final = _structure(
    "BoundFields",
    ("call", "pointers", "steps", "count", "scratch", "checked", "long", "busy", "result", "fail"),
)


@once
def available() -> bool:
    """Whether emitted code can read NumPy's arrays here: the fields are where it expects them."""
    if not native.available():
        return False
    probe = np.arange(24.0).reshape(2, 3, 4)[1:, 1:]
    start = id(probe)

    def word(offset: int, of: Any = ctypes.c_int64) -> int:
        return of.from_address(start + offset).value

    if np.ndarray.__basicsize__ < 72 or word(16) != probe.__array_interface__["data"][0]:
        return False
    if word(24, ctypes.c_int32) != probe.ndim or word(56) != id(probe.dtype):
        return False
    shape = (ctypes.c_int64 * probe.ndim).from_address(word(32))
    strides = (ctypes.c_int64 * probe.ndim).from_address(word(40))
    if (tuple(shape), tuple(strides)) != (probe.shape, probe.strides):
        return False
    return all(
        ctypes.c_int32.from_address(id(a) + 64).value & 0x7FFFFFFF == a.flags.num & 0x7FFFFFFF
        for a in (probe, probe.copy(), np.broadcast_to(probe, (2, *probe.shape)))
    )


def entries(program: Program) -> Loaded | Mapped:
    """The entries that kernels share."""
    return _entries(program.entry, program.support, program.key is not None)


def entry_address(program: Program) -> int:
    """Of what is called for all kernels with a table."""
    return entries(program).addresses["symdiff_entry"]


@once
def _entries(text: Text, helpers: Text, kept: bool) -> Loaded | Mapped:
    imports = {
        "symdiff_ndarray": id(np.ndarray),
        "symdiff_out": id(sys.intern("out")),
        "symdiff_new_array": _numpy_function(_NEW_FROM_DESCR),
    }
    texts = {"entry": text, "support": helpers}
    return load_shared("entries", texts, kept, EXPORTS, imports)


def _numpy_function(place: int) -> int:
    capsule = import_module("numpy._core._multiarray_umath")._ARRAY_API
    pointer, _ = capsule_functions()
    return ctypes.c_size_t.from_address(pointer(capsule, None) + 8 * place).value


class Table:
    """What `symdiff_entry` knows of a kernel.

    Attributes:
        address: of the structure.
    """

    def __init__(self, program: Program, code: Code, fail: Callable[[int], Any]) -> None:
        operands = (*program.params, *program.outputs)
        self._operands = (OperandFields * max(1, len(operands)))()
        self._kept: list[Any] = [code, fail]
        for place, operand in zip(self._operands, operands, strict=False):
            self._describe(place, operand)
        for output, param in program.donated:
            self._operands[param].donor = param + 1
            self._operands[len(program.params) + output].donor = param + 1
        nodes, self._pack = _nodes(program.result, self._kept)
        self._nodes = (NodeFields * len(nodes))(*nodes)
        self._steps = (ctypes.c_int64 * max(1, len(operands)))()
        size = 8 * program.workspace
        spare = 0
        if STACK < size <= _SPARE:
            memory, spare = scratch(program.workspace)
            self._kept.append(memory)
        self._fields = TableFields(
            inputs=len(program.params),
            outputs=len(program.outputs),
            operands=ctypes.addressof(self._operands),
            call=code.address(1),
            steps=ctypes.addressof(self._steps),
            checked=bool(program.checks),
            long=program.work > LONG,
            scratch=max(8, size),
            spare=spare,
            nodes=ctypes.addressof(self._nodes),
            node_count=len(nodes),
            pack=0 if self._pack is None else id(self._pack),
            fail=id(fail),
            donors=len(program.donated),
        )
        self.address = ctypes.addressof(self._fields)

    def _describe(self, place: Any, operand: Operand) -> None:
        dims = (ctypes.c_int64 * max(1, len(operand.shape)))(*operand.shape)
        self._kept += [dims, operand.dtype]
        place.kind = 0 if operand.shape else _KINDS[operand.dtype.name]
        place.descr = id(operand.dtype)
        place.nd = len(operand.shape)
        place.dims = ctypes.addressof(dims)
        place.bytes = operand.bytes


def suits(program: Program) -> bool:
    """Whether a program has a table: all dtypes are NumPy's own, and there are not too many."""
    operands = (*program.params, *program.outputs)
    return (
        available()
        and program.team is None
        and len(operands) + len(ir.branches(program.result)) <= _OPERANDS
        and all(o.dtype is np.dtype(o.dtype.name) and o.dtype.name in _KINDS for o in operands)
    )


def _nodes(
    tree: ir.Tree, kept: list[Any]
) -> tuple[list[tuple[int, int, int, int]], Callable[[Any], Any] | None]:
    """The nodes of a structure, each before its children; and what completes it, if need be.

    Where there are lists, dicts or the users' own types, the nodes are those of a flat tuple.
    The types of named tuples are added to `kept`.
    """
    if any(b.kind != "tuple" or b.factory is not None for b in ir.branches(tree)):
        flat = ir.Branch(tuple(ir.leaves(tree)))
        return _nodes(flat, kept)[0], lambda parts: ir.build(tree, iter(parts))
    nodes: list[tuple[int, int, int, int]] = []
    pending: list[tuple[ir.Tree, int, int]] = [(tree, 0, 0)]
    while pending:
        node, parent, position = pending.pop()
        here = len(nodes)
        if isinstance(node, ir.Leaf):
            nodes.append((parent, position, 0, -1))
            continue
        kind = 0
        if node.fields is not None:
            kept.append(ir.record(node.label, node.fields))
            kind = id(kept[-1])
        nodes.append((parent, position, kind, len(node.children)))
        children = [(child, here, i) for i, child in enumerate(node.children)]
        pending += reversed(children)
    return nodes, None
