"""A function in another floating-point precision."""

from __future__ import annotations

from symdiff.ir import DTYPES, Attrs, DType, Function, Graph, Literal, Type, Value


def as_dtype(fn: Function, dtype: DType) -> Function:
    """`fn` with every floating-point parameter, constant and operation in `dtype`.

    So are the functions that its operations hold: bodies of loops, derivatives of the user's own.
    """
    return _Conversion(dtype).function(fn)


class _Conversion:
    """Functions in `dtype`; one that several operations hold is converted once."""

    def __init__(self, dtype: DType) -> None:
        self._dtype = dtype
        self._known: dict[Function, Function] = {}

    def function(self, fn: Function) -> Function:
        """`fn` in the other precision. It recurses into bodies: as deep as loops are nested."""
        if fn in self._known:
            return self._known[fn]
        graph = Graph()
        known: dict[Value, Value] = {}
        for param in fn.params:
            graph.location = param.location
            known[param] = graph.param(param.attr("name"), self._type(param.type))
        params = tuple(known.values())
        for value in fn.live():
            if value in known:
                continue
            graph.location = value.location
            args = tuple([known[a] for a in value.args])
            known[value] = graph.add(value.op, args, self._attrs(value.attrs))
        outputs = tuple(known[v] for v in fn.outputs)
        converted = self._known[fn] = Function(fn.name, params, outputs, fn.result)
        return converted

    def _type(self, type: Type) -> Type:
        return type.with_dtype(self._dtype) if type.dtype.kind == "f" else type

    def _attrs(self, attrs: Attrs) -> Attrs:
        return tuple([(name, self._attr(name, value)) for name, value in attrs])

    def _attr(self, name: str, value: object) -> object:
        if isinstance(value, Literal):
            type = self._type(value.type)
            exact = value.array if value.scalar is None else value.scalar
            return value if type is value.type else Literal.of(exact, type)
        if isinstance(value, Function):
            return self.function(value)
        if name == "dtype" and isinstance(value, str) and DTYPES[value].kind == "f":
            return self._dtype.name
        return value
