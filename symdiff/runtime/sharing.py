"""Calls whose work several threads share: the emitted protocol, and the memory that it takes."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from symdiff.runtime.once import once
from symdiff.runtime.shared import Text, load_shared
from symdiff.runtime.threads import pool

PER_THREAD: Final = 4  # parts of a batch
# Work in the units of `Program.work`: of a batch, since to wake up a thread takes tens of
# microseconds, and of each of its parts.
WORTHWHILE_IN_ALL: Final = 2_000_000
WORTHWHILE: Final = 100_000
_LINE: Final = 64  # bytes
_HELP: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p)  # it releases the GIL


class Protocol:
    """The functions by which threads share work, see `codegen.sharing`."""

    def __init__(self, text: Text, kept: bool) -> None:
        names = ["symdiff_share", "symdiff_help", "symdiff_batch"]
        yielding = {"symdiff_yield": _yield_address()}
        self._loaded = load_shared("sharing", {"sharing": text}, kept, names, yielding)
        self.imports = {"symdiff_share": self._loaded.addresses["symdiff_share"]}
        self.help = _HELP(self._loaded.addresses["symdiff_help"])
        self.batch = _HELP(self._loaded.addresses["symdiff_batch"])


@once
def protocol(text: Text, kept: bool) -> Protocol:
    """The functions, loaded once a process."""
    return Protocol(text, kept)


def _yield_address() -> int:
    """What lets other threads run, in the C library."""
    if sys.platform == "win32":
        function: Any = ctypes.WinDLL("kernel32").SwitchToThread
    else:
        function = ctypes.CDLL(None).sched_yield
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


def shared_memory(phases: int) -> tuple[Any, int]:
    """Memory by which the threads of one call find each other, and its address."""
    memory = (ctypes.c_int64 * ((phases + 2) * _LINE // 8))()
    start = ctypes.addressof(memory)
    return memory, -(-start // _LINE) * _LINE


def offer(functions: Protocol, memory: Any, shared: int, helpers: int) -> None:
    """Have idle threads of the pool help with what is led at `shared`."""
    pool.offer(partial(_help, functions, memory, shared), helpers)


def _help(functions: Protocol, memory: Any, shared: int) -> None:
    functions.help(shared)  # `memory` is alive until then, whenever that is


def run_team(
    functions: Protocol, team: Any, operands: tuple[int, int], phases: int, threads: int
) -> int:
    """The status of one point that several threads compute.

    `operands` are the addresses of the pointers and of the scratch memory.
    """
    memory, shared = shared_memory(phases)
    offer(functions, memory, shared, threads - 1)
    return team(*operands, shared)


def parts_of_batch(count: int, work: int, grain: int, threads: int) -> int:
    """Into how many parts a batch of `count` points is to be cut; 1 if it is too small."""
    if count * work < WORTHWHILE_IN_ALL:
        return 1
    return min(PER_THREAD * threads, count // grain, count * work // WORTHWHILE)


def run_batch(
    functions: Protocol,
    batch: Any,
    operands: tuple[Sequence[int], Sequence[int], int],
    cut: tuple[int, int, int],
    scratch: tuple[int, int],
) -> int:
    """The status of `batch` run by several threads: that of the first point that fails.

    `operands` are pointers, steps and the number of points, `cut` the grain, the number of parts
    and that of threads, `scratch` an address and bytes for each thread.
    """
    pointers, steps, count = operands
    grain, parts, threads = cut
    many = len(pointers)
    # One block of words: what the functions read first, then the lists that it points to.
    words: Any = (ctypes.c_int64 * (11 + 2 * many + parts))()
    start = ctypes.addressof(words)
    lists = start + 11 * 8
    words[0:5] = [
        ctypes.cast(batch, ctypes.c_void_p).value,
        batch.restype is not None,
        lists,
        many,
        lists + 8 * many,
    ]
    words[5:11] = [count, grain, parts, lists + 16 * many, *scratch]
    words[11 : 11 + 2 * many] = [*pointers, *steps]
    memory, shared = shared_memory(1)
    ctypes.c_int64.from_address(shared + 16).value = start
    offer(functions, memory, shared, min(threads, parts) - 1)
    functions.batch(shared)
    return next((status for status in words[11 + 2 * many :] if status), 0)
