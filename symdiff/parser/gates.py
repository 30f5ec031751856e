"""Gates: functions given by a class with `forward` and `backward`."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from symdiff.errors import ArgumentError, NeedsShapes, SymdiffError, TraceError, UnsupportedError
from symdiff.ir import Graph, Type, Value
from symdiff.ops import GateUse, gate
from symdiff.ops.gates import misfit, per_operand, returned
from symdiff.parser.custom import CustomFunction
from symdiff.parser.structures import Parts, taken_apart
from symdiff.parser.tracer import Tracer

_SIZED: Final = (Tracer, np.ndarray, np.generic, float, int)
_FORM: Final = "a gate is a class with forward(self, x, y) and backward(self, dz)"


class Gate(CustomFunction):
    """A function whose value and derivative are the two methods of an object; see `gate`."""

    def __init__(self, kind: Any) -> None:
        for method in ("forward", "backward"):
            if not callable(getattr(kind, method, None)):
                raise ArgumentError(f"{kind!r:.60} has no method {method}; {_FORM}")
        self._kind = kind
        self.make()  # what cannot be made is told at once
        self._count, signature = _operands(kind)
        name = getattr(kind, "__name__", type(kind).__name__)

        def function(*args: Any) -> Any:
            return self._value(self.make(), args)

        function.__name__ = function.__qualname__ = name
        function.__doc__ = kind.__doc__
        function.__signature__ = signature  # type: ignore[attr-defined]
        super().__init__(function)
        self.defvjp(self._keeping, self.backward)

    def make(self) -> Any:
        """The object for one use: a new one of the class, or a copy of the one that was given."""
        if not isinstance(self._kind, type):
            return copy.deepcopy(self._kind)
        try:
            return self._kind()
        except TypeError as error:
            name = self._kind.__name__
            raise ArgumentError(
                f"{name}() failed: {error}; for a gate with settings give an object, {name}(...)"
            ) from None

    def _value(self, instance: Any, args: Sequence[Any]) -> Any:
        return returned(instance.forward(*args), f"{self._name}.forward")

    def _keeping(self, *args: Any) -> tuple[Any, Any]:
        """The value, and the object itself: its attributes are what backward needs."""
        instance = self.make()
        return self._value(instance, args), (instance, args)

    def backward(self, kept: tuple[Any, Sequence[Any]], bar: Any) -> tuple[Any, ...]:
        """The gradients of the operands, by the object and the operands that were kept.

        Raises:
            ShapeError: there are not as many, or one has not the shape of its operand.
        """
        (instance, operands), what = kept, f"{self._name}.backward"
        shares = per_operand(instance.backward(bar), self._count, what)
        for i, (share, operand) in enumerate(zip(shares, operands, strict=True)):
            if isinstance(operand, Tracer) and isinstance(share, _SIZED):
                type, shape = operand.value.type, _shape(share)
                if type.dtype.kind == "f" and shape != type.shape:
                    raise misfit(what, i, shape, type)
        return shares

    def on(self, graph: Graph, operands: Sequence[Value]) -> Any:
        """The gate applied to values: a traced value, or several in the structure of its result.

        Raises:
            ArgumentError: another number of operands than `forward` has.
        """
        arguments = self._bound(tuple([Tracer(v) for v in operands]), {})
        return self.prepared(taken_apart(arguments, "argument"), operands)(graph, operands)

    def prepared(self, given: Parts, operands: Sequence[Value]) -> Any:
        """What adds the gate to a graph: as operations, where its methods can be traced."""
        try:
            return super().prepared(given, operands)
        except NeedsShapes:
            raise
        except (TraceError, UnsupportedError) as error:
            types = tuple([operand.type for operand in operands])
            use = GateUse(self._name, self.make, types, self._result(types), str(error))

            def opaque(graph: Graph, values: Sequence[Value]) -> Any:
                return Tracer(graph.add(gate, tuple(values), (("use", use),)))

            return opaque

    def _result(self, types: Sequence[Type]) -> Type:
        """The type of the result: for numbers a number, for arrays that of ones."""
        real = [type for type in types if type.dtype.kind == "f"]
        if not real:
            raise ArgumentError(f"{self._name}: none of its operands is floating-point")
        if not any(type.shape for type in types):
            return real[0]
        ones = [
            np.ones(t.shape, t.dtype.numpy) if t.shape else t.dtype.numpy.type(1) for t in types
        ]
        try:
            shape = np.shape(self._value(self.make(), ones))
        except SymdiffError:
            raise
        except Exception as error:
            raise TraceError(
                f"{self._name}.forward failed at arrays of ones, which tell the shape of what it "
                f"returns: {type(error).__name__}: {error}"
            ) from error
        return real[0].with_shape(shape)


def _shape(share: Any) -> tuple[int, ...]:
    return share.value.type.shape if isinstance(share, Tracer) else np.shape(share)


def _operands(kind: Any) -> tuple[int, inspect.Signature]:
    """How many operands `forward` has, and its signature without `self`."""
    parameters = list(inspect.signature(kind.forward).parameters.values())
    bound = not isinstance(kind, type) or isinstance(
        inspect.getattr_static(kind, "forward"), (staticmethod, classmethod)
    )
    own = parameters if bound else parameters[1:]
    if not own or any(p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in own):
        raise ArgumentError(f"{kind!r:.60}: forward needs operands that have names; {_FORM}")
    return len(own), inspect.Signature(own)


def as_gate(kind: Any) -> Gate:
    """The function that a class with `forward` and `backward` is; usable as a decorator of it.

    `forward(self, x, y)` returns the value and keeps in attributes what `backward(self, dz)` needs:
    this is given the gradient of the value and returns that of each operand, in a list (None for
    zero). Every use has an object of its own. Called in Python sources, the gate is part of the
    function; for text and SymPy name it in `gates=` of `function` and `ComputationGraph`. Gates
    written over operators and NumPy's functions compile; those that need numbers, for an `if` or
    the functions of `math`, work in a ComputationGraph.

    An object of such a class will do as well, of which each use has a copy.

    Raises:
        ArgumentError: a method is missing, or `forward` has no operands.

        >>> import symdiff as sd
        >>> @sd.gate
        ... class Multiply:
        ...     def forward(self, x, y):
        ...         self.x, self.y = x, y  # must keep these around
        ...         return x * y
        ...     def backward(self, dz):
        ...         return [self.y * dz, self.x * dz]
        >>> sd.grad(lambda x, y: Multiply(x + y, y))(1.0, 2.0)
        Gradient(x=2.0, y=5.0)
    """
    return kind if isinstance(kind, Gate) else Gate(kind)


def as_gates(gates: Mapping[str, Any] | None) -> dict[str, Gate]:
    """The gates by the names that a source calls them by.

    Raises:
        ArgumentError: a name is none, or something is no gate.
    """
    for name in gates or {}:
        if not isinstance(name, str) or not name.isidentifier():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentError(f"gates: {name!r} is not a name that a function can have")
    return {name: as_gate(kind) for name, kind in (gates or {}).items()}
