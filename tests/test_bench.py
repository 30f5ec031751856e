"""The benchmark's own parts: comparisons, tables, and that its limits in C are right."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import jacobians, native, registry
from bench.core import Ready, difference, leaves
from bench.models import MODELS
from bench.peers import limits, own
from bench.publish import with_tables
from bench.report import as_markdown, best
from bench.workloads import FORMULAS, points

ROOT = Path(__file__).parent.parent


def test_differences_are_relative_to_the_largest_element_of_a_block() -> None:
    expected = [np.array([0.0, 1e6]), np.array(2.0)]
    assert difference([np.array([1.0, 1e6, 2.0])], expected) == pytest.approx(1e-6)
    assert difference([np.array([0.0, 1e6]), np.array(2.5)], expected) == pytest.approx(0.25)
    assert not difference([np.array([0.0, np.nan, 2.0])], expected) < 1e9
    assert not difference([np.array([np.nan, 1e6, 9.0])], expected) < 1e9
    with pytest.raises(ValueError, match="2 results instead of 3"):
        difference([np.array([0.0, 1e6])], expected)


def test_results_come_in_any_structure() -> None:
    found = leaves((1.0, [np.arange(2), (3,)]))
    assert [part.tolist() for part in found] == [1.0, [0.0, 1.0], 3.0]


def test_every_workload_has_a_way_of_symdiff() -> None:
    for name in registry.WORKLOADS:
        kinds = [way.kind for way in registry.ways(name).values()]
        assert kinds[0] == "symdiff", name
        assert kinds.count("limit") <= 1


def facts(kind: str, seconds: float) -> dict[str, Any]:
    return {"kind": kind, "seconds": seconds, "ready": 1e-3, "difference": 1e-16}


def test_tables() -> None:
    found = {
        "symdiff: kernel": facts("symdiff", 3e-7),
        "symdiff: bind": facts("symdiff", 2e-7),
        "C": facts("limit", 1e-7),
        "jax: jit": {"kind": "automatic", "reason": "jax is not installed"},
        "numba: sympy's code": facts("automatic", 8e-7),
    }
    assert best(found, "symdiff") == "symdiff: bind"
    assert best(found, "automatic") == "numba: sympy's code"
    assert best(found, "by hand") is None
    text = as_markdown("calls", {"threads": {"1": {"calls/lecture": found}}})
    row = next(line for line in text.splitlines() if "numba: sympy's code |" in line)
    cells = [cell.strip() for cell in row.split("|")[2:6]]
    assert cells == ["100 ns", "200 ns", "2.00", "bind"]
    assert "| jax is not installed |" in text


def test_tables_replace_what_is_between_their_marks() -> None:
    document = "a\n<!-- calls -->\nold\n<!-- end calls -->\nb\n<!-- tensors --><!-- end tensors -->"
    changed = with_tables(document, {"calls": "## calls\n\n| 1 |", "compile": "x"})
    expected = "a\n<!-- calls -->\n\n### calls\n\n| 1 |\n\n<!-- end calls -->\nb\n"
    assert changed == expected + "<!-- tensors --><!-- end tensors -->"
    assert with_tables(changed, {"calls": "## calls\n\n| 1 |"}) == changed


def test_the_readme_has_a_place_for_every_suite() -> None:
    document = (ROOT / "bench" / "README.md").read_text()
    for suite in ("calls", "batches", "tensors", "compile"):
        assert with_tables(document, {suite: "NEW"}) != document


def small(workload: str) -> dict[str, Any]:
    """Inputs of the workload, few."""
    suite, name = workload.split("/")
    if suite == "calls":
        return dict(FORMULAS[name].point)
    if suite == "batches":
        return points(FORMULAS[name], 37)
    sizes: dict[str, Callable[[], dict[str, Any]]] = {
        "rosenbrock_small": partial(MODELS["rosenbrock"].inputs, 50),
        "mixture": partial(MODELS["mixture"].inputs, 100, 10, 3),
        "lennard_jones": partial(MODELS["lennard_jones"].inputs, 21),
        "lennard_jones_text": partial(MODELS["lennard_jones"].inputs, 21),
        "arm": partial(jacobians.configurations, None),
        "arms": partial(jacobians.configurations, 64),
        "reprojection": partial(jacobians.observations, 30),
    }
    if name in sizes:
        return sizes[name]()
    model = MODELS[name]
    return model.inputs(**model.small)


WITH_LIMIT = [name for name in registry.WORKLOADS if limits.ways(name)]


needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")


def results(ready: Ready) -> list[Any]:
    found = ready.function(*ready.operands)
    return leaves(ready.results(found) if ready.results else found)


@pytest.mark.slow
@needs_gcc
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("workload", WITH_LIMIT)
def test_the_limit_in_c_is_right(workload: str, threads: int) -> None:
    """Twice, since the kernels write into the same memory again and again."""
    inputs = small(workload)
    way = next(iter(own.ways(workload).values()))
    expected = results(way.make(inputs, 1))
    for label, limit in limits.ways(workload).items():
        if threads > 1 and not limit.parallel:
            continue
        try:
            ready = limit.make(inputs, threads)
        except native.NoCompilerError as reason:
            pytest.skip(str(reason))
        ready.function(*ready.operands)
        assert difference(results(ready), expected) < 2e-13, label


@pytest.mark.slow
@pytest.mark.parametrize("name", ["arms", "reprojection"])
def test_ways_of_symdiff_agree_on_the_order_of_results(name: str) -> None:
    inputs = small(f"tensors/{name}")
    ways = own.ways(f"tensors/{name}")
    expected = results(ways["symdiff: kernel, arrays"].make(inputs, 1))
    found = results(ways["symdiff: out=, numbers"].make(inputs, 1))
    assert difference(found, expected) < 1e-13


@pytest.mark.slow
@needs_gcc
def test_a_camera_that_is_not_turned() -> None:
    """The limit of what is divided by the angle, and of its derivatives."""
    inputs = jacobians.observations(16)
    inputs["camera"][::2, :3] = 0.0
    expected = results(own.ways("tensors/reprojection")["symdiff: kernel, numbers"].make(inputs, 1))
    found = results(limits.ways("tensors/reprojection")["C"].make(inputs, 1))
    assert difference(found, expected) < 1e-12


@pytest.mark.slow
def test_the_whole_command(tmp_path: Path) -> None:
    words = ["calls", "compile", "--only", "lecture", "--rounds", "1", "--peers", "sympy"]
    command = [sys.executable, "-m", "bench", *words, "--out", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    found = json.loads((tmp_path / "calls.json").read_text())["threads"]["1"]["calls/lecture"]
    assert set(found) == {
        "symdiff: kernel",
        "symdiff: Function",
        "symdiff: NumPy source",
        "sympy: lambdify",
    }
    assert all(row["seconds"] > 0 and row["difference"] < 1e-12 for row in found.values())
    assert "sympy: lambdify" in (tmp_path / "bench.md").read_text()
