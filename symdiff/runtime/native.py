"""Kernels that CPython calls without a Python frame in between.

A kernel object is an instance of a heap type whose vectorcall slot is the emitted function
itself. What the emitted code assumes about CPython's objects is checked here; where it does not
hold (another interpreter, a free-threaded or debug build) kernels are called through ctypes.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from typing import Any, Final

from symdiff.runtime.once import once

VECTORCALL_OFFSET, FALLBACK_OFFSET, DICT_OFFSET, WEAKLIST_OFFSET, TABLE_OFFSET = 16, 24, 32, 40, 48
SIZE: Final = 56

# From CPython's headers: object.h, typeslots.h, descrobject.h / structmember.h.
_TP_CALL, _TP_MEMBERS = 50, 72
_FLAGS = (1 << 9) | (1 << 10) | (1 << 11)  # HEAPTYPE, BASETYPE, HAVE_VECTORCALL
_T_PYSSIZET, _READONLY = 19, 1


class _Slot(ctypes.Structure):
    _fields_ = (("slot", ctypes.c_int), ("function", ctypes.c_void_p))


class _Spec(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    )


class _Member(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


@once
def available() -> bool:
    """Whether this interpreter is one whose objects emitted code can read and build.

    The environment variable SYMDIFF_NATIVE_CALL=0 says no.
    """
    return (
        os.environ.get("SYMDIFF_NATIVE_CALL", "1") != "0"
        and platform.python_implementation() == "CPython"
        and not hasattr(sys, "gettotalrefcount")  # a debug build
        and ctypes.sizeof(ctypes.c_void_p) == 8
        and object.__basicsize__ == 16  # 32 in a free-threaded build
        and float.__basicsize__ == 24  # the value at byte 16
        and tuple.__basicsize__ == 24  # the items from byte 24
    )


def python_symbols() -> dict[str, int]:
    """Addresses of what emitted code uses of CPython."""
    functions = (
        "PyErr_Clear", "PyErr_NoMemory", "PyErr_Occurred", "PyEval_RestoreThread",
        "PyEval_SaveThread", "PyFloat_AsDouble", "PyFloat_FromDouble", "PyLong_AsLongLong",
        "PyLong_FromLongLong", "PyObject_Vectorcall", "PyTuple_New", "PyType_GenericAlloc",
        "PyType_IsSubtype", "Py_DecRef", "Py_IncRef", "_PyObject_GC_NewVar",
    )  # fmt: skip
    objects = {
        "PyFloat_Type": float, "PyLong_Type": int, "PyTuple_Type": tuple,
        "_Py_TrueStruct": True, "_Py_FalseStruct": False, "_Py_NoneStruct": None,
    }  # fmt: skip
    found = {name: _address(name) for name in functions}
    return found | {name: id(thing) for name, thing in objects.items()}


def _address(name: str) -> int:
    pointer = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    assert pointer is not None
    return pointer


def vectorcall_type(base: type) -> type:
    """A subtype of `base` (which must have empty slots) whose instances call machine code."""
    members = (_Member * 4)(
        _Member(b"__vectorcalloffset__", _T_PYSSIZET, VECTORCALL_OFFSET, _READONLY, None),
        _Member(b"__dictoffset__", _T_PYSSIZET, DICT_OFFSET, _READONLY, None),
        _Member(b"__weaklistoffset__", _T_PYSSIZET, WEAKLIST_OFFSET, _READONLY, None),
    )
    slots = (_Slot * 3)(
        _Slot(_TP_CALL, _address("PyVectorcall_Call")),
        _Slot(_TP_MEMBERS, ctypes.cast(members, ctypes.c_void_p)),
    )
    name = f"{base.__module__}.{base.__qualname__}".encode()
    spec = _Spec(name, SIZE, 0, _FLAGS, slots)
    create: Any = ctypes.pythonapi.PyType_FromSpecWithBases
    create.restype = ctypes.py_object
    create.argtypes = [ctypes.c_void_p, ctypes.py_object]
    made: type = create(ctypes.addressof(spec), (base,))
    _kept_alive.append((members, slots, spec, name))
    return made


# CPython keeps pointers into the specification of a type.
_kept_alive: Final[list[Any]] = []


def attach(instance: object, entry: int, fallback: object, table: int = 0) -> None:
    """Make calls of `instance` go to the machine code at `entry`.

    `fallback` is called in its place for arguments that the code does not take; `table` is the
    address of what the code works by. The caller keeps a reference to these and to the owner of
    the code for as long as `instance` lives.
    """
    ctypes.c_void_p.from_address(id(instance) + FALLBACK_OFFSET).value = id(fallback)
    ctypes.c_void_p.from_address(id(instance) + TABLE_OFFSET).value = table
    ctypes.c_void_p.from_address(id(instance) + VECTORCALL_OFFSET).value = entry
