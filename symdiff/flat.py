"""Structures of arrays as single vectors, which is what optimisers work on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from symdiff import api, ir
from symdiff.arguments import describe
from symdiff.errors import ArgumentError

Array = np.ndarray[Any, np.dtype[Any]]


class Vectorizer:
    """The way between structures like an example and vectors of float64.

    Attributes:
        size: the number of elements of the vector.
    """

    def __init__(self, example: Any, name: str = "example") -> None:
        (spec,) = describe([name], [example])
        self._tree = spec.tree
        self._types = spec.types
        self._name = name
        for leaf, type in zip(ir.leaves(spec.tree), spec.types, strict=True):
            if type.dtype.kind != "f":
                raise ArgumentError(
                    f"{leaf.name}: {type} does not vary continuously; make it floating-point, or "
                    "leave it out of the structure"
                )
        if isinstance(spec.tree, ir.Leaf) and not spec.types[0].shape:
            raise ArgumentError(f"{name}: a single number is no vector; put it into an array")
        self._ends = np.cumsum([t.size for t in spec.types], dtype=np.int64).tolist()
        self.size: int = self._ends[-1] if self._ends else 0

    def vector(self, structure: Any) -> Array:
        """All elements of `structure`, the leaves one after the other, in a new array.

        Raises:
            ArgumentError: `structure` is not like the example.
        """
        parts = self._parts(structure)
        if parts is None or [p.shape for p in parts] != [t.shape for t in self._types]:
            raise ArgumentError(f"{self._name}: expected the structure and shapes of the example")
        return self._joined(parts, ())

    def restore(self, vector: Any) -> Any:
        """The structure whose elements are those of `vector`: numbers, and arrays that are views.

        What is float32 in the example is a copy in that precision.

        Raises:
            ArgumentError: `vector` is no vector of this size.
        """
        given = np.asarray(vector)
        if given.shape != (self.size,) or given.dtype.kind not in "fiu":
            raise ArgumentError(
                f"{self._name}: expected a vector of {self.size} numbers, "
                f"got {given.dtype} of shape {given.shape}"
            )
        given = given.astype(np.float64, copy=False)
        starts = [0, *self._ends]
        leaves = (
            _leaf(given[start:end], type)
            for start, end, type in zip(starts, self._ends, self._types, strict=False)
        )
        return ir.build(self._tree, leaves)

    def flat(self, result: Any) -> Any:
        """`result` with vectors in place of structures like the example.

        The arrays of such a structure may have further axes before those of the example: a
        Jacobian becomes a matrix. Tuples are looked into, and all else stays as it is.
        """
        parts = self._parts(result)
        if parts is not None:
            ranks = [p.ndim - len(t.shape) for p, t in zip(parts, self._types, strict=True)]
            pairs = list(zip(parts, self._types, strict=True))
            leads = {p.shape[:rank] for rank, (p, _) in zip(ranks, pairs, strict=True)}
            ends = all(p.shape[r:] == t.shape for r, (p, t) in zip(ranks, pairs, strict=True))
            if len(leads) == 1 and min(ranks) >= 0 and ends:
                return self._joined(parts, leads.pop())
        if isinstance(result, tuple):
            return tuple([self.flat(part) for part in cast("tuple[Any, ...]", result)])
        return result

    def _parts(self, structure: Any) -> list[Array] | None:
        """The leaves of a structure like the example as arrays, or None."""
        try:
            return [np.asarray(leaf, np.float64) for leaf in ir.flatten(self._tree, structure)]
        except (ValueError, TypeError):
            return None

    def _joined(self, parts: list[Array], lead: tuple[int, ...]) -> Array:
        rows = [
            part.reshape((*lead, type.size)) for part, type in zip(parts, self._types, strict=True)
        ]
        return np.concatenate(rows, axis=-1) if rows else np.empty((*lead, 0))


def _leaf(elements: Array, type: ir.Type) -> Any:
    """The elements of a leaf as an array of its type, or as a number."""
    if type.dtype is not ir.f64:
        return elements.reshape(type.shape).astype(type.dtype.numpy)[()]
    return elements.reshape(type.shape) if type.shape else elements.item()


def ravel(structure: Any) -> tuple[Array, Callable[[Any], Any]]:
    """A vector of all elements of a structure of arrays, and the function that restores it.

    Structures are dicts, lists, tuples, named tuples and dataclasses of floating-point arrays.

        >>> import numpy as np
        >>> import symdiff as sd
        >>> vector, restore = sd.ravel({"w": np.array([[1.0, 2.0]]), "b": 3.0})
        >>> vector
        array([1., 2., 3.])
        >>> restore(2 * vector)
        {'w': array([[2., 4.]]), 'b': 6.0}
    """
    vectorizer = Vectorizer(structure, "structure")
    return vectorizer.vector(structure), vectorizer.restore


class FlatFunction:
    """A function of vectors, made by `flat` from one of structures of arrays.

    Attributes:
        x0: the vector of the first example.
    """

    def __init__(self, function: Callable[..., Any], examples: tuple[Any, ...]) -> None:
        self._function = function
        names = [f"example {i}" for i in range(len(examples))]
        self._vectorizers = [Vectorizer(e, n) for e, n in zip(examples, names, strict=True)]
        self.x0 = self._vectorizers[0].vector(examples[0])

    def __call__(self, *args: Any) -> Any:
        """What the function returns, in vectors; further arguments are handed on to it."""
        count = len(self._vectorizers)
        if len(args) < count:
            raise ArgumentError(f"expected {count} vectors, got {len(args)} arguments")
        given = [v.restore(a) for v, a in zip(self._vectorizers, args, strict=False)]
        return self._vectorizers[0].flat(self._function(*given, *args[count:]))

    def vector(self, structure: Any) -> Array:
        """The vector of a structure such as the first example."""
        return self._vectorizers[0].vector(structure)

    def restore(self, vector: Any) -> Any:
        """The structure of the first example with the elements of `vector`."""
        return self._vectorizers[0].restore(vector)


def flat(source: api.Source, *examples: Any) -> FlatFunction:
    """A function of structures of arrays as a function of vectors, for SciPy's optimisers.

    `examples` say what the structures of the first parameters are: dicts, lists, tuples and
    dataclasses of floating-point arrays. Each of these parameters becomes a vector, and so does
    what the result has in the structure of the first one, such as a gradient. The result is
    called with those vectors and then the other arguments of the function.

        >>> import numpy as np
        >>> import symdiff as sd
        >>> from scipy.optimize import minimize
        >>> def loss(line, x, y):
        ...     return np.sum((line["slope"] * x + line["offset"] - y) ** 2)
        >>> f = sd.flat(sd.value_and_grad(loss, wrt="line"), {"slope": 1.0, "offset": 0.0})
        >>> data = np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0])
        >>> result = minimize(f, f.x0, args=data, jac=True, method="BFGS")
        >>> {name: round(float(number), 6) for name, number in f.restore(result.x).items()}
        {'slope': 2.0, 'offset': 1.0}
    """
    if not examples:
        raise ArgumentError("flat: give an example of the first parameter")
    is_kernel = isinstance(source, api.Kernel)
    return FlatFunction(source if is_kernel else api.function(source), examples)
