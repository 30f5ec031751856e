"""What machine code depends on besides the function: the makers and the machine.

Each is found without loading LLVM, and in some hundred microseconds all together.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import PathFinder
from typing import Final

import numpy as np

from symdiff.ir import digest
from symdiff.runtime import engine, native
from symdiff.runtime.once import once

PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# The folders whose files decide what code a function gets; what reads sources does not.
_ROOMS: Final = (
    "ir",
    "ops",
    "ops/arrays",
    "autodiff",
    "passes",
    "codegen",
    "codegen/loops",
    "codegen/vector_math",
    "runtime",
)
_LLVM: Final = {"darwin": "libllvmlite.dylib", "win32": "llvmlite.dll"}
# Lines of /proc/cpuinfo that say which of several CPUs it is, or what it is doing just now.
_PASSING: Final = (
    b"processor\t", b"cpu MHz", b"microcode", b"physical id", b"siblings", b"core id",
    b"cpu cores", b"apicid", b"initial apicid", b"bogomips", b"BogoMIPS", b"clock", b"timebase",
)  # fmt: skip


@once
def environment() -> bytes:
    """32 bytes that differ where the same function may get other machine code."""
    facts = (_LOADED, llvm_stamp(), cpu(), *interpreter())
    return digest(repr(fact).encode("utf-8", "surrogateescape") for fact in facts)


def is_current() -> bool:
    """Whether the sources are known, and still those that this process began with.

    After an edit, old and new ones may have worked together, and what they made is not to be kept.
    """
    return _LOADED != b"" and symdiff_stamp() == _LOADED


def interpreter() -> tuple[str, ...]:
    """Python, NumPy and the C library, whose objects and functions the code uses."""
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):  # another C library
        libc = platform.release()
    entry = str(native.available())
    return (str(sys.implementation.cache_tag), np.__version__, sys.platform, str(libc), entry)


def symdiff_stamp(package: str = PACKAGE) -> bytes:
    """A digest of the version of symdiff, and of what changes with any edit of its sources.

    An installed package changes as a whole, so one of its files says it all; in a checkout every
    source counts, by time and size. Empty where there are no files to look at, as in an archive.
    """
    top = os.path.join(package, "__init__.py")
    try:
        with open(top, "rb") as file:
            version = file.read()
        if not os.path.exists(os.path.join(os.path.dirname(package), "pyproject.toml")):
            status = os.stat(top)
            sources = [(status.st_mtime_ns, status.st_ctime_ns, status.st_ino)]
        else:
            folders = [package, *(os.path.join(package, room) for room in _ROOMS)]
            sources = sorted(_sources(folders))
    except OSError:
        return b""
    return digest([version, repr(sources).encode("utf-8", "surrogateescape")])


def _sources(folders: list[str]) -> Iterator[tuple[str, int, int]]:
    for folder in folders:
        with os.scandir(folder) as files:
            for file in files:
                if file.name.endswith(".py"):
                    status = file.stat()
                    yield file.path, status.st_mtime_ns, status.st_size


# Taken with the import: a process that goes on after an edit goes on with the code from before.
_LOADED: Final = symdiff_stamp()


def llvm_stamp() -> tuple[object, ...]:
    """Where llvmlite is, and the sizes and times of its version and of the library with LLVM."""
    found = PathFinder.find_spec("llvmlite")
    if found is None:  # found by other means; `importlib.util` takes a while to load
        found = import_module("importlib.util").find_spec("llvmlite")
    if found is None or found.origin is None:
        return ()
    folder = os.path.dirname(found.origin)
    stamps: list[object] = [found.origin]
    for name in ("_version.py", f"binding/{_LLVM.get(sys.platform, 'libllvmlite.so')}"):
        try:
            status = os.stat(os.path.join(folder, name))
        except OSError:
            continue
        stamps += [status.st_size, status.st_mtime_ns]
    return tuple(stamps)


def cpu() -> tuple[object, ...]:
    """The model and the features of the CPU, as Linux or else LLVM tells them."""
    try:
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            text = b""
            while b"\n\n" not in text and (block := file.read(8192)):
                text += block
    except OSError:
        return engine.host_cpu()
    lines = text.partition(b"\n\n")[0].split(b"\n")
    known = [line for line in lines if not line.startswith(_PASSING)]
    return platform.machine(), *known
