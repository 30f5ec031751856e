"""A folder of small files by key, which many processes may use at once and none can break.

Whatever fails (no room, no permission, a file that is damaged or somebody else's) is a miss, never
an error: what is kept here can be made again.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from symdiff.ir import digest
from symdiff.runtime.once import once

DEFAULT_LIMIT: Final = 256 << 20  # bytes
_MAGIC: Final = b"symdiff\x01"  # with the number of the format
_HEAD: Final = len(_MAGIC) + 32
_SUFFIX: Final = ".entry"
_OURS: Final = re.compile(rf"[0-9a-f]{{64}}{re.escape(_SUFFIX)}|\.[0-9a-f]{{8,}}\.tmp", re.ASCII)
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE: Final = re.compile(r"\s*(\d+)\s*([KMG]?)I?B?\s*", re.IGNORECASE | re.ASCII)
_LARGEST: Final = 4  # one entry takes at most the limit divided by this
_SHARE: Final = 16  # a sweep after every so many bytes written: the limit divided by this
_SWEEP_EVERY: Final = 3600.0  # seconds between the sweeps of short processes
_USED_EVERY: Final = 600.0  # seconds: how exactly the time of last use is kept
_STALE: Final = 3600.0  # seconds, after which an unfinished file belongs to nobody
_KEPT: Final = 0.8  # of the limit, after a sweep
_MARK: Final = "swept"  # its time is that of the last sweep

_FOREIGN: Final = stat.S_IWGRP | stat.S_IWOTH
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Usage:
    """What is in the cache.

    Attributes:
        folder: where it is, or would be.
        enabled: whether it is used.
        entries, size: how many files, and their bytes.
        limit: bytes, above which those used longest ago are removed.
        reason: why it is not used.
    """

    folder: str
    enabled: bool
    entries: int
    size: int
    limit: int
    reason: str = ""


class _File(NamedTuple):
    used: float
    size: int
    path: str
    unfinished: bool


class Store:
    """The files of one folder, which is made when the first is written."""

    def __init__(self, folder: str, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._trusted: bool | None = None
        self._written = 0  # bytes since the last sweep by this process

    def path(self, key: bytes) -> str:
        """Where the entry for `key` is, if there is one."""
        return os.path.join(self.folder, key.hex() + _SUFFIX)

    def holds(self, key: bytes) -> bool:
        """Whether there is an entry for `key`, damaged or not."""
        return self._is_trusted() and os.path.exists(self.path(key))

    def get(self, key: bytes) -> bytes | None:
        """What was put under `key`; None where there is nothing, or it is not what was put."""
        if not self._is_trusted():
            return None
        path = self.path(key)
        try:
            data, used = _read(path)
        except (OSError, MemoryError):
            return None
        if data is None:
            return None
        content = data[_HEAD:]
        if not data.startswith(_MAGIC) or data[len(_MAGIC) : _HEAD] != digest([content, key]):
            self.drop(key)
            return None
        if time.time() - used > _USED_EVERY:
            with contextlib.suppress(OSError):
                os.utime(path)
        return content

    def put(self, key: bytes, content: bytes) -> bool:
        """Whether `content` is now what `get` gives for `key`, in every process."""
        if len(content) + _HEAD > self.limit // _LARGEST or not self._is_trusted(make=True):
            return False
        temporary = os.path.join(self.folder, f".{os.urandom(8).hex()}.tmp")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW
            with open(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(_MAGIC + digest([content, key]))
                file.write(content)
            os.replace(temporary, self.path(key))
        except (OSError, MemoryError):
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            return False
        self._written += len(content) + _HEAD
        if self._written * _SHARE > self.limit or self._sweep_is_due():
            self.sweep()
        return True

    def drop(self, key: bytes) -> None:
        """Remove the entry for `key`."""
        with contextlib.suppress(OSError):
            os.unlink(self.path(key))

    def sweep(self) -> None:
        """Remove what is unfinished and abandoned and, above the limit, what was not used last."""
        self._written = 0
        with contextlib.suppress(OSError):
            mark = os.path.join(self.folder, _MARK)
            os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | _NOFOLLOW, 0o600))
            os.utime(mark)
        total = 0
        files = sorted(self._files(), reverse=True)
        over = sum(file.size for file in files) > self.limit
        oldest = time.time() - _STALE
        for file in files:
            if not file.unfinished:
                total += file.size
            drop = file.used < oldest if file.unfinished else over and total > self.limit * _KEPT
            if drop:
                with contextlib.suppress(OSError):
                    os.unlink(file.path)

    def _sweep_is_due(self) -> bool:
        try:
            return time.time() - os.stat(os.path.join(self.folder, _MARK)).st_mtime > _SWEEP_EVERY
        except OSError:
            return True

    def clear(self) -> int:
        """The number of entries that were removed: all of them. Other files stay."""
        if not self._is_trusted():
            return 0
        removed = 0
        for file in list(self._files()):
            with contextlib.suppress(OSError):
                os.unlink(file.path)
                removed += not file.unfinished
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(self.folder, _MARK))
        return removed

    def usage(self) -> Usage:
        """What is there now."""
        files = [file for file in self._files() if not file.unfinished]
        size = sum(file.size for file in files)
        enabled = not os.path.lexists(self.folder) or self._is_trusted()
        reason = "" if enabled else "not a folder of this user's that only this user can write to"
        return Usage(self.folder, enabled, len(files), size, self.limit, reason)

    def _files(self) -> Iterator[_File]:
        """The files that are ours, by their names."""
        if not self._is_trusted():
            return
        try:
            with os.scandir(self.folder) as found:
                for file in found:
                    if _OURS.fullmatch(file.name):
                        with contextlib.suppress(OSError):
                            status = file.stat(follow_symlinks=False)
                            unfinished = not file.name.endswith(_SUFFIX)
                            yield _File(status.st_mtime, status.st_size, file.path, unfinished)
        except OSError:
            return

    def _is_trusted(self, make: bool = False) -> bool:
        """Whether the folder is there, and nobody else can put code for us into it."""
        if self._trusted is None or (make and not os.path.isdir(self.folder)):
            try:
                if make:
                    os.makedirs(os.path.dirname(self.folder), exist_ok=True)
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(self.folder, 0o700)
                self._trusted = _is_private(os.stat(self.folder), stat.S_ISDIR)
            except OSError:
                if not make:
                    return False  # perhaps somebody makes it later
                self._trusted = False
        return self._trusted


def _is_private(status: os.stat_result, kind: Callable[[int], bool]) -> bool:
    """Whether a file is of the right kind, this user's, and only for this user to write."""
    if not kind(status.st_mode):
        return False
    if sys.platform == "win32":
        return True  # the folder of a user is the user's, by its access control list
    return status.st_uid == os.geteuid() and not status.st_mode & _FOREIGN


def _read(path: str) -> tuple[bytes | None, float]:
    """The content of a file and when it was used; no content where the file is not private."""
    handle = os.open(path, os.O_RDONLY | _NOFOLLOW)
    try:
        status = os.fstat(handle)
        if not _is_private(status, stat.S_ISREG):
            return None, 0.0
        parts: list[bytes] = []
        left = status.st_size
        while left and (part := os.read(handle, left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts), status.st_mtime
    finally:
        os.close(handle)


def store() -> Store | None:
    """The user's cache, or None where the environment turns it off.

    SYMDIFF_CACHE=0 turns it off, SYMDIFF_CACHE_DIR says where it is, SYMDIFF_CACHE_SIZE how large
    it may grow (as "64M").
    """
    if turned_off():
        return None
    folder = os.environ.get("SYMDIFF_CACHE_DIR", "")
    folder = os.path.abspath(folder) if folder else default_folder()
    if not os.path.isabs(folder):
        return None  # this user has no home
    return _opened(folder, _limit(os.environ.get("SYMDIFF_CACHE_SIZE", "")))


def turned_off() -> bool:
    """Whether SYMDIFF_CACHE says that there is to be no cache."""
    return os.environ.get("SYMDIFF_CACHE", "1").strip().lower() in ("0", "off", "no", "false")


_opened: Final = once(Store)


@once
def _limit(text: str) -> int:
    """The number of bytes that a text such as "64M" says; the default, and a warning, without."""
    found = _SIZE.fullmatch(text)
    if found:
        return int(found[1]) * _UNITS[found[2].upper()]
    if text.strip():
        warnings.warn(
            f"SYMDIFF_CACHE_SIZE={text!r} is no size such as 64M; taking {DEFAULT_LIMIT >> 20}M",
            RuntimeWarning,
            stacklevel=2,
        )
    return DEFAULT_LIMIT


def default_folder() -> str:
    """Where this system keeps what programs can make again, in the user's own folder."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
        return os.path.join(base, "symdiff", "Cache")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Caches", "symdiff")
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: what is not absolute is to be ignored.
    return os.path.join(base if os.path.isabs(base) else os.path.join(home, ".cache"), "symdiff")
