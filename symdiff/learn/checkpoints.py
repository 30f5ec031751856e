"""Checkpoints: arrays in one file that is whole, or not there.

The file is NumPy's .npz without pickled objects: arrays by name, `json` with what is not an array,
and `sha256` of all of them. It is written beside its place, flushed to the disk and then renamed,
which is atomic: a process that is killed at any moment leaves the last whole checkpoint.

    >>> import numpy as np, tempfile, os
    >>> from symdiff.learn import checkpoints
    >>> path = os.path.join(tempfile.mkdtemp(), "model.npz")
    >>> checkpoints.save(path, {"params.W": np.eye(2)}, {"epoch": 3})
    >>> arrays, facts = checkpoints.load(path)
    >>> arrays["params.W"].trace(), facts
    (np.float64(2.0), {'epoch': 3})
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from symdiff.errors import ArgumentError, SymdiffError
from symdiff.learn.structures import by_path, rebuilt

Array = np.ndarray[Any, np.dtype[Any]]
Path_ = str | os.PathLike[str]

_JSON: Final = "json"
_SUM: Final = "sha256"

__all__ = ["CheckpointError", "load", "load_params", "save"]


class CheckpointError(SymdiffError):
    """A file that is no checkpoint, or not what was written."""


def save(path: Path_, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
    """Write `arrays`, and `facts` that JSON can tell, in place of what the file had.

    Raises:
        ArgumentError: an array has no numbers.
        OSError: the file cannot be written; what it had is still there.
    """
    target = Path(path)
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise ArgumentError(f"checkpoint: {name} has no numbers but {array.dtype}")
    text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    whole = {**{f"a:{name}": np.asarray(a) for name, a in arrays.items()}, _JSON: text}
    beside = target.with_name(target.name + ".tmp")
    with open(beside, "wb") as file:
        # Nothing is pickled: all of these are arrays of numbers.
        np.savez(file, **cast("dict[str, Any]", {**whole, _SUM: _digest(whole)}))
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, target)
    _sync_directory(target.parent)


def load(path: Path_) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the facts of a checkpoint.

    Raises:
        CheckpointError: the file is damaged, or something else.
        FileNotFoundError: there is none.
    """
    try:
        # A file opened here is closed, too, where NumPy fails; one that NumPy opens is not.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            whole = {name: stored[name] for name in stored.files}
        expected = whole.pop(_SUM)
        facts = json.loads(whole[_JSON].tobytes())
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} is not a checkpoint that can be read: {error}") from None
    if not np.array_equal(expected, _digest(whole)):
        raise CheckpointError(f"{path} is damaged: its checksum is not that of its content")
    arrays = {name[2:]: array for name, array in whole.items() if name.startswith("a:")}
    return arrays, facts


def load_params(path: Path_, like: Any) -> Any:
    """The parameters in a checkpoint of `learn.fit`, in the structure of `like`.

    With early stopping, those of the best epoch.

    Raises:
        CheckpointError: the file is damaged.
        ArgumentError: it has other parameters.
    """
    arrays, _ = load(path)
    tree, leaves = by_path(like)
    part = "best" if any(name.startswith("best.") for name in arrays) else "params"
    missing = [name for name in leaves if f"{part}.{name}" not in arrays]
    if missing:
        raise ArgumentError(f"{path} has no parameter {missing[0]!r}")
    return rebuilt(tree, {name: arrays[f"{part}.{name}"] for name in leaves})


def _digest(whole: dict[str, Array]) -> Array:
    """The SHA-256 of names, types and elements."""
    sum_ = hashlib.sha256()
    for name in sorted(whole):
        array = np.ascontiguousarray(whole[name])
        sum_.update(repr((name, array.dtype.str, whole[name].shape)).encode())
        sum_.update(array.data if array.size else b"")
    return np.frombuffer(sum_.digest(), np.uint8)


def _sync_directory(folder: Path) -> None:
    """Have the new name on the disk, too, where a folder can be opened for that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
