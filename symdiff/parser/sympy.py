"""SymPy expressions, walked as they are: never printed and read back, never by recursion."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from importlib import import_module
from typing import Any, Final, cast

from symdiff.errors import ParseError, UnsupportedError
from symdiff.ir import (
    BOOL,
    F64,
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
from symdiff.parser.coerce import as_condition, as_number, build_call
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


def parse_sympy(expr: Any, args: Mapping[str, Type] | None = None, name: str = "f") -> Function:
    """The Function that computes `expr`: an expression, a Lambda, or a list or tuple of those.

    Parameters are the free symbols sorted by name, or those of a Lambda in its order; `args` fixes
    types, and the order where there is no Lambda. Several expressions give several outputs.

    Raises:
        ParseError: a symbol that is not among the parameters, or `args` that do not fit a Lambda.
        UnsupportedError: the first part of `expr` that symdiff cannot compute, with what to do.
    """
    sympy: Any = import_module("sympy")
    names = None if args is None else list(args)
    signature: Sequence[Any] = ()
    if isinstance(expr, sympy.Lambda):
        source: Any = expr
        signature, expr = source.signature, source.expr
        names = [_plain_symbol(symbol) for symbol in signature]
        if args is not None and set(args) != set(names):
            raise ParseError(f"the Lambda's parameters are {', '.join(names)}, not {list(args)}")
    several = isinstance(expr, (list, tuple, sympy.Tuple))
    items: Iterable[Any] = expr if several else (expr,)
    roots = [_expression(sympy, item) for item in items]
    if not roots:
        raise UnsupportedError("an empty list has nothing to compute")
    types = dict(args or {})
    reader = _Reader(_working_dtype(types))
    for symbol in signature:
        reader.symbols[symbol.name] = symbol
    for declared in names or ():
        reader.declare(declared, types.get(declared, F64))
    reader.closed = names is not None
    outputs = tuple([reader.read(root) for root in roots])
    params = tuple([reader.params[n] for n in (sorted(reader.params) if names is None else names)])
    leaves = tuple([Leaf(f"value_{i}") for i in range(len(outputs))])
    tree: Tree = Branch(leaves) if several else Leaf("value")
    return Function(name, params, outputs, tree)


def _plain_symbol(symbol: Any) -> str:
    if not symbol.is_Symbol:
        raise unsupported(symbol, "the parameters of a Lambda must be plain symbols")
    return str(symbol.name)


def _working_dtype(types: Mapping[str, Type]) -> DType:
    """f32 if every numeric parameter has it, otherwise f64."""
    return f32 if {t.dtype for t in types.values()} - {boolean} == {f32} else f64


def _expression(sympy: Any, item: Any) -> Any:
    """`item` as a SymPy expression."""
    if isinstance(item, sympy.MatrixBase):
        raise unsupported(item)
    if isinstance(item, sympy.Basic):
        return item
    if isinstance(item, (int, float)):
        return sympy.sympify(item)
    if isinstance(item, type):
        raise UnsupportedError(f"{item.__name__} is a class of SymPy; apply it to a symbol")
    raise UnsupportedError(f"not a SymPy expression: {type(item).__name__} {shortened(item)}")


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a node is computed: from the values of `operands`, by `build`."""

    operands: Sequence[Any]
    build: Callable[[Sequence[Value]], Value]


@dataclass(slots=True)
class _Reader:
    """The state of one walk: what has been computed, and the parameters met so far.

    Attributes:
        dtype: of all numbers, whatever the types of the parameters.
        closed: only symbols declared beforehand are parameters.
        known: by identity, as to compare deep expressions is to recurse. The node is kept next to
            its value, or its identity could pass to another.
        terms: how many terms of sums and products have been written out.
    """

    dtype: DType
    graph: Graph = field(default_factory=Graph)
    params: dict[str, Value] = field(default_factory=dict[str, Value])
    symbols: dict[str, Any] = field(default_factory=dict[str, Any])
    closed: bool = False
    known: dict[int, tuple[Any, Value]] = field(default_factory=dict[int, tuple[Any, Value]])
    terms: int = 0

    def read(self, root: Any) -> Value:
        """The value of `root`; operands are computed before what uses them."""
        stack: list[tuple[Any, _Plan | None]] = [(root, None)]
        while stack:
            node, plan = stack.pop()
            if plan is not None:
                values = [self.known[id(operand)][1] for operand in plan.operands]
                self.known[id(node)] = (node, plan.build(values))
            elif id(node) not in self.known:
                plan = self.plan(node)
                stack.append((node, plan))
                stack.extend([(operand, None) for operand in reversed(plan.operands)])
        return self.known[id(root)][1]

    def plan(self, node: Any) -> _Plan:
        """How to compute `node`.

        Raises:
            UnsupportedError: it cannot be computed.
        """
        for base in type(node).__mro__:
            # A class of the user's own may bear the name of SymPy's and mean another thing.
            if not _is_of_sympy(base):
                continue
            plan = _PLANS.get(base.__name__)
            if plan is not None:
                return plan(self, node)
            name = _NAMES.get(base.__name__, base.__name__)
            if name in FUNCTIONS:
                return self.call(node, name)
        raise unsupported(node)

    def declare(self, name: str, type: Type) -> Value:
        """The new parameter called `name`."""
        if type.shape:
            raise UnsupportedError(f"parameter {name!r} is an array ({type}); only scalars so far")
        self.params[name] = param = self.graph.param(name, type)
        return param

    def const(self, number: float) -> Value:
        """A number of the working dtype."""
        return self.graph.const(number, Type(self.dtype))

    # Plans, a method for each kind of node.

    def symbol(self, node: Any) -> _Plan:
        """A parameter, as a condition or as a number of the working dtype."""
        name = str(node.name)
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
            return _Plan((), lambda _: param)
        return _Plan((), lambda _: as_number(param, self.dtype))

    def number(self, node: Any) -> _Plan:
        """A number, rounded to the nearest."""
        return _Plan((), lambda _: self.const(to_double(node)))

    def truth(self, node: Any) -> _Plan:
        """True or False."""
        return _Plan((), lambda _: self.graph.const(bool(node), BOOL))

    def call(self, node: Any, name: str) -> _Plan:
        """A function of the table."""
        entry = FUNCTIONS[name]
        if not entry.least <= len(node.args) <= entry.most:
            raise unsupported(node, f"{name} takes {entry.expects}")

        def build(values: Sequence[Value]) -> Value:
            try:
                return build_call(entry, values, self.dtype)
            except ValueError as error:
                raise unsupported(node, str(error)) from None

        return _Plan(node.args, build)

    def sum(self, node: Any) -> _Plan:
        """A sum; its terms with a negative coefficient are subtracted."""
        return self.sum_of(node.args)

    def sum_of(self, terms: Sequence[Any]) -> _Plan:
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

        return _Plan([o for product in products for o in product.operands], build)

    def product(self, node: Any) -> _Plan:
        """A product or a power; what has a negative exponent is gathered in one denominator."""
        product = split(node)
        return _Plan(
            product.operands, lambda values: self.product_of(product, self.numbers(values))
        )

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

    def piecewise(self, node: Any) -> _Plan:
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

        return _Plan(operands, build)

    def exclusive_or(self, node: Any) -> _Plan:
        """Whether an odd number of the conditions holds."""
        return _Plan(node.args, lambda values: reduce(ne, map(as_condition, values)))

    def sum_over_range(self, node: Any) -> _Plan:
        """A Sum, written out."""
        terms = self.terms_over_range(node)
        return self.sum_of(terms) if terms else _Plan((), lambda _: self.const(0.0))

    def product_over_range(self, node: Any) -> _Plan:
        """A Product, written out."""
        factors = self.terms_over_range(node)
        return _Plan(factors, lambda values: reduce(mul, self.numbers(values), self.const(1.0)))

    def terms_over_range(self, node: Any) -> Sequence[Any]:
        """The terms of a Sum or Product, counted."""
        terms = written_out(node, MAX_TERMS - self.terms)
        self.terms += len(terms)
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


def _unary(build: Callable[[Value], Value]) -> Callable[[_Reader, Any], _Plan]:
    """The plan of a function of one number."""
    return lambda reader, node: _Plan(
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
_PLANS: Final[dict[str, Callable[[_Reader, Any], _Plan]]] = {
    "Symbol": _Reader.symbol,
    "Rational": _Reader.number,
    "Float": _Reader.number,
    "NumberSymbol": _Reader.number,
    "Infinity": _Reader.number,
    "NegativeInfinity": _Reader.number,
    "BooleanTrue": _Reader.truth,
    "BooleanFalse": _Reader.truth,
    "Add": _Reader.sum,
    "Mul": _Reader.product,
    "Pow": _Reader.product,
    "Piecewise": _Reader.piecewise,
    "Xor": _Reader.exclusive_or,
    "Sum": _Reader.sum_over_range,
    "Product": _Reader.product_over_range,
    "UnevaluatedExpr": _unary(lambda x: x),
    "frac": _unary(lambda x: sub(x, floor(x))),
    "trigamma": _unary(lambda x: polygamma(x, n=1)),
    "sinc": _unary(_sinc),
}
