"""Work is counted in operations on numbers."""

from __future__ import annotations

from symdiff import ops
from symdiff.ir import F64, ITEM, Branch, Function, Graph, Leaf, Type, Value, f64, i64
from symdiff.passes import count_operations


def counts(*outputs: Value) -> dict[str, int]:
    params = [v for v in outputs[0].graph.values if v.op.name == "param"]
    tree = Branch(tuple(Leaf(f"value_{k}") for k in range(len(outputs))))
    return count_operations(Function("f", tuple(params), outputs, tree))


def test_operations_on_numbers_count_once() -> None:
    graph = Graph()
    x = graph.param("x", F64)
    found = counts(ops.add(ops.sin(x), ops.mul(ops.sin(x), 2.0)))
    assert found == {"sin": 1, "mul": 1, "add": 1}
    assert sum(found.values()) == 3


def test_arrays_count_by_their_elements() -> None:
    graph = Graph()
    a, b = graph.param("a", Type(f64, (2, 3))), graph.param("b", Type(f64, (3, 5)))
    assert counts(ops.exp(a)) == {"exp": 6}
    assert counts(ops.reduce_sum(a, shape=(3,))) == {"reduce_sum": 6}
    assert counts(ops.contract(a, b, spec="ij,jk->ik")) == {"contract": 2 * 2 * 3 * 5}
    assert counts(ops.cumsum(b, axis=0, reverse=False), ops.argmax(b, axis=1)) == {
        "cumsum": 15,
        "argmax": 15,
    }


def test_moving_elements_is_free() -> None:
    graph = Graph()
    a, index = graph.param("a", Type(f64, (2, 3))), graph.param("i", Type(i64, (4,)))
    moved = ops.transpose(ops.reshape(ops.broadcast(a, shape=(4, 2, 3)), shape=(8, 3)), axes=(1, 0))
    part = ops.embed(
        ops.slice_(moved, start=(0, 1), step=(1, 2), shape=(3, 2)),
        start=(0, 0), step=(1, 1), shape=(4, 4),
    )  # fmt: skip
    joined = ops.concatenate(part, part, axis=0)
    assert counts(ops.stop_gradient(ops.gather(joined, index, axis=0))) == {}
    assert counts(ops.iota(graph, (3,), 0, i64)) == {}


def test_loops_count_every_step() -> None:
    def loop(body: Function, start: Value, length: int) -> Value:
        attrs = {"body": body, "carries": 1, "inputs": 0, "length": length, "reverse": False}
        return start.graph.add(ITEM, (ops.scan(start, **attrs),), (("index", 0),))

    inner, middle, outer = Graph(), Graph(), Graph()
    c, d, e = (graph.param("c", F64) for graph in (inner, middle, outer))
    step = Function("step", (c,), (ops.sin(ops.mul(c, c)),))
    twice = Function("steps", (d,), (ops.exp(loop(step, d, 10)),))
    assert counts(loop(twice, e, 5)) == {"sin": 50, "mul": 50, "exp": 5}
