"""What a run found, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bench import compile_suite
from bench.registry import WORKLOADS
from bench.tables import duration, markdown

Facts = Mapping[str, Any]  # of a contender, see `run.Figures.facts`
Found = Mapping[str, Facts]  # by label

THREADS: Final = {"1": "one thread", "all": "all threads"}
LIMIT: Final = "C"


def best(found: Found, *kinds: str) -> str | None:
    """The label of the fastest contender of these kinds that has a time."""
    timed = [k for k, facts in found.items() if facts["kind"] in kinds and "seconds" in facts]
    return min(timed, key=lambda label: found[label]["seconds"], default=None)


def summary(suite: Mapping[str, Found]) -> str:
    """A row per workload: symdiff's fastest way beside C and the fastest peers."""
    header = ("", "C", "symdiff", "/ C", "way", "best peer", "/ peer", "its way", "by hand")
    return markdown(header, [_summary_row(name, found) for name, found in suite.items()])


def _summary_row(workload: str, found: Found) -> tuple[str, ...]:
    own, peer, hand = (best(found, kind) for kind in ("symdiff", "automatic", "by hand"))
    limit = LIMIT if "seconds" in found.get(LIMIT, {}) else None

    def time(label: str | None) -> str:
        return "" if label is None else duration(found[label]["seconds"])

    def ratio(label: str | None) -> str:
        if own is None or label is None:
            return ""
        return f"{found[own]['seconds'] / found[label]['seconds']:.2f}"

    way = "" if own is None else own.removeprefix("symdiff: ")
    by_hand = "" if hand is None else f"{time(hand)} ({hand.split(':')[0]})"
    title = WORKLOADS[workload].title
    row = (title, time(limit), time(own), ratio(limit), way, time(peer), ratio(peer))
    return (*row, peer or "", by_hand)


def details(workload: str, found: Found) -> str:
    """A row per contender."""
    return markdown(_header(workload), list(_rows(workload, found)))


def _header(workload: str) -> tuple[str, ...]:
    per_point = ("a point",) if WORKLOADS[workload].points > 1 else ()
    return (WORKLOADS[workload].title, "a call", *per_point, "/ C", "ready after", "differs by")


def _rows(workload: str, found: Found) -> Iterable[tuple[str, ...]]:
    points = WORKLOADS[workload].points
    limit = found.get(LIMIT, {}).get("seconds")
    for label, facts in found.items():
        width = len(_header(workload))
        if "reason" in facts:
            yield (label, facts["reason"], *[""] * (width - 2))
            continue
        seconds = facts["seconds"]
        per_point = (duration(seconds / points),) if points > 1 else ()
        ratio = f"{seconds / limit:.2f}" if limit else ""
        yield (
            label,
            duration(seconds),
            *per_point,
            ratio,
            duration(facts["ready"]),
            f"{facts['difference']:.0e}",
        )


def as_markdown(suite: str, found: Mapping[str, Any], brief: bool = False) -> str:
    """What a suite found: a summary for each number of threads, and all of it unless `brief`."""
    if suite == "compile":
        return f"## compile\n\n{compile_suite.tables(found['sources'], found['imports'])}"
    parts: list[str] = []
    for threads, workloads in found["threads"].items():
        parts.append(f"## {suite}, {THREADS[threads]}")
        parts.append(summary(workloads))
        if not brief:
            parts += [details(name, contenders) for name, contenders in workloads.items()]
    return "\n\n".join(parts)
