"""A compilation in slow motion: every pass on its own, every text kept."""

from __future__ import annotations

from typing import Any, Final

from symdiff import ir, runtime
from symdiff.explain.explanation import Explanation
from symdiff.explain.links import Links, key, use_of
from symdiff.explain.machine import machine_of
from symdiff.explain.numbering import numbered, relocated
from symdiff.explain.source import Source
from symdiff.explain.stages import Stage, Step, compared, run_one_by_one
from symdiff.explain.typeset import Equation, typeset
from symdiff.explain.uses import count_uses, served
from symdiff.functions import (
    DEFAULTS,
    DTYPES,
    Function,
    back_ends,
    collector_paused,
    compiled,
    lowering,
    pipeline,
)
from symdiff.ir import CONST, PARAM, Location, Value

_DERIVED: Final = "Value and derivatives in one function; what both need is there once."


def explanation_of(
    primal: Function, whole: Function, output: str, source: Source, options: dict[str, Any]
) -> Explanation:
    """The explanation of `whole`, which is `primal` or a derivative of it."""
    back_ends()  # so that loading it is not taken for a stage
    runtime.vector_lanes()
    kernel = compiled(whole, {**DEFAULTS, **options, "cache": False})
    with collector_paused():
        return _explained(primal, whole, output, source, options, kernel)


def _explained(
    primal: Function,
    whole: Function,
    output: str,
    source: Source,
    options: dict[str, Any],
    kernel: Any,
) -> Explanation:
    steps = [Step("parse", "The formula as it was read.", primal.ir, primal.stages.get("parse", 0))]
    if whole is not primal:
        seconds = whole.stages.get("autodiff", 0.0)
        steps.append(Step(output, _DERIVED, whole.ir, seconds))
    dtype, fast = DTYPES[options["dtype"]], bool(options["fastmath"])
    steps += run_one_by_one(pipeline(dtype, fast), whole.ir)
    final = len(steps) - 1
    fn = steps[final].function
    marked = numbered(fn)
    last = Step("", "", marked, 0.0)
    later = run_one_by_one(lowering(marked), marked)
    stages = [*compared(steps, final), *compared([last, *later], 0)[1:]]

    links = Links(source, fn)
    values = len(primal.ir.outputs)
    only = output in ("grad", "jacobian", "hessian")
    served_by = served(fn, 0 if only else values)
    uses = {
        links.places[value]: use
        for value, use in served_by.items()
        if value in links.places and value.op is not PARAM and value.op is not CONST
    }
    machine = machine_of(marked, options)
    return Explanation(
        name=whole.name,
        output=output,
        options={name: options[name] for name in ("dtype", "fastmath", "target")},
        parameters={p.attr("name"): str(p.type) for p in fn.params},
        source=source,
        formula=_formula(primal, stages[0], links, uses),
        equations=typeset(marked, lambda place: _attribute((key(place),), uses)),
        stages=stages,
        final=final,
        function=fn,
        ir=ir.print_function(fn),
        lines=[
            (text, links.places[value] if value is not None else "")
            for text, value in ir.function_lines(fn)
        ],
        links=links,
        uses=uses,
        served=count_uses(fn, served_by),
        value_cost=kernel.cost().value,
        machine=machine,
        seconds=kernel.stages,
        code_size=kernel.code_size,
    )


def _formula(
    primal: Function, stage: Stage, links: Links, uses: dict[str, str]
) -> list[Equation] | None:
    """The primal as equations, whose parts have the keys of what they became."""
    places: dict[Value, Location] = {}
    keys: dict[Location, tuple[str, ...]] = {}
    for part in ir.with_nested(primal.ir):
        for value in dict.fromkeys((*part.params, *part.live())):
            found = links.of(value, stage.numbers)
            if found:
                places[value] = (len(places), 0)
                keys[places[value]] = found
    located = relocated(primal.ir, places)
    made = typeset(located, lambda place: _attribute(keys[place], uses))
    return None if made is None else list(made)


def _attribute(keys: tuple[str, ...], uses: dict[str, str]) -> str:
    return f'data-keys="{" ".join(keys)}" class="part {use_of(keys, uses)}"'
