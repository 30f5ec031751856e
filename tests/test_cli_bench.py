"""`symdiff bench`: what it says, what it writes, and that it notices wrong results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import symdiff as sd
from symdiff.cli import main, measure, peers

QUICK = ("--rounds", "1", "--points", "500", "--threads", "1")
FORMULAS = [
    "(x + y) * max(y, z)",
    "x*sin(y)*exp(-z) + log(1 + x**2)",
    "a*atan2(b, c) + sqrt(b) + abs(c)**1.5",
]


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "SLICE", 1e-4)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["bench", *words])


def rows_of(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["rows"]


def test_a_formula_of_numbers() -> None:
    result = run(FORMULAS[1], *QUICK, "--at", "x=1,y=2,z=0.5")
    assert result.exit_code == 0, result.output
    for words in ("one point a call", "500 points a call", "NumPy source", "GB/s", "compiled in"):
        assert words in result.stdout
    assert "FAILED" not in result.stdout


@pytest.mark.parametrize("formula", FORMULAS)
def test_json_has_a_verified_time_for_every_row(formula: str) -> None:
    rows = rows_of(run(formula, *QUICK, "--json", "--peers", "sympy"))
    assert {(row["name"], row["points"]) for row in rows} == {
        (name, points) for name in ("symdiff", "NumPy source", "sympy") for points in (1, 500)
    }
    for row in rows:
        assert row["verified"], row
        assert row["seconds"] > 0
        assert row["bytes_per_second"] == pytest.approx(row["bytes"] / row["seconds"])
    batch = next(row for row in rows if row["points"] == 500 and row["what"] == "value")
    assert batch["bytes"] == 8 * 500 * 4


@pytest.mark.parametrize("peer", ["numba", "jax", "casadi"])
@pytest.mark.parametrize("formula", FORMULAS)
def test_peers(formula: str, peer: str) -> None:
    pytest.importorskip(peer)
    rows = rows_of(run(formula, *QUICK, "--json", "--peers", peer))
    assert all(row["verified"] for row in rows if row["name"] == peer), rows


def test_missing_peers_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    rows = rows_of(run("x*y", *QUICK, "--json", "--peers", "jax"))
    reasons = {row["reason"] for row in rows if row["name"] == "jax"}
    assert reasons == {"jax is not installed"}


def test_arrays_get_single_calls_alone() -> None:
    words = ("sum(W@x)**2", "--arg", "W:f64[3,2]", "--arg", "x:f64[2]")
    rows = rows_of(run(*words, *QUICK, "--json", "--peers", "sympy"))
    assert {row["points"] for row in rows} == {1}
    assert all(row["verified"] for row in rows if row["name"] != "sympy")
    assert all("formulas of numbers" in row["reason"] for row in rows if row["name"] == "sympy")


def test_the_point_is_that_of_at_and_wrt_chooses() -> None:
    result = run("x**2*y", *QUICK, "--json", "--at", "x=3,y=5", "--wrt", "x", "--peers", "sympy")
    facts = json.loads(result.stdout)
    assert facts["at"] == {"x": 3.0, "y": 5.0}
    assert {row["name"] for row in facts["rows"]} == {"symdiff", "NumPy source"}


@pytest.mark.parametrize("points", ["1", "500"])
def test_a_wrong_result_of_symdiff_is_noticed(monkeypatch: pytest.MonkeyPatch, points: str) -> None:
    def wrong(function: sd.Function, operands: list[Any], threads: int) -> peers.Made:
        kernel = sd.compile(function)
        return lambda *given: np.asarray(kernel(*given)) + 1e-3, operands

    monkeypatch.setattr(measure, "_kernel", wrong)
    result = run("x*y", "--rounds", "1", "--points", points, "--threads", "1")
    assert result.exit_code == 1
    assert "another result" in result.stdout
    assert "FAILED" in result.stdout


def test_a_wrong_peer_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.PEERS, "sympy", lambda *_: (lambda *given: 0.0, [1.0]))
    result = run("x*y", *QUICK, "--peers", "sympy")
    assert result.exit_code == 0
    assert "another result" in result.stdout


def test_several_outputs_get_jacobians() -> None:
    rows = rows_of(run("r*cos(t), r*sin(t)", *QUICK, "--json"))
    assert {row["what"] for row in rows} == {"value", "value and jacobian"}


def test_constants_have_nothing_to_differentiate() -> None:
    result = run("1 + 2", *QUICK)
    assert result.exit_code == 2
    assert "no parameters" in result.stderr


def test_files(tmp_path: Path) -> None:
    text = tmp_path / "b.md"
    assert run("x*y", *QUICK, "-o", str(text)).exit_code == 0
    lines = text.read_text().splitlines()
    assert lines[0] == "# f"
    columns = {line.count("|") for line in lines if line.startswith("|")}
    assert columns == {5, 7}
    facts = tmp_path / "b.json"
    assert run("x*y", *QUICK, "-o", str(facts)).exit_code == 0
    assert json.loads(facts.read_text())["passed"] is True
    assert run("x*y", *QUICK, "-o", str(tmp_path / "b.txt")).exit_code == 2


def test_a_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert run("x*y", *QUICK, "-o", str(tmp_path / "b.png")).exit_code == 0
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_without_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run("x*y", *QUICK, "-o", str(tmp_path / "b.png"))
    assert result.exit_code == 2
    assert "needs matplotlib" in result.stderr


@pytest.mark.parametrize(
    "words",
    [("--threads", "0"), ("--threads", "some"), ("--peers", "abacus"), ("--points", "0")],
)
def test_bad_options(words: tuple[str, ...]) -> None:
    assert run("x*y", *words).exit_code == 2


def test_nothing_heavy_is_imported_unasked() -> None:
    code = (
        "import sys\nfrom symdiff.cli import main\n"
        "main(['bench', 'x*y', '--rounds', '1', '--points', '10'], standalone_mode=False)\n"
    )
    check = "print(sorted({'jax', 'numba', 'casadi', 'sympy', 'matplotlib'} & set(sys.modules)))"
    wrapped = f"try:\n    exec({code!r})\nexcept SystemExit:\n    pass\nimport sys\n{check}"
    ran = subprocess.run([sys.executable, "-c", wrapped], capture_output=True, text=True)
    assert ran.stdout.splitlines()[-1] == "[]", ran.stderr
