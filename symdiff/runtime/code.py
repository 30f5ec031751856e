"""The machine code of one program: each wrapper compiled when it is first needed."""

from __future__ import annotations

import ctypes
import re
import threading
import time
from importlib import import_module
from typing import Any, Final

from symdiff.errors import CompileError
from symdiff.runtime import engine, native
from symdiff.runtime.engine import Image, Loaded
from symdiff.runtime.once import once
from symdiff.runtime.program import Program
from symdiff.runtime.sharing import Protocol, protocol

# How codegen names a function of scipy.special.cython_special.
SCIPY_PREFIX = "scipy_special_"
BLAS_PREFIX = "scipy_blas_"  # and one of scipy.linalg.cython_blas
_BLAS = re.compile(rf"@{BLAS_PREFIX}(\w+)\(")
_SPECIAL = re.compile(rf"@{SCIPY_PREFIX}(\w+)\(")

# They release the GIL. The status is 0, or which of the program's checks failed, from 1.
_ARGUMENTS = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
MANY: Final = 8  # points that are computed in the lanes of vectors, fewer one by one
_BATCH = ctypes.CFUNCTYPE(None, *_ARGUMENTS)
_CHECKED_BATCH = ctypes.CFUNCTYPE(ctypes.c_int64, *_ARGUMENTS)
_TEAM = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


class Code:
    """Owner of a program's modules in this process. Thread-safe; keeps what it has loaded."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._lock = threading.RLock()
        self._images: dict[tuple[str, ...], Image] = {}
        self._blas: dict[tuple[str, ...], set[str]] = {}
        self._special: dict[tuple[str, ...], set[str]] = {}
        self._loaded: dict[tuple[str, ...], Loaded] = {}
        self._batch: Any = None
        self._many: Any = None
        self._team: Any = None

    def entry(self) -> int:
        """The address of the CPython entry."""
        return self._address("call")

    def batch(self) -> Any:
        """The batch loop, as a ctypes function of (pointers, steps, n, workspace).

        It returns the status, or None for a program without checks.
        """
        if self._batch is None:
            prototype = _CHECKED_BATCH if self._program.checks else _BATCH
            self._batch = prototype(self._address("batch"))
        return self._batch

    def many(self) -> Any:
        """The same for many points, in the lanes of vectors where the function can be."""
        if self._many is None:
            if self._program.in_lanes():
                self._many = _CHECKED_BATCH(self._address("many"))
            else:
                self._many = self.batch()
        return self._many

    def address(self, count: int) -> int:
        """The address of the loop over so many points."""
        many = count >= MANY and self._program.in_lanes()
        return self._address("many" if many else "batch")

    def team(self) -> Any:
        """One point by several threads, as a ctypes function of (pointers, workspace, shared)."""
        if self._team is None:
            self._team = _TEAM(self._address("team"))
        return self._team

    def protocol(self) -> Protocol:
        """The functions by which threads share work."""
        assert self._program.sharing is not None
        return protocol(self._program.sharing)

    def image(self, wrapper: str) -> Image:
        """The object file that holds `wrapper`."""
        wrappers = self._together(wrapper)
        with self._lock:
            if wrappers not in self._images:
                start = time.perf_counter()
                text = self._program.lower(wrappers)
                lowered = time.perf_counter()
                program = self._program
                optimize = program.loops or "many" in wrappers
                self._images[wrappers] = engine.assemble(
                    text, program.target, program.whole, optimize
                )
                self._special[wrappers] = set(_SPECIAL.findall(text))
                self._blas[wrappers] = set(_BLAS.findall(text))
                self._program.stages["lower"] = lowered - start
                self._program.stages["llvm"] = time.perf_counter() - lowered
            return self._images[wrappers]

    def _together(self, wrapper: str) -> tuple[str, ...]:
        if not self._program.whole or wrapper == "c":
            return (wrapper,)
        return ("batch", "call") if self._program.native and native.available() else ("batch",)

    def _address(self, wrapper: str) -> int:
        wrappers = self._together(wrapper)
        with self._lock:
            if wrappers not in self._loaded:
                if self._program.target != engine.HOST:
                    raise CompileError(
                        f"{self._program.name} was compiled for {self._program.target}; "
                        "it cannot run in this process"
                    )
                image = self.image(wrapper)
                start = time.perf_counter()
                names = [f"{self._program.symbol}.{w}" for w in wrappers]
                self._loaded[wrappers] = Loaded(image, names, self._imports(wrappers))
                self._program.stages["load"] = time.perf_counter() - start
            return self._loaded[wrappers].addresses[f"{self._program.symbol}.{wrapper}"]

    def _imports(self, wrappers: tuple[str, ...]) -> dict[str, int]:
        imports = _scipy_symbols(self._special[wrappers]) | _blas_symbols(self._blas[wrappers])
        if "team" in wrappers:
            imports |= self.protocol().imports
        if "call" in wrappers:
            imports |= native.python_symbols() | support(self._program.support).addresses
            for i, kind in enumerate(self._program.record_types):
                imports[f"{self._program.symbol}.type{i}"] = id(kind)
        return imports


@once
def support(text: str) -> Loaded:
    """What every CPython entry calls, from its LLVM text."""
    names = ["symdiff_read_numbers", "symdiff_pack_numbers", "symdiff_pack_objects"]
    return Loaded(engine.assemble(text), names, native.python_symbols())


def capsule_functions() -> tuple[Any, Any]:
    """What reads the address and the signature from a capsule."""
    pointer: Any = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    get_name: Any = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return pointer, get_name


def _blas_symbols(names: set[str]) -> dict[str, int]:
    """Addresses of the functions of SciPy's BLAS."""
    if not names:
        return {}
    capsules: dict[str, Any] = import_module("scipy.linalg.cython_blas").__pyx_capi__
    pointer, get_name = capsule_functions()
    return {BLAS_PREFIX + name: pointer(capsules[name], get_name(capsules[name])) for name in names}


def _scipy_symbols(names: set[str]) -> dict[str, int]:
    """Addresses of SciPy's scalar functions, those for one double where a name has several."""
    if not names:
        return {}
    capsules: dict[str, Any] = import_module("scipy.special.cython_special").__pyx_capi__
    pointer, get_name = capsule_functions()
    found: dict[str, int] = {}
    for name in names:
        for key in (name, f"__pyx_fuse_0{name}", f"__pyx_fuse_1{name}"):
            capsule = capsules.get(key)
            signature = get_name(capsule) if capsule is not None else b""
            if signature == b"double (double, int __pyx_skip_dispatch)":
                found[SCIPY_PREFIX + name] = pointer(capsule, signature)
        if SCIPY_PREFIX + name not in found:
            raise CompileError(f"this SciPy has no scalar function {name!r} of one double")
    return found
