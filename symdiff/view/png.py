"""SVG as PNG, on a machine that has nothing but pip."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Final

from symdiff.errors import UnsupportedError

FONT: Final = "DejaVu Sans"  # ships with matplotlib, and has the letters of mathematics
MOST: Final = 16_000  # pixels along a side; more than that, few programs open


def png(svg: str, width: float, height: float, scale: float) -> bytes:
    """The PNG file of an SVG of that size, `scale` pixels to a point, fewer where it is huge.

    The same fonts everywhere give the same picture everywhere; those of the system are there for
    letters that these lack.

    Raises:
        UnsupportedError: a library that it takes is not installed.
    """
    fonts = _fonts()
    try:
        import resvg_py
    except ImportError:
        resvg_py = None
    if resvg_py is None or not fonts:
        raise UnsupportedError(
            "PNG files are made by resvg with the fonts of matplotlib, which are not installed: "
            "pip install 'symdiff[plot]'; SVG and HTML need nothing more"
        )
    zoom = min(scale, MOST / max(width, height, 1.0))
    convert: Any = resvg_py.svg_to_bytes
    return bytes(convert(svg_string=svg, zoom=zoom, font_dirs=fonts, sans_serif_family=FONT))


def _fonts() -> list[str]:
    """The folder with matplotlib's fonts, without importing it; empty if there is none."""
    found = importlib.util.find_spec("matplotlib")
    folders = (found.submodule_search_locations if found else None) or []
    return [str(Path(folder, "mpl-data", "fonts", "ttf")) for folder in folders]
