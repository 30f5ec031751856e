"""Operations that hold functions: passes over bodies, loops without what nobody needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from operator import attrgetter

from symdiff.ir import ITEM, Function, Graph, Value, copy_params, rewrite
from symdiff.ops import broadcast, custom, inline, scan, stop_gradient
from symdiff.ops.bodies import Body, Loop, extract, item

Pass = Callable[[Function], Function]

_OP = attrgetter("op")


def map_bodies(fn: Function, step: Pass) -> Function:
    """`fn` with `step` applied to all functions that its operations hold, the innermost first."""
    if not any(isinstance(v, Function) for value in fn.live() for _, v in value.attrs):
        return fn
    done: dict[Function, Function] = {}

    def mapped(attr: object) -> object:
        if not isinstance(attr, Function):
            return attr
        if attr not in done:
            done[attr] = step(map_bodies(attr, step))
        return done[attr]

    graph = Graph()
    known = copy_params(graph, fn)
    params = tuple(known.values())
    for value in fn.live():
        if value not in known:
            graph.location = value.location
            args = tuple([known[a] for a in value.args])
            attrs = tuple([(name, mapped(attr)) for name, attr in value.attrs])
            known[value] = graph.add(value.op, args, attrs, value.type)
    graph.location = None
    return Function(fn.name, params, tuple(known[v] for v in fn.outputs), fn.result)


def inside(step: Pass) -> Pass:
    """The pass that is `step` on a function and on all that its operations hold."""

    @wraps(step)
    def everywhere(fn: Function) -> Function:
        return step(map_bodies(fn, step) if has(fn, scan, custom) else fn)

    return everywhere


def inline_custom(fn: Function) -> Function:
    """`fn` when nothing is to be differentiated any more: no `custom` and no `stop_gradient`.

    Bodies of functions with derivatives of their own take the place of their uses, everywhere.
    """
    fn = map_bodies(fn, inline_custom) if has(fn, scan) else fn
    if not has(fn, custom, stop_gradient):
        return fn
    results: dict[Value, tuple[Value, ...]] = {}

    def visit(value: Value, args: tuple[Value, ...]) -> Value | None:
        if value.op is stop_gradient:
            return args[0]
        if value.op is custom:
            results[value] = inline(inline_custom(value.attr("body")), args)
        elif value.op is ITEM and value.args[0] in results:
            index: int = value.attr("index")
            return results[value.args[0]][index]
        return None

    return rewrite(fn, None, visit, (stop_gradient, custom, ITEM))


def has(fn: Function, *ops: object) -> bool:
    """Whether one of `ops` is among the values of the graph of `fn`, dead ones included.

    The fastest look, for the many functions that have none.
    """
    return bool(fn.outputs) and not {*ops}.isdisjoint(map(_OP, fn.graph.values))


# Loops without what nobody needs.


@dataclass(frozen=True, slots=True)
class _Plan:
    """A loop with less in it.

    Attributes:
        loop: the loop.
        operands: its operands, as positions among those of the loop before.
        results: for each result of the loop before that is needed, how it comes about:
            ("item", i), the i-th one of the new loop; ("operand", i), an operand;
            ("every step", i), an operand for each step.
    """

    loop: Loop
    operands: tuple[int, ...]
    results: dict[int, tuple[str, int]]


def trim_scans(fn: Function) -> Function:
    """`fn` whose loops carry, read and hand out nothing in vain.

    Left out are results that nobody uses, carries and operands that no result depends on, and
    what is handed out twice. A carry that every step leaves as it is becomes an operand; so does a
    per-step output that is one. Operands that are a number become constants of the body.
    """
    if not has(fn, scan):
        return fn
    plans = _plans(fn)
    if not plans:
        return fn
    graph = Graph()
    known = copy_params(graph, fn)
    params = tuple(known.values())
    results: dict[Value, dict[int, Value]] = {}
    for value in _needed(fn, plans):
        if value in known:
            continue
        graph.location = value.location
        plan = plans.get(value)
        if plan is not None:
            results[value] = _carried_out(graph, plan, [known.get(a) for a in value.args])
        elif value.op is ITEM and value.args[0] in results:
            known[value] = results[value.args[0]][value.attr("index")]
        else:
            args = tuple([known[a] for a in value.args])
            known[value] = graph.add(value.op, args, value.attrs, value.type)
    graph.location = None
    return Function(fn.name, params, tuple(known[v] for v in fn.outputs), fn.result)


def _plans(fn: Function) -> dict[Value, _Plan]:
    """What becomes of each loop, from the last one back: what a later one drops is not needed."""
    plans: dict[Value, _Plan] = {}
    needed = set(fn.outputs)
    uses: dict[Value, set[int]] = {}
    for value in reversed(fn.live()):
        if value not in needed:
            continue
        if value.op is scan:
            plans[value] = plan = _plan(value, uses.get(value, set()))
            needed.update(value.args[i] for i in plan.operands)
            used = [i for kind, i in plan.results.values() if kind != "item"]
            needed.update(value.args[i] for i in used)
            continue
        if value.op is ITEM:
            uses.setdefault(value.args[0], set()).add(value.attr("index"))
        needed.update(value.args)
    return plans


def _needed(fn: Function, plans: dict[Value, _Plan]) -> list[Value]:
    needed = set(fn.outputs)
    found: list[Value] = []
    for value in reversed(fn.live()):
        if value in needed:
            found.append(value)
            plan = plans.get(value)
            if plan is None:
                needed.update(value.args)
            else:
                used = [i for kind, i in plan.results.values() if kind != "item"]
                needed.update(value.args[i] for i in (*plan.operands, *used))
    return found[::-1]


def _carried_out(graph: Graph, plan: _Plan, args: Sequence[Value | None]) -> dict[int, Value]:
    """The results of a loop that are needed, by position."""

    def operand(i: int) -> Value:
        value = args[i]
        assert value is not None
        return value

    found: dict[int, Value] = {}
    needs_loop = any(kind == "item" for kind, _ in plan.results.values())
    operands = [operand(i) for i in plan.operands]
    made = plan.loop.on(graph, operands) if needs_loop else None
    for k, (kind, i) in plan.results.items():
        if kind == "operand":
            found[k] = operand(i)
        elif kind == "every step":
            shape = operand(i).type.shape
            found[k] = broadcast(operand(i), shape=(plan.loop.length, *shape))
        elif made is not None:
            found[k] = item(made, i)
    return found


def _plan(value: Value, used: set[int]) -> _Plan:
    """How to come by the results `used` of the loop `value`."""
    loop = Loop.of(value)
    body = loop.body
    position = {p: i for i, p in enumerate(body.params)}
    first, last = loop.carries, loop.carries + loop.inputs
    fixed = {i for i in range(first) if body.outputs[i] is body.params[i]}
    results: dict[int, tuple[str, int]] = {}
    steps: dict[Value, list[int]] = {}  # the per-step outputs, once each
    for k in sorted(used):
        output = body.outputs[k]
        at = position.get(output)
        if k < first:
            if k in fixed:
                results[k] = "operand", k
        elif at is not None and first <= at < last:
            results[k] = "operand", at
        elif at is not None and (at >= last or at in fixed):
            results[k] = "every step", at
        else:
            steps.setdefault(output, []).append(k)
    carries = sorted(k for k in used if k < first and k not in fixed)
    constant = {
        i: a.literal.scalar
        for i, a in enumerate(value.args)
        if (i >= last or i in fixed) and a.literal is not None and a.literal.scalar is not None
    }
    while True:
        outputs = [*(body.outputs[i] for i in carries), *steps]
        part = trim_scans(_with_constants(body, outputs, constant))
        live = set(part.live())
        alive = [i for i, p in enumerate(part.params) if p in live]
        missing = [i for i in alive if i < first and i not in fixed and i not in carries]
        if not missing:
            break
        carries = sorted([*carries, *missing])
    inputs = [i for i in alive if first <= i < last]
    rest = [i for i in alive if i >= last or i in fixed]
    results |= {k: ("item", n) for n, k in enumerate(carries) if k in used}
    for n, places in enumerate(steps.values(), len(carries)):
        results |= dict.fromkeys(places, ("item", n))
    order = (*carries, *inputs, *rest)
    final = _reordered(part, order)
    small = loop._replace(body=final, carries=len(carries), inputs=len(inputs))
    return _Plan(small, order, results)


def _with_constants(
    body: Function, outputs: Sequence[Value], constant: dict[int, float]
) -> Function:
    """`body` with fewer outputs, and with numbers in the place of some parameters' uses."""
    made = Body()
    known: dict[Value, Value] = {}
    for i, param in enumerate(body.params):
        copy = made.param(param.attr("name"), param.type)
        number = constant.get(i)
        known[param] = copy if number is None else made.graph.const(number, param.type)
    return made.function(body.name, extract(made.graph, outputs, known))


def _reordered(fn: Function, order: Sequence[int]) -> Function:
    """`fn` with those of its parameters that it has need of, in the given order."""
    made = Body()
    known = {fn.params[i]: made.param(fn.params[i].attr("name"), fn.params[i].type) for i in order}
    return made.function(fn.name, extract(made.graph, fn.outputs, known))
