"""What happened in each epoch: numbers to read, a table, and a plot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final, cast

from symdiff.errors import ArgumentError, UnsupportedError

Row = dict[str, float]

_LOSSES: Final = ("loss", "validation")


class History(Sequence[Row]):
    """One dict of numbers an epoch: epoch (from 1), loss, lr, seconds, and validation.

    `loss` is the mean over the epoch's examples, each at the parameters of its own step; `lr` the
    rate of the last step. `history["loss"]` is the column. `history.stopped` says why there were
    not as many epochs as asked for; "" if there were.

        >>> history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
        >>> history["loss"], history[-1]["epoch"]
        ([0.5, 0.25], 2)
    """

    def __init__(self, rows: Sequence[Row] = (), stopped: str = "") -> None:
        self.rows: list[Any] = list(rows)
        self.stopped = stopped

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, key: Any) -> Any:
        """The epoch at a position, or the column of a name."""
        if not isinstance(key, str):
            return self.rows[key]
        if key not in self.columns:
            raise ArgumentError(f"there is no column {key!r} but {', '.join(self.columns)}")
        return [row[key] for row in self.rows if key in row]

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def plot(self, axes: Any = None) -> Any:
        """The losses over the epochs in matplotlib's `axes`, new ones unless given; these axes.

        Raises:
            UnsupportedError: matplotlib is not installed.
        """
        axes = axes or _new_axes()
        epochs = self["epoch"]
        for name in _LOSSES:
            if name in self.columns:
                axes.plot(epochs, self[name], marker=".", label=name)
        losses = [value for name in _LOSSES if name in self.columns for value in self[name]]
        if min(losses) > 0 and max(losses) > 20 * min(losses):
            axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.grid(alpha=0.3)
        axes.legend()
        return axes

    def __repr__(self) -> str:
        last: Row = self.rows[-1] if self.rows else {}
        facts = ", ".join(f"{name}={value:.6g}" for name, value in last.items())
        why = f"; stopped: {self.stopped}" if self.stopped else ""
        return f"<History of {len(self)} epochs: {facts}{why}>"

    def _repr_html_(self) -> str:
        names = self.columns
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{_shown(row.get(name))}</td>" for name in names) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _new_axes() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise UnsupportedError("plotting needs matplotlib: pip install 'symdiff[plot]'") from None
    return cast("Any", pyplot).subplots()[1]
