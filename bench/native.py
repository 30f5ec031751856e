"""The limits in C, compiled by the system's compiler and called as cheaply as Python can.

Flags are in the tables' notes: what C reaches with the freedom to reassociate (`-ffast-math`, which
its vector mathematics needs) and the machine's widest vectors.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

SOURCES: Final = Path(__file__).parent / "c"
COMPILERS: Final = ("gcc", "cc")
FLAGS: Final = ("-O3", "-march=native", "-ffast-math", "-mprefer-vector-width=512")
# Of sin and cos of the same number gcc makes one call, which it cannot vectorise.
LOOPS: Final = ("-fno-builtin-sin", "-fno-builtin-cos")
ONE_THREAD: Final = (*LOOPS, "-fopenmp-simd")
THREADS: Final = (*LOOPS, "-fopenmp", "-DTHREADS")
LIBRARIES: Final = ("-lmvec", "-lm")


class NoCompilerError(RuntimeError):
    """There is no C compiler, or it does not understand the flags."""


def kernel(source: str, name: str, buffers: Sequence[Any], threads: int = 1) -> Callable[[], None]:
    """The function `name` of bench/c/`source`.c on fixed memory: to be called without arguments.

    Raises:
        NoCompilerError: it cannot be compiled here.
    """
    library = ctypes.CDLL(str(_built(source, THREADS if threads > 1 else ONE_THREAD)))
    address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    return extension("bound").bind(address, tuple(buffers))


@cache
def extension(name: str) -> Any:
    """bench/c/`name`.c as a Python module."""
    include = f"-I{sysconfig.get_paths()['include']}"
    path = _built(name, (include,))
    loader = importlib.machinery.ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _built(source: str, flags: Sequence[str]) -> Path:
    """The shared library of bench/c/`source`.c, compiled unless an earlier run has done it."""
    compiler = next((found for name in COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        raise NoCompilerError("no C compiler")
    command = [compiler, *FLAGS, *flags, "-shared", "-fPIC"]
    texts = [(SOURCES / name).read_bytes() for name in (f"{source}.c", "limit.h")]
    key = hashlib.sha256(b"\0".join([*texts, repr((command, _version(compiler))).encode()]))
    folder = Path(tempfile.gettempdir()) / f"symdiff-bench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{source}-{key.hexdigest()[:16]}.so"
    if not path.exists():
        fresh = folder / f"{source}-{os.getpid()}.so"
        whole = [*command, str(SOURCES / f"{source}.c"), "-o", str(fresh), *LIBRARIES]
        ran = subprocess.run(whole, capture_output=True, text=True)
        if ran.returncode != 0:
            raise NoCompilerError(f"{source}.c: {ran.stderr.strip().splitlines()[0]}")
        fresh.replace(path)
    return path


@cache
def _version(compiler: str) -> str:
    """Compiler and processor, which a library is good for."""
    ran = subprocess.run([compiler, "--version"], capture_output=True, text=True)
    flags = Path("/proc/cpuinfo")
    lines = flags.read_text().splitlines() if flags.exists() else []
    return ran.stdout + next((line for line in lines if line.startswith("flags")), "")
