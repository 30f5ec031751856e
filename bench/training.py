"""The training step of examples/digits.py beside JAX + optax and PyTorch.

Forward, backward and Adam of a two-layer network, in float64. Every contender runs in a process of
its own, and takes turns with the others. It is timed only if the losses of its first steps are
symdiff's. `--python` is the Python that has the peers, if this one has not:

    python -m bench.training --python /path/to/venv/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from statistics import median
from typing import Any, Final

from bench.run import ONE_THREAD, ROOT
from bench.tables import duration, headline, markdown
from bench.training_worker import CONTENDERS

SIZES: Final = ((32, 128), (128, 128), (32, 512))  # examples a batch, and hidden units
AGREEMENT: Final = 1e-9  # of losses, relative


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.training", description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the Python of the peers")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    print(f"{headline()}\n", flush=True)
    rows: list[list[str]] = []
    for batch, hidden in SIZES:
        found = compare(batch, hidden, options.threads, options.rounds, options.python)
        rows += _rows(f"{batch} examples, {hidden} hidden units", found)
    header = ["one step", "time", "/ symdiff", "losses differ by"]
    print(markdown(header, rows))


def compare(
    batch: int, hidden: int, threads: int, rounds: int, python: str
) -> dict[str, dict[str, Any]]:
    """What each contender takes for a step, in seconds, or the reason why it was not measured."""
    found: dict[str, dict[str, Any]] = {}
    running: dict[str, Worker] = {}
    with ExitStack() as stack:
        for label in CONTENDERS:
            own = sys.executable if label == "symdiff" else python
            worker = stack.enter_context(Worker(own, label, batch, hidden, threads))
            answer = worker.answer()
            if label == "symdiff" and "losses" not in answer:
                raise SystemExit(f"symdiff: {answer['reason']}")
            if "losses" in answer:
                expected = found["symdiff"]["losses"] if found else answer["losses"]
                pairs = zip(answer["losses"], expected, strict=True)
                answer["difference"] = max(abs(a - b) / abs(b) for a, b in pairs)
                if not answer["difference"] < AGREEMENT:
                    answer = {"reason": f"other losses: {answer['difference']:.1e}"}
            found[label] = answer
            if "losses" in answer:
                running[label] = worker
        times: dict[str, list[float]] = {label: [] for label in running}
        for _ in range(rounds):
            for label, worker in running.items():
                times[label].append(worker.round())
        for label, seconds in times.items():
            found[label]["seconds"] = median(seconds)
    return found


class Worker:
    """A process that runs `bench.training_worker`."""

    def __init__(self, python: str, label: str, batch: int, hidden: int, threads: int) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads)}
        if threads == 1:
            environment |= ONE_THREAD
        words = [label, str(batch), str(hidden), str(threads)]
        self._process = subprocess.Popen(
            [python, "-m", "bench.training_worker", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def answer(self) -> dict[str, Any]:
        """What it says next; a "reason" if it died."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"reason": f"died: exit {self._process.wait()}"}

    def round(self) -> float:
        """The seconds of a step, measured once."""
        assert self._process.stdin is not None
        self._process.stdin.write("round\n")
        self._process.stdin.flush()
        return float(self.answer()["seconds"])


def _rows(title: str, found: dict[str, dict[str, Any]]) -> list[list[str]]:
    rows = [[f"**{title}**", "", "", ""]]
    own = found["symdiff"].get("seconds")
    for label, facts in found.items():
        if "seconds" not in facts:
            rows.append([label, facts["reason"], "", ""])
            continue
        ratio = f"{facts['seconds'] / own:.2f}" if own else ""
        rows.append([label, duration(facts["seconds"]), ratio, f"{facts['difference']:.0e}"])
    return rows


if __name__ == "__main__":
    main()
