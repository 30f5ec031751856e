"""Function -> Python source that needs NumPy and the standard library alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from symdiff.codegen.names import Names, python_identifier
from symdiff.codegen.numpy_arrays import ARRAYS, VIEWS, array_constant, brackets, filled, sliced
from symdiff.codegen.numpy_emitter import (
    HELPERS,
    RESERVED,
    NumpyEmitter,
    numpy_dtype,
    numpy_number,
)
from symdiff.codegen.source import Term
from symdiff.errors import UnsupportedError
from symdiff.ir import (
    CONST,
    ITEM,
    PARAM,
    Function,
    Leaf,
    Literal,
    Op,
    Tree,
    TupleType,
    Value,
    leaves,
)
from symdiff.ops import OPS

_WIDTH: Final = 96
# These hand back arrays of no dimensions for scalars; indexing by () makes scalars of them.
_ARRAY_MAKERS: Final = ("np.where(", *(f"{name}(" for name in HELPERS))


def numpy_source(fn: Function) -> str:
    """A Python module with one function of the parameters of `fn`.

    A function of scalars takes numbers or arrays and works element by element; one that has to do
    with arrays takes arrays of the shapes of its parameters. It returns the outputs in the
    structure of `fn.result`, as plain tuples; a comment names them.

    Raises:
        UnsupportedError: an operation that neither NumPy nor `math` has.
    """
    names = Names(RESERVED)
    function = names.claim(python_identifier(fn.name))
    params = [names.claim(python_identifier(name)) for name in fn.param_names]
    writer = _Writer(names)
    lines, outputs = writer.function(fn, params)
    arrays = _has_arrays(fn)
    if arrays:
        returned = _apart(fn, outputs, writer)
    else:
        returned = [f"{t}[()]" if t in writer.made_by_arrays else t for t in map(str, outputs)]

    modules = {"math": writer.emitter.helpers - {"checked"}, "base64": writer.has_coded_constants}
    source = [f"import {name}\n" for name in sorted(modules) if modules[name]]
    source += ["\n"] * bool(source)
    source += ["import numpy as np\n\n\n", *_comment(fn, function, params, arrays)]
    source.append(f"{_fold(f'def {function}(', params, '')}):\n")
    source += [f"{HELPERS[name]}\n" for name in HELPERS if name in writer.emitter.helpers]
    for param, name in zip(fn.params, params, strict=True):
        source += [f"    {line}\n" for line in _taken(param, name)]
    source += [f"    {line}\n" for line in writer.definitions]
    if lines:
        source.append('    with np.errstate(all="ignore"):\n')
        source += [f"        {line}\n" for line in lines]
    source.append(f"    return {_structure(fn.result, iter(returned), '    ')}\n")
    return "".join(source)


def _has_arrays(fn: Function) -> bool:
    """Whether `fn` has to do with arrays, or does more to scalars than to elements."""
    live = fn.live()
    types: list[Any] = [v.type for v in (*fn.params, *live)]
    parts = [p for t in types for p in (t.elements if isinstance(t, TupleType) else (t,))]
    return any(p.shape for p in parts) or any(v.op in ARRAYS or v.op in _STATEMENTS for v in live)


def _taken(param: Value, name: str) -> list[str]:
    """The lines that make an array, or a scalar, of the right type of an argument."""
    array = f"np.asarray({name}, {numpy_dtype(param.type.dtype)})"
    shape = param.type.shape
    if not shape:
        return [f"{name} = {array}[()]"]
    message = f"{param.attr('name')}: expected an array of shape {shape}"
    return [
        f"{name} = {array}",
        f"if {name}.shape != {shape}:",
        f"    raise ValueError({message!a})",
    ]


def _apart(fn: Function, outputs: list[str], writer: _Writer) -> list[str]:
    """The outputs of a function of arrays: none shares memory with an argument or another one."""
    seen: set[str] = set()
    result: list[str] = []
    for value, text in zip(fn.outputs, outputs, strict=True):
        if not value.type.shape:
            text = f"{text}[()]" if value.op is not CONST else text
        elif value.op in _SHARING or text in seen:
            text = f"{text}.copy()"
        seen.add(text)
        result.append(text)
    return result


def _comment(fn: Function, function: str, params: list[str], arrays: bool) -> list[str]:
    """What goes in, what comes out, and what had to be called differently."""
    fields = [ascii(leaf.name)[1:-1] for leaf in leaves(fn.result)]
    result = _structure(fn.result, iter(fields), "# ")
    what = "arrays" if arrays else "numbers or arrays, element by element,"
    lines = [f"# {function} of {what} returns\n# {result}\n"]
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


class _Writer:
    """The lines of a function and of those that its loops call.

    Attributes:
        definitions: what has to stand before the lines: constant arrays, bodies of loops.
        made_by_arrays: names of what may be arrays of no dimensions.
    """

    def __init__(self, names: Names) -> None:
        self.emitter = NumpyEmitter()
        self.definitions: list[str] = []
        self.made_by_arrays: set[str] = set()
        self.has_coded_constants = False
        self._names = names
        self._constants: dict[Literal, str] = {}
        self._bodies: dict[Function, str] = {}

    def function(self, fn: Function, params: Sequence[str]) -> tuple[list[str], list[str]]:
        """The lines that compute `fn` from what is called `params`, and its outputs."""
        terms: dict[Value, Any] = {p: Term(n) for p, n in zip(fn.params, params, strict=True)}
        lines: list[str] = []
        for value in fn.live():
            if value.op is not PARAM:
                terms[value] = self._value(value, [terms[a] for a in value.args], lines)
        whole = _has_arrays(fn)
        outputs = [self._whole(v, terms[v]) if whole else terms[v].text for v in fn.outputs]
        return lines, outputs

    def _value(self, value: Value, operands: list[Any], lines: list[str]) -> Any:
        """The Term of a value, or one for each of its items, whose lines are added."""
        op = value.op
        if op is CONST:
            return self._constant(value)
        if op is ITEM:
            return operands[0][value.attr("index")]
        if op.elementwise and op.emit is not None:
            return self._elementwise(value, operands, lines)
        texts = [self._whole(a, term) for a, term in zip(value.args, operands, strict=True)]
        if op in ARRAYS:
            return self._named(ARRAYS[op](value, *texts), lines)
        if op in _STATEMENTS:
            return _STATEMENTS[op](self, value, texts, lines)
        if op.expand is not None:
            raise UnsupportedError(f"{op.name} must be expanded before source is written for it")
        raise UnsupportedError(f"NumPy source cannot express the operation {op.name}")

    def _named(self, expression: str, lines: list[str]) -> Term:
        name = self._names.temporary()
        lines.append(f"{name} = {expression}")
        if expression.startswith(_ARRAY_MAKERS):
            self.made_by_arrays.add(name)
        return Term(name)

    def _elementwise(self, value: Value, operands: list[Any], lines: list[str]) -> Any:
        if all(a.op is CONST for a in value.args):
            pairs = zip(value.args, operands, strict=True)
            operands = [Term(self._whole(a, term)) for a, term in pairs]
        self.emitter.dtype = (value.args[-1] if value.args else value).type.dtype
        result: Any = value.op.emit and value.op.emit(self.emitter, *operands, **dict(value.attrs))
        if isinstance(value.type, TupleType):
            return tuple([self._named(term.text, lines) for term in result])
        return self._named(result.text, lines)

    def _constant(self, value: Value) -> Term:
        """A number where all elements are one; NumPy broadcasts it. Else the name of an array."""
        literal = value.literal
        assert literal is not None
        if literal.scalar is not None:
            return numpy_number(literal.scalar, literal.type.dtype)
        if literal not in self._constants:
            name = self._constants[literal] = self._names.temporary()
            text = array_constant(literal)
            self.has_coded_constants |= "base64." in text
            self.definitions.append(f"{name} = {text}")
        return Term(self._constants[literal])

    def _whole(self, value: Value, term: Term) -> str:
        """The text of a value with its dtype and shape, also where it is a constant."""
        number = value.literal.scalar if value.literal else None
        return term.text if number is None else filled(number, value)

    def embed(self, value: Value, texts: list[str], lines: list[str]) -> Term:
        """Zeros, and a part of them assigned."""
        inner, shape = value.args[0].type.shape, value.type.shape
        places = sliced(value.attr("start"), value.attr("step"), inner, shape)
        result = self._named(_zeros(value), lines)
        lines.append(f"{result.text}[{places}] = {texts[0]}")
        return result

    def gather(self, value: Value, texts: list[str], lines: list[str]) -> Term:
        """Elements at places that are computed."""
        x, *indices = texts
        places = self._places(value, value.args[0].type.shape, indices)
        return self._named(f"{x}[{brackets(places)}]", lines)

    def scatter_add(self, value: Value, texts: list[str], lines: list[str]) -> Term:
        """Zeros, and elements added at places that are computed."""
        x, *indices = texts
        places = self._places(value, value.type.shape, indices)
        where = places[0] if len(places) == 1 else f"np.s_[{brackets(places)}]"
        result = self._named(_zeros(value), lines)
        lines.append(f"np.add.at({result.text}, {where}, {x})")
        return result

    def put_at(self, value: Value, texts: list[str], lines: list[str]) -> Term:
        """A copy, and elements assigned at places that are computed."""
        x, elements, *indices = texts
        places = self._places(value, value.type.shape, indices)
        result = self._named(f"np.array({x})", lines)
        lines.append(f"{result.text}[{brackets(places)}] = {elements}")
        return result

    def add_at(self, value: Value, texts: list[str], lines: list[str]) -> Term:
        """A copy, and elements added at places that are computed."""
        x, elements, *indices = texts
        places = self._places(value, value.type.shape, indices)
        where = places[0] if len(places) == 1 else f"np.s_[{brackets(places)}]"
        result = self._named(f"np.array({x})", lines)
        lines.append(f"np.add.at({result.text}, {where}, {elements})")
        return result

    def _places(self, value: Value, shape: tuple[int, ...], indices: list[str]) -> list[str]:
        """What stands between the brackets; indices that are not known to fit are checked."""
        axis = value.attr("axis")
        checked = [":"] * axis
        extents = shape[axis : axis + len(indices)]
        operands = value.args[len(value.args) - len(indices) :]
        for index, text, extent in zip(operands, indices, extents, strict=True):
            places = index.literal.array if index.literal else None
            if places is not None and ((places >= 0) & (places < extent)).all():
                checked.append(text)
            else:
                self.emitter.helpers.add("checked")
                checked.append(f"checked({text}, {extent})")
        return checked

    def scan(self, value: Value, texts: list[str], lines: list[str]) -> tuple[Term, ...]:
        """A loop that calls the body and keeps the outputs of each step."""
        attrs = dict(value.attrs)
        body, carries, inputs, length = (
            attrs[name] for name in ("body", "carries", "inputs", "length")
        )
        function = self._body(body)
        results = [self._named(text, lines) for text in texts[:carries]]
        step = self._names.claim("step")
        targets = [term.text for term in results]
        for output in body.outputs[carries:]:
            dtype = numpy_dtype(output.type.dtype)
            kept = self._named(f"np.empty({(length, *output.type.shape)}, {dtype})", lines)
            results.append(kept)
            targets.append(f"{kept.text}[{step}]")
        current = [f"{x}[{step}]" for x in texts[carries : carries + inputs]]
        operands = ", ".join([*targets[:carries], *current, *texts[carries + inputs :]])
        steps = f"range({length})"
        lines.append(f"for {step} in {f'reversed({steps})' if attrs['reverse'] else steps}:")
        lines.append(f"    {_unpacked(targets)} = {function}({operands})")
        return tuple(results)

    def custom(self, value: Value, texts: list[str], lines: list[str]) -> tuple[Term, ...]:
        """A call of the function."""
        body = value.attr("body")
        function = self._body(body)
        results = [Term(self._names.temporary()) for _ in body.outputs]
        targets = _unpacked([term.text for term in results])
        lines.append(f"{targets} = {function}({', '.join(texts)})")
        return tuple(results)

    def _body(self, body: Function) -> str:
        """The name of the function that computes `body`, defined when it is first asked for.

        Bodies define those of their own loops first: the recursion is as deep as loops are nested.
        """
        if body not in self._bodies:
            name = self._names.claim(python_identifier(body.name))
            params = [self._names.claim(python_identifier(n)) for n in body.param_names]
            lines, outputs = self.function(body, params)
            wholes = [
                self._whole(v, Term(text)) for v, text in zip(body.outputs, outputs, strict=True)
            ]
            lines.append(f"return {_unpacked(wholes)}")
            self.definitions.append(f"def {name}({', '.join(params)}):")
            self.definitions += [f"    {line}" for line in lines]
            self._bodies[body] = name
        return self._bodies[body]


def _zeros(value: Value) -> str:
    shape = value.type.shape
    return f"np.zeros({shape[0] if len(shape) == 1 else shape}, {numpy_dtype(value.type.dtype)})"


def _unpacked(texts: list[str]) -> str:
    return ", ".join(texts) if len(texts) > 1 else f"({texts[0]},)"


# What may be a view of something else: a gather is where all its indices are single numbers.
_SHARING: Final = VIEWS | {CONST, PARAM, ITEM, OPS["gather"]}

_STATEMENTS: Final[dict[Op, Any]] = {
    OPS["embed"]: _Writer.embed,
    OPS["gather"]: _Writer.gather,
    OPS["scatter_add"]: _Writer.scatter_add,
    OPS["put_at"]: _Writer.put_at,
    OPS["add_at"]: _Writer.add_at,
    OPS["scan"]: _Writer.scan,
    OPS["custom"]: _Writer.custom,
}
