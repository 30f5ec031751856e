"""Loops: forward and reverse mode, in either direction, of any length, and again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from derivatives import at_random, check_derivatives, loop

from symdiff.ir import Function, Type, i64
from symdiff.ops import (
    OPS,
    add,
    broadcast,
    concatenate,
    contract,
    convert,
    div,
    exp,
    gather,
    log,
    mul,
    reduce_sum,
    slice_,
    sub,
    tanh,
    where,
)


def rnn(carry: Any, xs: Any, rest: Any) -> Any:
    (h,), (x,), (w, u, b) = carry, xs, rest
    z = add(contract(w, h, spec="ij,j->i"), contract(u, x, spec="ij,j->i"))
    h = tanh(add(z, b))
    return [h], [h]


def batched_rnn(carry: Any, xs: Any, rest: Any) -> Any:
    (h,), (x,), (w, b) = carry, xs, rest
    z = contract(concatenate(x, h, axis=1), w, spec="bi,ij->bj")
    h = tanh(add(z, broadcast(b, shape=h.type.shape)))
    return [h], [reduce_sum(mul(h, h), shape=())]


def gated(carry: Any, xs: Any, rest: Any) -> Any:
    """A cell whose gates are slices of one product."""
    (h, c), (x,), (w,) = carry, xs, rest
    z = contract(w, concatenate(x, h, axis=0), spec="ij,j->i")
    n = h.type.shape[0]
    i, o, g = (slice_(z, start=(k * n,), step=(1,), shape=(n,)) for k in range(3))
    c = add(mul(c, OPS["sigmoid"](i)), tanh(g))
    return [mul(OPS["sigmoid"](o), tanh(c)), c], []


def kalman(carry: Any, xs: Any, rest: Any) -> Any:
    """A filter for one number that is seen with noise: mean, variance, log-likelihood."""
    (m, p, total), (y,), (f, q, r) = carry, xs, rest
    m, p = mul(f, m), add(mul(mul(f, f), p), exp(q))
    s = add(p, exp(r))
    k = div(p, s)
    e = sub(y, m)
    total = sub(total, add(log(s), div(mul(e, e), s)))
    return [add(m, mul(k, e)), mul(sub(1.0, k), p), total], [e]


def counted(carry: Any, xs: Any, rest: Any) -> Any:
    """An integer carry that picks a row; a carry that goes through; one that nothing reads."""
    (i, h, same, unused), _, (table, flags) = carry, xs, rest
    row = gather(table, i, axis=0)
    here = gather(flags, i, axis=0)
    h = where(here, mul(h, add(row, same)), OPS["sin"](h))
    step = add(i, 1)
    return [step, h, same, mul(unused, 2.0)], [i, convert(step, dtype="f64")]


def elements(carry: Any, xs: Any, rest: Any) -> Any:
    """A sum over elements that are picked one by one, along the second axis too."""
    (total,), (i,), (x, scale) = carry, xs, rest
    column = gather(x, i, axis=1)
    weight = exp(gather(scale, i, axis=0))
    return [add(total, mul(weight, reduce_sum(mul(column, column), shape=())))], []


INT = Type(i64)
LOOPS: dict[str, Function] = {
    "rnn": loop(rnn, [(3,)], [(2,)], [(3, 3), (3, 2), (3,)], length=5),
    "rnn reversed": loop(rnn, [(3,)], [(2,)], [(3, 3), (3, 2), (3,)], length=4, reverse=True),
    "rnn, one step": loop(rnn, [(3,)], [(2,)], [(3, 3), (3, 2), (3,)], length=1),
    "rnn, no step": loop(rnn, [(3,)], [(2,)], [(3, 3), (3, 2), (3,)], length=0),
    "batched rnn": loop(batched_rnn, [(4, 3)], [(4, 2)], [(5, 3), (3,)], length=3),
    "gated": loop(gated, [(2,), (2,)], [(3,)], [(6, 5)], length=4),
    "gated, again": loop(gated, [(2,), (2,)], [(3,)], [(6, 5)], length=4, checkpoint=True),
    "kalman": loop(kalman, [(), (), ()], [()], [(), (), ()], length=6),
    "counted": loop(
        counted, [INT, (), (), ()], [], [(7,), Type(OPS["lt"].type((INT, INT)).dtype, (7,))],
        length=4,
    ),
    "elements": loop(elements, [()], [INT], [(2, 3), (3,)], length=5),
    "elements, one by one": loop(elements, [()], [INT], [(2, 3), (3,)], length=2, checkpoint=True),
}  # fmt: skip
every_loop = pytest.mark.parametrize("fn", LOOPS.values(), ids=LOOPS.keys())


@every_loop
def test_derivatives(fn: Function, rng: np.random.Generator) -> None:
    check_derivatives(fn, at_random(fn, rng))
