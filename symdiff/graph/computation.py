"""The graph of a function, with a forward and a backward pass over its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np

from symdiff import api, autodiff, ir, passes
from symdiff.errors import ArgumentError, NeedsShapes, ShapeError
from symdiff.functions import Function, collector_paused
from symdiff.graph.evaluation import Evaluation
from symdiff.graph.layout import nodes_of
from symdiff.graph.node import Node, shown
from symdiff.points import given, typed
from symdiff.polymorphic import Polymorphic


class ComputationGraph:
    """The operations of a function as it is written, evaluated one by one.

    `forward` computes the values, operands before their users; `backward` goes over the nodes in
    reverse order and gives each its gradient: the sum of what its users pass back, which is for
    each their own gradient times the local one. The rules, masks and conventions are those of
    compiled gradients (docs/numerics.md). Not thread-safe: the numbers are kept in the nodes.

    Args:
        source: text, SymPy, a Python function, or a Function.
        args, gates: see `symdiff.function`.

        >>> import symdiff as sd
        >>> graph = sd.ComputationGraph("(x + y) * max(y, z)")
        >>> graph.forward({"x": 1.0, "y": 2.0, "z": 0.0})
        6.0
        >>> graph.backward()
        {'x': 2.0, 'y': 5.0, 'z': 0.0}
        >>> for node in graph.nodes_topologically_sorted():
        ...     print(node)
        <x: 1, gradient 2>
        <y: 2, gradient 5>
        <z: 0, gradient 0>
        <t1 = x + y: 3, gradient 2>
        <t2 = max(y, z): 2, gradient 3>
        <t3 = t1 * t2: 6, gradient 1>
    """

    def __init__(
        self,
        source: api.Source,
        args: api.Args | None = None,
        gates: api.Gates | None = None,
    ) -> None:
        self._open = api.function(source, args, gates)
        self._made: _Pass | None = None
        if not isinstance(self._open, Polymorphic):
            self._made = _Pass(self._open)

    @property
    def function(self) -> Function:
        """The function, with the types that it was last evaluated with.

        Raises:
            NeedsShapes: they are still open.
        """
        return self._pass.function

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        return self._open.parameters

    @property
    def outputs(self) -> tuple[Node, ...]:
        """The nodes that the function returns, in order."""
        found = {node.computed: node for node in self._pass.nodes}
        return tuple([found[output] for output in self._pass.function.ir.outputs])

    def nodes_topologically_sorted(self) -> list[Node]:
        """All nodes, operands before their users: the parameters come first.

        They are the same objects in every pass, until arrays of other shapes come.

        Raises:
            NeedsShapes: the operations depend on shapes, and `forward` has not seen any yet.
        """
        return list(self._pass.nodes)

    def __getitem__(self, name: str) -> Node:
        """The node called so.

        Raises:
            KeyError: there is none.
        """
        for node in self._pass.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def forward(self, inputs: Any) -> Any:
        """The outputs at `inputs`, in the structure in which the function returns them.

        The graph keeps copies of the arrays that it is given and gives copies back: who writes
        to those changes nothing in it.

        Args:
            inputs: the arguments by name or in order: numbers, arrays, and structures of them; or
                a single one, for the only parameter. They give the shapes of a function whose own
                are open.

        Raises:
            ArgumentError: they do not fit the parameters.
            ShapeError: their shapes do not fit each other.
            IndexRangeError: an index among them is out of range.
        """
        inputs = self._in_order(inputs)
        function = typed(self._open, inputs, "inputs")
        point = given(function, inputs, "inputs")
        if self._made is None or self._made.function is not function:
            self._made = _Pass(function)
        return self._made.forward(point)

    def backward(self, upstream: Any = 1.0) -> dict[str, Any]:
        """The gradients by parameter, as `forward` left the graph; integers have none.

        Args:
            upstream: the derivative of what is to be differentiated by the outputs: a number for
                all elements of all of them, or numbers and arrays in the structure that `forward`
                returns. With 1, the gradients are those of the sum of the outputs.

        Raises:
            ArgumentError: there was no `forward` before, or no output has a derivative.
            ShapeError: `upstream` does not have the shape of an output.
            DifferentiationError: an operation has no derivative rule.
        """
        if self._made is None or not self._made.values:
            raise ArgumentError("backward() goes back from values: call forward(inputs) first")
        return self._made.backward(upstream)

    def _in_order(self, inputs: Any) -> Any:
        """`inputs`; a single argument for the only parameter in a list."""
        one = len(self.parameters) == 1
        if isinstance(inputs, (int, float, np.generic)) or (
            one and not isinstance(inputs, (Mapping, list, tuple, str))
        ):
            return [cast("Any", inputs)]
        return cast("Any", inputs)

    @property
    def _pass(self) -> _Pass:
        if self._made is None:
            names = ", ".join(self.parameters)
            raise NeedsShapes(
                f"the graph of {self._open.name} depends on the shapes of {names}: call "
                "forward(inputs) first, or give args={...} with types such as 'f64[8,4]'"
            )
        return self._made

    def __repr__(self) -> str:
        names = ", ".join(self.parameters)
        count = "" if self._made is None else f", {len(self._made.nodes)} nodes"
        return f"<symdiff computation graph {self._open.name}({names}){count}>"


class _Pass:
    """The nodes of a function whose types are known, and the numbers at the last point.

    Attributes:
        values: those that the nodes have, by what these compute; empty before `forward`.
        evaluation: what goes on at that point.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        with collector_paused():
            self.nodes = nodes_of(function.ir, function.text)
        self.values: dict[ir.Value, Any] = {}
        self.evaluation = Evaluation()

    def forward(self, point: Sequence[Any]) -> Any:
        """The outputs, with a number or an array in `point` for each parameter in the IR."""
        self.evaluation, self.values = Evaluation(), {}
        for node in self.nodes:
            node.reset(self.evaluation)
        copies = [array.copy() for array in point]
        values: dict[ir.Value, Any] = dict(zip(self.function.ir.params, copies, strict=True))
        with np.errstate(all="ignore"):
            for node in self.nodes:
                if node.kind != "input":
                    values[node.computed] = node.evaluate(values)
                node.value = shown(values[node.computed])
        self.values = values
        fn = self.function.ir
        return ir.build(fn.result, iter([_own(values[output]) for output in fn.outputs]))

    @cached_property
    def adjoints(self) -> autodiff.Adjoints:
        """The derivatives, as the rules of the op table give them; made when first needed."""
        with collector_paused():
            return autodiff.adjoints(self.function.ir, passes.simplification)

    def backward(self, upstream: Any) -> dict[str, Any]:
        """The gradients by parameter; those of the nodes are left in them."""
        seeds = self._seeds(upstream)
        adjoints, function = self.adjoints, self.adjoints.function
        point = [self.values[p] for p in self.function.ir.params]
        known = dict(zip(function.params, [*point, *seeds], strict=True))
        for value, position in adjoints.values.items():
            if value in self.values:
                known[function.outputs[position]] = self.values[value]
        found = self.evaluation.evaluate(function.outputs, known)
        for node in self.nodes:
            node.forget_gradients()
            at = adjoints.cotangents.get(node.computed)
            if at is not None:
                node.gradient = shown(found[at])
            shares = [adjoints.shares.get((node.core, i)) for i in range(len(node.inputs))]
            node.downstream = tuple([None if k is None else shown(found[k]) for k in shares])
        self._gather_elements()
        return self._by_parameter()

    def _gather_elements(self) -> None:
        """Give operations with several results the gradients of these, and back."""
        for node in self.nodes:
            if node.op == "item":
                node.downstream = (node.gradient,)
            elif isinstance(node.type, ir.TupleType):
                parts = {user.computed.attr("index"): user.gradient for user in node.users}
                node.gradient = tuple([parts.get(i) for i in range(len(node.type.elements))])

    def _by_parameter(self) -> dict[str, Any]:
        params = iter(self.nodes)  # parameters come first
        found: dict[str, Any] = {}
        for name, tree in self.function.arguments:
            leaves = [next(params) for _ in ir.leaves(tree)]
            if any(leaf.type.dtype.kind == "f" for leaf in leaves):
                found[name] = ir.build(tree, iter([_own(leaf.gradient) for leaf in leaves]))
        return found

    def _seeds(self, upstream: Any) -> list[Any]:
        """The cotangents of the floating-point outputs."""
        fn = self.function.ir
        names = [leaf.name for leaf in ir.leaves(fn.result)]
        given = [upstream] * len(names)
        if not isinstance(upstream, (int, float, np.generic)):
            try:
                given = ir.flatten(fn.result, upstream)
            except ValueError as error:
                raise ArgumentError(f"upstream: {error}") from None
        seeds = [
            _seed(name, bar, output.type)
            for name, bar, output in zip(names, given, fn.outputs, strict=True)
            if output.type.dtype.kind == "f"
        ]
        if not seeds:
            raise ArgumentError(f"{fn.name} has no floating-point output to go back from")
        return seeds


def _own(number: Any) -> Any:
    """What the caller may write to: a copy of an array, as several nodes may have the same."""
    return number.copy() if getattr(number, "shape", ()) else shown(number)


def _seed(name: str, bar: Any, type: ir.Type) -> Any:
    """The upstream gradient of an output as an array of its type."""
    array = np.asarray(bar)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"upstream: {name}: expected real numbers, got {bar!r:.40}")
    if array.ndim and array.shape != type.shape:
        raise ShapeError(f"upstream: {name} has the shape {array.shape}, expected {type}")
    return np.broadcast_to(array.astype(cast("Any", type.dtype.numpy)), type.shape)
