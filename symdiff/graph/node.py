"""The nodes of a computation graph: an operation, its numbers, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from symdiff import ir
from symdiff.functions import texts
from symdiff.graph.evaluation import Evaluation
from symdiff.graph.local import local_gradients
from symdiff.graph.place import Place, place_of


class Node:
    """A parameter, a constant or an operation of a ComputationGraph.

    Attributes:
        index: the position in topological order.
        name: a parameter's own; what a program calls the value; `t1`, `t2`, ... for what has no
            name in the source. No two nodes of a graph have the same.
        inputs: the operands, in order.
        users: the operations that this is an operand of, each as often as it is one.
        is_output: whether the function returns it.
        value: what it comes to, a number or a NumPy array; None before `forward`. An operation
            several results of which are used, such as a loop, has a tuple of these; they are
            taken apart by nodes with the operation "item".
        gradient: the derivative of the outputs, times the upstream gradient of `backward`, by
            this value: the sum of what its users pass back. None before `backward`, and where no
            floating-point parameter has an influence.
        downstream: what the node passes back to each of its inputs: its gradient times the local
            one. None for an input to which nothing flows.
    """

    __slots__ = (
        "_computed", "_core", "_element", "_evaluation", "_flows", "_local", "_text",
        "downstream", "gradient", "index", "inputs", "is_output", "name", "users", "value",
    )  # fmt: skip

    index: int
    name: str
    value: Any
    gradient: Any
    downstream: tuple[Any, ...]

    def __init__(
        self,
        computed: ir.Value,
        core: ir.Value,
        inputs: tuple[Node, ...],
        flows: tuple[bool, ...],
        text: str | None,
    ) -> None:
        """The node for `computed`: the operation `core`, or the element of it that is used.

        `flows` says for each operand whether derivatives run through it.
        """
        self._computed = computed
        self._core = core
        self._element: int | None = None if computed is core else computed.attr("index")
        self._flows = flows
        self._text = text
        self.inputs = inputs
        self.users: tuple[Node, ...] = ()
        self.is_output = False
        self.reset(Evaluation())

    def reset(self, evaluation: Evaluation) -> None:
        """Forget all numbers; those to come are of `evaluation`."""
        self._evaluation = evaluation
        self.value = None
        self._local: tuple[Any, ...] | None = None
        self.forget_gradients()

    def forget_gradients(self) -> None:
        """Forget what `backward` has found."""
        self.gradient = None
        self.downstream = (None,) * len(self.inputs)

    # What it is.

    @property
    def op(self) -> str:
        """The name of the operation in the op table: "add", "max", "param", "const", ..."""
        return self._core.op.name

    @property
    def label(self) -> str:
        """How the operation is written: "+", "max"; the name of a parameter; a constant."""
        return texts().symbol(self._core)

    @property
    def formula(self) -> str:
        """The operation on the names of its inputs, as "x + y"; the label where it has none."""
        if not self.inputs:
            return self.label
        return texts().operation(self._core, [node.name for node in self.inputs])

    @property
    def kind(self) -> str:
        """ "input", "constant" or "operation"."""
        if self._core.op is ir.PARAM:
            return "input"
        return "constant" if self._core.op is ir.CONST else "operation"

    @property
    def type(self) -> ir.Type:
        """The dtype and the shape; a TupleType for an operation with several results."""
        return self._computed.type

    @property
    def place(self) -> Place | None:
        """Where in the source it stands; None where that is not known, as in SymPy."""
        return place_of(self._core, self._text)

    @property
    def intuition(self) -> str:
        """What the operation does to the gradient that comes to it, in words; "" for none."""
        return self._core.op.intuition

    # Numbers.

    @property
    def local_gradients(self) -> tuple[Any, ...]:
        """The derivative of this node by each of its inputs: numbers for scalars.

        For arrays the Jacobian, of the shape of this node and then that of the input, where it
        has up to 1024 entries. None before `forward`, for larger ones, and for inputs through
        which no derivative runs.
        """
        if self.value is None or isinstance(self.type, ir.TupleType):
            return (None,) * len(self.inputs)
        if self._local is None:
            wanted = [i for i, flows in enumerate(self._flows) if flows]
            operands = [node.value for node in self.inputs]
            found = (
                local_gradients(self._core, self._element, operands, wanted, self._evaluation)
                if wanted
                else {}
            )
            self._local = tuple(
                [shown(found[i]) if i in found else None for i in range(len(self.inputs))]
            )
        return self._local

    def evaluate(self, values: Mapping[ir.Value, Any]) -> Any:
        """The value at those of the inputs, as a NumPy array or a tuple of them."""
        operands = [values[node.computed] for node in self.inputs]
        result = self._evaluation.apply(self._core, operands)
        return result if self._element is None else result[self._element]

    @property
    def core(self) -> ir.Value:
        """The operation in the intermediate representation."""
        return self._core

    @property
    def computed(self) -> ir.Value:
        """The value in the intermediate representation: `core`, or an element of it."""
        return self._computed

    def __repr__(self) -> str:
        text = f"<{self.name}" + (f" = {self.formula}" if self.kind == "operation" else "")
        if self.value is not None:
            text += f": {brief(self.value)}"
        if self.gradient is not None:
            text += f", gradient {brief(self.gradient)}"
        return f"{text}>"


def shown(number: Any) -> Any:
    """An array, or the Python number that one without axes is."""
    if isinstance(number, tuple):
        return tuple([shown(part) for part in cast("tuple[Any, ...]", number)])
    return number.item() if not getattr(number, "ndim", 1) else number


def brief(value: Any) -> str:
    """A number in up to 6 digits, an array by its dtype and shape."""
    if isinstance(value, tuple):
        return f"({', '.join(map(brief, cast('tuple[Any, ...]', value)))})"
    shape = getattr(value, "shape", ())
    if shape:
        return f"{value.dtype}{list(shape)}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
