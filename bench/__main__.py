"""The benchmarks: `python -m bench [calls|batches|tensors|compile]...`; see README.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from bench import compile_suite
from bench.publish import publish
from bench.registry import WORKLOADS
from bench.report import as_markdown
from bench.run import compare
from bench.tables import environment, headline

SUITES: Final = ("calls", "batches", "tensors", "compile")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"{', '.join(SUITES)}")
    parser.add_argument("--threads", choices=("1", "all", "both"), default="both")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="workloads with this in the name"
    )
    parser.add_argument("--peers", default="", metavar="C,JAX", help="these contenders alone")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--large", action="store_true", help="compile: 1,000,000 operations, too")
    parser.add_argument(
        "--publish", action="store_true", help="with --out: the plot and README's tables, too"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write JSON and Markdown there")
    options = parser.parse_args()
    suites = options.suites or list(SUITES)
    if unknown := [suite for suite in suites if suite not in SUITES]:
        parser.error(f"no suite {unknown[0]}; there are {', '.join(SUITES)}")
    print(f"{headline()}\n", flush=True)
    for suite in suites:
        found = _compiled(options) if suite == "compile" else _measured(suite, options)
        text = as_markdown(suite, found)
        print(f"{text}\n", flush=True)
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            facts = {"environment": environment(), **found}
            (options.out / f"{suite}.json").write_text(json.dumps(facts, indent=1) + "\n")
    if options.out:
        publish(options.out, options.publish)


def _compiled(options: argparse.Namespace) -> dict[str, Any]:
    """The facts of the suite `compile`."""
    peers = [name for name in options.peers.split(",") if name]
    rounds = max(1, options.rounds // 3)
    sources = compile_suite.compare(rounds, options.only, options.large, peers, _progress)
    imports = {} if options.only else compile_suite.imports(rounds)
    return {"sources": sources, "imports": imports}


def _measured(suite: str, options: argparse.Namespace) -> dict[str, Any]:
    """Facts by number of threads, by workload, by contender."""
    cores = os.cpu_count() or 1
    counts = {"1": 1, "all": cores}
    if options.threads != "both":
        counts = {options.threads: counts[options.threads]}
    peers = [name for name in options.peers.split(",") if name]
    found: dict[str, Any] = {}
    for threads, count in counts.items():
        if threads == "all" and (suite == "calls" or cores == 1):
            continue  # a call of numbers has nothing to share out
        for name in WORKLOADS:
            if name.startswith(f"{suite}/") and options.only in name:
                start = perf_counter()
                figures = compare(name, count, options.rounds, _progress, peers)
                facts = {label: f.facts() for label, f in figures.items()}
                found.setdefault(threads, {})[name] = facts
                _progress(f"{name}, {threads} threads: {perf_counter() - start:.0f} s", True)
    return {"threads": found}


def _progress(text: str, last: bool = False) -> None:
    """What is going on, on standard error: one line that changes where a person looks on."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="\n" if last else "", file=sys.stderr, flush=True)
    elif ": round " not in text:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
