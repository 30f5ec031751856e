"""The formulas that the benchmarks share, from three operations to three hundred thousand."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import numpy as np

INPUTS: Final = 20  # parameters of the generated sum and of the random graph


class Formula(NamedTuple):
    """A formula as Python and symdiff both read it, and a point at which to call it.

    Attributes:
        text: assignments, one a line, and an expression.
        point: the parameters in order, each with a number.
        greeks: of an option's price, not the value with its gradient is wanted but price, delta,
            vega, theta, rho and gamma; see `wanted`.
    """

    text: str
    point: dict[str, float]
    greeks: bool = False

    def on(self, functions: Mapping[str, Any], symbols: Sequence[Any]) -> Any:
        """The formula evaluated on a package's own symbols, with its own functions."""
        scope = {**functions, **dict(zip(self.point, symbols, strict=True))}
        *assignments, result = self.text.strip().split("\n")
        exec("\n".join(assignments), {"__builtins__": {}}, scope)
        return eval(result, {"__builtins__": {}}, scope)

    def wanted(self, value: Any, symbols: Sequence[Any], diff: Callable[[Any, Any], Any]) -> Any:
        """The results as a list, with a package's own symbolic derivative `diff(of, by)`."""
        if not self.greeks:
            return [value, *(diff(value, symbol) for symbol in symbols)]
        S, _, T, r, v = symbols
        delta = diff(value, S)
        return [value, delta, diff(value, v), -diff(value, T), diff(value, r), diff(delta, S)]


LECTURE: Final = Formula("(x + y) * max(y, z)", {"x": 1.0, "y": 2.0, "z": 0.0})

# What sky and wind bring to the ground in W/m2: air and ground temperature T and s in K, relative
# humidity h and cloud cover c from 0 to 1, wind w in m/s. Clear-sky emissivity by Brutsaert
# (1975), vapour pressure by Magnus; 25 operations.
RADIATION: Final = Formula(
    "0.97*5.67e-8*(1.24*(6.11*h*exp(17.27*(T - 273.15)/(T - 35.85))/T)**0.142857"
    "*(1 + 0.22*c**2)*T**4 - s**4) + 0.2*w*(T - s)",
    {"h": 0.6, "T": 290.0, "c": 0.4, "s": 285.0, "w": 3.0},
)

# Sunlight on a plane in W/m2: latitude l, declination d, hour angle h, tilt b towards the equator,
# all in radians, and the optical depth t of the air; 24 operations.
SOLAR: Final = Formula(
    """
sun = sin(l)*sin(d) + cos(l)*cos(d)*cos(h)
seen = sin(l - b)*sin(d) + cos(l - b)*cos(d)*cos(h)
1361*exp(-t/sun)*seen + 68*sun*(1 + cos(b))
""",
    {"l": 0.8, "d": 0.3, "h": 0.5, "b": 0.4, "t": 0.2},
)

# The price of a European call (Black and Scholes 1973): S is what the share costs, K the price that
# was agreed on, T the years left, r the rate of interest, v the volatility.
BLACK_SCHOLES: Final = Formula(
    """
d1 = (log(S/K) + (r + v**2/2)*T)/(v*sqrt(T))
d2 = d1 - v*sqrt(T)
0.5*S*erfc(-d1/sqrt(2.0)) - 0.5*K*exp(-r*T)*erfc(-d2/sqrt(2.0))
""",
    {"S": 100.0, "K": 105.0, "T": 1.5, "r": 0.03, "v": 0.25},
    greeks=True,
)

FORMULAS: Final = {
    "lecture": LECTURE,
    "radiation": RADIATION,
    "solar": SOLAR,
    "black_scholes": BLACK_SCHOLES,
}


def points(formula: Formula, count: int) -> dict[str, Any]:
    """`count` points around the formula's own."""
    draw = np.random.default_rng(1)
    return {name: x * draw.uniform(0.9, 1.1, count) for name, x in formula.point.items()}


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


def recent(names: Sequence[str], window: int) -> tuple[int, int]:
    """Where the last `window` of the names begin and end."""
    return max(0, len(names) - window), len(names)


def random_graph(n: int = 10_000, window: int = 300) -> str:
    """A program of n operations on recent and on early values, all of them needed.

    Recent are the last `window`. The smaller it is, the deeper is the graph, and the more it does
    to rounding errors.
    """
    draw = random.Random(1)
    names = [f"x{i}" for i in range(INPUTS)]
    unused = list(names)
    lines: list[str] = []
    while len(lines) + len(unused) <= n:
        old = draw.random() < 0.5
        a = draw.choice(unused) if old else names[draw.randrange(*recent(names, window))]
        b = names[draw.randrange(*recent(names, window))]
        form = draw.choice(
            ("{0}*{1}", "{0} + {1}", "{0} - {1}", "sin({0})", "cos({0})", "tanh({0})")
        )
        used = (a, b) if "{1}" in form else (a,)
        name = f"t{len(lines)}"
        lines.append(f"{name} = {form.format(a, b)}")
        for operand in used:
            with suppress(ValueError):  # it was used before
                unused.remove(operand)
        unused.append(name)
        names.append(name)
    return "\n".join([*lines, " + ".join(unused)])


def variables(n: int = 100_000) -> str:
    """The sum of n variables."""
    return " + ".join(f"x{i}" for i in range(n))


def harmonics(n: int = 100_000) -> str:
    """The sum of n sines, which cannot wait for each other."""
    return " + ".join(f"sin({i}*x)" for i in range(1, n + 1))


WORKLOADS: Final[dict[str, Callable[[], str]]] = {
    "the lecture's formula": lambda: LECTURE.text,
    "radiation, 25 operations": lambda: RADIATION.text,
    "200 levels of x*(1 + sin(x))": levels,
    "product of 5,000 variables": product,
    "10,000 nested sin": nested,
    "random graph, 10,000 operations": random_graph,
    "random graph, 100,000 operations": lambda: random_graph(100_000),
    "sum of 100,000 terms": long_sum,
    "sum of 100,000 variables": variables,
    "sum of 100,000 sines": harmonics,
}
MILLION: Final[dict[str, Callable[[], str]]] = {
    "random graph, 1,000,000 operations": lambda: random_graph(1_000_000),
}
"""Some minutes, and some gigabytes, each."""
