"""SymPy expressions, walked as they are: never printed and read back, never by recursion."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from importlib import import_module
from typing import Any, Final, NamedTuple, cast

from symdiff.errors import ArgumentError, ParseError, UnsupportedError
from symdiff.ir import (
    BOOL,
    F64,
    SCALARS,
    Branch,
    DType,
    Function,
    Graph,
    Leaf,
    Tree,
    Type,
    Value,
    boolean,
    f32,
    f64,
)
from symdiff.ops import (
    FUNCTIONS,
    abs,
    add,
    div,
    eq,
    exp,
    floor,
    like,
    lt,
    mul,
    ne,
    neg,
    polygamma,
    pow,
    sin,
    sqrt,
    sub,
    where,
)
from symdiff.parser import sympy_arrays, sympy_indices
from symdiff.parser.coerce import as_condition, as_number, build_call
from symdiff.parser.gates import Gate
from symdiff.parser.indexed import Part, along, together, value_of
from symdiff.parser.sympy_indices import Plan, Scope
from symdiff.parser.sympy_parts import (
    MAX_TERMS,
    Factor,
    Product,
    scale,
    shortened,
    split,
    to_double,
    unsupported,
    written_out,
)
from symdiff.parser.sympy_survey import Survey, array_name, named, survey
from symdiff.parser.tracer import Tracer


def is_sympy(obj: Any) -> bool:
    """Whether `obj` is a SymPy object, or a list or tuple of them and numbers.

    SymPy is not loaded to find out.
    """
    if "sympy" not in sys.modules:
        return False
    if isinstance(obj, (list, tuple)):
        items = cast("Sequence[Any]", obj)
        return any(map(is_sympy, items)) and all(
            is_sympy(item) or isinstance(item, (int, float)) for item in items
        )
    return any(_is_of_sympy(base) for base in type(obj).__mro__)


def _is_of_sympy(cls: type) -> bool:
    return str(cls.__module__).partition(".")[0] == "sympy"


def parse_sympy(
    expr: Any,
    args: Mapping[str, Type] | None = None,
    name: str = "f",
    gates: Mapping[str, Gate] | None = None,
) -> Function:
    """The Function that computes `expr`: an expression, a Lambda, or a list or tuple of those.

    Parameters are the free symbols and arrays sorted by name, or those of a Lambda in its order;
    `args` fixes types, and the order where there is no Lambda. Symbols in the shapes of arrays are
    no parameters: `args` gives them numbers. Several expressions give several outputs. `gates`
    are what undefined functions stand for, by name.

    Raises:
        ParseError: a symbol that is not among the parameters, or `args` that do not fit a Lambda.
        NeedsShapes: an array whose shape neither `expr` nor `args` says.
        UnsupportedError: the first part of `expr` that symdiff cannot compute, with what to do.
    """
    source = _taken_apart(expr)
    types = dict(args or {})
    names = source.names if source.names is not None or args is None else list(args)
    if args is not None and source.names is not None and set(args) != set(source.names):
        raise ParseError(f"the Lambda's parameters are {', '.join(source.names)}, not {list(args)}")
    found = survey(source.roots)
    types |= found.bind(types)
    reader = Reader(Scope(_working_dtype(types)), found, gates=gates or {})
    for symbol in source.signature:
        reader.symbols[_parameter_name(symbol)] = symbol
    for declared in sorted(found.arrays) if names is None else names:
        reader.declare(declared, types.get(declared, F64))
    reader.closed = names is not None
    outputs = tuple([reader.read(root) for root in source.roots])
    params = tuple([reader.params[n] for n in (sorted(reader.params) if names is None else names)])
    leaves = tuple([Leaf(f"value_{i}") for i in range(len(outputs))])
    tree: Tree = Branch(leaves) if source.several else Leaf("value")
    return Function(name, params, outputs, tree)


def parameter_names(expr: Any) -> list[str]:
    """The parameters of `expr` in order, whether or not the shapes of its arrays are known."""
    source = _taken_apart(expr)
    if source.names is not None:
        return source.names
    found = survey(source.roots)
    return sorted({*found.arrays, *found.symbols})


class _Source(NamedTuple):
    """What a source is made of: `names` are the parameters of a Lambda, or None."""

    roots: list[Any]
    several: bool
    signature: Sequence[Any]
    names: list[str] | None


def _taken_apart(expr: Any) -> _Source:
    sympy: Any = import_module("sympy")
    signature: Sequence[Any] = ()
    names = None
    if isinstance(expr, sympy.Lambda):
        source: Any = expr
        signature, expr = source.signature, source.expr
        names = [_parameter_name(symbol) for symbol in signature]
    several = isinstance(expr, (list, tuple, sympy.Tuple))
    items: Iterable[Any] = expr if several else (expr,)
    roots = [_expression(sympy, item) for item in items]
    if not roots:
        raise UnsupportedError("an empty list has nothing to compute")
    return _Source(roots, several, signature, names)


def _parameter_name(symbol: Any) -> str:
    if named(symbol, "MatrixSymbol") or named(symbol, "IndexedBase"):
        return array_name(symbol)
    if not symbol.is_Symbol:
        raise unsupported(symbol, "the parameters of a Lambda must be plain symbols or arrays")
    return str(symbol.name)


def _working_dtype(types: Mapping[str, Type]) -> DType:
    """f32 if every parameter of real numbers has it, otherwise f64."""
    return f32 if {t.dtype for t in types.values() if t.dtype.kind == "f"} == {f32} else f64


def _expression(sympy: Any, item: Any) -> Any:
    """`item` as a SymPy expression."""
    if isinstance(item, (sympy.MatrixBase, sympy.NDimArray)):
        return item.as_immutable()
    if isinstance(item, sympy.Basic):
        return item
    if isinstance(item, (int, float)):
        return sympy.sympify(item)
    if isinstance(item, type):
        raise UnsupportedError(f"{item.__name__} is a class of SymPy; apply it to a symbol")
    raise UnsupportedError(f"not a SymPy expression: {type(item).__name__} {shortened(item)}")


@dataclass(slots=True)
class Reader:
    """The state of one walk: what has been computed, and the parameters met so far.

    Attributes:
        scope: what surrounds the node being planned or built.
        survey: the arrays in the expression.
        shape: of the operands of what is being built, and so of its constants.
        closed: only symbols declared beforehand are parameters.
        known: by scope and identity, as to compare deep expressions is to recurse. The node is
            kept next to its value, or its identity could pass to another.
        terms: how many terms of sums and products have been written out.
        gates: functions of the user's own, by name.
    """

    scope: Scope
    survey: Survey
    shape: tuple[int, ...] = ()
    graph: Graph = field(default_factory=Graph)
    params: dict[str, Value] = field(default_factory=dict[str, Value])
    symbols: dict[str, Any] = field(default_factory=dict[str, Any])
    closed: bool = False
    known: dict[tuple[int, Scope], tuple[Any, Part]] = field(
        default_factory=dict[tuple[int, Scope], tuple[Any, Part]]
    )
    terms: int = 0
    gates: Mapping[str, Gate] = field(default_factory=dict[str, Gate])

    @property
    def dtype(self) -> DType:
        """The type of all numbers here, whatever those of the parameters."""
        return self.scope.dtype

    def read(self, root: Any) -> Value:
        """The value of `root`; operands are computed before what uses them."""
        outermost = self.scope
        stack: list[tuple[Any, Scope, Plan | None]] = [(root, outermost, None)]
        while stack:
            node, self.scope, plan = stack.pop()
            key = (id(node), self.scope)
            if plan is not None:
                if plan.scopes:
                    pairs = zip(plan.operands, plan.scopes, strict=True)
                    parts = [self.known[id(o), inside][1] for o, inside in pairs]
                else:
                    here = self.scope
                    parts = [self.known[id(o), here][1] for o in plan.operands]
                self.known[key] = (node, self.built(plan, parts))
            elif key not in self.known:
                plan = self.plan(node)
                stack.append((node, self.scope, plan))
                scopes = plan.scopes or [self.scope] * len(plan.operands)
                pairs = zip(reversed(plan.operands), reversed(scopes), strict=True)
                stack.extend([(operand, inside, None) for operand, inside in pairs])
        self.scope = outermost
        return value_of(self.known[id(root), outermost][1])

    def built(self, plan: Plan, parts: Sequence[Part]) -> Part:
        """What `plan` makes of its operands."""
        if plan.parts is not None:
            return plan.parts(parts)
        assert plan.build is not None
        values, axes = together(parts)
        self.shape = values[0].type.shape if values else ()
        return along(plan.build(values), axes)

    def plan(self, node: Any) -> Plan:
        """How to compute `node`.

        Raises:
            UnsupportedError: it cannot be computed.
        """
        plan, name = _rule(node.__class__)
        if plan is not None:
            return plan(self, node)
        if name is not None:
            return self.call(node, name)
        if named(node, "AppliedUndef") and node.func.__name__ in self.gates:
            return self.gate(node, self.gates[node.func.__name__])
        raise unsupported(node)

    def declare(self, name: str, type: Type) -> Value:
        """The new parameter called `name`."""
        self.params[name] = param = self.graph.param(name, type)
        return param

    def const(self, number: float) -> Value:
        """A number of the working dtype, as often as operands have elements."""
        return self.graph.const(number, SCALARS[self.dtype].with_shape(self.shape))

    def array(self, name: str) -> Value:
        """The parameter that the array called `name` is.

        Raises:
            ParseError: it is not among the parameters.
        """
        if name not in self.params:
            known = ", ".join(self.params) or "none"
            raise ParseError(f"the array {name!r} is not among the parameters: {known}")
        return self.params[name]

    # Plans, a method for each kind of node.

    def symbol(self, node: Any) -> Plan:
        """A parameter, as a condition or as a number; or what the symbol stands for here."""
        index = self.scope.indices.get(node) if self.scope.indices else None
        if index is not None:
            return sympy_indices.index_number(self, index)
        if node in self.scope.arguments:
            argument, scope = self.scope.arguments[node]
            return Plan((argument,), parts=lambda parts: parts[0], scopes=(scope,))
        if node in self.survey.extents:
            return Plan((), lambda _: self.const(float(self.survey.extents[node])))
        if not node.is_Symbol:
            raise unsupported(node, "no Sum binds this index")
        name = str(node.name)
        if name in self.survey.arrays:
            raise UnsupportedError(f"{name!r} is both a symbol and an array; rename one of them")
        other = self.symbols.setdefault(name, node)
        if other != node:
            raise UnsupportedError(
                f"two different symbols are called {name!r}, {_declaration(other)} and "
                f"{_declaration(node)}; use one of them throughout, or rename one"
            )
        if self.closed and name not in self.params:
            known = ", ".join(self.params) or "none"
            raise ParseError(f"the symbol {name!r} is not among the parameters: {known}")
        param = self.params.get(name) or self.declare(name, F64)
        if param.type.dtype is boolean:
            return Plan((), lambda _: param)
        return Plan((), lambda _: as_number(param, self.dtype))

    def number(self, node: Any) -> Plan:
        """A number, rounded to the nearest."""
        return Plan((), lambda _: self.const(to_double(node)))

    def truth(self, node: Any) -> Plan:
        """True or False."""
        return Plan((), lambda _: self.graph.const(bool(node), BOOL))

    def call(self, node: Any, name: str) -> Plan:
        """A function of the table."""
        entry = FUNCTIONS[name]
        if not entry.least <= len(node.args) <= entry.most:
            raise unsupported(node, f"{name} takes {entry.expects}")

        def build(values: Sequence[Value]) -> Value:
            try:
                return build_call(entry, values, self.dtype)
            except ValueError as error:
                raise unsupported(node, str(error)) from None

        return Plan(node.args, build)

    def gate(self, node: Any, gate: Gate) -> Plan:
        """A gate of the user's own."""

        def build(values: Sequence[Value]) -> Value:
            if self.shape:
                raise unsupported(node, "a gate takes numbers, no elements by an index")
            try:
                result = gate.on(self.graph, values)
            except ArgumentError as error:
                raise unsupported(node, str(error)) from None
            if not isinstance(result, Tracer):
                raise unsupported(node, "a gate in a formula returns one number")
            return result.value

        return Plan(node.args, build)

    def sum(self, node: Any) -> Plan:
        """A sum; its terms with a negative coefficient are subtracted."""
        return self.sum_of(node.args)

    def sum_of(self, terms: Sequence[Any]) -> Plan:
        """The sum of `terms`."""
        products = [split(term) for term in terms]
        # y - x takes one operation less than -x + y.
        first = next((i for i, product in enumerate(products) if not product.negative), 0)
        products.insert(0, products.pop(first))

        def build(values: Sequence[Value]) -> Value:
            numbers = self.numbers(values)
            total = self.product_of(products[0], numbers)
            for product in products[1:]:
                term = self.product_of(product._replace(negative=False), numbers)
                total = sub(total, term) if product.negative else add(total, term)
            return total

        return Plan([o for product in products for o in product.operands], build)

    def product(self, node: Any) -> Plan:
        """A product or a power; what has a negative exponent is gathered in one denominator."""
        product = split(node)
        return Plan(product.operands, lambda values: self.product_of(product, self.numbers(values)))

    def numbers(self, values: Iterable[Value]) -> Iterator[Value]:
        """The values as numbers, one after the other."""
        return iter([as_number(value, self.dtype) for value in values])

    def product_of(self, product: Product, numbers: Iterator[Value]) -> Value:
        """The value of `product`, whose operands come next in `numbers`."""
        above = [_power(factor, numbers) for factor in product.above]
        below = [_power(factor, numbers) for factor in product.below]
        p, q = scale(product.number)
        negative = product.negative
        if p != 1 or not above:
            above.insert(0, self.const(-p if negative else p))
            negative = False
        if q != 1:
            below.append(self.const(q))
        result = reduce(mul, above)
        result = div(result, reduce(mul, below)) if below else result
        return neg(result) if negative else result

    def piecewise(self, node: Any) -> Plan:
        """The first piece whose condition holds; NaN where none does."""
        operands = [part for pair in node.args for part in pair.args]

        def build(values: Sequence[Value]) -> Value:
            result: Value | None = None
            for piece, test in zip(values[-2::-2], values[::-2], strict=True):
                number, condition = as_number(piece, self.dtype), as_condition(test)
                if condition.literal and condition.literal.scalar:
                    result = number
                else:
                    result = where(condition, number, result or self.const(math.nan))
            return result or self.const(math.nan)

        return Plan(operands, build)

    def exclusive_or(self, node: Any) -> Plan:
        """Whether an odd number of the conditions holds."""
        return Plan(node.args, lambda values: reduce(ne, map(as_condition, values)))

    def sum_over_range(self, node: Any) -> Plan:
        """A Sum, written out if there are no elements of arrays in it, otherwise a loop."""
        terms = self.terms_over_range(node)
        if terms is None:
            return sympy_indices.sum_over_indices(self, node)
        return self.sum_of(terms) if terms else Plan((), lambda _: self.const(0.0))

    def product_over_range(self, node: Any) -> Plan:
        """A Product, written out or as a loop."""
        factors = self.terms_over_range(node)
        if factors is None:
            return sympy_indices.product_over_indices(self, node)
        return Plan(factors, lambda values: reduce(mul, self.numbers(values), self.const(1.0)))

    def terms_over_range(self, node: Any) -> Sequence[Any] | None:
        """The terms of a Sum or Product, counted; None if they should not be written out."""
        if id(node) in self.survey.elements:
            return None
        terms = written_out(node, self.survey.extents, MAX_TERMS - self.terms)
        self.terms += len(terms or ())
        return terms


def _declaration(symbol: Any) -> str:
    """How `symbol` is made: Symbol('x', real=True)."""
    return str(cast("Any", import_module("sympy")).srepr(symbol))


def _power(factor: Factor, numbers: Iterator[Value]) -> Value:
    """The value of `factor`, whose operands come next in `numbers`."""
    base = next(numbers)
    if factor.exponent == 1:
        return base
    if factor.exponent == 0.5:
        return sqrt(base)
    if factor.exponent is not None:
        return pow(base, factor.exponent)
    return exp(base) if len(factor.operands) == 1 else pow(base, next(numbers))


def _sinc(x: Value) -> Value:
    """sin(x) / x; near 0 its series, whose derivatives of every order are right there too."""
    square = mul(x, x)
    series = like(x, 1 / math.factorial(25))
    for k in range(11, -1, -1):
        series = add((-1) ** k / math.factorial(2 * k + 1), mul(series, square))
    return where(lt(abs(x), 1.0), series, div(sin(x), x))


def _unary(build: Callable[[Value], Value]) -> Callable[[Reader, Any], Plan]:
    """The plan of a function of one number."""
    return lambda reader, node: Plan(
        node.args, lambda values: build(as_number(values[0], reader.dtype))
    )


# By the name of SymPy's class; the functions that are missing here are found in FUNCTIONS.
_NAMES: Final = {
    "Equality": "eq",
    "Unequality": "ne",
    "StrictLessThan": "lt",
    "LessThan": "le",
    "StrictGreaterThan": "gt",
    "GreaterThan": "ge",
    "Sqrt": "sqrt",
    "Cbrt": "cbrt",
}
_PLANS: Final[dict[str, Callable[[Reader, Any], Plan]]] = {
    **sympy_arrays.PLANS,
    "Symbol": Reader.symbol,
    "Idx": Reader.symbol,
    "Rational": Reader.number,
    "Float": Reader.number,
    "NumberSymbol": Reader.number,
    "Infinity": Reader.number,
    "NegativeInfinity": Reader.number,
    "BooleanTrue": Reader.truth,
    "BooleanFalse": Reader.truth,
    "Add": Reader.sum,
    "Mul": Reader.product,
    "Pow": Reader.product,
    "Piecewise": Reader.piecewise,
    "Xor": Reader.exclusive_or,
    "Sum": Reader.sum_over_range,
    "Product": Reader.product_over_range,
    "UnevaluatedExpr": _unary(lambda x: x),
    "frac": _unary(lambda x: sub(x, floor(x))),
    # The derivative of x[i] by x[j]; a third operand is the range of the indices.
    "KroneckerDelta": lambda reader, node: Plan(
        node.args[:2], lambda values: as_number(eq(*reader.numbers(values)), reader.dtype)
    ),
    "trigamma": _unary(lambda x: polygamma(x, n=1)),
    "sinc": _unary(_sinc),
}


@lru_cache(maxsize=1024)
def _rule(cls: type) -> tuple[Callable[[Reader, Any], Plan] | None, str | None]:
    """How nodes of a class of SymPy's are read: by a plan, or as a function of the table."""
    for base in cls.__mro__:
        # A class of the user's own may bear the name of SymPy's and mean another thing.
        if not _is_of_sympy(base):
            continue
        plan = _PLANS.get(base.__name__)
        if plan is not None:
            return plan, None
        name = _NAMES.get(base.__name__, base.__name__)
        if name in FUNCTIONS:
            return None, name
    return None, None
