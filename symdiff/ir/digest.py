"""SHA-256, without OpenSSL where Python has it without: `hashlib` takes 3 ms to load."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Final

LENGTH: Final = 32  # bytes
_LONG: Final = 1 << 20  # bytes, from which OpenSSL is worth loading


def _builtin() -> Callable[..., Any]:
    for module in ("_sha2", "_sha256"):  # from Python 3.12, and before
        try:
            return import_module(module).sha256
        except ImportError:
            continue
    return import_module("hashlib").sha256


_sha256: Final = _builtin()


def digest(parts: Iterable[bytes]) -> bytes:
    """The SHA-256 digest of `parts`, each preceded by its length: what they are cannot blur."""
    total: Any = None
    for part in parts:
        if total is None:
            fast = len(part) > _LONG or "hashlib" in sys.modules
            total = import_module("hashlib").sha256() if fast else _sha256()
        total.update(len(part).to_bytes(8, "little"))
        total.update(part)
    return (total or _sha256()).digest()
