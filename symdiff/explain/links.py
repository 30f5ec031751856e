"""What belongs together: parts of the source, lines of every stage, lines of the code.

A key names a value of the final IR by where it stands there, `7.0`, or a parameter, `1.2`. Whatever
comes from a value has its key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from symdiff.explain.numbering import Numbers, origins
from symdiff.explain.source import Source
from symdiff.explain.uses import BOTH, DERIVATIVE, VALUE
from symdiff.ir import CONST, PARAM, Function, Location, Value, with_nested

Keys = tuple[str, ...]
Span = tuple[int, int]


def key(place: Location) -> str:
    """The key of a value or a parameter at `place` in the final IR."""
    return f"{place[0]}.{place[1]}"


class Links:
    """The keys of everything that comes before the final IR.

    Attributes:
        spans: parts of the source text, and the keys of what they became; no two overlap, but one
            may lie inside of the other.
    """

    def __init__(self, source: Source, final: Function) -> None:
        self.places = {value: key(place) for value, place in origins(final).items()}
        self.source = source
        self._params = {name: key((1, i)) for i, name in enumerate(final.param_names, 1)}
        self._by_location: defaultdict[Location, list[str]] = defaultdict(list)
        places: dict[Location, Span | None] = {}
        for part in with_nested(final):
            for value in part.live():
                where = value.location
                if value.op is PARAM or where is None:
                    continue
                if where not in places:
                    places[where] = source.span(value)
                if value.op is not CONST or _is_number(source, places[where]):
                    self._by_location[where].append(self.places[value])
        computed = [value for value in final.live() if value.op is not PARAM]
        self._by_number = {i: self.places[value] for i, value in enumerate(computed)}
        self.spans = self._spans(final, places)
        self._spans_of: defaultdict[str, list[Span]] = defaultdict(list)
        for span, keys in self.spans.items():
            for k in keys:
                self._spans_of[k].append(span)

    def excerpt(self, keys: Iterable[str]) -> str:
        """The shortest part of the source text that became one of the values with these keys."""
        spans = [s for k in keys for s in self._spans_of.get(k, ())]
        start, end = min(spans, key=lambda s: s[1] - s[0], default=(0, 0))
        return " ".join(self.source.text[start:end].split())

    def _spans(self, final: Function, places: Mapping[Location, Span | None]) -> dict[Span, Keys]:
        found: dict[Span, list[str]] = {}
        for location, keys in self._by_location.items():
            span = places[location]
            if span is not None:
                found.setdefault(span, []).extend(keys)
        for start, end, position in self.source.parameters(final):
            found.setdefault((start, end), []).append(key((1, position + 1)))
        for span in list(found):
            for other in self.source.repeated(*span):
                found.setdefault(other, found[span])
        nested = _nested(found)
        return {span: tuple(dict.fromkeys(found[span])) for span in nested}

    def of(self, value: Value, numbers: Numbers) -> Keys:
        """The keys of a value of an earlier stage, whose values have these numbers.

        What did not survive has those of what comes from the same place.
        """
        if value.op is PARAM:
            found = self._params.get(value.attr("name"))
            return () if found is None else (found,)
        number = numbers.get(value)
        if number in self._by_number:
            return (self._by_number[number],)
        if value.location is None:
            return ()
        return tuple(self._by_location.get(value.location, ()))


def _is_number(source: Source, span: Span | None) -> bool:
    """Whether a number is written out there.

    A constant may have been there before, for another part of the formula.
    """
    return span is not None and source.text[slice(*span)].replace(".", "").isalnum()


def _nested(spans: Iterable[Span]) -> list[Span]:
    """Those of `spans` that lie beside or inside of each other, outer ones first."""
    kept: list[Span] = []
    open_: list[Span] = []
    for span in sorted(spans, key=lambda s: (s[0], -s[1])):
        while open_ and open_[-1][1] <= span[0]:
            open_.pop()
        if not open_ or span[1] <= open_[-1][1]:
            kept.append(span)
            open_.append(span)
    return kept


def use_of(keys: Iterable[str], uses: Mapping[str, str]) -> str:
    """What the values with these keys serve: "value", "derivative", "both" or "".

    Of what a part of the source became, the value itself counts, not what its derivative adds.
    """
    kinds = {uses.get(k, "") for k in keys}
    return next((kind for kind in (BOTH, VALUE, DERIVATIVE) if kind in kinds), "")
