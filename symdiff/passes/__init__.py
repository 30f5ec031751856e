"""Functions to functions. What runs, and in which order, is the two tuples below.

Every pass reaches into the functions that operations hold, such as the bodies of loops.
"""

from typing import Final

from symdiff.passes.contract import contract
from symdiff.passes.cost import OperationCount, count_operations, operations_of
from symdiff.passes.dtype import as_dtype
from symdiff.passes.expand import expand
from symdiff.passes.fast_math import fast_math
from symdiff.passes.gates import refuse_gates
from symdiff.passes.groups import group_calls
from symdiff.passes.loops import inline_custom, inside, map_bodies
from symdiff.passes.pipeline import Pass, run
from symdiff.passes.powers import reduce_powers
from symdiff.passes.schedule import pair_and_schedule, peak_live, schedule
from symdiff.passes.simplify import simplification, simplify, simplify_loops
from symdiff.passes.sincos import pair_sincos
from symdiff.passes.stabilize import stabilize

PIPELINE: Final[tuple[Pass, ...]] = (
    inline_custom,
    stabilize,
    simplify,
    simplify_loops,
    reduce_powers,
    pair_and_schedule,
)
"""What every function goes through; its result is the IR that users see."""

LOWERING: Final[tuple[Pass, ...]] = (expand,)
"""On the way to a back end: of elementwise operations, those with an `emit` rule are left."""

__all__ = [
    "LOWERING", "PIPELINE", "OperationCount", "Pass", "as_dtype", "contract",
    "count_operations", "expand", "fast_math", "group_calls", "inline_custom", "inside",
    "map_bodies", "operations_of", "pair_and_schedule", "pair_sincos", "peak_live",
    "reduce_powers", "refuse_gates", "run", "schedule", "simplification", "simplify",
    "simplify_loops", "stabilize",
]  # fmt: skip
