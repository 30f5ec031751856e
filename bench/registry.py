"""Every workload, and every way of doing it that there is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final

from bench import jacobians
from bench.core import Way, Workload
from bench.models import MODELS
from bench.workloads import FORMULAS, points

POINTS: Final = 1_000_000
# One module of `bench.peers` for each, in the order of the tables; symdiff first, whose results
# are what all others must agree with.
PEERS: Final = (
    "own", "limits", "hand", "symbolic", "casadi_peer", "heyoka_peer", "jax_peer", "torch_peer",
)  # fmt: skip

TITLES: Final = {
    "lecture": "(x + y)*max(y, z), value and gradient",
    "radiation": "radiation of the sky, 25 operations, value and gradient",
    "solar": "sunlight on a plane, 24 operations, value and gradient",
    "black_scholes": "Black-Scholes, price with delta, vega, theta, rho, gamma",
}


def _point(name: str) -> dict[str, Any]:
    return dict(FORMULAS[name].point)


def _workloads() -> dict[str, Workload]:
    found: dict[str, Workload] = {}
    for name, title in TITLES.items():
        draw: Callable[[], dict[str, Any]] = partial(_point, name)
        found[f"calls/{name}"] = Workload("calls", title, draw)
        draw = partial(points, FORMULAS[name], POINTS)
        found[f"batches/{name}"] = Workload("batches", title, draw, POINTS)
    small = partial(MODELS["rosenbrock"].inputs, n=1000)
    found["tensors/rosenbrock_small"] = Workload("tensors", "chained Rosenbrock, n = 1,000", small)
    for name, model in MODELS.items():
        found[f"tensors/{name}"] = Workload("tensors", model.title, model.inputs)
    for name, title, inputs, count in (
        ("arm", "7-joint arm, pose and 6x7 Jacobian", partial(jacobians.configurations, None), 1),
        (
            "arms",
            "7-joint arm, 100,000 configurations",
            jacobians.configurations,
            jacobians.CONFIGURATIONS,
        ),
        (
            "reprojection",
            "bundle adjustment, 50,000 residuals and their 2x15 Jacobians",
            jacobians.observations,
            jacobians.OBSERVATIONS,
        ),
    ):
        found[f"tensors/{name}"] = Workload("tensors", title, inputs, count)
    return found


WORKLOADS: Final = _workloads()


def ways(workload: str) -> dict[str, Way]:
    """The ways of doing a workload, by label; no peer is imported."""
    found: dict[str, Way] = {}
    for peer in PEERS:
        found |= import_module(f"bench.peers.{peer}").ways(workload)
    return found
