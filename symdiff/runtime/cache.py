"""The disk cache: machine code by what it was made from, see docs/cache.md."""

from __future__ import annotations

from symdiff.ir import digest
from symdiff.runtime.entry import Entry, Unreadable, read_entry
from symdiff.runtime.environment import environment, is_current
from symdiff.runtime.store import Usage, default_folder, store, turned_off

FIRST = "first"  # the module that a kernel is made with, whatever its wrappers


def enabled() -> bool:
    """Whether the environment leaves the cache on."""
    return store() is not None


def entry_key(program: bytes | None, name: str) -> bytes | None:
    """The key of a module of a program, by the program's own key; None where none is kept."""
    if program is None or store() is None:
        return None
    return digest([environment(), program, name.encode()])


def recall(key: bytes | None) -> Entry | None:
    """The entry for `key`, or None."""
    place = store()
    if key is None or place is None:
        return None
    content = place.get(key)
    if content is None:
        return None
    try:
        return read_entry(content)
    except Unreadable:
        place.drop(key)
        return None


def keep(key: bytes | None, entry: Entry) -> None:
    """Write the entry, if the cache is on and it can be written."""
    place = store()
    if key is None or place is None or not is_current():
        return
    try:
        place.put(key, entry.to_bytes())
    except (TypeError, ValueError):  # something in it is not for other processes
        return


def is_known(program: bytes | None) -> bool:
    """Whether a kernel of the program was made before, by this process or another."""
    key, place = entry_key(program, FIRST), store()
    return key is not None and place is not None and place.holds(key)


def info() -> Usage:
    """Where the cache is, how large it is, and how large it may become."""
    place = store()
    if place is not None:
        return place.usage()
    reason = "turned off by SYMDIFF_CACHE" if turned_off() else "this user has no home folder"
    return Usage(default_folder(), False, 0, 0, 0, reason)


def clear() -> int:
    """The number of entries that were removed: all there were."""
    place = store()
    return 0 if place is None else place.clear()
