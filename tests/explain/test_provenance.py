"""Which part of the formula a line of the code comes from."""

from __future__ import annotations

import re

import numpy as np
import pytest

import symdiff as sd
from symdiff import ir
from symdiff.codegen.origins import debug_info, read_origins
from symdiff.explain.links import key
from symdiff.explain.numbering import numbered, origins
from symdiff.explain.panes import Pane

FORMULA = "sin(x)*y + exp(x*y)"
LAYER = ("sum(tanh(W @ x + b)**2)", {"W": "f64[8,4]", "x": "f64[4]", "b": "f64[8]"})
CHAIN = (
    "sum(100*(x[i+1]-x[i]**2)**2 + (1-x[i])**2 for i in range(999))",
    {"x": "f64[1000]"},
)
LOOP = "def f(x: f64[3]) -> f64:\n    return sum(exp(x)) * x[0]"


def pane(e: sd.Explanation, name: str) -> Pane:
    return next(p for p in e.machine.panes if p.name == name)


def excerpts(e: sd.Explanation, name: str, pattern: str) -> set[str]:
    """The parts of the source that the lines which match come from."""
    return {
        e.links.excerpt([key(line.origin)]) if line.origin else ""
        for section in pane(e, name).sections
        for line in section.lines
        if not section.aside and re.search(pattern, line.text)
    }


def text_of(e: sd.Explanation, line: str) -> str:
    """What the only line of the final IR with `line` in it comes from."""
    (found,) = [k for text, k in e.lines if line in text]
    return e.links.excerpt([found])


@pytest.fixture(scope="module")
def scalar() -> sd.Explanation:
    return sd.explain(FORMULA)


def test_lines_of_the_ir_come_from_the_parts_that_they_compute(scalar: sd.Explanation) -> None:
    assert text_of(scalar, "sincos") == "sin(x)"
    assert text_of(scalar, "exp ") == "exp(x*y)"
    assert text_of(scalar, "add %2, %4") == FORMULA


def test_a_call_that_is_written_twice_is_linked_twice() -> None:
    text = "sin(x)*y + cos(x) - sin(x) + arcsin(x)"
    e = sd.explain(text)
    sines = [e.links.spans[span] for span in e.links.spans if text[slice(*span)] == "sin(x)"]
    assert len(sines) == 2
    assert sines[0] == sines[1]


def test_calls_of_the_library_come_from_the_functions(scalar: sd.Explanation) -> None:
    assert excerpts(scalar, "asm", r"call\w*\s+_?sincos\b|\bbl\s+_?sincos\b") == {"sin(x)"}
    assert excerpts(scalar, "asm", r"call\w*\s+_?exp\b|\bbl\s+_?exp\b") == {"exp(x*y)"}
    assert excerpts(scalar, "llvm", r"@llvm\.sincos") == {"sin(x)"}
    assert excerpts(scalar, "c", r"\bsin\(|\bcos\(") == {"sin(x)"}


def test_loads_come_from_the_parameters(scalar: sd.Explanation) -> None:
    assert excerpts(scalar, "llvm", r"load double, ptr %in\.x") == {"x"}
    assert excerpts(scalar, "llvm", r"load double, ptr %in\.y") == {"y"}


def test_vector_functions_that_are_inlined_come_from_their_calls(scalar: sd.Explanation) -> None:
    if scalar.machine.lanes == 1:
        pytest.skip("no vectors here")
    (many,) = [s for s in pane(scalar, "asm").sections if "in the lanes" in s.title]
    parts = [scalar.links.excerpt([key(line.origin)]) for line in many.lines if line.origin]
    # A sine or an exponential is dozens of instructions, a product one.
    assert parts.count("sin(x)") > 20
    assert parts.count("exp(x*y)") > 20
    assert parts.count("x*y") < 20


@pytest.mark.parametrize(("source", "args"), [(FORMULA, None), LAYER, CHAIN])
@pytest.mark.parametrize("fastmath", [False, True])
def test_line_tables_change_no_instruction(
    source: str, args: dict[str, str] | None, fastmath: bool
) -> None:
    """The assembly shown is that of the kernel."""
    whole = sd.value_and_grad(source, args=args)
    kernel = sd.compile(whole, fastmath=fastmath, cache=False)
    e = sd.explain(source, args, fastmath=fastmath)
    shown = sorted(instructions("\n".join(line.text for line in pane(e, "asm").lines)))
    assert shown == sorted(instructions(kernel.asm))
    assert e.ir == kernel.ir
    plain = [line.text for line in pane(e, "llvm").lines]
    assert sorted(plain) == sorted(line for line in kernel.llvm_ir.splitlines() if line)


def instructions(assembly: str) -> list[str]:
    """Instructions without labels, directives, comments and the names of labels."""
    found: list[str] = []
    for line in assembly.splitlines():
        code = re.sub(r"\s*#.*", "", line).strip()
        if code and not code.startswith(".") and not code.endswith(":"):
            found.append(re.sub(r"\.L\w+", "LABEL", " ".join(code.split())))
    return found


def test_kernels_carry_no_line_tables() -> None:
    kernel = sd.compile(sd.value_and_grad(FORMULA), cache=False)
    assert "!dbg" not in kernel.llvm_ir
    assert " ; @" not in kernel.llvm_ir
    assert ".loc" not in kernel.asm


def test_loops_come_from_the_operations_on_arrays() -> None:
    e = sd.explain(*LAYER)
    assert excerpts(e, "loops", r"expm1") == {"tanh(W @ x + b)"}
    assert excerpts(e, "llvm", r"@expm1\(|@symdiff\.expm1\.v\d+\(<\d+ x double> %t") == {
        "tanh(W @ x + b)"
    }
    assert excerpts(e, "loops", r"= in0\[") == {"W"}
    assert excerpts(e, "c", r"= W\[") == {"W"}
    assert excerpts(e, "loops", r"out0\[0\] =") == {LAYER[0]}


def test_sums_over_an_index_are_linked_through_their_loops() -> None:
    e = sd.explain(*CHAIN)
    assert excerpts(e, "loops", r"acc\d+ sum=") == {CHAIN[0]}
    assert {"x", "(1-x[i])**2"} <= excerpts(e, "loops", r"= \w+")
    linked = [line for line in pane(e, "asm").lines if line.origin]
    assert len(linked) > 100


def test_parts_of_a_python_function_are_found() -> None:
    def model(x: float, y: float) -> float:
        a = np.sin(x) * y  # ä
        return a + np.exp(a)

    e = sd.explain(model)
    assert e.source.text.startswith("def model(")
    assert text_of(e, "exp ") == "np.exp(a)"
    assert text_of(e, "sincos") == "np.sin(x)"
    assert excerpts(e, "asm", r"(call\w*|bl)\s+_?exp\b") == {"np.exp(a)"}
    assert excerpts(e, "llvm", r"load double, ptr %in\.y") == {"y"}


def test_names_with_another_meaning_are_no_parameters() -> None:
    def model(x: float, y: float) -> float:
        x = x * y
        return np.sin(x)

    e = sd.explain(model)
    parts = [e.source.text[slice(*span)] for span in e.links.spans]
    assert "y" in parts
    assert "x" not in parts


def test_bodies_of_loops_are_numbered_where_they_are_printed() -> None:
    def scanned(x: np.ndarray) -> float:
        total, _ = sd.scan(lambda c, v: (c * np.sin(v), None), 1.0, x)
        return total

    fn = sd.value_and_grad(scanned, args={"x": "f64[50]"}).optimized()
    lines = ir.print_function(fn).splitlines()
    places = origins(fn)
    for part in ir.with_nested(numbered(fn)):
        for value in part.live():
            assert value.location is not None
            assert not isinstance(value.location, ir.Call)
            line = lines[value.location[0] - 1]
            if value.location[1]:
                assert line.startswith("func @")
                assert f"%{value.attr('name')}" in line
            else:
                assert f"= {value.op.name}" in line
    assert len(places) == len(set(places.values()))
    e = sd.explain(scanned, {"x": "f64[50]"})
    body = [line for line in pane(e, "loops").lines if "sin" in line.text]
    assert body
    assert all(line.origin is not None for line in body)


def test_numbering_changes_nothing_else() -> None:
    fn = sd.value_and_grad(*LAYER[:1], args=LAYER[1]).optimized()
    assert ir.print_function(numbered(fn)) == ir.print_function(fn)


def test_long_code_is_linked_up_to_the_functions_that_it_groups() -> None:
    terms = " + ".join(f"sin({i}*x)*y*{i}.5" for i in range(1, 400))
    e = sd.explain(terms)
    asm = pane(e, "asm")
    assert "linked to no line" in asm.note
    pieces = [s for s in asm.sections if "a piece" in s.title]
    assert pieces
    origins_ = {line.origin for s in pieces for line in s.lines if line.origin}
    assert len(origins_) > 500
    assert len(e.html()) < 20_000_000


def test_marks_become_locations_of_the_function_they_stand_in() -> None:
    text = (
        "define void @f(ptr %x) {\n  %t0 = load double, ptr %x ; @3.0\n  ret void\n}\n\n"
        "define void @g(ptr %x) {\n  call void @f(ptr %x)\n  ret void\n}\n\n"
        "define void @h(ptr %x) {\n  ret void\n}\n\n!7 = distinct !{}\n"
    )
    made = debug_info(text)
    assert re.search(r"load double, ptr %x, !dbg !(\d+)", made)
    scopes = re.findall(r"define void @(\w)\(ptr %x\) !dbg", made)
    assert scopes == ["f", "g"]  # h has nothing to say
    assert "!8 =" in made  # numbers that are free
    assert [line.origin for line in read_origins(text)[:3]] == [None, (3, 0), None]


def test_other_targets_are_explained_too() -> None:
    e = sd.explain(FORMULA, target="aarch64-linux-gnu")
    assert excerpts(e, "asm", r"\bbl\s+exp\b") == {"exp(x*y)"}


def test_what_only_looks_like_a_call_is_linked_once() -> None:
    text = "2*sin(x)*cos(x) + y/sin(x)*cos(x)"
    spans = sd.explain(text).links.spans
    parts = [text[slice(*span)] for span in spans]
    assert parts.count("sin(x)") == 2
    assert "sin(x)*cos(x)" not in parts
