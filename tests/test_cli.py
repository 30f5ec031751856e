"""The command line, as a person and as a program use it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
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
    # 0 by convention, 1/2 by differences.
    for words in (("check", "relu(x)"), ("compile", "relu(x)", "--check")):
        failed = run(*words, "--at", "x=0")
        assert failed.exit_code == 1
        assert "FAILED" in failed.stdout


def test_the_cache_is_shown_and_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    monkeypatch.setenv("SYMDIFF_CACHE_DIR", str(folder))
    assert json.loads(run("cache", "info", "--json").stdout)["entries"] == 0
    assert not folder.exists()  # looking changes nothing
    for formula in (LECTURE, "x*y"):
        assert run("compile", formula).exit_code == 0
    facts = json.loads(run("cache", "info", "--json").stdout)
    assert facts["folder"] == str(folder)
    assert facts["enabled"]
    assert facts["entries"] >= 2
    assert facts["size"] == sum(f.stat().st_size for f in folder.glob("*.entry"))
    shown = run("cache", "info").stdout
    assert str(folder) in shown
    assert "MB of at most 268.4 MB" in shown
    removed = run("cache", "clear").stdout
    assert removed == f"removed {facts['entries']} entries from {folder}\n"
    assert json.loads(run("cache", "clear", "--json").stdout) == {
        "folder": str(folder),
        "removed": 0,
    }
    monkeypatch.setenv("SYMDIFF_CACHE", "0")
    assert not json.loads(run("cache", "info", "--json").stdout)["enabled"]
    assert "turned off" in run("cache", "info").stdout


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
        ("compile", "x*y", "--target", "nvptx64-nvidia-cuda", "--emit", "asm"),
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


# Arrays.

LAYER = "def f(W: f64[m,n], x: f64[n]):\n    y = W @ x\n    return sum(y**2)\n"
POINT = "W=[[1,2],[3,4]],x=[1,-1]"
VALUES = {"value": 2.0, "d_W": [[-2.0, 2.0], [-2.0, 2.0]], "d_x": [-8.0, -12.0]}


def values_of(*words: str, stdin: str | None = None) -> dict[str, Any]:
    result = run(*words, "--json", stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return strict_json(result.stdout)["values"]


def test_arrays_are_declared() -> None:
    types = ("--arg", "W:f64[2,2]", "--arg", "x:f64[2]")
    result = run("compile", "sum((W @ x)**2)", *types, "--at", POINT, "--check")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.startswith("f(W, x) = sum((W @ x)**2)\n")
    assert "  d_W = outer(t2, x)\n" in result.stdout
    assert "  parameters   W: f64[2,2], x: f64[2]\n" in result.stdout
    assert (
        "at W=[[1, 2], [3, 4]], x=[1, -1]\n"
        "   value  2.0\n"
        "   d_W    [[-2.,  2.],\n"
        "           [-2.,  2.]]\n"
        "   d_x    [ -8., -12.]\n"
    ) in result.stdout
    assert "d value / d W[2,2]" in result.stdout
    assert "all 4 entries" in result.stdout


def test_extents_and_shapes_come_from_the_point(tmp_path: Path) -> None:
    path = tmp_path / "layer.txt"
    path.write_text(LAYER)
    assert values_of("compile", str(path), "--at", POINT) == VALUES
    assert values_of("compile", "-", "--at", POINT, stdin=LAYER) == VALUES
    assert values_of("compile", "sum((W @ x)**2)", "--at", POINT) == VALUES
    assert values_of(
        "compile", "sum((W@x)**2)", "--arg=W:f64[n,n]", "--arg=x:f64[n]", "--at", POINT
    )
    facts = strict_json(run("compile", "x.T @ x", "--at", "x=[1,pi,1/2]", "--json").stdout)
    assert facts["types"] == {"x": "f64[3]"}
    assert facts["at"]["x"] == [1.0, 3.141592653589793, 0.5]


def test_points_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("W.npy", np.array([[1.0, 2.0], [3.0, 4.0]]))
    Path("x.json").write_text("[1, -1]")
    Path("p.json").write_text('{"W": [[1, 2], [3, 4]], "x": [1, -1]}')
    Path("nan.json").write_text('["nan", 1]')
    assert values_of("compile", "-", "--at", "W=@W.npy, x=@x.json", stdin=LAYER) == VALUES
    assert values_of("compile", "-", "--at", "@p.json", stdin=LAYER) == VALUES
    given = '{"W": [[1, 2], [3, 4]], "x": [1, -1]}'
    assert values_of("compile", "-", "--at", given, stdin=LAYER) == VALUES
    assert values_of("compile", "sum(x)", "--at", "x=@nan.json")["value"] == "nan"


@pytest.mark.parametrize(
    "point",
    [
        "x=[1,[2,3]]", "x=[1,a]", "x=[1,2", "x=[1,2]]", "x=[1,,2]", "x=@none.npy", "x=@x.txt",
        "x=@bad.npy", "x=@bad.json", "x=@objects.npy", "x=@complex.npy", "@list.json", "{]",
        "@bad.json", "x=" + "[" * 2000, "x=" + "[" * 100 + "]" * 100, "x=[1],x=[2]", "x=[null]",
        "{}", "y=[1,2]", 'x={"a": 1}', "x=[(1,2)]", "x=[1e999999", "x=[x]", "=1", "x=",
    ],
)  # fmt: skip
def test_points_that_cannot_be_read(
    point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("bad.npy", "bad.json", "x.txt"):
        Path(name).write_text("{")
    Path("list.json").write_text("[1, 2]")
    np.save("objects.npy", np.array([None]), allow_pickle=True)
    np.save("complex.npy", np.array([1j]))
    result = run("compile", "sum(x)", "--arg", "x:f64[n]", "--at", point)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert len(result.stderr) < 500


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-", "--at", "x=[1,2]"), "missing W"),
        (("-",), "f depends on the shapes of W, x: give types without symbols, as --arg"),
        (("-", "--at", "W=[[1,2]],x=[1,2,3]"), "n is 2 in W: f64[m,n], but 3 in x"),
        (("-", "--arg", "W:f64[2", "--at", POINT), "cannot read the type 'f64[2'"),
        (("sum(x)",), "hint: declare an array: --arg 'x:f64[3]'"),
        (("sum(x)", "--arg", "x:f64[3]", "--at", "x=[1,2]"), "expected an array of shape (3,)"),
        (("x*y", "--at", "x=[1,2],y=3", "--check"), "to declare an array: --arg 'x:f64[2]'"),
        (("sum(x)", "--arg", "x:f64[99999999999999999999]"), "no memory can hold"),
        (("x[k]", "--arg", "x:f64[2]", "--arg", "k:i64", "--at", "x=[1,2],k=2"), "out of range"),
        (("x[k]", "--arg", "x:f64[2]", "--arg", "k:i64", "--at", "x=[1,2],k=0.5"), "k: float"),
    ],
)
def test_arrays_that_do_not_fit(words: tuple[str, ...], expected: str) -> None:
    result = run("compile", *words, stdin=LAYER)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert expected in result.stderr


def test_integers_and_names() -> None:
    words = ("--arg", "x:f64[3]", "--arg", "k:i64", "--at", "x=[1,2,3],k=2", "--check")
    result = run("compile", "x[k]", *words)
    assert result.exit_code == 0, result.stderr
    assert "d_x" in result.stdout
    assert "not differentiated: k: i64" in result.stdout
    assert values_of("compile", "out*x", "--at", "x=2,out=3")["value"] == 6.0
    assert values_of("compile", "b < 1", "--output", "value", "--at", "b=[0,2]") == {
        "value": [True, False]
    }


@pytest.mark.parametrize(
    "emit", ["ir", "loops", "llvm", "asm", "c", "numpy", "latex", "dot", "obj"]
)
@pytest.mark.parametrize("output", ["value", "grad", "value_and_grad", "jacobian", "hessian"])
def test_stages_of_array_functions(emit: str, output: str, tmp_path: Path) -> None:
    words = ("compile", "-", "--at", POINT, "--output", output, "--emit", emit)
    path = tmp_path / "out"
    result = run(*words, "-o", str(path), stdin=LAYER)
    assert result.exit_code == 0, result.stderr
    assert path.stat().st_size > 0
    assert "at W=" in result.stderr
    facts = strict_json(run(*words, "--json", stdin=LAYER).stdout)
    assert facts["emit"] == emit
    stage = base64.b64decode(facts["base64"]) if emit == "obj" else facts["text"].encode()
    assert stage.rstrip() == path.read_bytes().rstrip()
    assert set(facts) == {"emit", "base64" if emit == "obj" else "text", "at", "values"}


def test_stages_that_there_are_not() -> None:
    result = run("compile", "x*y", "--emit", "loops")
    assert result.exit_code == 2
    assert "straight-line code" in result.stderr
    lookup = ("compile", "sum(x[k])", "--arg", "x:f64[3]", "--arg", "k:i64[2]")
    result = run(*lookup, "--emit", "summary")  # without a notation for the adjoint of a lookup
    assert result.exit_code == 0
    assert "--emit ir shows them" in result.stdout
    assert strict_json(run(*lookup, "--json").stdout)["assignments"] is None


def test_a_stage_and_a_check_in_json() -> None:
    words = ("compile", "relu(x)", "--at", "x=0", "--emit", "c", "--check", "--json")
    result = run(*words)
    facts = strict_json(result.stdout)
    assert result.exit_code == 1
    assert facts["check"]["passed"] is False
    assert "void f_value_and_grad(" in facts["text"]
    assert facts["values"]["d_x"] == 0.0


def test_several_numbers_get_a_jacobian() -> None:
    values = values_of("compile", "W @ x", "--at", POINT)
    assert values["value"] == [-1.0, -1.0]
    assert values["d_x"] == [[1.0, 2.0], [3.0, 4.0]]
    result = run("compile", "W @ x", "--arg", "W:f64[300,300]", "--arg", "x:f64[300]")
    assert result.exit_code == 0
    assert result.stderr.startswith("the Jacobian has 27090000 entries")
    assert "f(W, x) = W @ x" in result.stdout


def test_a_batch_of_points() -> None:
    assert values_of("compile", "x*y", "--at", "x=[1,2,3],y=2") == {
        "value": [2.0, 4.0, 6.0], "d_x": [2.0, 2.0, 2.0], "d_y": [1.0, 2.0, 3.0],
    }  # fmt: skip


def test_checks_of_arrays() -> None:
    types = ("--arg", "W:f64[30,20]", "--arg", "x:f64[20]")
    result = run("check", "tanh(W @ x)", *types)
    assert result.exit_code == 0
    assert "8 of 600 entries, 4 directions" in result.stdout
    assert "c: random cotangents" in result.stdout
    report = strict_json(run("check", "tanh(W @ x)", *types, "--json").stdout)
    assert [row["shape"] for row in report["rows"]] == [[30, 20], [20]]
    assert np.shape(report["at"]["W"]) == (30, 20)
    failed = run("check", "sum(relu(x))", "--at", "x=[1,0,2]")
    assert failed.exit_code == 1
    assert "at [1]" in failed.stdout
    assert run("check", "sum(x)", "--at", "x=[]").exit_code == 0


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "symdiff", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("symdiff, version ")


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m symdiff compile 'x*sin(y)' --emit asm | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
