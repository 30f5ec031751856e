"""Things made once a process, whichever thread asks first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# The one lock of the runtime: LLVM is not reentrant either, and with two there would be an order
# to keep.
lock: Final = threading.RLock()


def once(make: Callable[P, R]) -> Callable[P, R]:
    """`make`, called once per distinct arguments.

    `functools.lru_cache` may call it twice from two threads and drop one of the results, which is
    fatal where the result owns machine code.
    """
    made: dict[Any, R] = {}

    @wraps(make)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        key = (args, tuple(sorted(kwargs.items())))
        if key not in made:
            with lock:
                if key not in made:
                    made[key] = make(*args, **kwargs)
        return made[key]

    return call
