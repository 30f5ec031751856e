"""From the figures of runs, as JSON, to what the documentation shows: tables and a plot."""

from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from bench.registry import WORKLOADS
from bench.report import LIMIT, as_markdown, best
from bench.run import ROOT
from bench.tables import sentence

README: Final = ROOT / "bench" / "README.md"
PLOT: Final = ROOT / "docs" / "images" / "bench.png"
SUITES: Final = ("calls", "batches", "tensors", "compile")


def publish(folder: Path, documentation: bool) -> None:
    """Write bench.md and bench.png beside the JSON files in `folder`.

    With `documentation` the plot goes into docs/, and the tables between the marks in README.md.
    """
    found = {
        suite: json.loads(path.read_text())
        for suite in SUITES
        if (path := folder / f"{suite}.json").exists()
    }
    texts = {suite: _text(suite, facts) for suite, facts in found.items()}
    (folder / "bench.md").write_text("\n\n".join(["# Benchmarks", *texts.values()]) + "\n")
    try:
        plot(found, PLOT if documentation else folder / "bench.png")
    except ModuleNotFoundError as error:
        print(f"no plot: {error.name} is not installed", file=sys.stderr)
    if documentation:
        summaries = {suite: _text(suite, facts, brief=True) for suite, facts in found.items()}
        README.write_text(with_tables(README.read_text(), summaries))


def _text(suite: str, facts: dict[str, Any], brief: bool = False) -> str:
    tables = as_markdown(suite, facts, brief)
    heading, rest = tables.split("\n", 1)
    return f"{heading}\n\n{sentence(facts['environment'])}\n{rest}"


def with_tables(document: str, texts: dict[str, str]) -> str:
    """The document with each text between `<!-- NAME -->` and `<!-- end NAME -->`."""
    for name, text in texts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        lower = re.sub(r"^## ", "### ", text, flags=re.MULTILINE)
        document = pattern.sub(lambda m, t=lower: f"{m[1]}\n{t}\n\n{m[2]}", document)
    return document


def plot(found: dict[str, Any], path: Path) -> None:
    """Times as multiples of the limit in C, on one thread: symdiff, the best peer, code by hand.

    Raises:
        ModuleNotFoundError: there is no matplotlib.
    """
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    rows = _ratios(found)
    if not rows:
        return
    figure, axes = pyplot.subplots(figsize=(9, 1 + 0.32 * len(rows)), layout="constrained")
    looks = {
        "symdiff": ("o", "#1668b3", "symdiff"),
        "automatic": ("s", "#d9642c", "the fastest other automatic tool"),
        "by hand": ("|", "#555555", "by hand, compiled by numba"),
    }
    for kind, (marker, colour, label) in looks.items():
        places = [(ratios[kind], i) for i, (_, ratios) in enumerate(rows) if kind in ratios]
        axes.plot([x for x, _ in places], [y for _, y in places], marker, color=colour, label=label)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    ticks = [x for x in (0.5, 1, 2, 5, 10, 20, 50, 100) if axes.get_xlim()[0] < x]
    axes.set_xticks([x for x in ticks if x < axes.get_xlim()[1]])
    axes.set_yticks(range(len(rows)), [title for title, _ in rows], fontsize="small")
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("time, in multiples of hand-derived C; one thread")
    axes.legend(loc="upper right", fontsize="small")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _ratios(found: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    """For each workload that has a limit: the fastest of each kind over the limit."""
    rows: list[tuple[str, dict[str, float]]] = []
    for suite, facts in found.items():
        for name, contenders in facts.get("threads", {}).get("1", {}).items():
            limit = contenders.get(LIMIT, {}).get("seconds")
            if limit is None:
                continue
            ratios: dict[str, float] = {}
            for kind in ("symdiff", "automatic", "by hand"):
                of_kind = {k: v for k, v in contenders.items() if not k.startswith("C")}
                label = best(of_kind, kind)
                if label is not None:
                    ratios[kind] = contenders[label]["seconds"] / limit
            rows.append((f"{suite}: {WORKLOADS[name].title}", ratios))
    return rows


if __name__ == "__main__":
    publish(Path(sys.argv[1]), documentation=True)
