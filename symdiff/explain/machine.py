"""What the back end made: loops, LLVM, assembly and C, with the lines of the IR behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from symdiff import passes, runtime
from symdiff.codegen.origins import debug_info
from symdiff.errors import UnsupportedError
from symdiff.explain.panes import (
    Pane,
    assembly_pane,
    library_calls,
    llvm_pane,
    plain_pane,
    vector_functions,
    widths,
)
from symdiff.functions import back_ends, lowered, texts, vectors_of
from symdiff.ir import Function
from symdiff.runtime import engine


@dataclass(frozen=True, slots=True)
class Machine:
    """The texts of the back end, and what they say.

    Attributes:
        symbol: what the machine code calls the function.
        panes: the loop IR (for arrays), LLVM, assembly, and C where C has all operations.
        lanes: how many points a batch computes at once.
        calls: functions of C's mathematics that one point calls, and how often they stand there.
        vector_calls: functions of vectors in the code for many points, and their lanes.
        widths: instructions by the bytes that they compute on at once.
        workspace: bytes of scratch memory for one point.
    """

    symbol: str
    panes: tuple[Pane, ...]
    lanes: int
    calls: Mapping[str, int]
    vector_calls: Mapping[str, int]
    widths: Mapping[int, int]
    workspace: int


def machine_of(fn: Function, options: Mapping[str, Any]) -> Machine:
    """The back end on `fn`, whose values have their line as `location`, see `numbered`.

    The code is that of a kernel, instruction for instruction: line tables change none.
    """
    codegen = back_ends()
    place = codegen.layout(lowered(fn))
    vectors = vectors_of(dict(options))
    host = options["target"] == runtime.HOST
    groups = place.groups(vectors) if host else None
    wrappers = ("c", "batch" if groups is None else "many")
    text = codegen.lower(place, wrappers, options["fastmath"], vectors, traced=True)
    optimize = place.loops is not None or groups is not None
    whole = place.plan is not None
    assembly = engine.assembly(debug_info(text), options["target"], whole, optimize)
    llvm = llvm_pane(text, place.symbol)
    note = "As the machine runs it; directives are left out."
    if whole:
        note += (
            " The code is long: it is cut into pieces, and functions that are called often are"
            " computed for many operands at once; what is inside of those is linked to no line."
        )
    asm = assembly_pane(assembly, place.symbol, note)
    panes: list[Pane] = []
    if place.loops is not None:
        loops = codegen.loop_text(place, traced=True)
        panes.append(plain_pane("loops", "Loop IR", loops, "What the arrays became."))
    panes += [llvm, asm]
    try:
        source = texts().c_source(passes.run(passes.LOWERING, fn), traced=True)
        panes.append(plain_pane("c", "C", source, "The same computation to take away."))
    except UnsupportedError:
        pass  # an operation that C does not have
    return Machine(
        symbol=place.symbol,
        panes=tuple(panes),
        lanes=1 if groups is None else groups.lanes,
        calls=library_calls(asm, place.symbol),
        vector_calls=vector_functions(llvm),
        widths=widths(asm.sections),
        workspace=8 * place.workspace,
    )
