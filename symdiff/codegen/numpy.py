"""Function -> Python source that needs NumPy and the standard library alone."""

from __future__ import annotations

import builtins
import keyword
import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from symdiff.codegen.names import Names, python_identifier
from symdiff.codegen.source import (
    ATOM,
    UNARY,
    InfixEmitter,
    Term,
    call,
    require_scalars,
    write_lines,
)
from symdiff.errors import UnsupportedError
from symdiff.ir import DTYPES, DType, Function, Leaf, Tree, Value, f32, leaves

_WIDTH: Final = 96

# NumPy's name where it is not C's.
_UFUNCS: Final = {
    "acos": "arccos",
    "acosh": "arccosh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atan2": "arctan2",
    "atanh": "arctanh",
    "pow": "power",
}

# Functions that NumPy lacks. Python's raise at poles, where C's return what is returned here.
_HELPERS: Final = {
    "erf": """\
    erf = np.vectorize(math.erf, otypes=[np.float64])""",
    "erfc": """\
    erfc = np.vectorize(math.erfc, otypes=[np.float64])""",
    "tgamma": """\
    def gamma_or_pole(x):
        try:
            return math.gamma(x)
        except OverflowError:
            return math.inf
        except ValueError:
            return math.copysign(math.inf, x) if x == 0 else math.nan

    tgamma = np.vectorize(gamma_or_pole, otypes=[np.float64])""",
    "lgamma": """\
    def lgamma_or_pole(x):
        try:
            return math.lgamma(x)
        except (OverflowError, ValueError):
            return math.inf

    lgamma = np.vectorize(lgamma_or_pole, otypes=[np.float64])""",
}
_RESERVED: Final = frozenset(
    {*keyword.kwlist, *dir(builtins), *_HELPERS, "np", "math", "gamma_or_pole", "lgamma_or_pole"}
)
# These hand back arrays of no dimensions for scalars; indexing by () makes scalars of them.
_ARRAY_MAKERS: Final = ("np.where(", *(f"{name}(" for name in _HELPERS))


def numpy_source(fn: Function) -> str:
    """A Python module with one function of the parameters of `fn`, for numbers or arrays.

    It returns the outputs in the structure of `fn.result`, as plain tuples; a comment names them.

    Raises:
        UnsupportedError: a tensor, or an operation that neither NumPy nor `math` has.
    """
    require_scalars(fn, "NumPy source")
    names = Names(_RESERVED)
    function = names.claim(python_identifier(fn.name))
    params = [names.claim(python_identifier(name)) for name in fn.param_names]
    terms = {p: Term(name) for p, name in zip(fn.params, params, strict=True)}
    arrays: set[str] = set()

    def declare(value: Value, name: str, expression: str) -> str:
        if expression.startswith(_ARRAY_MAKERS):
            arrays.add(name)
        return f"{name} = {expression}"

    emitter = _NumpyEmitter()
    lines = write_lines(fn, emitter, names, terms, declare)
    outputs = [terms[v].text for v in fn.outputs]
    returned = [f"{text}[()]" if text in arrays else text for text in outputs]

    source: list[str] = ["import math\n\n"] if emitter.helpers else []
    source += ["import numpy as np\n\n\n", *_comment(fn, function, params)]
    source.append(f"{_fold(f'def {function}(', params, '')}):\n")
    source += [f"{_HELPERS[name]}\n" for name in _HELPERS if name in emitter.helpers]
    source += [
        f"    {name} = np.asarray({name}, np.{param.type.dtype.numpy.name})[()]\n"
        for param, name in zip(fn.params, params, strict=True)
    ]
    if lines:
        source.append('    with np.errstate(all="ignore"):\n')
        source += [f"        {line}\n" for line in lines]
    source.append(f"    return {_structure(fn.result, iter(returned), '    ')}\n")
    return "".join(source)


def _comment(fn: Function, function: str, params: list[str]) -> list[str]:
    """What goes in, what comes out, and what had to be called differently."""
    fields = [ascii(leaf.name)[1:-1] for leaf in leaves(fn.result)]
    result = _structure(fn.result, iter(fields), "# ")
    lines = [f"# {function} of numbers or arrays, element by element, returns\n# {result}\n"]
    pairs = zip(fn.param_names, params, strict=True)
    lines += [f"# {new} stands for {old!a}.\n" for old, new in pairs if old != new]
    return lines


def _fold(start: str, items: list[str], indent: str) -> str:
    """`start` and the items on one line if they fit, else on lines of their own."""
    line = start + ", ".join(items)
    if len(line) <= _WIDTH:
        return line
    return f"{start}\n" + "".join(f"{indent}    {item},\n" for item in items) + indent


def _structure(tree: Tree, texts: Iterator[str], indent: str) -> str:
    """The tuples of `tree` with `texts` for leaves."""
    if isinstance(tree, Leaf):
        return next(texts)
    children = [_structure(child, texts, f"{indent}    ") for child in tree.children]
    comma = "," if len(children) == 1 else ""
    return f"{_fold('(', children, indent).rstrip(',')}{comma})"


class _NumpyEmitter(InfixEmitter):
    """NumPy expressions of the operations; `ops.Emitter` says what each one means.

    `helpers` collects the functions that the source has to define.
    """

    def __init__(self) -> None:
        self.helpers: set[str] = set()

    def const(self, number: float) -> Term:
        return numpy_number(number, self.dtype)

    def libm(self, name: str, *operands: Term) -> Term:
        if name not in _HELPERS:
            return call(f"np.{_UFUNCS.get(name, name)}", *operands)
        self.helpers.add(name)
        result = call(name, *operands)
        return Term(f"{result.text}.astype(np.float32)") if self.dtype is f32 else result

    def special(self, name: str, *operands: Term) -> Term:
        named = {"psi": "digamma"}.get(name, name)
        raise UnsupportedError(f"{named} has no counterpart in NumPy or Python's math")

    def fma(self, x: Term, y: Term, z: Term) -> Term:
        return self.add(self.mul(x, y), z)

    def abs(self, x: Term) -> Term:
        return call("np.abs", x)

    def sqrt(self, x: Term) -> Term:
        return call("np.sqrt", x)

    def floor(self, x: Term) -> Term:
        return call("np.floor", x)

    def ceil(self, x: Term) -> Term:
        return call("np.ceil", x)

    def trunc(self, x: Term) -> Term:
        return call("np.trunc", x)

    def rint(self, x: Term) -> Term:
        return call("np.rint", x)

    def copysign(self, x: Term, y: Term) -> Term:
        return call("np.copysign", x, y)

    def minimum(self, x: Term, y: Term) -> Term:
        return call("np.minimum", x, y)

    def maximum(self, x: Term, y: Term) -> Term:
        return call("np.maximum", x, y)

    def and_(self, x: Term, y: Term) -> Term:
        return call("np.logical_and", x, y)

    def or_(self, x: Term, y: Term) -> Term:
        return call("np.logical_or", x, y)

    def not_(self, x: Term) -> Term:
        return call("np.logical_not", x)

    def select(self, condition: Term, x: Term, y: Term) -> Term:
        return call("np.where", condition, x, y)

    def convert(self, x: Term, dtype: str) -> Term:
        return Term(f"{x.within(ATOM)}.astype(np.{DTYPES[dtype].numpy.name})")


def numpy_number(number: float, dtype: DType) -> Term:
    """A Python constant with the value of `number` that does not widen other operands."""
    if dtype.kind != "f":
        return Term(repr(number), UNARY if number < 0 else ATOM)
    sign = "-" if math.copysign(1.0, number) < 0 else ""
    if math.isfinite(number):
        digits = str(np.float32(abs(number))) if dtype is f32 else repr(abs(number))
    else:
        sign, digits = ("", "np.nan") if math.isnan(number) else (sign, "np.inf")
    if dtype is f32:
        return Term(f"np.float32({sign}{digits})")
    return Term(sign + digits, UNARY if sign else ATOM)
