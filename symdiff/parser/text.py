"""The front end for text: a formula or a small program to a Function, nothing executed."""

from __future__ import annotations

from collections.abc import Mapping

from symdiff.ir import Function, Type
from symdiff.parser.build import build_function
from symdiff.parser.program import parse_program


def parse_text(source: str, args: Mapping[str, Type] | None = None, name: str = "f") -> Function:
    """The Function that `source` (an expression, a program or a `def`) describes.

    `args` fixes the order and the types of the parameters, used or not; without it they are
    scalars in order of first appearance, or those of the `def`. `name` is what the Function is
    called if the text does not say. Several results, `a, b`, become a tuple of leaves
    `value_0`, `value_1`, ... Nesting and length are limited by memory alone; time is linear.

    Raises:
        ParseError: the text is not a formula; says where and what to write instead.
        UnsupportedError: a parameter is an array.
    """
    return build_function(parse_program(source), args, name)
