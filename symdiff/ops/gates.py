"""Gates that only work on numbers: an object's `forward`, and its `backward` as the derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from symdiff.errors import ShapeError, UnsupportedError
from symdiff.ir import ITEM, TupleType, Type, Value
from symdiff.ops.define import define


@dataclass(frozen=True, slots=True, eq=False)
class GateUse:
    """One use of a gate in a function; no two are the same.

    Attributes:
        name: of the gate.
        make: makes the object whose `forward` and `backward` are called.
        operands, result: the types of what `forward` takes and returns.
        reason: why it cannot be compiled.
    """

    name: str
    make: Callable[[], Any]
    operands: tuple[Type, ...]
    result: Type
    reason: str

    def refusal(self) -> UnsupportedError:
        """The error for those who would compile it."""
        return UnsupportedError(
            f"{self.name} cannot be compiled, as it needs numbers ({self.reason}): evaluate the "
            "function with sd.ComputationGraph, or write the gate over NumPy's functions and "
            "sd.where"
        )

    def forward(self, instance: Any, operands: Sequence[Any]) -> Any:
        """What the gate returns, as an array of the type of its result.

        Raises:
            ShapeError: it returned something else.
        """
        what = f"{self.name}.forward"
        return _array(returned(instance.forward(*map(_number, operands)), what), self.result, what)

    def backward(self, instance: Any, bar: Any) -> tuple[Any, ...]:
        """The gradients of the floating-point operands.

        Raises:
            ShapeError: it did not return one for each operand, or of another shape than this has.
        """
        what = f"{self.name}.backward"
        shares = per_operand(instance.backward(_number(bar)), len(self.operands), what)
        return tuple([
            _gradient(share, type, i, what)
            for i, (share, type) in enumerate(zip(shares, self.operands, strict=True))
            if type.dtype.kind == "f"
        ])  # fmt: skip

    def __repr__(self) -> str:
        return f"<gate {self.name}>"


def returned(value: Any, what: str) -> Any:
    """`value`, which `what` gave.

    Raises:
        ShapeError: it is None, as a method without a `return` has it.
    """
    if value is None:
        raise ShapeError(f"{what} returned None; end it with a `return` of the value")
    return value


def per_operand(shares: Any, count: int, what: str) -> tuple[Any, ...]:
    """The gradients of `count` operands: in a list or a tuple, or the only one by itself.

    Raises:
        ShapeError: there are not as many.
    """
    listed = isinstance(shares, (tuple, list))
    found = tuple(cast("Sequence[Any]", shares)) if listed else (shares,)
    if len(found) != count:
        raise ShapeError(
            f"{what} must return {count} gradients, one for each operand of forward; it returned "
            f"{len(found)}"
        )
    return found


def misfit(what: str, i: int, shape: tuple[int, ...], type: Type) -> ShapeError:
    """The error for the gradient of operand `i`, which has another shape than the operand."""
    return ShapeError(
        f"{what}: gradient {i} has the shape {shape}, expected {type}: return gradients of the "
        "shapes of the operands; where forward broadcasts an operand, sum its gradient over the "
        "copies in backward, or broadcast the operand before the gate"
    )


def _gradient(share: Any, type: Type, i: int, what: str) -> Any:
    if share is None:
        return np.broadcast_to(np.asarray(0.0, type.dtype.numpy), type.shape)
    array = _converted(share, type, f"{what}: gradient {i}")
    if array.shape != type.shape:
        raise misfit(what, i, array.shape, type)
    return array


def _number(operand: Any) -> Any:
    """A number of Python for an array without axes, for `if` and the functions of `math`."""
    return operand if np.ndim(operand) else np.asarray(operand).item()


def _array(given: Any, type: Type, what: str) -> Any:
    array = _converted(given, type, what)
    if array.shape != type.shape:
        raise ShapeError(f"{what} has the shape {array.shape}, expected {type}")
    return array


def _converted(given: Any, type: Type, what: str) -> Any:
    try:
        return np.asarray(given, type.dtype.numpy)
    except (TypeError, ValueError):
        raise ShapeError(f"{what} is {given!r:.60}, expected {type}") from None


def _gate_type(types: tuple[Any, ...], use: GateUse) -> Type:
    if types != use.operands:
        raise ShapeError(f"{use.name} takes {', '.join(map(str, use.operands))}")
    return use.result


def _gate_value(*operands: Any, use: GateUse) -> Any:
    return use.forward(use.make(), operands)


def _gate_vjp(i: int, bar: Value, out: Value, args: tuple[Value, ...]) -> Value:
    use: GateUse = out.attr("use")
    real = [k for k, type in enumerate(use.operands) if type.dtype.kind == "f"]
    shares = gate_backward(*args, bar, use=use)
    return out.graph.add(ITEM, (shares,), (("index", real.index(i)),))


gate = define(
    "gate",
    type=_gate_type,
    value=_gate_value,
    vjp=_gate_vjp,
    arity=None,
    note="an object of the user's with forward and backward, which need numbers; not compiled",
    intuition="a gate of your own: its backward says what it passes back to each operand",
)


def _backward_type(types: tuple[Any, ...], use: GateUse) -> TupleType:
    if types != (*use.operands, use.result):
        raise ShapeError(f"{use.name} takes {', '.join(map(str, use.operands))}")
    return TupleType(tuple([type for type in use.operands if type.dtype.kind == "f"]))


def _backward_value(*operands: Any, use: GateUse) -> tuple[Any, ...]:
    instance = use.make()
    use.forward(instance, operands[:-1])  # backward needs what forward keeps
    return use.backward(instance, operands[-1])


gate_backward = define(
    "gate_backward",
    type=_backward_type,
    value=_backward_value,
    arity=None,
    note="the gradients of a gate's floating-point operands, given these and that of its result",
)
