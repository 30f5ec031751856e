"""Function -> LaTeX, for display mode with amsmath."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from symdiff.codegen.array_notation import Form, Forms, is_filled, sources
from symdiff.codegen.formula import MAX_ELEMENTS, number_text, text_number
from symdiff.codegen.names import Names, greek
from symdiff.codegen.notation import Style, equations
from symdiff.codegen.source import ATOM, PRODUCT, SUM, Term
from symdiff.ir import Function, Leaf, Literal, Op, Tree, Value
from symdiff.ops import add, mul, pow

_LETTERS: Final = """
alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon
phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega varepsilon vartheta
varphi varrho varsigma ell hbar
"""
_COMMANDS: Final = frozenset(_LETTERS.split())
# Commands in place of braces, so that braces in the output balance whatever a name is.
_ESCAPES: Final = {
    "\\": r"\backslash ",
    "{": r"\lbrace ",
    "}": r"\rbrace ",
    "^": r"\wedge ",
    "~": r"\sim ",
    " ": r"\ ",
    **{character: f"\\{character}" for character in "_%&#$"},
}
_TRANSFORMED: Final = re.compile(r"_(?:(?:value_and_)?(?:grad|jacobian)|hessian|vjp|jvp|hvp)$")


def latex(fn: Function) -> str:
    r"""One equation `f(x, y) = ...`, or an `aligned` environment of them.

    Derivatives are written as such where the names in `fn.result` say so.

    Raises:
        UnsupportedError: an operation on arrays that formulas have no notation for.
    """
    lines = latex_equations(fn, LatexStyle())
    if len(lines) == 1:
        return " = ".join(lines[0])
    rows = " \\\\\n".join(f"{left} &= {right}" for left, right in lines)
    return f"\\begin{{aligned}}\n{rows}\n\\end{{aligned}}"


def latex_equations(fn: Function, style: LatexStyle) -> list[tuple[str, str]]:
    """Both sides of the equations: of what has a name of its own, then of the outputs.

    Raises:
        UnsupportedError: see `latex`.
    """
    params = _symbols(fn.param_names)
    # t_1 would be printed as t1 is.
    names = Names(re.sub(r"[_{}]", "", name) for name in fn.param_names)
    shared, outputs = equations(fn, style, params, names)
    return [*shared, *zip(_labels(fn, params), outputs, strict=True)]


class LatexStyle(Style):
    """The notation of mathematics."""

    width = 240
    group = r"\left({}\right)"

    def temporary(self, name: str) -> str:
        return symbol(name)

    def number(self, literal: Literal) -> Term:
        return _number(text_number(literal))

    def array(self, literal: Literal) -> Term:
        type = literal.type
        if len(type.shape) > 2 or not 0 < type.size <= MAX_ELEMENTS:
            size = r" \times ".join(map(str, type.shape))
            return Term(rf"\mathrm{{const}}_{{{size}}}")
        column = literal.array.reshape(len(literal.array), -1)  # a vector is one
        rows = [
            " & ".join([_number(Term(number_text(x, type.dtype))).text for x in row])
            for row in column.tolist()
        ]
        body = r" \\ ".join(rows)
        return Term(rf"\begin{{bmatrix}} {body} \end{{bmatrix}}")

    def choose(self, forms: Forms) -> Form:
        return forms.latex

    def form(self, value: Value, attrs: Mapping[str, Any]) -> Form:
        op, notation = value.op, value.op.notation
        if notation is None:
            slots = ["{}"] * len(value.args) + [rf"\mathrm{{{{{key}}}}}={{{key}}}" for key in attrs]
            name = _escaped(op.name)
            template = rf"\operatorname{{{{{name}}}}}\left({', '.join(slots)}\right)"
            return Form(template, ATOM, ())
        arrays = [a for a in sources(value) if a.type.shape and not is_filled(a)]
        if op is mul and len(arrays) == 2:
            return Form(r"{} \odot {}", notation.precedence, (notation.precedence,) * 2)
        if op is pow and len(value.type.shape) > 1:
            return Form(r"{}^{{\circ {}}}", notation.precedence, (ATOM, 0))
        if op in (add, mul):  # mathematics does not say in which order, and needs no parentheses
            return Form(notation.latex, notation.precedence, (notation.precedence,) * 2)
        precedence, operands = notation.latex_precedence, notation.latex_operands
        return Form(
            notation.latex,
            notation.precedence if precedence is None else precedence,
            notation.operands if operands is None else operands,
        )

    def beginning(self, text: str) -> str:
        """`text` from the first character on that is seen."""
        return text

    def parenthesised(self, form: Form, place: int, term: Term) -> str:
        # x + -y and -(-y) are not written without parentheses, x < -y and x^{-y} are.
        inside = place > 0 or not form.template.startswith("{}")
        if inside and form.operands[place] >= SUM and self.beginning(term.text)[0] == "-":
            return self.group.format(term.text)
        return super().parenthesised(form, place, term)

    def join(self, op: Op, template: str, operands: Sequence[str], attrs: Mapping[str, Any]) -> str:
        if (
            op is mul and self.beginning(operands[1])[0].isdigit()
        ):  # 2 3^{x} would read as one number
            template = r"{} \cdot {}"
        return super().join(op, template, operands, attrs)


def _number(plain: Term) -> Term:
    """A number of the text style in LaTeX's."""
    if plain.text == "pi":
        return Term(r"\pi")
    if plain.text in ("True", "False"):
        return Term(rf"\mathrm{{{plain.text.lower()}}}")
    if "e" in plain.text:
        mantissa, _, exponent = plain.text.partition("e")
        return Term(rf"{mantissa} \cdot 10^{{{exponent}}}", PRODUCT)
    text = plain.text.replace("inf", r"\infty").replace("nan", r"\mathrm{NaN}")
    return Term(text, plain.precedence)


def _labels(fn: Function, params: Mapping[str, str]) -> Iterator[str]:
    """The left-hand sides of the outputs."""
    plain = fn.result == Leaf("value")
    name = symbol(fn.name if plain else _TRANSFORMED.sub("", fn.name))
    for leaf, path in _paths(fn.result, ()):
        yield _label(leaf.name, path, name, params)


def _paths(tree: Tree, fields: tuple[str, ...]) -> Iterator[tuple[Leaf, tuple[str, ...]]]:
    """The leaves of `tree`, each with the names of the fields in which it lies."""
    if isinstance(tree, Leaf):
        yield tree, fields
        return
    for child, field in zip(tree.children, tree.fields or [""] * len(tree.children), strict=True):
        yield from _paths(child, (*fields, field) if field else fields)


def _label(leaf: str, path: tuple[str, ...], name: str, params: Mapping[str, str]) -> str:
    if leaf == "value":
        return f"{name}({', '.join(params.values())})" if params else name
    first, _, rest = leaf.partition("_")
    if first == "d" and rest in params:
        return rf"\frac{{\partial {name}}}{{\partial {params[rest]}}}"
    if first == "d" and path and path[-1] in params and rest.endswith(f"_{path[-1]}"):
        what = symbol(rest.removesuffix(f"_{path[-1]}"))
        return rf"\frac{{\partial {what}}}{{\partial {params[path[-1]]}}}"
    pair = _pair(rest, path, params) if first == "d2" else None
    if pair is not None:
        x, y = (params[p] for p in pair)
        below = rf"\partial {x}^2" if x == y else rf"\partial {x}\,\partial {y}"
        return rf"\frac{{\partial^2 {name}}}{{{below}}}"
    return symbol(leaf)


def _pair(rest: str, path: tuple[str, ...], params: Mapping[str, str]) -> tuple[str, str] | None:
    """The parameters x and y of `x_y`; the fields tell where the names are ambiguous."""
    breaks = [match.start() for match in re.finditer("_", rest)]
    splits = [*pairwise(path), *((rest[:i], rest[i + 1 :]) for i in breaks)]
    fitting = (s for s in splits if f"{s[0]}_{s[1]}" == rest and s[0] in params and s[1] in params)
    return next(fitting, None)


def _symbols(names: Sequence[str]) -> dict[str, str]:
    """The names as they are printed; spelt out where two would look the same."""
    printed: dict[str, str] = {}
    taken = {r"\pi", "e"}
    for name in names:
        text = symbol(name)
        if text in taken:
            text = rf"\mathrm{{{_escaped(name)}}}"
        taken.add(text)
        printed[name] = text
    return printed


def symbol(name: str) -> str:
    r"""A name in LaTeX: Greek letters as commands, `x_1` and `x1` as `x_{1}`, words upright."""
    parts = re.sub(r"_\{(\w+)\}", r"_\1", name).split("_")
    if not all(parts):
        return rf"\mathrm{{{_escaped(name)}}}"
    if numbered := re.fullmatch(r"(\D+?)(\d+)", parts[0]):
        parts[:1] = numbered.groups()
    base, *indices = map(_word, parts)
    return f"{base}_{{{','.join(indices)}}}" if indices else base


def _word(text: str) -> str:
    named = (greek(text) if len(text) == 1 else None) or text
    if named in _COMMANDS:
        return f"\\{named}"
    if text.isdecimal() or (len(text) == 1 and text.isalpha()):
        return text
    return rf"\mathrm{{{_escaped(text)}}}"


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(c, c) for c in text)
