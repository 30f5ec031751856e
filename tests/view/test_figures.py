"""Numbers, norms and heat maps."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from symdiff.view.figures import ABOVE, BELOW, CELLS, NOT_A_NUMBER, ZERO, extent, figure, heat_map
from symdiff.view.figures import number_text as text
from symdiff.view.metrics import shortened, text_width


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (3.0, "3"),
        (-0.0, "0"),
        (2 / 3, "0.6667"),
        (-1234567.0, "−1.235e6"),
        (1e-300, "1e-300".replace("-", "−")),
        (float("nan"), "NaN"),
        (float("-inf"), "−∞"),
        (7, "7"),
        (-7, "−7"),
        (10**30, "1e30"),
        (np.float32(0.5), "0.5"),
        (np.bool_(False), "false"),
    ],
)
def test_numbers_are_short(number: Any, shown: str) -> None:
    assert text(number) == shown


def test_arrays_are_their_norms() -> None:
    assert figure(np.array([[3.0, 0.0], [0.0, 4.0]])) == "‖5‖"
    assert figure(np.zeros((0,))) == "‖0‖"
    assert figure(np.array([3e200, 4e200])) == "‖5e200‖"
    assert figure(np.array([3e-200, 4e-200])) == "‖5e−200‖"
    assert figure(np.array([1e308, -1e308, 1e308, 1e308])) == "‖∞‖"  # 2e308
    assert figure(np.array([np.inf, np.nan])) == "‖NaN‖"


def pixels(uri: str) -> Any:
    """The colours in a PNG file without filters, read as the format says and not as it was made."""
    prefix = "data:image/png;base64,"
    assert uri.startswith(prefix)
    data = base64.b64decode(uri.removeprefix(prefix))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    place = 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        body = data[place + 4 : place + 8 + length]
        assert struct.unpack_from(">I", data, place + 8 + length) == (zlib.crc32(body),)
        chunks[body[:4]] = body[4:]
        place += 12 + length
    width, height, depth, colour, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour) == (8, 2)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def test_heat_maps_show_signs_and_what_is_no_number() -> None:
    found = pixels(heat_map([[-2.0, 0.0, 2.0], [np.nan, np.inf, 1.0]]))
    assert found.shape == (2, 3, 3)
    expected = [BELOW, ZERO, ABOVE, NOT_A_NUMBER, NOT_A_NUMBER]
    assert [tuple(p) for p in found.reshape(-1, 3)[:5]] == expected
    half = (np.array(ZERO) + np.array(ABOVE)) / 2
    assert np.abs(found[1, 2] - half).max() <= 1


def test_heat_maps_of_large_arrays_are_means() -> None:
    array = np.repeat(np.arange(CELLS) - CELLS // 2, 10)[None] * np.ones((5, 1))
    found = pixels(heat_map(array))
    assert found.shape == (5, CELLS, 3)
    assert tuple(found[0, 0]) == BELOW
    assert tuple(found[0, CELLS // 2]) == ZERO
    assert pixels(heat_map(np.ones((2, 3, 4)))).shape == (6, 4, 3)
    for shape in ((0, 3), (3, 0), (0,)):
        assert pixels(heat_map(np.ones(shape))).shape == (1, 1, 3)
    assert tuple(pixels(heat_map(np.zeros(3)))[0, 0]) == ZERO


def test_extents_keep_proportions() -> None:
    assert extent((6, 3), 30) == (15, 30)
    assert extent((1000,), 32) == (32, 8)


def test_texts_are_measured_and_cut() -> None:
    assert text_width("mmm", 10) > text_width("iii", 10) > 0
    assert text_width("漢", 10) > 10
    assert shortened("a\n  b", 9) == "a b"
    assert shortened("abcdef", 4) == "abc…"
