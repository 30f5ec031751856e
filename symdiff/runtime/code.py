"""The machine code of one program: each wrapper compiled when it is first needed."""

from __future__ import annotations

import ctypes
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any, Final

from symdiff.errors import CompileError
from symdiff.runtime import cache, engine, native
from symdiff.runtime.engine import Loaded
from symdiff.runtime.entry import Entry, Module
from symdiff.runtime.memory import Mapped
from symdiff.runtime.program import Program, Signature
from symdiff.runtime.shared import load_module, shared_file, with_code
from symdiff.runtime.sharing import Protocol, protocol

# How codegen names a function of scipy.special.cython_special.
SCIPY_PREFIX = "scipy_special_"
BLAS_PREFIX = "scipy_blas_"  # and one of scipy.linalg.cython_blas
_BLAS = re.compile(rf"@({BLAS_PREFIX}\w+)\(")
_SPECIAL = re.compile(rf"@({SCIPY_PREFIX}\w+)\(")

# They release the GIL. The status is 0, or which of the program's checks failed, from 1.
_ARGUMENTS = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_BATCH = ctypes.CFUNCTYPE(None, *_ARGUMENTS)
_CHECKED_BATCH = ctypes.CFUNCTYPE(ctypes.c_int64, *_ARGUMENTS)
_TEAM = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
MANY: Final = 8  # points that are computed in the lanes of vectors, fewer one by one


class Code:
    """Owner of a program's modules in this process. Thread-safe; keeps what it has loaded.

    `kept` is the first module, where the disk cache had it.
    """

    def __init__(self, program: Program, kept: Module | None = None) -> None:
        self._program = program
        self._lock = threading.RLock()
        self._modules: dict[tuple[str, ...], Module] = {}
        self._recalled: set[tuple[str, ...]] = set()  # those from the disk cache
        self._loaded: dict[tuple[str, ...], Loaded | Mapped] = {}
        self._batch: Any = None
        self._many: Any = None
        self._team: Any = None
        self._many_words: int | None = None
        if kept is not None:
            self._modules[kept.wrappers] = kept
            self._recalled.add(kept.wrappers)

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

    def loop(self, count: int) -> Any:
        """The same for so many points: in the lanes of vectors where these can be filled."""
        if not self._in_lanes(count):
            return self.batch()
        if self._many is None:
            self._many = _CHECKED_BATCH(self._address("many"))
        return self._many

    def address(self, count: int) -> int:
        """The address of the loop over so many points."""
        return self._address("many" if self._in_lanes(count) else "batch")

    def _in_lanes(self, count: int) -> bool:
        return count >= MANY and self._program.in_lanes

    def workspace(self, count: int) -> int:
        """8-byte words of scratch memory that the loop over so many points needs."""
        if not self._in_lanes(count):
            return self._program.workspace
        if self._many_words is None:
            self._many_words = self.module("many").workspace
        return self._many_words

    def team(self) -> Any:
        """One point by several threads, as a ctypes function of (pointers, workspace, shared)."""
        if self._team is None:
            self._team = _TEAM(self._address("team"))
        return self._team

    def protocol(self) -> Protocol:
        """The functions by which threads share work."""
        assert self._program.sharing is not None
        return protocol(self._program.sharing, self._program.key is not None)

    @property
    def object_code(self) -> bytes:
        """The object file with the C signature."""
        return self.module("c").files[0]

    def first(self) -> Module:
        """The module that a kernel begins with."""
        return self.module(_first(self._program))

    def module(self, wrapper: str) -> Module:
        """The machine code that holds `wrapper`."""
        wrappers = self._together(wrapper)
        with self._lock:
            if wrappers not in self._modules:
                entry = cache.recall(self._key(wrappers))
                if entry is not None:
                    self._modules[wrappers] = entry.module
                    self._recalled.add(wrappers)
                else:
                    self._make(wrappers)
            return self._modules[wrappers]

    def _key(self, wrappers: tuple[str, ...]) -> bytes | None:
        name = "+".join(wrappers)
        if wrappers == self._together(_first(self._program)):
            name = cache.FIRST
        return cache.entry_key(self._program.key, name)

    def _make(self, wrappers: tuple[str, ...]) -> None:
        """Generate the machine code for `wrappers`, and keep it."""
        program = self._program
        start = time.perf_counter()
        text = program.lower(wrappers)
        lowered = time.perf_counter()
        optimize = program.loops or "many" in wrappers
        image = engine.assemble(text, program.target, program.whole, optimize)
        module = Module(
            wrappers,
            image.code_size,
            tuple(sorted({*_SPECIAL.findall(text), *_BLAS.findall(text)})),
            program.batch_workspace() if "many" in wrappers else 0,
        )
        kept = program.key is not None
        files = (image.data,)
        if "call" in wrappers:
            files += (shared_file("support", program.support, kept),)
        loadable = program.target == engine.HOST and wrappers != ("c",)
        module = with_code(module, files, loadable)
        program.stages["lower"] = lowered - start
        program.stages["llvm"] = time.perf_counter() - lowered
        key = self._key(wrappers)
        if key is not None:
            known = {f.name: getattr(program, f.name) for f in fields(Signature)}
            cache.keep(key, Entry(module, Signature(**known)))
        self._modules[wrappers] = module
        self._recalled.discard(wrappers)

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
                self._loaded[wrappers] = self._load(wrappers)
            return self._loaded[wrappers].addresses[f"{self._program.symbol}.{wrapper}"]

    def _load(self, wrappers: tuple[str, ...]) -> Loaded | Mapped:
        """The module for `wrappers` in this process."""
        module = self.module(wrappers[0])
        start = time.perf_counter()
        names = [f"{self._program.symbol}.{w}" for w in wrappers]
        try:
            loaded = load_module(module, names, self._imports(module))
        except CompileError:
            if wrappers not in self._recalled:
                raise
            # Made on the same machine, but with other libraries: make it again.
            self._make(wrappers)
            module = self.module(wrappers[0])
            loaded = load_module(module, names, self._imports(module))
        self._program.stages["load"] = time.perf_counter() - start
        return loaded

    def _imports(self, module: Module) -> dict[str, int]:
        imports = _scipy_symbols(module.needs)
        if "team" in module.wrappers:
            imports |= self.protocol().imports
        if "call" in module.wrappers:
            if module.linked is None:
                imports |= native.python_symbols()
            for i, kind in enumerate(self._program.record_types):
                imports[f"{self._program.symbol}.type{i}"] = id(kind)
        return imports


def _first(program: Program) -> str:
    """The wrapper that a kernel begins with."""
    if program.target != engine.HOST:
        return "c"
    if program.team is not None:
        return "team"
    return "call" if program.native and native.available() else "batch"


def capsule_functions() -> tuple[Any, Any]:
    """What reads the address and the signature from a capsule."""
    pointer: Any = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    get_name: Any = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return pointer, get_name


def _scipy_symbols(symbols: Sequence[str]) -> dict[str, int]:
    """Addresses of SciPy's functions, by the names that codegen gives them.

    Raises:
        CompileError: this SciPy does not have one.
    """
    blas = [s for s in symbols if s.startswith(BLAS_PREFIX)]
    special = [s for s in symbols if s.startswith(SCIPY_PREFIX)]
    return (_blas_symbols(blas) if blas else {}) | (_special_symbols(special) if special else {})


def _blas_symbols(symbols: Sequence[str]) -> dict[str, int]:
    """Addresses of the functions of SciPy's BLAS."""
    capsules: dict[str, Any] = import_module("scipy.linalg.cython_blas").__pyx_capi__
    pointer, get_name = capsule_functions()
    found: dict[str, int] = {}
    for symbol in symbols:
        capsule = capsules.get(symbol.removeprefix(BLAS_PREFIX))
        if capsule is None:
            raise CompileError(f"this SciPy has no {symbol.removeprefix(BLAS_PREFIX)!r} in BLAS")
        found[symbol] = pointer(capsule, get_name(capsule))
    return found


def _special_symbols(symbols: Sequence[str]) -> dict[str, int]:
    """Addresses of SciPy's scalar functions, those for one double where a name has several."""
    capsules: dict[str, Any] = import_module("scipy.special.cython_special").__pyx_capi__
    pointer, get_name = capsule_functions()
    found: dict[str, int] = {}
    for symbol in symbols:
        name = symbol.removeprefix(SCIPY_PREFIX)
        for key in (name, f"__pyx_fuse_0{name}", f"__pyx_fuse_1{name}"):
            capsule = capsules.get(key)
            signature = get_name(capsule) if capsule is not None else b""
            if signature == b"double (double, int __pyx_skip_dispatch)":
                found[symbol] = pointer(capsule, signature)
        if symbol not in found:
            raise CompileError(f"this SciPy has no scalar function {name!r} of one double")
    return found
