"""Kernels from the disk cache: the same bits in every process, and never those of another."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from opcases import SAMPLED, single

import symdiff as sd
from symdiff import functions, ir
from symdiff.ops import OPS
from symdiff.runtime import Signature, cache, environment, memory, store
from symdiff.runtime.entry import Entry, Unreadable, read_entry

FORMULA = "(x + y) * max(y, z)"
POINT = (1.0, 2.0, 0.0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    monkeypatch.setenv("SYMDIFF_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entries(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in sorted(folder.glob("*.entry"))}


def hit(kernel: sd.Kernel) -> bool:
    """Whether the kernel's code came from the disk."""
    return "llvm" not in kernel.stages


# Everything that a kernel can be, as (name, kernel, arguments). Printed: the bits of the results.
SCRIPT = """
import json, sys
import numpy as np
import symdiff as sd
from symdiff import ir

kernels = []
rng = np.random.default_rng(1)
point = rng.uniform(0.5, 1.5, 3)
formula = "(x + y)*max(y, z) + exp(sin(x*z))"
kernels.append((sd.compile(sd.value_and_grad(formula)), point.tolist()))
kernels.append((sd.hessian(formula), point.tolist()))
kernels.append((sd.compile(sd.grad(formula, wrt="z"), dtype="float32"), point.tolist()))
kernels.append((sd.compile(formula, fastmath=True), point.tolist()))
kernels.append((sd.compile(sd.value_and_grad(formula)), list(rng.uniform(0.5, 1.5, (3, 50)))))
kernels.append((sd.grad("gamma(x) + digamma(x)"), [2.5]))
kernels.append((sd.grad(lambda a, b: np.sum(np.tanh(a @ b))), list(rng.normal(size=(2, 40, 40)))))
kernels.append((sd.jacobian(lambda p: {"u": p["a"] * p["b"], "v": [p["a"].sum()]}),
                [{"a": rng.normal(size=3), "b": rng.normal(size=3)}]))
kernels.append((sd.function(lambda x, i: x[i], args={"x": "f64[5]", "i": "i64"}),
                [rng.normal(size=5), 3]))
kernels.append((sd.value_and_grad(" + ".join(f"sin({i}*x + y)" for i in range(600))), [0.5, 0.25]))

def bits(result):
    if isinstance(result, dict):
        return {k: bits(v) for k, v in result.items()}
    if isinstance(result, (tuple, list)):
        return [type(result).__name__, *map(bits, result)]
    return np.asarray(result).tobytes().hex()

found = [bits(kernel(*arguments)) for kernel, arguments in kernels]
print(json.dumps({"found": found, "llvmlite": "llvmlite" in sys.modules,
                  "codegen": "symdiff.codegen" in sys.modules}))
"""


def in_a_process(folder: Path, script: str = SCRIPT, **variables: str) -> Any:
    environment = {**os.environ, "SYMDIFF_CACHE_DIR": str(folder), **variables}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(ran.stdout)


def test_other_processes_get_the_same_bits_without_llvm(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    cold = in_a_process(folder)
    kept = entries(folder)
    assert len(kept) > 10
    warm = in_a_process(folder)
    assert warm["found"] == cold["found"]
    assert entries(folder) == kept
    if memory.available():
        assert cold["llvmlite"]
        assert not warm["llvmlite"]
        assert not warm["codegen"]
    assert in_a_process(folder, SYMDIFF_CACHE="0")["found"] == cold["found"]
    assert entries(folder) == kept


def test_processes_that_start_together(tmp_path: Path) -> None:
    results: list[Any] = []
    few = SCRIPT.replace(
        "for kernel, arguments in kernels]", "for kernel, arguments in kernels[:3]]"
    )
    threads = [
        threading.Thread(target=lambda: results.append(in_a_process(tmp_path / "cache", few)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[0]["found"] == results[1]["found"]
    assert in_a_process(tmp_path / "cache", few)["found"] == results[0]["found"]


# What makes a key.


def keys_of(*kernels: Callable[[], sd.Function]) -> list[bytes | None]:
    return [functions.kernel_key(make().digest, functions.DEFAULTS) for make in kernels]


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass
class Box:
    first: Any
    second: Any


DIFFERENT: list[Callable[[], sd.Function]] = [
    lambda: sd.function("x + y"),
    lambda: sd.function("x - y"),
    lambda: sd.function("x + y", args=["y", "x"]),
    lambda: sd.function("x + y", args=["x", "y", "z"]),
    lambda: sd.function("x + y", args={"x": "f32", "y": "f64"}),
    lambda: sd.function("x + z"),
    lambda: sd.function("def g(x, y): return x + y"),
    lambda: sd.function("x + y, x"),
    lambda: sd.function("x + y, y"),
    lambda: sd.function("x + y + 0.0"),
    lambda: sd.function("x + y + 0.1"),
    lambda: sd.function("x + y + 0.1000000000000000056"),
    lambda: sd.function("x*sin(y)"),
    lambda: sd.grad("x*sin(y)"),
    lambda: sd.grad("x*sin(y)", wrt="x"),
    lambda: sd.grad("x*sin(y)", wrt=["x"]),
    lambda: sd.grad("x*sin(y)", wrt="y"),
    lambda: sd.grad("x*sin(y)", wrt=["y", "x"]),
    lambda: sd.value_and_grad("x*sin(y)"),
    lambda: sd.jacobian("x*sin(y)"),
    lambda: sd.jacobian("x*sin(y)", mode="forward"),
    lambda: sd.value_and_jacobian("x*sin(y)"),
    lambda: sd.hessian("x*sin(y)"),
    lambda: sd.hessian("x*sin(y)", mode="reverse"),
    lambda: sd.jvp("x*sin(y)"),
    lambda: sd.vjp("x*sin(y)"),
    lambda: sd.hvp("x*sin(y)"),
    lambda: sd.grad(sd.grad("x*sin(y)", wrt="x"), wrt="x"),
    lambda: sd.grad(sd.grad("x*sin(y)", wrt="x"), wrt="y"),
    lambda: sd.function("sum(x[i] for i in range(3))", args={"x": "f64[3]"}),
    lambda: sd.function("sum(x[i] for i in range(3))", args={"x": "f64[4]"}),
    lambda: sd.function(lambda x: sd.fori_loop(0, 3, lambda i, c: c * x, x), args={"x": "f64"}),
    lambda: sd.function(lambda x: sd.fori_loop(0, 3, lambda i, c: c + x, x), args={"x": "f64"}),
    lambda: sd.function(lambda x: sd.fori_loop(0, 4, lambda i, c: c + x, x), args={"x": "f64"}),
    lambda: sd.function(lambda p: p[0] * p[1], args={"p": ["f64", "f64"]}),
    lambda: sd.function(lambda p: p[0] * p[1], args={"p": ("f64", "f64")}),
    lambda: sd.function(lambda p: p["a"] * p["b"], args={"p": {"a": "f64", "b": "f64"}}),
    lambda: sd.function(lambda x: (x, x * 2), args={"x": "f64"}),
    lambda: sd.function(lambda x: [x, x * 2], args={"x": "f64"}),
    lambda: sd.function(lambda x: {"a": x, "b": x * 2}, args={"x": "f64"}),
    lambda: sd.function(lambda x: Pair(x, x * 2), args={"x": "f64"}),
    lambda: sd.function(lambda x: Box(x, x * 2), args={"x": "f64"}),
    lambda: sd.function(lambda x: x + np.array([1.0, 2.0]), args={"x": "f64"}),
    lambda: sd.function(lambda x: x + np.array([1.0, 3.0]), args={"x": "f64"}),
]


def test_functions_that_differ_have_keys_that_differ() -> None:
    found = keys_of(*DIFFERENT)
    same = [0, 10, 11]  # 0.1 is written in two ways
    assert None not in found
    assert found[same[1]] == found[same[2]]
    assert len(set(found)) == len(found) - 1
    assert keys_of(*DIFFERENT) == found


@pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
def test_keys_say_what_the_printed_form_says(op: ir.Op, rng: np.random.Generator) -> None:
    for fn in (single(op, rng), single(op, rng, ir.f32)):
        again = ir.read_function(ir.print_function(fn), OPS)
        assert ir.fingerprint(again) == ir.fingerprint(fn)
        assert sd.Function(fn).digest is not None


def test_constants_count_by_their_bits() -> None:
    def constant(value: float) -> sd.Function:
        graph = ir.Graph()
        x = graph.param("x", ir.F64)
        literal = ir.Literal.of(value, ir.F64)
        added = graph.add(ir.CONST, (), (("value", literal),))
        return sd.Function(
            ir.Function("f", (x,), (x, added), ir.Branch((ir.Leaf("a"), ir.Leaf("b"))))
        )

    values = [0.0, -0.0, float("inf"), float("-inf"), float("nan"), -float("nan"), 5e-324]
    assert len({constant(v).digest for v in values}) == len(values)


def test_what_has_no_printed_form_has_no_key() -> None:
    graph = ir.Graph()
    x = graph.param("x", ir.F64)
    odd = graph.add(
        ir.CONST, (), (("odd", object()), ("value", ir.Literal.of(1.0, ir.F64))), ir.F64
    )
    assert sd.Function(ir.Function("f", (x,), (odd,))).digest is None


def test_options_and_the_environment_are_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = sd.function("x*y").digest
    options = [
        {},
        {"dtype": "float32"},
        {"fastmath": True},
        {"target": "aarch64-unknown-linux-gnu"},
    ]
    keys = [functions.kernel_key(digest, {**functions.DEFAULTS, **given}) for given in options]
    assert len(set(keys)) == len(keys)
    assert functions.kernel_key(digest, {**functions.DEFAULTS, "dtype": "f64"}) == keys[0]
    assert functions.kernel_key(digest, {**functions.DEFAULTS, "cache": False}) is None

    def fresh() -> bytes:
        compute: Any = environment.environment
        return compute.__wrapped__()  # not the one that is kept

    found = {fresh()}
    assert found == {fresh()}
    stamp = environment.llvm_stamp()
    changes: dict[str, Any] = {
        "_LOADED": b"other sources",
        "llvm_stamp": lambda: (*stamp, 1),
        "cpu": lambda: ("another",),
        "interpreter": lambda: ("cpython-399",),
    }
    for name, changed in changes.items():
        with monkeypatch.context() as patch:
            patch.setattr(environment, name, changed)
            found.add(fresh())
    assert len(found) == len(changes) + 1
    for wrappers in ("batch", "c", cache.FIRST):
        assert cache.entry_key(keys[0], wrappers) not in found
    assert len({cache.entry_key(keys[0], w) for w in ("batch", "c", cache.FIRST)}) == 3


def test_sources_that_change_make_other_keys(tmp_path: Path) -> None:
    package = tmp_path / "symdiff"
    for room in environment._ROOMS:
        (package / room).mkdir(parents=True, exist_ok=True)
    for name in ("__init__.py", "codegen/llvm.py"):
        (package / name).write_text("one")
    installed = environment.symdiff_stamp(str(package))
    (tmp_path / "pyproject.toml").write_text("")
    stamps = [installed, environment.symdiff_stamp(str(package))]
    (package / "codegen" / "llvm.py").write_text("other")
    stamps.append(environment.symdiff_stamp(str(package)))
    (package / "codegen" / "new.py").write_text("")
    stamps.append(environment.symdiff_stamp(str(package)))
    (package / "__init__.py").write_text("two")
    stamps.append(environment.symdiff_stamp(str(package)))
    assert len(set(stamps)) == len(stamps)
    assert environment.symdiff_stamp(str(package)) == stamps[-1]
    assert environment.symdiff_stamp(str(tmp_path / "archive.zip" / "symdiff")) == b""


def test_nothing_is_kept_after_an_edit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "symdiff_stamp", lambda: b"edited")
    assert sd.grad(FORMULA)(*POINT) == (2.0, 5.0, 0.0)
    assert entries(folder) == {}


def test_the_cpu_is_known_without_llvm() -> None:
    found = environment.cpu()
    assert found == environment.cpu()
    assert len(found) >= 2
    if sys.platform == "linux":
        assert not any(b"MHz" in bytes(line) for line in found if isinstance(line, bytes))


# What comes back.


def test_hits_and_misses(folder: Path) -> None:
    cold = sd.compile(sd.value_and_grad(FORMULA))
    assert not hit(cold)
    warm = sd.compile(sd.value_and_grad(FORMULA))
    assert hit(warm)
    assert warm(*POINT) == cold(*POINT) == (6.0, (2.0, 5.0, 0.0))
    points = np.random.default_rng(0).normal(size=(3, 100))
    assert cold(*points)[0].tobytes() == warm(*points)[0].tobytes()
    assert hit(warm)  # the first one made the loop over points, this one found it
    for stage in ("ir", "llvm_ir", "asm", "c_source", "c_header", "numpy_source", "object_code"):
        assert getattr(warm, stage) == getattr(cold, stage)
    assert warm.code_size == cold.code_size
    assert warm.cost() == cold.cost()
    assert warm.parameters == ("x", "y", "z")
    assert (warm.name, repr(warm)) == (cold.name, repr(cold))


def test_functions_from_the_cache_are_derived_when_something_asks(folder: Path) -> None:
    made = sd.value_and_grad("a*sin(b)")
    text = str(made)
    made(1.0, 2.0)
    again = sd.value_and_grad("a*sin(b)")
    assert again.deferred
    assert again(1.0, 2.0) == made(1.0, 2.0)
    assert again.deferred
    assert str(again) == text
    assert not again.deferred
    assert (again.parameters, again.outputs, again.name) == (
        made.parameters,
        made.outputs,
        made.name,
    )
    first = sd.grad("a*sin(b)", wrt="b")
    second = sd.grad(first)(1.0, 2.0)
    assert sd.grad(sd.grad("a*sin(b)", wrt="b"))(1.0, 2.0) == second
    pickled = pickle.loads(pickle.dumps(sd.value_and_grad("a*sin(b)")))
    assert pickled(1.0, 2.0) == made(1.0, 2.0)
    kernel = pickle.loads(pickle.dumps(sd.compile(sd.value_and_grad("a*sin(b)"))))
    assert kernel(1.0, 2.0) == made(1.0, 2.0)


def test_errors_come_as_early_as_without_the_cache(folder: Path) -> None:
    for _ in range(2):
        with pytest.raises(sd.ArgumentError, match="wrt"):
            sd.grad("x*y", wrt="z")
        with pytest.raises(sd.DifferentiationError):
            sd.grad("x, y")
        sd.grad("x*y")(1.0, 2.0)


def test_structures_of_the_users_own_come_back(folder: Path) -> None:
    def pair(x: Any, y: Any) -> Pair:
        return Pair(x * y, x + y)

    def box(x: Any, y: Any) -> Box:
        return Box(x * y, x + y)

    for _ in range(2):
        assert type(sd.compile(sd.function(pair))(2.0, 3.0)) is Pair
        assert sd.compile(sd.function(box))(2.0, 3.0) == Box(6.0, 5.0)
        jacobian = sd.compile(sd.jacobian(pair))(2.0, 3.0)
        assert type(jacobian) is Pair
        assert jacobian.first == (3.0, 2.0)


def test_failed_checks_say_the_same(folder: Path) -> None:
    messages: list[str] = []
    for _ in range(2):
        fn = sd.function(lambda x, i: x[i], args={"x": "f64[5]", "i": "i64"})
        with pytest.raises(sd.IndexRangeError) as error:
            fn(np.zeros(5), 7)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_off_by_argument_or_by_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert not hit(sd.compile(sd.grad(FORMULA), cache=False))
    assert entries(folder) == {}
    monkeypatch.setenv("SYMDIFF_CACHE", "0")
    assert sd.grad(FORMULA)(*POINT) == (2.0, 5.0, 0.0)
    assert not hit(sd.compile(sd.grad(FORMULA)))
    assert entries(folder) == {}
    reason = "turned off by SYMDIFF_CACHE"
    assert sd.cache.info() == sd.cache.Usage(store.default_folder(), False, 0, 0, 0, reason)
    assert sd.cache.clear() == 0
    monkeypatch.delenv("SYMDIFF_CACHE")
    sd.compile(sd.grad(FORMULA))
    assert hit(sd.compile(sd.grad(FORMULA)))
    assert sd.cache.info().entries == len(entries(folder)) > 0


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign", "other"])
def test_damaged_entries_are_made_again(damage: str, folder: Path) -> None:
    fn = "x*y + sin(z)"
    reference = sd.compile(sd.grad(fn))(*POINT)
    key = functions.kernel_key(sd.grad(fn).digest, functions.DEFAULTS)
    first = cache.entry_key(key, cache.FIRST)
    place = store.store()
    assert place is not None
    assert first is not None
    path = Path(place.path(first))
    whole = path.read_bytes()
    if damage == "other":  # an intact entry, of another function
        sd.compile(sd.grad("x - y - z"))
        other = functions.kernel_key(sd.grad("x - y - z").digest, functions.DEFAULTS)
        content = place.get(cache.entry_key(other, cache.FIRST) or b"")
        assert content is not None
        damaged = Path(place.path(cache.entry_key(other, cache.FIRST) or b"")).read_bytes()
    else:
        damaged = {
            "flip": whole[:-1] + bytes([whole[-1] ^ 1]),
            "cut": whole[: len(whole) // 2],
            "empty": b"",
            "foreign": b"#!/bin/sh\n" * 100,
        }[damage]
    path.write_bytes(damaged)
    again = sd.compile(sd.grad(fn))
    assert not hit(again)
    assert again(*POINT) == reference
    assert path.read_bytes() == whole
    assert hit(sd.compile(sd.grad(fn)))


def test_code_that_needs_what_is_gone_is_made_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry that is intact but for a library that this process lacks."""
    kernel = sd.compile(sd.grad("x*y"))
    module = kernel._code.first()
    if module.linked is None:
        pytest.skip("linked by LLVM")
    module.linked.imports["no_such_function"] = 0
    key = kernel._program.key
    cache.keep(cache.entry_key(key, cache.FIRST), Entry(module, kernel._program))
    again = sd.compile(sd.grad("x*y"))
    assert again(2.0, 3.0) == (3.0, 2.0)
    assert not hit(again)
    assert hit(sd.compile(sd.grad("x*y")))


def test_entries_read_back_as_written(folder: Path) -> None:
    arrays = sd.function(lambda x: {"a": x[0], "b": [x, None]}, args={"x": "f64[2]"})
    for fn in (sd.hessian(FORMULA), sd.function("x, y > 0"), arrays):
        kernel = sd.compile(fn, cache=False)
        signature = Signature(
            **{f.name: getattr(kernel._program, f.name) for f in fields(Signature)}
        )
        entry = Entry(kernel._code.first(), signature)
        assert read_entry(entry.to_bytes()) == entry
    for wrong in (b"", b"\0" * 7, b"\xff" * 64, (2).to_bytes(8, "little") + b"{}code"):
        with pytest.raises(Unreadable):
            read_entry(wrong)


def test_names_that_are_no_identifiers(folder: Path) -> None:
    graph = ir.Graph()
    a, b = graph.param("a b", ir.F64), graph.param("λ\n\ud800", ir.F64)
    product = sd.Function(ir.Function("f", (a, b), (OPS["mul"](a, b),)))
    kernels = [sd.compile(sd.grad(product)) for _ in range(2)]
    assert [hit(kernel) for kernel in kernels] == [False, True]
    for kernel in kernels:
        assert kernel(2.0, 3.0) == (3.0, 2.0)
        assert kernel.parameters == ("a b", "λ\n\ud800")


def test_other_targets_are_kept_too(folder: Path) -> None:
    triple = "aarch64-unknown-linux-gnu"
    first, second = (sd.compile(FORMULA, target=triple) for _ in range(2))
    assert not hit(first)
    assert hit(second)
    assert first.object_code == second.object_code
