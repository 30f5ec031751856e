"""The command line, as a person and as a program use it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from symdiff.cli import main

LECTURE = "(x + y) * max(y, z)"


def run(*words: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, words, input=stdin)


def test_the_summary() -> None:
    result = run("compile", LECTURE, "--at", "x=1,y=2,z=0")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith("f(x, y, z) = (x + y) * max(y, z)\n")
    for line in ("t1 = x + y", "value = t1 * t2", "d_x = t2"):
        assert f"  {line}\n" in result.stdout
    assert "3 for the value (1 add, 1 max, 1 mul)" in result.stdout
    assert "bytes" in result.stdout
    assert "compiled in" in result.stdout
    values = [line.split() for line in result.stdout.splitlines()[-4:]]
    assert values == [["value", "6.0"], ["d_x", "2.0"], ["d_y", "5.0"], ["d_z", "0.0"]]
    assert "\x1b" not in result.stdout  # no colour but on a terminal


def test_formulas_may_begin_with_a_minus_sign() -> None:
    result = run("compile", "-o*cos(x)", "--output", "grad", "--at", "o=2", "--at", "x=0")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-2].split() == ["d_o", "-1.0"]
    assert run("compile", "--", "-x").exit_code == 0
    assert run("compile", "--emti", "c", "x").exit_code == 2


@pytest.mark.parametrize(
    ("emit", "expected"),
    [
        ("ir", "func @f_value_and_grad(%x: f64, %y: f64)"),
        ("llvm", "define void @f_value_and_grad("),
        ("asm", "f_value_and_grad"),
        ("c", "void f_value_and_grad(const double *x"),
        ("numpy", "def f_value_and_grad(x, y)"),
        ("latex", "\\sin"),
        ("dot", "digraph"),
    ],
)
def test_every_stage_is_printed(emit: str, expected: str, tmp_path: Path) -> None:
    result = run("compile", "x*sin(y)", "--emit", emit)
    assert result.exit_code == 0
    assert expected in result.stdout
    written = tmp_path / "out"
    assert run("compile", "x*sin(y)", "--emit", emit, "-o", str(written)).stdout == ""
    assert written.read_text() == result.stdout


def test_object_files(tmp_path: Path) -> None:
    path = tmp_path / "f.o"
    assert run("compile", "x*sin(y)", "--emit", "obj", "-o", str(path)).exit_code == 0
    assert path.read_bytes()[:4] == b"\x7fELF"
    target = ("--target", "aarch64-linux-gnu")
    assert run("compile", "x", "--emit", "obj", "-o", str(path), *target).exit_code == 0


def test_sources(tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    path.write_text("# a model\nt = x*y\nt**2 + t\n")
    from_file = run("compile", str(path), "--emit", "ir").stdout
    assert from_file == run("compile", "-", "--emit", "ir", stdin=path.read_text()).stdout
    assert from_file == run("compile", "t = x*y; t**2 + t", "--emit", "ir").stdout
    path.write_bytes(b"\xff\xfe x")
    assert run("compile", str(path)).exit_code == 2


def test_json() -> None:
    facts = json.loads(run("compile", LECTURE, "--at", "x=1,y=2,z=0", "--json", "--check").stdout)
    assert facts["values"] == {"value": 6.0, "d_x": 2.0, "d_y": 5.0, "d_z": 0.0}
    assert facts["operations"]["value"] == {"add": 1, "max": 1, "mul": 1}
    assert facts["check"]["passed"] is True
    report = json.loads(run("check", "x*sin(y)", "--at", "x=1,y=pi/2", "--json").stdout)
    assert report["passed"] is True
    assert report["at"] == {"x": 1.0, "y": pytest.approx(1.5707963267948966)}


@pytest.mark.parametrize(
    ("output", "names"),
    [
        ("value", ["value"]),
        ("grad", ["d_x", "d_y"]),
        ("jacobian", ["d_x", "d_y"]),
        ("hessian", ["d2_x_x", "d2_x_y", "d2_y_x", "d2_y_y"]),
    ],
)
def test_outputs(output: str, names: list[str]) -> None:
    result = run("compile", "x**2*y", "--output", output, "--at", "x=1,y=2", "--json")
    assert list(json.loads(result.stdout)["values"]) == names


def test_a_constant_has_a_value_and_no_gradient() -> None:
    result = run("compile", "1 + 2", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["outputs"] == ["value"]


def test_wrt_and_several_outputs() -> None:
    result = run("compile", "x*y*z", "--wrt", "z,x", "--output", "grad", "--json")
    assert json.loads(result.stdout)["outputs"] == ["d_z", "d_x"]
    result = run("compile", "x*y, x", "--json")
    assert json.loads(result.stdout)["outputs"][:2] == ["value_0", "value_1"]


def strict_json(text: str) -> Any:
    """The value that `text` denotes, in JSON as its standard has it."""

    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_spells_what_is_not_finite() -> None:
    words = ("x*y", "--at", "x=inf,y=0", "--json", "--check")
    facts = strict_json(run("compile", *words).stdout)
    assert facts["at"] == {"x": "inf", "y": 0.0}
    assert facts["values"] == {"value": "nan", "d_x": 0.0, "d_y": "inf"}
    assert facts["check"]["at"]["x"] == "inf"
    result = run("check", "-sqrt(x)", "--at", "x=0", "--json")
    row = strict_json(result.stdout)["rows"][0]
    assert result.exit_code == 0
    assert (row["gradient"], row["error"], row["exact"]) == ("-inf", "nan", None)
    assert row["verdict"] == "no reference"
    assert '"-inf"' in run("compile", "--help").stdout


def test_points_are_formulas_and_shown_to_the_last_digit() -> None:
    result = run("compile", "x*y", "--at", "x=max(1,2), y=pi")
    assert "\nat x=2, y=3.141592653589793\n" in result.stdout
    assert result.stdout.splitlines()[-1] == "   d_y    2.0"
    assert not any(line.endswith(" ") for line in result.stdout.splitlines()[-4:])
    assert "derivatives at x=0.1" in run("check", "x", "--at", "x=0.1").stdout
    assert "x=3.141592653589793" in run("check", "x", "--at", "x=pi").stdout
    assert run("compile", "x", "--at", "x=(1,2)").stderr == "error: --at: (1,2) is not one number\n"


@pytest.mark.parametrize(
    "word", ["nofile.txt", "a/b.sym", "./x", "/nonexistent/x", "../x*y", "1.txt", "model-2.py"]
)
def test_files_that_are_not_there(word: str) -> None:
    result = run("compile", word)
    assert result.exit_code == 2
    assert result.stderr == f"error: no such file: {word}\n"


@pytest.mark.parametrize("formula", ["x/y", "x/2.", "0.5/x", "x", "1.5e3*x/y", "x/y/z"])
def test_formulas_that_are_not_files(formula: str) -> None:
    result = run("compile", formula)
    assert result.exit_code == 0
    assert result.stderr == ""


def test_a_file_named_like_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x").write_text("sin(y)")
    Path("x.txt").write_text("cos(y)")
    result = run("compile", "x")
    assert result.stdout.startswith("f(y) = sin(y)\n")
    assert result.stderr == "reading the file x\n"
    result = run("compile", "x.txt")
    assert result.stdout.startswith("f(y) = cos(y)\n")
    assert result.stderr == ""
    assert "directory" in run("compile", "./").stderr


def test_a_program_is_shown_in_lines() -> None:
    assert run("compile", "x*y, x").stdout.startswith(
        "f(x, y):\n  value_0 = x * y\n  value_1 = x\n  value_0, value_1\n\n"
    )
    result = run("compile", ", ".join(f"x**{k}" for k in range(2, 100)), "--output", "value")
    lines = result.stdout.splitlines()
    assert lines[0] == "f(x):"
    assert lines.index("") <= 42
    assert lines[lines.index("") - 1].startswith("  ... ")


def test_large_functions_have_a_short_summary(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    names = [f"x{k}" for k in range(3000)]
    path.write_text("+".join(f"sin({name})" for name in names))
    at = [f"--at={name}=0" for name in names]
    result = run("compile", str(path), *at)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "f(x0, x1, ..., x2999): 5999 operations"
    assert lines[2] == "  5999 operations, 3001 outputs; --emit ir shows them"
    assert "at x0=0, x1=0, ..., x2999=0" in lines
    assert lines[-2:] == ["   d_x38  1.0", "   ... 2961 more; --json shows all"]
    assert len(lines) < 60
    assert max(map(len, lines)) < 250
    facts = json.loads(run("compile", str(path), *at, "--json").stdout)
    assert facts["formula"] is None
    assert facts["assignments"] is None
    assert len(facts["values"]) == 3001


def test_a_check_without_a_reference() -> None:
    result = run("check", "sqrt(x)", "--at", "x=0")
    assert result.exit_code == 0
    assert "no reference" in result.stdout


def test_check_passes_and_fails() -> None:
    assert run("check", "x*sin(y) + gamma(z)").exit_code == 0
    assert run("compile", "exp(x)", "--check", "--at", "x=2").exit_code == 0
    failed = run("check", "relu(x)", "--at", "x=0")  # 0 by convention, 1/2 by differences
    assert failed.exit_code == 1
    assert "FAILED" in failed.stdout


def test_cache_says_that_there_is_none() -> None:
    for word in ("info", "clear"):
        result = run("cache", word)
        assert result.exit_code == 0
        assert "no cache yet" in result.stdout


@pytest.mark.parametrize(
    "source",
    [
        "__import__('os').system('true')", "x.__class__", "lambda x: x", "[x for x in y]",
        'f"{x}"', "(x := 1)", "sin(x", "sin()", "sin(x, y)", "foo(x)", "x +", "", "   ",
        "9**9**9**9", "1e999", "3j", "x = 1", "x y", "2x", "x,", ")",
    ],
)  # fmt: skip
def test_bad_input_gets_one_message_and_status_2(source: str) -> None:
    result = run("compile", source)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: line 1, column ")
    assert "hint: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("source", [b"x + \0 y", b"x" * (1 << 20), b"(" * 10_000, b"\xff"])
def test_bad_bytes_on_standard_input(source: bytes) -> None:
    result = run("compile", "-", stdin=source)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert len(result.stderr) < 500


@pytest.mark.parametrize(
    "words",
    [
        ("compile", "x*y", "--at", "x=1"),
        ("compile", "x*y", "--at", "x=1,y=2,z=3"),
        ("compile", "x*y", "--at", "x=1,x=2,y=3"),
        ("compile", "x*y", "--at", "x=1,y"),
        ("compile", "x*y", "--at", "x=1,y=q"),
        ("compile", "x*y", "--wrt", "q"),
        ("compile", "x*y", "--arg", "x:f65", "--arg", "y"),
        ("compile", "x*y", "--arg", "x:f64", "--arg", "x:f64"),
        ("compile", "x*y", "--arg", "x:f64"),
        ("compile", "x", "--target", "pdp11"),
        ("compile", "digamma(x)", "--emit", "c"),
        ("compile", "x", "--emit", "c", "-o", "/nonexistent/folder/f.c"),
        ("check", "3"),
        ("check", "x", "--at", "y=1"),
        ("compile",),
        ("compile", "x", "y"),
        ("fly", "x"),
    ],
)
def test_wrong_words(words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 6


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "symdiff", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("symdiff, version ")


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m symdiff compile 'x*sin(y)' --emit asm | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
