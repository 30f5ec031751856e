"""A progress bar for training; none where nobody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, Protocol

_INTERVAL: Final = 0.1  # seconds; rich draws as often


class Bar(Protocol):
    """What training tells about where it is."""

    def begin(self, epoch: int) -> None:
        """Epoch number `epoch`, counted from 1, begins."""
        ...

    def advance(self) -> None:
        """A step is done."""
        ...

    def end(self, text: str) -> None:
        """The epoch is over; `text` has its numbers."""
        ...


class _Silent:
    def begin(self, epoch: int) -> None: ...
    def advance(self) -> None: ...
    def end(self, text: str) -> None: ...


@contextmanager
def bar(wanted: bool, epochs: int, steps: int, done: int = 0) -> Generator[Bar, None, None]:
    """A bar over `epochs` of `steps` each, `done` of which are behind.

    It is drawn on standard error, with rich; where that is no terminal, or none is wanted, nothing
    is.
    """
    if not wanted or not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("epoch"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=epochs, completed=done, said="")

        class _Drawn:
            """Steps take microseconds, and so does telling rich of one: it is told of some."""

            done, told = 0.0, time.monotonic()

            def begin(self, epoch: int) -> None:
                self.done = epoch - 1.0
                progress.update(task, completed=self.done)

            def advance(self) -> None:
                self.done += 1.0 / steps
                if time.monotonic() - self.told > _INTERVAL:
                    self.told = time.monotonic()
                    progress.update(task, completed=self.done)

            def end(self, text: str) -> None:
                progress.update(task, completed=round(self.done), said=text)

        yield _Drawn()
