"""Transformations of Functions as data: applied at once, or once the shapes are known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, cast

from symdiff import autodiff, ir, runtime
from symdiff.arguments import NOTHING, Arguments, Spec
from symdiff.errors import ArgumentError, ShapeError
from symdiff.functions import DEFAULTS, Function, collector_paused, derivative, kernel_key

Wrt = str | int | Sequence[str | int]
Axes = Any  # an int or None; a tuple of them, or a dict, with one for each parameter or leaf of it


class Step(Protocol):
    """A transformation.

    Attributes:
        suffix: what it adds to the name of a function.
        adds: whether the result takes further arguments, after those of the function.
    """

    @property
    def suffix(self) -> str: ...
    @property
    def adds(self) -> bool: ...

    def inner(self, names: Sequence[str], specs: list[Spec], more: bool) -> list[Spec]:
        """The arguments `names` of the function for those of the result.

        With `more`, the function has further ones, whose names are not known yet.
        """
        ...

    def apply(self, primal: Function, specs: list[Spec]) -> Function:
        """The transformed function, of arguments that begin with `specs`."""
        ...


# Derivatives.


@dataclass(frozen=True)
class Derivative:
    """A transformation of `symdiff.autodiff` with respect to some of the parameters.

    Attributes:
        transform: the transformation.
        suffix: what it adds to the name of a function.
        wrt: what the user names; None for all that are real.
        seeds: what the further arguments of the result are called, if there are any: "d" or "v"
            for one per parameter, "bar" for one per output.
    """

    transform: Callable[..., ir.Function]
    suffix: str
    wrt: Wrt | None = None
    seeds: str = ""

    @property
    def adds(self) -> bool:
        """Whether there are further arguments."""
        return bool(self.seeds)

    @property
    def whole(self) -> bool:
        """Whether the result at an array is more than that at each of its elements."""
        return self.suffix in ("jacobian", "value_and_jacobian", "vjp")

    def inner(self, names: Sequence[str], specs: list[Spec], more: bool) -> list[Spec]:
        """The same arguments."""
        return specs

    def apply(self, primal: Function, specs: list[Spec]) -> Function:
        """The derived function.

        Raises:
            ArgumentError: `wrt` names no parameter.
            DifferentiationError: see the transformation.
        """
        real = {p.attr("name") for p in primal.ir.params if p.type.dtype.kind == "f"}
        chosen, bare = positions(primal, self.wrt, real)
        every = primal.arguments
        groups = tuple(every[i] for i in chosen)
        structured = not all(isinstance(tree, ir.Leaf) for _, tree in every)
        names = [leaf.name for _, tree in groups for leaf in ir.leaves(tree)]
        if structured:
            names = [name for name in names if name in real]
        where = {name: i for i, name in enumerate(primal.ir.param_names)}
        wrt = [where[name] for name in names]
        stages = dict(primal.stages)

        def derive() -> ir.Function:
            start = time.perf_counter()
            with collector_paused():
                fn = derivative(self.transform, primal.ir, wrt, bare and not structured)
            stages["autodiff"] = stages.get("autodiff", 0.0) + time.perf_counter() - start
            return fn

        digest = self._digest(primal, wrt, bare) if runtime.cache.enabled() else None
        arguments = None
        # A derivative whose kernel is in the cache was derived before: there is no error to come.
        plain = not structured and not ir.has_factories(primal.ir.result)
        fn = derive
        if not plain or not runtime.cache.is_known(kernel_key(digest, DEFAULTS)):
            fn = derive()
            if structured:
                fn = replace(fn, result=_regrouped(fn.result, tuple(names), groups, bare))
                added = fn.param_names[len(primal.ir.params) :]
                arguments = every + self._further(groups, names, added)
        derived = Function(fn, primal, stages, arguments, digest)
        derived.__doc__ = primal.__doc__
        return derived

    def _digest(self, primal: Function, wrt: list[int], bare: bool) -> bytes | None:
        """What tells the derived function from others; None where the primal has no digest."""
        if primal.digest is None:
            return None
        how = self.transform
        choices = sorted(how.keywords.items()) if isinstance(how, partial) else []
        function = how.func if isinstance(how, partial) else how
        what = (function.__module__, function.__qualname__, choices, self.suffix, self.seeds)
        return ir.digest([primal.digest, repr((what, wrt, bare)).encode()])

    def _further(self, groups: Arguments, names: list[str], added: tuple[str, ...]) -> Arguments:
        """The arguments that the derived function has besides, in structures like `groups`."""
        if self.seeds not in ("d", "v"):
            return tuple((name, ir.Leaf(name)) for name in added)
        further: list[tuple[str, ir.Tree]] = []
        rest, chosen = iter(added), set(names)
        for name, tree in groups:
            seeds = ir.Leaf(next(rest)) if isinstance(tree, ir.Leaf) else None
            if seeds is not None:
                further.append((seeds.name, seeds))
            else:
                leaves = (ir.Leaf(seed) for seed in rest)
                further.append((f"{self.seeds}_{name}", _filled(tree, leaves, chosen)))
        return tuple(further)


def positions(fn: Function, wrt: Wrt | None, real: set[str]) -> tuple[list[int], bool]:
    """Positions of the parameters that `wrt` means, and whether the result is bare.

    `real` has the names of the leaves with derivatives.

    Raises:
        ArgumentError: no such parameter.
    """
    names = fn.parameters
    if wrt is None:
        chosen = [
            i
            for i, (_, tree) in enumerate(fn.arguments)
            if any(leaf.name in real for leaf in ir.leaves(tree))
        ]
        if not chosen:
            has = " with floating-point numbers" if names else ""
            raise ArgumentError(f"{fn.name} has no parameter{has} to differentiate with respect to")
        return chosen, len(names) == 1
    return named_positions(fn.name, names, wrt)


def named_positions(
    name: str, names: Sequence[str], wrt: Wrt, option: str = "wrt"
) -> tuple[list[int], bool]:
    """Positions among `names` of what `wrt` names, and whether the result is bare.

    `option` is what users call `wrt`.

    Raises:
        ArgumentError: no such parameter.
    """
    single = isinstance(wrt, (str, int))
    position = {name: i for i, name in enumerate(names)}
    if not isinstance(cast("Any", wrt), (str, int, Sequence)):
        raise ArgumentError(
            f"{option}={wrt!r}: name a parameter, give its position, or a list of them"
        )
    wanted = [wrt] if isinstance(wrt, (str, int)) else list(wrt)
    chosen = [_position(name, position, w, option) for w in wanted]
    if len(set(chosen)) != len(chosen) or not chosen:
        raise ArgumentError(f"{option}={wrt!r}: name each parameter once")
    return chosen, single or len(names) == 1


def _position(name: str, position: dict[str, int], which: Any, option: str) -> int:
    if isinstance(which, str) and which in position:
        return position[which]
    if isinstance(which, int) and -len(position) <= which < len(position):
        return which % len(position)
    shown = ", ".join(list(position)[:20])
    raise ArgumentError(f"{option}={which!r}: {name} has the parameters {shown}")


def _regrouped(tree: ir.Tree, names: tuple[str, ...], groups: Arguments, bare: bool) -> ir.Tree:
    """`tree` with each named tuple over the leaves `names` in the structure of the parameters."""
    if isinstance(tree, ir.Leaf):
        return tree
    children = [_regrouped(child, names, groups, bare) for child in tree.children]
    if tree.fields != names or tree.kind != "tuple":
        return tree.with_children(children)
    given, chosen = iter(children), set(names)
    parts = tuple([_filled(group, given, chosen) for _, group in groups])
    return parts[0] if bare else ir.Branch(parts, tuple([n for n, _ in groups]), tree.label)


def _filled(tree: ir.Tree, given: Iterator[ir.Tree], chosen: set[str]) -> ir.Tree:
    """`tree` with the next of `given` for each leaf in `chosen`, and None for the others."""
    if isinstance(tree, ir.Leaf):
        return next(given) if tree.name in chosen else NOTHING
    return tree.with_children([_filled(child, given, chosen) for child in tree.children])


# Mapping over an axis.


@dataclass(frozen=True)
class Vmap:
    """The function mapped over an axis of its arguments; results have it first.

    Attributes:
        in_axes: which axis, or None for an argument that is the same for all.
    """

    in_axes: Axes
    suffix: str = "vmap"
    adds: bool = False

    def inner(self, names: Sequence[str], specs: list[Spec], more: bool) -> list[Spec]:
        """The arguments without the axis that is mapped over.

        Raises:
            ArgumentError: an argument does not have the axis.
        """
        entries = self._entries(names, more)
        mapped: list[Spec] = []
        for name, entry, spec in zip(names, entries, specs, strict=True):
            axes = _axes_of(name, entry, spec.tree)
            pairs = zip(ir.leaves(spec.tree), spec.types, axes, strict=True)
            types = [_without(leaf.name, type, axis) for leaf, type, axis in pairs]
            mapped.append(Spec(spec.tree, tuple(types)))
        return mapped

    def apply(self, primal: Function, specs: list[Spec]) -> Function:
        """The mapped function; how often is what `specs` say.

        Raises:
            ShapeError: the axes differ in extent, or there are none.
        """
        entries = self._entries(primal.parameters, False)
        axes: list[int | None] = []
        sizes: dict[str, int] = {}
        for i, ((name, tree), entry) in enumerate(zip(primal.arguments, entries, strict=True)):
            found = _axes_of(name, entry, tree)
            axes += found
            types = specs[i].types if i < len(specs) else ()
            for leaf, type, axis in zip(ir.leaves(tree), types, found, strict=False):
                if axis is not None:
                    sizes[leaf.name] = type.shape[axis]
        if len(set(sizes.values())) != 1:
            shown = ", ".join(f"{name}: {size}" for name, size in sizes.items())
            what = f"the axes differ in extent: {shown}" if sizes else "no argument has an axis"
            raise ShapeError(f"vmap of {primal.name}: {what}")
        counts = [len(p.type.shape) + 1 for p in primal.ir.params]
        ahead = [a if a is None else a % n for a, n in zip(axes, counts, strict=True)]
        (size,) = set(sizes.values())
        with collector_paused():
            fn = autodiff.batch(primal.ir, ahead, size)
        made = Function(fn, stages=dict(primal.stages), arguments=primal.arguments)
        made.__doc__ = primal.__doc__
        return made

    def _entries(self, names: Sequence[str], more: bool) -> list[Any]:
        """What `in_axes` says about each of the parameters `names`; with `more`, there are others.

        Raises:
            ArgumentError: it is for other parameters.
        """
        if self.in_axes is None or isinstance(self.in_axes, int):
            return [self.in_axes] * len(names)
        if isinstance(self.in_axes, Mapping):
            entries = cast("Mapping[str, Any]", cast("Any", self).in_axes)
            for name in entries:
                if name not in names and not more:
                    raise ArgumentError(f"in_axes: {name!r} is none of {', '.join(names)}")
            return [entries.get(name) for name in names]
        given = list(self.in_axes)
        if more and len(given) > len(names):
            return given[: len(names)]
        if len(given) != len(names):
            raise ArgumentError(
                f"in_axes={self.in_axes!r}: {len(given)} given for the {len(names)} parameters "
                f"{', '.join(names)}"
            )
        return given


def checked_axes(in_axes: Any) -> Axes:
    """`in_axes`, if it is an int, None, or a tuple or dict.

    Raises:
        ArgumentError: it is something else.
    """
    if isinstance(in_axes, bool) or not isinstance(in_axes, (int, tuple, list, Mapping)):
        raise ArgumentError(
            f"in_axes={in_axes!r}: give an axis, or a tuple or a dict with one (or None) for "
            "each parameter"
        )
    return cast("Any", in_axes)


def _axes_of(name: str, entry: Any, tree: ir.Tree) -> list[int | None]:
    """The axis of each leaf of a parameter, from the entry of `in_axes` for the parameter."""
    if entry is None or (isinstance(entry, int) and not isinstance(entry, bool)):
        return [entry] * len(ir.leaves(tree))
    if isinstance(tree, ir.Branch):
        try:
            parts = ir.flatten(ir.Branch(_placeholders(tree), tree.fields, "", tree.kind), entry)
        except ValueError as error:
            raise ArgumentError(f"in_axes: {name}: {error}") from None
        pairs = zip(parts, tree.children, strict=True)
        return [axis for part, child in pairs for axis in _axes_of(name, part, child)]
    raise ArgumentError(f"in_axes: {name}: expected an axis or None, got {entry!r}")


def _placeholders(tree: ir.Branch) -> tuple[ir.Tree, ...]:
    return tuple([ir.Leaf(str(i)) for i in range(len(tree.children))])


def _without(name: str, type: ir.Type, axis: int | None) -> ir.Type:
    """The type without one of its axes."""
    if axis is None:
        return type
    rank = len(type.shape)
    if not -rank <= axis < rank:
        raise ArgumentError(f"vmap: {name} is {type}; it has no axis {axis} to map over")
    axis %= rank
    return type.with_shape(type.shape[:axis] + type.shape[axis + 1 :])
