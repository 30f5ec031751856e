"""The figures of the documentation: numbers from symdiff, drawn for light and for dark pages.

python -m docsite.figures FOLDER [NAME]...
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import matplotlib
from cycler import cycler

matplotlib.use("svg")

from matplotlib import pyplot as plt

from docsite import graphs, learning, plots


@dataclass(frozen=True)
class Look:
    """Colours of a scheme: what is drawn with, and on."""

    dark: bool
    ink: str
    faint: str
    ground: str
    series: tuple[str, ...]


# Series of both schemes are of one hue each, told apart by people who see no red or no green
# (Okabe and Ito's palette, lightened for dark pages).
LOOKS: Final = {
    "light": Look(
        dark=False,
        ink="#24292f",
        faint="#c9d1d9",
        ground="#ffffff",
        series=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00"),
    ),
    "dark": Look(
        dark=True,
        ink="#d7dbe0",
        faint="#444c56",
        ground="#131416",
        series=("#56b4e9", "#ff8a3d", "#3ecf9b", "#e79ac6", "#e6c229"),
    ),
}
Draw = Callable[[Look], Any]


def figures() -> dict[str, Callable[[Look], bytes]]:
    """What draws each figure: an SVG for a look."""
    drawn = {**plots.PLOTS, **learning.PLOTS}
    return {
        **{name: lambda look, draw=draw: _svg(draw, look) for name, draw in drawn.items()},
        **{name: lambda look, name=name: graphs.drawn(name, look.dark) for name in graphs.PICTURES},
    }


def write(folder: Path, names: Iterable[str] = ()) -> None:
    """Write `NAME-light.svg` and `NAME-dark.svg` into `folder` for `names`.

    Without names, every figure that is older than the code it comes from.
    """
    folder.mkdir(exist_ok=True)
    known = figures()
    for name in names or known:
        for scheme, look in LOOKS.items():
            _write(folder / f"{name}-{scheme}.svg", lambda n=name, k=look: known[n](k), bool(names))


def write_pages(folder: Path) -> None:
    """Write the pages that step through a graph into `folder`, where they are old."""
    folder.mkdir(exist_ok=True)
    for name in graphs.PAGES:
        _write(folder / f"{name}.html", lambda n=name: graphs.stepped(n), always=False)


def _write(path: Path, content: Callable[[], bytes], always: bool) -> None:
    if always or not path.exists() or path.stat().st_mtime < changed():
        path.write_bytes(content())


@cache
def changed() -> float:
    """When the code of symdiff, or of the figures, was changed last."""
    root = Path(__file__).parents[2]
    files = [*(root / "symdiff").rglob("*.py"), *Path(__file__).parent.glob("*.py")]
    return max(file.stat().st_mtime for file in files)


def _svg(draw: Draw, look: Look) -> bytes:
    """What `draw` makes of a look, as an SVG with text as text."""
    with _style(look):
        figure = draw(look)
        file = BytesIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
        plt.close(figure)
    return file.getvalue()


@contextmanager
def _style(look: Look) -> Generator[None, None, None]:
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "symdiff",
        "font.family": "sans-serif",
        "font.size": 10.5,
        "axes.prop_cycle": cycler(color=look.series),
        "axes.edgecolor": look.faint,
        "axes.labelcolor": look.ink,
        "axes.titlecolor": look.ink,
        "axes.titlesize": 10.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": look.faint,
        "grid.linewidth": 0.6,
        "grid.alpha": 0.6,
        "text.color": look.ink,
        "xtick.color": look.ink,
        "ytick.color": look.ink,
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        "figure.constrained_layout.use": True,
    }
    with matplotlib.rc_context(settings):
        yield


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2:])
