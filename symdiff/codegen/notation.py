"""Functions as formulas: one printer for text and LaTeX, which differ in style."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

from symdiff.codegen.array_notation import (
    Form,
    Forms,
    forms,
    is_filled,
    says_shape,
    sources,
    spread,
)
from symdiff.codegen.names import Names
from symdiff.codegen.source import Term
from symdiff.ir import CONST, ITEM, PARAM, Function, Literal, Op, Value, rewrite
from symdiff.ops import cos, eq, le, lt, mul, ne, neg, pow, sin, sincos

_MAX_POWER: Final = 32  # as far as simplification takes whole powers apart


class Style(ABC):
    """What sets text and LaTeX apart.

    Attributes:
        width: an expression longer than this is split by naming parts of it, in characters.
        group: how parentheses are written.
    """

    width: ClassVar[int]
    group: ClassVar[str]

    @abstractmethod
    def temporary(self, name: str) -> str:
        """A name such as `t1` as it is printed."""

    @abstractmethod
    def number(self, literal: Literal) -> Term:
        """A constant that is one number."""

    @abstractmethod
    def array(self, literal: Literal) -> Term:
        """A constant array with elements of its own."""

    @abstractmethod
    def form(self, value: Value, attrs: Mapping[str, Any]) -> Form:
        """How an operation on elements is written."""

    @abstractmethod
    def choose(self, forms: Forms) -> Form:
        """The form of an operation on arrays."""

    def part(self, value: Value, text: str) -> str:
        """The text for `value` wherever it stands in another one."""
        return text

    def parenthesised(self, form: Form, place: int, term: Term) -> str:
        """The operand at `place`, in parentheses where it needs them."""
        return term.within(form.operands[place], self.group)

    def join(self, op: Op, template: str, operands: Sequence[str], attrs: Mapping[str, Any]) -> str:
        """The expression."""
        return template.format(*operands, **attrs)


class Equations(NamedTuple):
    """`shared`: names and expressions in order; `outputs`: one expression per output."""

    shared: list[tuple[str, str]]
    outputs: list[str]


def equations(fn: Function, style: Style, params: Mapping[str, str], names: Names) -> Equations:
    """`fn` in formulas. What is used more than once, or too long to read, has a name of its own.

    `params` are the parameters as they are printed; `names` makes the other names. Time and
    memory are linear in the size of the graph.
    """
    return _Printer(_for_people(fn), style, params, names).run()


class _Printer:
    def __init__(self, fn: Function, style: Style, params: Mapping[str, str], names: Names) -> None:
        self.fn = fn
        self.style = style
        self.params = params
        self.names = names
        self.terms: dict[Value, Term] = {}
        self.composite: set[Value] = set()  # those whose Term is more than a name or a constant
        self.shared: list[tuple[str, str]] = []

    def run(self) -> Equations:
        uses = _uses(self.fn)
        for value in uses:
            if value.op is PARAM:
                name = self.params[value.attr("name")]
                self.terms[value] = Term(self.style.part(value, name))
            elif value.literal is not None:
                plain = self.style.number if is_filled(value) else self.style.array
                self.terms[value] = plain(value.literal)
            else:
                self.terms[value] = self.expression(value)
                if self.trivial(value):
                    continue
                self.composite.add(value)
                if uses[value] > 1:
                    self.give_name(value)
        outputs = [self.with_shape(v) if is_filled(v) else self.terms[v] for v in self.fn.outputs]
        return Equations(self.shared, [term.text for term in outputs])

    def with_shape(self, value: Value) -> Term:
        """A constant that is one number, as often as it has elements."""
        term = self.terms[value]
        if not value.type.shape:
            return term
        form = self.style.choose(spread(value.type.shape))
        return Term(form.template.format(term.text), form.precedence)

    def trivial(self, value: Value) -> bool:
        """Whether `value` reads better repeated than named: -x, and conditions such as x < 0."""
        if value.op in (lt, le, eq, ne):
            return self.composite.isdisjoint(value.args)
        return value.op is neg and value.args[0].op is PARAM

    def give_name(self, value: Value) -> None:
        name = self.style.temporary(self.names.temporary())
        self.shared.append((name, self.terms[value].text))
        self.terms[value] = Term(self.style.part(value, name))
        self.composite.discard(value)

    def expression(self, value: Value) -> Term:
        """The operation on its operands, the longest of which get names while it is too long."""
        attrs = dict(value.attrs)
        if value.op.elementwise:
            form = self.style.form(value, attrs)
        else:
            form, attrs = self.style.choose(forms(value)), {}
        args = sources(value)
        if not form.operands:
            form = form._replace(operands=(0,) * len(args))
        long = [a for a in args if a in self.composite]
        length = sum(len(self.terms[a].text) for a in args)
        for arg in sorted(long, key=lambda a: len(self.terms[a].text), reverse=True):
            before = len(self.terms[arg].text)
            if length <= self.style.width - len(form.template) or before <= self.style.width // 8:
                break
            self.give_name(arg)
            length += len(self.terms[arg].text) - before
        bare = says_shape(value)
        operands = [
            self.with_shape(a) if is_filled(a) and not bare else self.terms[a] for a in args
        ]
        texts = [self.style.parenthesised(form, i, x) for i, x in enumerate(operands)]
        # An operand may bind less tightly than the whole where it stands open at one end, as
        # a * b does in -a * b: then the whole binds no tighter.
        open_ended = [
            x.precedence
            for x, needed in zip(operands, form.operands, strict=True)
            if 0 < needed <= x.precedence
        ]
        precedence = min(form.precedence, *open_ended) if open_ended else form.precedence
        text = self.style.join(value.op, form.template, texts, attrs)
        return Term(self.style.part(value, text), precedence)


def _uses(fn: Function) -> dict[Value, int]:
    """How often each value that is printed is an operand or an output, operands first."""
    counts = dict.fromkeys(fn.live(), 0)
    for output in fn.outputs:
        counts[output] += 1
    for value in reversed(counts):
        if counts[value]:
            for arg in sources(value):
                counts[arg] += 1
    return {value: count for value, count in counts.items() if count}


def _for_people(fn: Function) -> Function:
    """`fn` with products of one value as powers, and sines and cosines apart."""

    def visit(value: Value, args: tuple[Value, ...]) -> Value | None:
        if value.op is ITEM and args[0].op is sincos:
            op = cos if value.attr("index") else sin
            return op(*args[0].args)
        return _as_power(*args) if value.op is mul else None

    return rewrite(fn, visit=visit)


def _as_power(x: Value, y: Value) -> Value | None:
    (base, m), (other, n) = _power(x), _power(y)
    if base is not other or base.op is CONST or m + n > _MAX_POWER:
        return None
    return pow(base, m + n)


def _power(value: Value) -> tuple[Value, float]:
    """Base and exponent of a whole power, and of everything else as the first power of itself."""
    if value.op is pow and value.args[1].literal is not None:
        exponent = value.args[1].literal.scalar
        if exponent is not None and 2 <= exponent <= _MAX_POWER and exponent == int(exponent):
            return value.args[0], exponent
    return value, 1.0
