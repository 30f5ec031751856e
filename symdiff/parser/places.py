"""Places in the user's Python program, for values and messages."""

from __future__ import annotations

import inspect
from types import CodeType, FrameType
from typing import Final

from symdiff.errors import TraceError

# Code that the user did not write, and whose lines would tell them nothing.
_LIBRARIES: Final = {"symdiff", "numpy", "scipy", "sympy"}


def user_frame() -> FrameType | None:
    """The innermost frame that is in none of the libraries."""
    frame = inspect.currentframe()
    while frame is not None and _is_library(frame):
        frame = frame.f_back
    return frame


def _is_library(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in _LIBRARIES


def place() -> str:
    """The file and line that the user's program is at, for the beginning of a message."""
    frame = user_frame()
    return _written(frame.f_code, frame.f_lineno) if frame else ""


def place_of(error: BaseException) -> str:
    """The innermost line in none of the libraries that `error` passed through, for a message."""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        if not _is_library(trace.tb_frame):
            found = _written(trace.tb_frame.f_code, trace.tb_lineno)
        trace = trace.tb_next
    return found


def _written(code: CodeType, line: int) -> str:
    return f"{code.co_filename}, line {line}: "


def trace_error(message: str) -> TraceError:
    """A TraceError that begins with the user's line."""
    return TraceError(place() + message)
