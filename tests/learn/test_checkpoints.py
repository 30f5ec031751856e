"""Files that are whole whatever happens while they are written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symdiff.errors import ArgumentError
from symdiff.learn import CheckpointError, checkpoints

ARRAYS = {"params.W": np.arange(6.0).reshape(2, 3), "state.step": np.array(4.0), "n": np.array([1])}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    checkpoints.save(path, ARRAYS, {"epoch": 3, "best": [None, 1e-3]})
    arrays, facts = checkpoints.load(path)
    assert facts == {"epoch": 3, "best": [None, 1e-3]}
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].tobytes() == array.tobytes()
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
    assert os.listdir(tmp_path) == ["model.npz"]


def test_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no numbers but object"):
        checkpoints.save(tmp_path / "a.npz", {"x": np.array([{}])}, {})
    np.savez(tmp_path / "b.npz", x=np.array([{}]))
    with pytest.raises(CheckpointError, match=r"b\.npz is not a checkpoint"):
        checkpoints.load(tmp_path / "b.npz")
    with pytest.raises(FileNotFoundError):
        checkpoints.load(tmp_path / "c.npz")


def test_a_write_that_fails_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.npz"
    checkpoints.save(path, ARRAYS, {"epoch": 1})

    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        checkpoints.save(path, ARRAYS, {"epoch": 2})
    monkeypatch.undo()
    assert checkpoints.load(path)[1] == {"epoch": 1}
    # What was written of the second one is in the way of nothing.
    beside = tmp_path / "model.npz.tmp"
    beside.write_bytes(beside.read_bytes()[:100])
    assert checkpoints.load(path)[1] == {"epoch": 1}
    checkpoints.save(path, ARRAYS, {"epoch": 3})
    assert checkpoints.load(path)[1] == {"epoch": 3}
    assert os.listdir(tmp_path) == ["model.npz"]


def test_damage_is_found_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    checkpoints.save(path, ARRAYS, {"epoch": 1})
    whole = path.read_bytes()
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        with pytest.raises(CheckpointError):
            checkpoints.load(path)
    # A file that is whole by itself, with an element that is not the one that was written.
    with np.load(tmp_path / "model.npz" if path.write_bytes(whole) else path) as stored:
        parts = {name: stored[name] for name in stored.files}
    parts["a:params.W"][0, 0] = 1e-9
    np.savez(path, **parts)
    with pytest.raises(CheckpointError, match="checksum"):
        checkpoints.load(path)


WRITER = """
import sys
import numpy as np
from symdiff.learn import checkpoints
n = 0
while True:
    n += 1
    checkpoints.save(sys.argv[1], {"x": np.full(200_000, float(n))}, {"n": n})
    print(n, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_process_killed_while_it_writes_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    root = Path(__file__).parents[2]
    rng = np.random.default_rng()
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(root)},
        ) as writer:
            assert writer.stdout is not None
            told = int(writer.stdout.readline())
            time.sleep(rng.uniform(0.0, 0.05))
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split()
        told = int(rest[-1]) if rest else told
        arrays, facts = checkpoints.load(path)
        assert facts["n"] in (told, told + 1)  # renamed, but killed before it could say so
        assert np.all(arrays["x"] == facts["n"])
