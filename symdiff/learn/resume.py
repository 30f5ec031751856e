"""A training in a checkpoint, and out of it again."""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.learn.batches import Array
from symdiff.learn.checkpoints import Path_, load, save
from symdiff.learn.structures import by_path, mapped
from symdiff.learn.training import Training


def store(path: Path_, training: Training, setting: dict[str, Any]) -> None:
    """Write `training` to a file, with the setting that it goes on in."""
    parts = {"params": training.params, "state": training.state, "best": training.best_params}
    held: dict[str, Array] = {}
    for part, structure in parts.items():
        held |= {f"{part}.{name}": leaf for name, leaf in by_path(structure)[1].items()}
    facts = {
        "setting": setting,
        "epoch": training.epoch,
        "rows": training.rows,
        "best": training.best,
    }
    save(path, held, facts)


def restore(path: Path_, training: Training, setting: dict[str, Any]) -> None:
    """Make `training` what the file has. Its arrays are written to, and stay the same ones.

    Raises:
        ArgumentError: the file is of another setting, or of other parameters.
        CheckpointError: the file is damaged.
    """
    held, facts = load(path)
    before = facts.get("setting", {})
    other = [name for name in setting if before.get(name) != setting[name]]
    if other:
        shown = ", ".join(f"{n}={before.get(n)!r} instead of {setting[n]!r}" for n in other)
        raise ArgumentError(f"{path} is the checkpoint of another training: {shown}")
    _fill(path, "params", training.params, held)
    _fill(path, "state", training.state, held)
    if any(name.startswith("best.") for name in held):
        training.best_params = mapped(np.copy, training.params)
        _fill(path, "best", training.best_params, held)
    training.epoch = facts["epoch"]
    training.rows = facts["rows"]
    value, epoch = facts["best"]
    training.best = (value, epoch)


def _fill(path: Path_, part: str, structure: Any, held: dict[str, Array]) -> None:
    """Copy the arrays of one part into those of `structure`."""
    leaves = {f"{part}.{name}": leaf for name, leaf in by_path(structure)[1].items()}
    stored = {name for name in held if name.startswith(f"{part}.")}
    for name in sorted(stored | set(leaves)):
        there, here = held.get(name), leaves.get(name)
        if there is None or here is None:
            where = "has no" if there is None else "has a"
            raise ArgumentError(f"{path} {where} {name}, unlike this training")
        if (there.shape, there.dtype) != (here.shape, here.dtype):
            raise ArgumentError(
                f"{path}: {name} is {there.dtype}{list(there.shape)}, here it is "
                f"{here.dtype}{list(here.shape)}"
            )
        here[...] = there
