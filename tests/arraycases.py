"""Operations on arrays at more shapes than their entries sample: empty, of one element, broadcast.

A case is the shapes of the operands and the attributes. Elementwise operations are applied to
operands of one shape; whole arrays of indices have the numbers 0 and 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.ir import DTYPES, F64, Branch, Function, Graph, Leaf, Op, Type
from symdiff.ops import OPS

Case = tuple[tuple[tuple[int, ...], ...], dict[str, Any]]

ELEMENTWISE_SHAPES = ((), (1,), (0,), (2, 0, 3), (1, 1), (2, 1, 3))

_CHANGES: list[Case] = [
    (((2,), (), ()), {"axis": 0}), (((2, 3), (0, 3), (0,)), {"axis": 0}),
    (((0, 2), (0, 4), (4,)), {"axis": 1}), (((3, 2, 2), (3, 2, 5), (5,)), {"axis": 2}),
    (((2, 3, 2), (2, 1, 1), (1, 1), (1, 1)), {"axis": 1}),
    (((2, 2), (3,), (3,), (3,)), {"axis": 0}),
]  # fmt: skip

CASES: dict[str, list[Case]] = {
    "broadcast": [
        (((),), {"shape": ()}), (((),), {"shape": (3,)}), (((),), {"shape": (0, 2)}),
        (((1,),), {"shape": (4, 0)}), (((1, 1),), {"shape": (1, 1)}), (((1,),), {"shape": (0,)}),
        (((2, 1, 3),), {"shape": (4, 2, 5, 3)}), (((0, 3),), {"shape": (2, 0, 3)}),
    ],
    "reduce_sum": [
        (((),), {"shape": ()}), (((3,),), {"shape": ()}), (((0, 2),), {"shape": (1, 2)}),
        (((0, 2),), {"shape": (2,)}), (((2, 0),), {"shape": ()}), (((1, 1),), {"shape": (1,)}),
        (((4, 2, 5, 3),), {"shape": (2, 1, 3)}), (((2, 3),), {"shape": (2, 3)}),
    ],
    "reduce_max": [
        (((),), {"shape": ()}), (((3,),), {"shape": ()}), (((2, 0),), {"shape": (1, 0)}),
        (((1, 1),), {"shape": (1,)}), (((4, 2, 5, 3),), {"shape": (2, 1, 3)}),
    ],
    "reduce_min": [
        (((),), {"shape": ()}), (((5,),), {"shape": (1,)}), (((2, 0),), {"shape": (0,)}),
        (((2, 3),), {"shape": (2, 3)}),
    ],
    "reshape": [
        (((),), {"shape": (1, 1)}), (((1,),), {"shape": ()}), (((0, 3),), {"shape": (5, 0)}),
        (((2, 3, 2),), {"shape": (12,)}), (((4,),), {"shape": (2, 1, 2)}),
    ],
    "transpose": [
        (((),), {"axes": ()}), (((3,),), {"axes": (0,)}), (((0, 2),), {"axes": (1, 0)}),
        (((1, 2, 1, 3),), {"axes": (3, 0, 2, 1)}),
    ],
    "slice": [
        (((),), {"start": (), "step": (), "shape": ()}),
        (((5,),), {"start": (4,), "step": (-1,), "shape": (5,)}),
        (((5,),), {"start": (2,), "step": (7,), "shape": (1,)}),
        (((5, 2),), {"start": (3, 0), "step": (1, 1), "shape": (0, 2)}),
        (((0,),), {"start": (0,), "step": (1,), "shape": (0,)}),
        (((1, 4),), {"start": (0, 3), "step": (1, -3), "shape": (1, 2)}),
    ],
    "embed": [
        (((),), {"start": (), "step": (), "shape": ()}),
        (((5,),), {"start": (4,), "step": (-1,), "shape": (5,)}),
        (((1,),), {"start": (2,), "step": (7,), "shape": (5,)}),
        (((0, 2),), {"start": (3, 0), "step": (1, 1), "shape": (5, 2)}),
        (((0,),), {"start": (0,), "step": (1,), "shape": (0,)}),
    ],
    "concatenate": [
        (((2,),), {"axis": 0}), (((0,), (3,)), {"axis": 0}), (((2, 0), (2, 0)), {"axis": 1}),
        (((1, 2), (3, 2), (0, 2), (1, 2)), {"axis": 0}), (((2, 1, 2), (2, 1, 2)), {"axis": 1}),
    ],
    "argmax": [(((1,),), {"axis": 0}), (((0, 2),), {"axis": 1}), (((2, 3, 1),), {"axis": 0})],
    "argmin": [(((1,),), {"axis": 0}), (((2, 0),), {"axis": 0}), (((2, 3, 1),), {"axis": 1})],
    "cumsum": [
        (((1,),), {"axis": 0, "reverse": False}), (((0,),), {"axis": 0, "reverse": True}),
        (((2, 0),), {"axis": 0, "reverse": False}), (((2, 3),), {"axis": 1, "reverse": True}),
    ],
    "contract": [
        (((), ()), {"spec": ",->"}), (((3,), (3,)), {"spec": "i,i->"}),
        (((0,), (0,)), {"spec": "i,i->"}), (((2,), (0,)), {"spec": "i,j->ij"}),
        (((2, 0), (0, 3)), {"spec": "ij,jk->ik"}), (((1, 1), (1,)), {"spec": "ij,j->i"}),
        (((2, 3), (3, 2)), {"spec": "ij,ji->"}), (((2, 3), (3,)), {"spec": "ij,j->ij"}),
        (((), (2, 3)), {"spec": ",ij->ji"}), (((2, 3, 4), (4, 2)), {"spec": "abc,ca->b"}),
    ],
    "gather": [
        (((2,), ()), {"axis": 0}), (((2, 3), (0,)), {"axis": 0}), (((0, 2), (4,)), {"axis": 1}),
        (((2, 3, 2), (1, 1), (1, 1)), {"axis": 1}), (((3, 2, 2), (2,)), {"axis": 2}),
        (((2, 2), (3,), (3,)), {"axis": 0}), (((2, 0), (3,)), {"axis": 0}),
    ],
    "scatter_add": [
        (((), ()), {"axis": 0, "shape": (2,)}), (((0, 3), (0,)), {"axis": 0, "shape": (2, 3)}),
        (((0, 4), (4,)), {"axis": 1, "shape": (0, 2)}),
        (((2, 1, 1), (1, 1), (1, 1)), {"axis": 1, "shape": (2, 3, 2)}),
        (((3, 2, 5), (5,)), {"axis": 2, "shape": (3, 2, 2)}),
        (((3,), (3,), (3,)), {"axis": 0, "shape": (2, 2)}),
    ],
    "put_at": _CHANGES,
    "add_at": _CHANGES,
}  # fmt: skip


def array_cases(op: Op) -> list[Case]:
    """The cases of an operation that has samples."""
    if not op.elementwise:
        return CASES[op.name]
    count = len(op.samples(np.random.default_rng(0), 2))  # type: ignore[misc]
    return [((shape,) * count, dict(op.attr_samples)) for shape in ELEMENTWISE_SHAPES]


def applied(op: Op, case: Case) -> Function:
    """The function that is `op` on arrays of the given shapes."""
    _, attrs = case
    graph = Graph()
    params = [graph.param(f"x{i}", Type(k, s)) for i, (k, s) in enumerate(kinds(op, case))]
    made = graph.add(op, tuple(params), tuple(sorted(attrs.items())))
    return Function(op.name, tuple(params), (made,), Branch((Leaf("y"),)))


def kinds(op: Op, case: Case) -> list[tuple[Any, tuple[int, ...]]]:
    """The dtype and the shape of each operand."""
    fixed = {"b": DTYPES["bool"], "i": DTYPES["i64"]}
    sampled = [np.asarray(a).dtype.kind for a in op.samples(np.random.default_rng(0), 2)]  # type: ignore[misc]
    found = [sampled[min(i, len(sampled) - 1)] for i in range(len(case[0]))]
    return [(fixed.get(k, F64.dtype), s) for k, s in zip(found, case[0], strict=True)]


def operands(op: Op, fn: Function, rng: np.random.Generator, *batch: int) -> list[Any]:
    """Arguments for `fn`, with more axes in front; elementwise operations get sampled numbers."""
    found: list[Any] = []
    for i, param in enumerate(fn.params):
        shape = (*batch, *param.type.shape)
        size = int(np.prod(shape))
        if op.elementwise:
            drawn = np.asarray(op.samples(rng, size)[i])  # type: ignore[misc]
            found.append(drawn.reshape(shape))
        elif param.type.dtype.kind == "f":
            found.append(rng.normal(size=shape))
        else:
            found.append(rng.integers(0, 2, shape))
    return found


ALL = [(op, case) for op in OPS.values() if op.samples for case in array_cases(op)]
IDS = [f"{op.name}-{'-'.join(map(str, case[0]))}".replace(" ", "") for op, case in ALL]
