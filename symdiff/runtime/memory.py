"""Linked code in executable memory, never writable and executable at once."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from symdiff.errors import CompileError
from symdiff.runtime.elf import Linked
from symdiff.runtime.once import once

# From Linux's <sys/mman.h> on x86-64.
_READ, _WRITE, _EXEC = 1, 2, 4
_PRIVATE_ANONYMOUS: Final = 0x22
_FAILED: Final = ctypes.c_void_p(-1).value

_VECTOR_MATH: Final = "_ZGV"  # how the vector function ABI's names begin


@once
def available() -> bool:
    """Whether linked code can be loaded in this process."""
    return (
        sys.platform == "linux"
        and platform.machine() == "x86_64"
        and ctypes.sizeof(ctypes.c_void_p) == 8
    )


class _System(NamedTuple):
    """Functions of the C library."""

    mmap: Any
    mprotect: Any
    munmap: Any
    dlsym: Any


@once
def _system() -> _System:
    process = ctypes.CDLL(None, use_errno=True)
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    types: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "mmap": (pointer, (pointer, size, number, number, number, ctypes.c_long)),
        "mprotect": (number, (pointer, size, number)),
        "munmap": (number, (pointer, size)),
        "dlsym": (pointer, (pointer, ctypes.c_char_p)),
    }
    functions: dict[str, Any] = {}
    for name, (result, arguments) in types.items():
        function = process[name]
        function.restype, function.argtypes = result, arguments
        functions[name] = function
    return _System(**functions)


@once
def _library(name: str) -> int | None:
    """The handle of a library, or None where it is missing."""
    try:
        return ctypes.CDLL(name)._handle
    except OSError:
        return None


def _address_of(name: str) -> int:
    """The address of a function or a variable of this process, of libm or of libmvec.

    Raises:
        CompileError: there is none.
    """
    find, symbol = _system().dlsym, name.encode()
    found: int | None = find(None, symbol)
    if found is None and name.startswith("Py"):
        found = find(ctypes.pythonapi._handle, symbol)  # where Python is a plug-in itself
    elif found is None:
        handle = _library("libmvec.so.1" if name.startswith(_VECTOR_MATH) else "libm.so.6")
        found = find(handle, symbol) if handle else None
    if found is None:
        raise CompileError(f"the generated code needs {name}, which is not in this process")
    return found


class Mapped:
    """Linked code in this process. It is freed when this object is: keep it with its addresses."""

    _place: int | None = None

    def __init__(self, linked: Linked, imports: Mapping[str, int]) -> None:
        system = _system()
        found = {n: imports.get(n) or _address_of(n) for n in linked.imports}
        self._size = len(linked.memory)
        place = system.mmap(None, self._size, _READ | _WRITE, _PRIVATE_ANONYMOUS, -1, 0)
        if place == _FAILED:
            raise CompileError(f"no memory for {self._size} bytes of code")
        self._place = place
        self._free = system.munmap
        ctypes.memmove(place, linked.memory, self._size)
        for name, offset in linked.imports.items():
            ctypes.c_uint64.from_address(place + offset).value = found[name]
        if system.mprotect(place, self._size, _READ | _EXEC):
            raise CompileError("this system does not let memory become executable")
        self.addresses = {name: place + offset for name, offset in linked.exports.items()}

    def __del__(self) -> None:
        # At the end of the process others may still call what they hold.
        if self._place is not None and not sys.is_finalizing():
            self._free(self._place, self._size)
