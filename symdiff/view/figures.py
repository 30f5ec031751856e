"""Numbers and arrays as a drawing shows them: short texts, and pictures of arrays."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from typing import Any, Final, cast

import numpy as np

from symdiff.graph.norm import norm

DIGITS: Final = 4  # significant ones of a number beside an edge
CELLS: Final = 24  # of a picture of an array, along each axis at most
Colour = tuple[int, int, int]
# A diverging scale, read as (below zero, zero, above zero); what is not a number stands out.
BELOW: Final[Colour] = (33, 102, 172)
ZERO: Final[Colour] = (240, 240, 240)
ABOVE: Final[Colour] = (178, 24, 43)
NOT_A_NUMBER: Final[Colour] = (214, 0, 214)


def number_text(value: Any) -> str:
    """A number in up to four significant digits, with a typographic minus sign.

    >>> number_text(-0.000123456), number_text(6.0), number_text(True), number_text(float("-inf"))
    ('−0.0001235', '6', 'true', '−∞')
    """
    if isinstance(value, np.generic):
        value = cast("Any", value).item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) < 10**9:
        return str(value).replace("-", "−")
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    if number == 0:
        return "0"  # whatever its sign: a gradient of -0 tells a reader nothing
    text = f"{number:.{DIGITS}g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−")


def figure(value: Any) -> str:
    """What stands beside an edge: a number, the norm of an array, how many of a tuple.

    >>> figure(2.5), figure(np.array([3.0, 4.0])), figure((1.0, 2.0))
    ('2.5', '‖5‖', '2 results')
    """
    if isinstance(value, tuple):
        return f"{len(cast('tuple[Any, ...]', value))} results"
    if getattr(value, "shape", ()):
        return f"‖{number_text(norm(value))}‖"
    return number_text(value)


def shape_text(shape: tuple[int, ...]) -> str:
    """Extents as people write them.

    >>> shape_text((2, 3)), shape_text((5,)), shape_text(())
    ('2×3', '5', '')
    """
    return "×".join(map(str, shape))


def heat_map(array: Any) -> str:
    """A picture of an array as a `data:` URI of a PNG file, a cell a pixel.

    Blue is below zero and red above, in proportion to the element that is largest in magnitude;
    what is not finite is magenta. A vector is a row; axes before the last one run down. Where
    there are more than `CELLS` along an axis, a cell is the mean of several.
    """
    cells = _cells(np.asarray(array, np.float64))
    finite = np.isfinite(cells)
    magnitudes = np.where(finite, np.abs(cells), 0.0)
    scale = float(magnitudes.max(initial=0.0)) or 1.0
    share = np.where(finite, cells, 0.0) / scale
    towards = np.where(share[..., None] < 0, np.array(BELOW), np.array(ABOVE))
    pixels = np.array(ZERO) + (towards - np.array(ZERO)) * np.abs(share)[..., None]
    pixels = np.where(finite[..., None], pixels, np.array(NOT_A_NUMBER))
    return "data:image/png;base64," + base64.b64encode(_png(np.rint(pixels))).decode()


def extent(shape: tuple[int, ...], size: float) -> tuple[float, float]:
    """The width and height of a picture of an array, the longer side `size` long.

    >>> extent((2, 4), 32), extent((9,), 32), extent((4, 4, 4), 32)
    ((32, 16.0), (32, 8.0), (8.0, 32))
    """
    rows, columns = math.prod(shape[:-1]), shape[-1]
    ratio = min(4.0, max(0.25, rows / max(1, columns)))
    return (size, size * ratio) if ratio <= 1 else (size / ratio, size)


def _cells(array: Any) -> Any:
    """A matrix of at most `CELLS` rows and columns."""
    if not array.size:
        return np.zeros((1, 1))
    matrix = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    with np.errstate(all="ignore"):
        for axis in (0, 1):
            count = matrix.shape[axis]
            if count > CELLS:
                starts = np.arange(CELLS) * count // CELLS
                widths = np.diff(np.append(starts, count))
                sums = np.add.reduceat(matrix, starts, axis=axis)
                matrix = sums / (widths[:, None] if axis == 0 else widths)
    return matrix


def _png(pixels: Any) -> bytes:
    """A PNG file of an array of red, green and blue, as ISO/IEC 15948 has it."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
