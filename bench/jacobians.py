"""Functions with several results, written once over scalars: `m` has sin, cos, sqrt and so on.

`m` is NumPy for symdiff, and what each peer has in its place. `bench/c/jacobians.c` has both with
their Jacobians by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

CAMERA: Final = 11
OBSERVATIONS: Final = 50_000
CONFIGURATIONS: Final = 100_000
JOINTS: Final = 7

# Denavit and Hartenberg's parameters of an arm: the length along the axis of each of 7 joints in
# metres, and the cosine and sine of the twist to the next. No axis is shifted sideways.
LENGTHS: Final = (0.34, 0.0, 0.4, 0.0, 0.4, 0.0, 0.126)
TWISTS: Final = ((0, -1), (0, 1), (0, 1), (0, -1), (0, -1), (0, 1), (1, 0))


def reprojection(m: Any, p: Sequence[Any]) -> list[Any]:
    """ADBench's weighted reprojection error of one observation, two residuals.

    `p` has the camera (rotation vector, place, focal length, principal point, radial distortion),
    the point in space (3), the weight, and the point in the image (2): see `models.project`.
    """
    r, place, (focal, u0, v0, k1, k2) = p[0:3], p[3:6], p[6:11]
    x = [p[11 + i] - place[i] for i in range(3)]
    weight, seen = p[14], p[15:17]
    squared = r[0] * r[0] + r[1] * r[1] + r[2] * r[2]
    still = squared == 0
    safe = m.where(still, 1.0, squared)
    angle = m.sqrt(safe)
    c, s = m.cos(angle), m.sin(angle) / angle
    cross = [
        r[1] * x[2] - r[2] * x[1],
        r[2] * x[0] - r[0] * x[2],
        r[0] * x[1] - r[1] * x[0],
    ]
    along = (r[0] * x[0] + r[1] * x[1] + r[2] * x[2]) * (1 - c) / safe
    y = [m.where(still, x[i] + cross[i], c * x[i] + s * cross[i] + along * r[i]) for i in range(3)]
    u, v = y[0] / y[2], y[1] / y[2]
    q = u * u + v * v
    bend = focal * (1 + k1 * q + k2 * q * q)
    return [weight * (bend * u + u0 - seen[0]), weight * (bend * v + v0 - seen[1])]


def arm(m: Any, q: Sequence[Any]) -> list[Any]:
    """The pose of the arm's end: its place, and its roll, pitch and yaw."""
    columns: list[list[Any]] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    place: list[Any] = [0.0, 0.0, 0.0]
    for joint, length, (ct, st) in zip(q, LENGTHS, TWISTS, strict=True):
        c, s = m.cos(joint), m.sin(joint)
        x, y, z = columns
        if length:
            place = [p + length * part for p, part in zip(place, z, strict=True)]
        turned = [c * a + s * b for a, b in zip(x, y, strict=True)]
        across = [c * b - s * a for a, b in zip(x, y, strict=True)]
        # Twists are right angles, or none.
        if st:
            columns = [turned, [st * part for part in z], [-st * part for part in across]]
        else:
            columns = [turned, [ct * part for part in across], [ct * part for part in z]]
    x, y, z = columns
    level = m.sqrt(x[0] * x[0] + x[1] * x[1])
    return [*place, m.arctan2(y[2], z[2]), m.arctan2(-x[2], level), m.arctan2(x[1], x[0])]


def observations(count: int = OBSERVATIONS) -> dict[str, Any]:
    """Cameras near the origin, points in front of them, features that are somewhat off."""
    draw = np.random.default_rng(8)
    camera = np.concatenate(
        [
            0.1 * draw.normal(size=(count, 3)),
            0.5 * draw.normal(size=(count, 3)),
            draw.uniform(400, 800, size=(count, 1)),
            5 * draw.normal(size=(count, 2)),
            0.01 * draw.normal(size=(count, 2)),
        ],
        axis=1,
    )
    return {
        "camera": camera,
        "point": np.array([0, 0, 8]) + draw.normal(size=(count, 3)),
        "weight": draw.uniform(0.5, 1.5, size=count),
        "feature": 5 * draw.normal(size=(count, 2)),
    }


def configurations(count: int | None = CONFIGURATIONS) -> dict[str, Any]:
    """Joints away from the limits; None for one configuration."""
    draw = np.random.default_rng(9)
    shape = (JOINTS,) if count is None else (count, JOINTS)
    return {"q": draw.uniform(0.2, 1.0, size=shape)}


def columns(inputs: Any) -> Any:
    """The inputs of either workload as rows of a matrix, a number of every point in each."""
    parts = [np.reshape(x, (len(x), -1)) for x in inputs.values()]
    return np.ascontiguousarray(np.concatenate(parts, axis=1).T)
