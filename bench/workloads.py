"""The formulas that the benchmarks share, from three operations to three hundred thousand."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, NamedTuple

INPUTS: Final = 20  # parameters of the generated sum and of the random graph


class Formula(NamedTuple):
    """A formula as Python and symdiff both read it, and a point at which to call it."""

    text: str
    point: dict[str, float]


LECTURE: Final = Formula("(x + y) * max(y, z)", {"x": 1.0, "y": 2.0, "z": 0.0})

# What sky and wind bring to the ground in W/m2: air and ground temperature T and s in K, relative
# humidity h and cloud cover c from 0 to 1, wind w in m/s. Clear-sky emissivity by Brutsaert
# (1975), vapour pressure by Magnus; 25 operations.
RADIATION: Final = Formula(
    "0.97*5.67e-8*(1.24*(6.11*h*exp(17.27*(T - 273.15)/(T - 35.85))/T)**0.142857"
    "*(1 + 0.22*c**2)*T**4 - s**4) + 0.2*w*(T - s)",
    {"h": 0.6, "T": 290.0, "c": 0.4, "s": 285.0, "w": 3.0},
)


def levels(n: int = 200) -> str:
    """`x = x*(1 + sin(x))`, n times."""
    return "\n".join([*["x = x*(1 + sin(x))"] * n, "x"])


def product(n: int = 5_000) -> str:
    """The product of n variables."""
    return "*".join(f"x{i}" for i in range(n))


def nested(n: int = 10_000) -> str:
    """`sin(sin(...sin(x)))`."""
    return "sin(" * n + "x" + ")" * n


def long_sum(n: int = 100_000) -> str:
    """A quadratic form of n terms, three operations each."""
    draw = random.Random(1)
    terms = (
        f"{draw.random():.6f}*x{draw.randrange(INPUTS)}*x{draw.randrange(INPUTS)}" for _ in range(n)
    )
    return " + ".join(terms)


def random_graph(n: int = 10_000) -> str:
    """A program of n operations on recent and on early values, all of them needed."""
    draw = random.Random(1)
    names = [f"x{i}" for i in range(INPUTS)]
    unused = list(names)
    lines: list[str] = []
    while len(lines) + len(unused) <= n:
        a = draw.choice(unused if draw.random() < 0.5 else names[-300:])
        b = draw.choice(names[-300:])
        form = draw.choice(
            ("{0}*{1}", "{0} + {1}", "{0} - {1}", "sin({0})", "cos({0})", "tanh({0})")
        )
        used = (a, b) if "{1}" in form else (a,)
        name = f"t{len(lines)}"
        lines.append(f"{name} = {form.format(a, b)}")
        unused = [u for u in unused if u not in used] + [name]
        names.append(name)
    return "\n".join([*lines, " + ".join(unused)])


WORKLOADS: Final[dict[str, Callable[[], str]]] = {
    "the lecture's formula": lambda: LECTURE.text,
    "radiation, 25 operations": lambda: RADIATION.text,
    "200 levels of x*(1 + sin(x))": levels,
    "product of 5,000 variables": product,
    "10,000 nested sin": nested,
    "random graph, 10,000 operations": random_graph,
    "sum of 100,000 terms": long_sum,
}
