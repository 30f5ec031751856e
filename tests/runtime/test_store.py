"""The folder of the cache: what is damaged, foreign or in the way is a miss and no error."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symdiff.runtime import store as stores
from symdiff.runtime.store import Store

KEY, OTHER = b"k" * 32, b"o" * 32
CONTENT = bytes(range(256)) * 3


@pytest.fixture
def place(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "cache"), 1 << 20)


def files(place: Store) -> list[str]:
    return sorted(os.listdir(place.folder))


def test_what_is_put_is_there_and_private(place: Store) -> None:
    assert place.get(KEY) is None
    assert not os.path.exists(place.folder)  # looking makes nothing
    assert place.put(KEY, CONTENT)
    assert place.get(KEY) == CONTENT
    assert place.get(OTHER) is None
    assert place.holds(KEY)
    assert not place.holds(OTHER)
    assert stat.S_IMODE(os.stat(place.folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(place.path(KEY)).st_mode) == 0o600
    assert not [name for name in files(place) if name.endswith(".tmp")]
    again = Store(place.folder, place.limit)
    assert again.get(KEY) == CONTENT


@given(st.data())
def test_damaged_entries_are_misses_and_removed(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    place = Store(str(tmp_path_factory.getbasetemp() / "damaged"), 1 << 20)
    assert place.put(KEY, CONTENT)
    path = Path(place.path(KEY))
    whole = bytearray(path.read_bytes())
    kind = data.draw(st.sampled_from(["flip", "cut", "extend", "empty"]))
    if kind == "flip":
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del whole[data.draw(st.integers(0, len(whole) - 1)) :]
    elif kind == "extend":
        whole += data.draw(st.binary(min_size=1, max_size=99))
    else:
        whole.clear()
    path.write_bytes(whole)
    assert place.get(KEY) is None
    assert not path.exists()


def test_an_entry_under_another_name_is_a_miss(place: Store) -> None:
    assert place.put(KEY, CONTENT)
    os.rename(place.path(KEY), place.path(OTHER))
    assert place.get(OTHER) is None


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_folders_and_files_that_others_may_write_are_not_used(
    place: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place.put(KEY, CONTENT)
    for mode in (0o620, 0o602, 0o666):
        os.chmod(place.path(KEY), mode)
        assert place.get(KEY) is None
    os.chmod(place.path(KEY), 0o600)
    for mode in (0o770, 0o777, 0o1777):
        os.chmod(place.folder, mode)
        fresh = Store(place.folder, place.limit)
        assert fresh.get(KEY) is None
        assert not fresh.put(OTHER, CONTENT)
        assert not fresh.holds(KEY)
        assert fresh.clear() == 0
        assert not fresh.usage().enabled
        assert "only this user" in fresh.usage().reason
    os.chmod(place.folder, 0o700)
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    foreign = Store(place.folder, place.limit)
    assert foreign.get(KEY) is None
    assert not foreign.put(KEY, CONTENT)
    assert place.get(KEY) is None  # the folder was this user's, but the file is not


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_links_in_the_place_of_entries_are_not_followed(place: Store, tmp_path: Path) -> None:
    assert place.put(KEY, CONTENT)
    elsewhere = tmp_path / "elsewhere"
    os.rename(place.path(KEY), elsewhere)
    os.symlink(elsewhere, place.path(KEY))
    assert place.get(KEY) is None


@pytest.mark.parametrize("failing", ["open", "replace", "mkdir", "utime", "scandir", "stat"])
@pytest.mark.parametrize("code", [errno.EACCES, errno.ENOSPC, errno.EROFS, errno.EIO])
def test_no_failure_of_the_disk_gets_out(
    failing: str, code: int, place: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        place.put(KEY, CONTENT)
        place.get(KEY)
        place.usage()
        place.clear()
        place.sweep()
    fresh = Store(place.folder, place.limit)
    assert fresh.put(KEY, CONTENT)
    assert fresh.get(KEY) == CONTENT
    assert not [name for name in files(fresh) if name.endswith(".tmp")]


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        place = Store(str(folder), 1 << 20)
        assert not place.put(KEY, CONTENT)
        assert place.get(KEY) is None
        assert place.clear() == 0


def test_what_was_used_last_stays(tmp_path: Path) -> None:
    size = 1000
    place = Store(str(tmp_path / "cache"), 20 * (size + 64))
    keys = [bytes([i]) * 32 for i in range(60)]
    now = time.time()
    for i, key in enumerate(keys):
        assert place.put(key, bytes(size))
        os.utime(place.path(key), (now, now - 3600 * (100 - i)))
        assert place.get(keys[0]) == bytes(size)  # in use all the time
    usage = place.usage()
    assert usage.size <= usage.limit
    assert usage.entries >= 10
    assert place.holds(keys[0])
    assert place.holds(keys[-1])
    assert not place.holds(keys[1])


def test_nothing_too_large_is_kept(tmp_path: Path) -> None:
    place = Store(str(tmp_path / "cache"), 4000)
    assert not place.put(KEY, bytes(1001))
    assert place.put(KEY, bytes(900))
    assert not Store(str(tmp_path / "none"), 0).put(KEY, b"")


def test_sweeping_removes_what_was_abandoned_and_nothing_else(place: Store) -> None:
    assert place.put(KEY, CONTENT)
    old, new = Path(place.folder, ".0123456789abcdef.tmp"), Path(place.folder, ".fedcba98.tmp")
    foreign = Path(place.folder, "letter.txt")
    for file in (old, new, foreign):
        file.write_text("x")
    for file in (old, foreign):
        os.utime(file, (0, 0))
    place.sweep()
    assert [f.exists() for f in (old, new, foreign)] == [False, True, True]
    assert place.get(KEY) == CONTENT
    assert place.clear() == 1
    assert files(place) == ["letter.txt"]


def test_a_folder_that_is_removed_is_made_again(place: Store) -> None:
    assert place.put(KEY, CONTENT)
    place.clear()
    os.rmdir(place.folder)
    assert place.get(KEY) is None
    assert place.put(KEY, CONTENT)
    assert place.get(KEY) == CONTENT


def test_many_writers_and_readers_at_once(place: Store) -> None:
    keys = [bytes([i]) * 32 for i in range(8)]
    wrong: list[bytes] = []

    def work(seed: int) -> None:
        for i in range(60):
            key = keys[(seed + i) % len(keys)]
            if i % 20 == 19:
                place.drop(key)
            place.put(key, key * 50)
            found = place.get(key)
            if found not in (None, key * 50):
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert place.usage().entries == len(keys)


def test_the_environment_says_where_and_how_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMDIFF_CACHE_DIR", str(tmp_path))
    sizes = {"": 256 << 20, "64M": 64 << 20, "1 GiB": 1 << 30, "4096": 4096}
    for text, expected in sizes.items():
        monkeypatch.setenv("SYMDIFF_CACHE_SIZE", text)
        opened = stores.store()
        assert opened is not None
        assert (opened.folder, opened.limit) == (str(tmp_path), expected)
    monkeypatch.setenv("SYMDIFF_CACHE_SIZE", "many, many")
    with pytest.warns(
        RuntimeWarning, match="SYMDIFF_CACHE_SIZE='many, many' is no size such as 64M"
    ):
        opened = stores.store()
    assert opened is not None
    assert opened.limit == 256 << 20
    monkeypatch.setenv("SYMDIFF_CACHE_SIZE", "")
    for text in ("0", "off", "No", "false"):
        monkeypatch.setenv("SYMDIFF_CACHE", text)
        assert stores.store() is None
    monkeypatch.setenv("SYMDIFF_CACHE", "1")
    monkeypatch.setenv("SYMDIFF_CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("sys.platform", "linux")
    assert stores.default_folder() == str(tmp_path / "xdg" / "symdiff")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert stores.default_folder() == str(tmp_path / ".cache" / "symdiff")
    monkeypatch.setattr("sys.platform", "darwin")
    assert stores.default_folder() == str(tmp_path / "Library" / "Caches" / "symdiff")
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert stores.default_folder().startswith(str(tmp_path / "Local"))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert stores.store() is None  # a user without a home
