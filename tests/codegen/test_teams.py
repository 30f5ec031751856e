"""Array programs for several threads: every part alone, in any order, gives the same result."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tensor_functions import Case, cases

import symdiff as sd
from bench.models import MODELS
from symdiff import autodiff, ir
from symdiff.codegen.loops import build_program, nests, print_program, teams
from symdiff.codegen.loops.program import Affine, Gemm, Nest, Var
from symdiff.codegen.loops.teams import Share, team_of
from symdiff.ir import Function
from symdiff.runtime import code, dispatch

Values = list[Any]
Run = Callable[[sd.Function, Values], Values]

_PART = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_SHARE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)


class OneAfterTheOther:
    """In place of the emitted protocol: parts are run here, in an order drawn at random.

    `clashes` counts the bytes of scratch memory that more than one of them has changed.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.phases = 0
        self.scratch: Any = None
        self.clashes = 0
        self.callback = _SHARE(self.share)  # keeps alive what the code calls
        address = ctypes.cast(self.callback, ctypes.c_void_p).value
        self.imports = {"symdiff_share": address}

    def help(self, shared: int) -> None:
        """Nobody helps."""

    def share(self, shared: int, number: int, parts: int, function: int) -> None:
        context = ctypes.c_int64.from_address(shared + 16).value
        written = np.zeros(len(self.scratch), bool)
        for part in self.rng.permutation(parts):
            before = self.scratch.copy()
            _PART(function)(context, int(part), 0)
            now = before != self.scratch
            self.clashes += int(np.sum(written & now))
            written |= now
        self.phases += 1


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that can be shared is, however small."""
    monkeypatch.setenv("SYMDIFF_CACHE", "0")  # its keys know nothing of what is changed here
    monkeypatch.setattr(teams, "WORTHWHILE", 0)
    monkeypatch.setattr(teams, "WORTHWHILE_IN_ALL", 0)
    monkeypatch.setattr(teams, "_SHARE_OF_ALL", 0)
    monkeypatch.setattr(teams, "_JOINING", math.inf)
    monkeypatch.setattr(nests, "UNROLL", 0)


@pytest.fixture
def protocol(
    eager: None, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> OneAfterTheOther:
    """Parts in any order, and scratch memory full of NaN."""
    made = OneAfterTheOther(rng)
    monkeypatch.setattr(code, "protocol", lambda text, kept: made)
    plain = dispatch.scratch

    def poisoned(words: int) -> Any:
        memory, address = plain(words)
        memory.fill(np.nan)
        made.scratch = memory.view(np.uint8)
        return memory, address

    monkeypatch.setattr(dispatch, "scratch", poisoned)
    return made


def values(kernel: sd.Kernel, args: Values) -> Values:
    result = kernel(*args)
    return ir.flatten(kernel._program.result, result)


def assert_close(found: Values, expected: Values, rtol: float = 1e-12) -> None:
    for ours, wanted in zip(found, expected, strict=True):
        finite = np.abs(wanted)[np.isfinite(wanted)]
        assert_allclose(ours, wanted, rtol=rtol, atol=rtol * np.max(finite, initial=1e-300))


def gradient(name: str, **sizes: int) -> tuple[sd.Function, Values]:
    """The value and gradient of a model, and arguments for it."""
    model = MODELS[name]
    inputs = model.inputs(**sizes)
    types = {n: f"{a.dtype}[{','.join(map(str, a.shape))}]" for n, a in inputs.items()}
    made = sd.value_and_grad(model.source, wrt=list(model.wrt), args=types)
    return made, [inputs[n] for n in made.parameters]


@pytest.mark.parametrize("threads", [2, 5])
@pytest.mark.parametrize("name", MODELS)
def test_models_in_parts(protocol: OneAfterTheOther, name: str, threads: int) -> None:
    function, args = gradient(name, **MODELS[name].small)
    kernel = sd.compile(function, threads=threads)
    found = values(kernel, args)
    assert_close(found, values(sd.compile(function), args))
    assert protocol.phases > 0 or kernel._program.team is None
    assert not protocol.clashes, "two parts write to the same place"
    for _ in range(3):  # whatever the order, the same bits
        for once, again in zip(found, values(kernel, args), strict=True):
            assert_array_equal(once, again)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_any_function_in_parts(protocol: OneAfterTheOther, case: Case) -> None:
    both = sd.Function(case.fn), sd.Function(_pullback(case.fn))
    for function in both:
        extra = [np.ones(p.type.shape) for p in function.ir.params[len(case.args) :]]
        args = [*case.args, *extra]
        expected = values(sd.compile(function), args)
        assert_close(values(sd.compile(function, threads=3), args), expected)
        assert not protocol.clashes


def _pullback(fn: Function) -> Function:
    return autodiff.vjp(fn, list(range(len(fn.params))), bare=False)


def shares(source: Any, types: dict[str, str], threads: int = 2) -> list[Share]:
    """What is shared of a function."""
    team = team_of(build_program(sd.function(source, args=types).optimized()), threads)
    return [] if team is None else team.shares


def test_sums_are_joined_in_order() -> None:
    """A sum has a part of its own for each range; the number of ranges is that of the threads."""
    types = {"x": "f64[1000000]"}
    for threads in (2, 3, 8):
        (share,) = shares(lambda x: np.sum(x * x), types, threads)
        assert (share.start, share.stop, share.parts) == (0, 1_000_000, 4 * threads)
        assert len(share.private) == 1


def test_what_is_not_shared() -> None:
    assert not shares(lambda x: np.sum(x * x), {"x": "f64[1000]"})  # too small
    assert not shares(lambda x: np.cumsum(x), {"x": "f64[1000000]"})  # each needs the one before
    assert not shares(lambda x: np.argmax(x), {"x": "f64[1000000]"})


def test_running_sums_of_rows_are_shared() -> None:
    (share,) = shares(lambda x: np.cumsum(np.exp(x), axis=1), {"x": "f64[1000,1000]"})
    assert share.stop == 1000


def test_sums_into_arrays_are_private() -> None:
    def columns(x: Any) -> Any:
        return np.sum(np.exp(x), axis=0)

    share, *joins = shares(columns, {"x": "f64[100000,50]"})
    assert [b.size for b in share.private] == [50]
    assert not joins  # one thread adds up so few


def test_scattered_sums() -> None:
    def chosen(x: Any, at: Any) -> Any:
        return np.sum(np.exp(x[at]) ** 2)

    def sums(size: int) -> list[str]:
        types = {"x": f"f64[{size}]", "at": "i64[500000]"}
        made = sd.grad(chosen, wrt="x", args=types)
        team = team_of(build_program(made.optimized()), 2)
        assert team is not None
        return [b.name for share in team.shares for b in share.private if b.size == size]

    assert len(sums(500)) == 1
    assert not sums(3_000_000)  # more to join than there is to add


def affine(*terms: tuple[Var, int], const: int = 0) -> Affine:
    return Affine(const, terms)


def test_which_iterations_write_to_different_places() -> None:
    i, j, register = Var(1000, 1), Var(10, 2), Var(10, 1, register=3)
    for index, apart in (
        (affine((i, 10), (j, 1)), True),
        (affine((i, -10), (j, 1), const=9990), True),
        (affine((i, 9), (j, 1)), False),
        (affine((i, 1), (j, 1000)), True),  # a matrix column by column
        (affine((i, 1), (j, 999)), False),
        (affine((j, 1)), False),
        (affine((i, 10), (register, 1)), True),
        (affine((i, 1), (register, 1000)), False),
    ):
        assert teams._distinct(index, i) is apart
    for indices, apart in (
        ([affine((i, 3)), affine((i, 3), const=2)], True),
        ([affine((i, 3)), affine((i, 3), const=3)], False),
        ([affine((i, 3)), affine((i, 2))], False),
        ([affine((i, 10), (j, 1)), affine((i, 10), (register, 1))], True),
    ):
        assert teams._separate(indices, i) is apart


def test_products_of_many_matrices(eager: None) -> None:
    types = {"A": "f64[10,40,40]", "B": "f64[10,40,40]"}
    found = shares(lambda A, B: A @ B, types)
    assert [type(share.step) for share in found if isinstance(share.step, Gemm)]


def test_checks_come_first(protocol: OneAfterTheOther) -> None:
    def chosen(x: Any, at: Any) -> Any:
        return np.exp(x)[at] * np.arange(8.0)

    kernel = sd.compile(chosen, args={"x": "f64[9]", "at": "i64[8]"}, threads=2)
    at = np.arange(8)
    x = np.linspace(0, 1, 9)
    assert_array_equal(kernel(x, at), chosen(x, at))
    with pytest.raises(sd.IndexRangeError, match="axis of 9 elements is out of range"):
        kernel(x, np.where(at == 6, 9, at))


def test_pieces_pass_on_numbers(protocol: OneAfterTheOther) -> None:
    """Numbers known before a loop, after it, and in the loop itself; truth values, too."""

    def function(x: Any, y: Any, n: Any) -> Any:
        scale = y[0] * y[1]
        positive = scale > 0
        total = np.sum(np.where(positive, x, -x) * scale)
        largest = np.max(x * scale)
        return total + largest * scale, x[n] * scale, largest

    types = {"x": "f64[11]", "y": "f64[2]", "n": "i64"}
    kernel = sd.compile(function, args=types, threads=2)
    plain = sd.compile(function, args=types)
    for sign in (1, -1):
        args = [np.linspace(-3, 2, 11), np.array([2.0, sign * 0.5]), 4]
        assert_close(values(kernel, args), values(plain, args), 1e-14)


def test_float32(protocol: OneAfterTheOther) -> None:
    def function(x: Any) -> Any:
        return np.sum(np.exp(x), axis=0), np.sum(x), np.max(x, axis=0)

    args = [np.linspace(-1, 2, 70, dtype=np.float32).reshape(10, 7)]
    kernel = sd.compile(function, args={"x": "f32[10,7]"}, threads=3)
    plain = sd.compile(function, args={"x": "f32[10,7]"})
    assert_close(values(kernel, args), values(plain, args), 1e-6)


def test_nests_between_are_plain_steps() -> None:
    function, _ = gradient("mixture")
    program = build_program(function.optimized())
    team = team_of(program, 2)
    assert team is not None
    text = print_program(program)
    assert all(isinstance(p, Share) or not (isinstance(p, Nest) and p.given) for p in team.phases)
    assert print_program(program) == text, "the program for one thread stays as it is"
    assert team.workspace > program.workspace
    for buffer in team.scratch:
        assert program.workspace <= buffer.offset < team.workspace


@given(data=st.data())
def test_what_is_separate_shares_no_element(data: st.DataObject) -> None:
    whole, small = st.integers(1, 6), st.integers(-6, 12)
    outer, inner = Var(data.draw(whole), 1), Var(data.draw(whole), 2)
    step = data.draw(st.sampled_from([1, 2, 3, 5, -1, -3]))
    terms = [((outer, step), *more) for more in [(), ((inner, data.draw(whole)),)]]
    indices = [
        Affine(const, data.draw(st.sampled_from(terms)))
        for const in data.draw(st.lists(small, min_size=1, max_size=3))
    ]
    owners: dict[int, set[int]] = {}
    for index in indices:
        c = dict(index.terms).get(inner, 0)
        for i in range(outer.extent):
            for j in range(inner.extent):
                owners.setdefault(index.const + step * i + c * j, set()).add(i)
    if teams._separate(indices, outer):
        assert all(len(of) == 1 for of in owners.values())


def test_columns_are_separate() -> None:
    row = Var(200, 1)
    assert teams._separate([Affine(208 * c, ((row, 1),)) for c in range(3)], row)
    assert not teams._separate([Affine(199 * c, ((row, 1),)) for c in range(3)], row)
    assert not teams._separate([Affine(0, ((row, 1),)), Affine(0, ((row, -1),))], row)
