"""One pool of threads for the process, which help with what a caller does anyway.

A caller offers work and starts on it at once. Threads of the pool that are idle join in when they
are awake; where none is (nested calls, many callers), the caller does all of it, so nobody waits
for a thread to become free. How work is cut never depends on who does it, see docs/threads.md.
"""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final

from symdiff.errors import ArgumentError

ALL: Final = "all"
MOST: Final = 1024  # threads that can be asked for

Task = Callable[[], object]


def usable() -> int:
    """The number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked(threads: Any) -> int | str:
    """`threads` if it is a number of threads, or "all".

    Raises:
        ArgumentError: it is neither.
    """
    if isinstance(threads, str):
        if threads == ALL:
            return ALL
    elif not isinstance(threads, bool):
        with suppress(TypeError):
            count = operator.index(threads)
            if 1 <= count <= MOST:
                return count
    raise ArgumentError(
        f'threads={threads!r}: expected a whole number from 1 to {MOST}, or "{ALL}" for the CPUs '
        "that this process may use"
    )


def count(threads: int | str) -> int:
    """How many threads a checked option means, now."""
    return usable() if isinstance(threads, str) else threads


class Pool:
    """Threads that wait for tasks. They end with the process and hold nothing up."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        """Start anew: in a process that was forked there are no threads but one."""
        self._lock = threading.Lock()
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        self._size = self._idle = 0

    def offer(self, task: Task, helpers: int) -> None:
        """Have `task` called by as many as `helpers` threads that are idle now, and return.

        It may be called late, even when the caller is done with the work.
        """
        with self._lock:
            # More threads than processors would only take turns.
            while self._size < helpers and self._size < usable() - 1 and self._start():
                pass
            found = min(helpers, self._idle)
            self._idle -= found
        for _ in range(found):
            self._tasks.put(task)

    def _start(self) -> bool:
        thread = threading.Thread(
            target=self._serve, args=(self._tasks,), name="symdiff", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the interpreter is about to end
            return False
        self._size += 1
        self._idle += 1
        return True

    def _serve(self, tasks: SimpleQueue[Task]) -> None:
        while True:
            task = tasks.get()
            with suppress(Exception):  # the caller is told of errors, not a thread of the pool
                task()
            del task  # and the memory that it holds
            with self._lock:
                self._idle += 1


pool: Final = Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool._forget)  # pyright: ignore[reportPrivateUsage]
