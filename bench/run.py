"""Contenders side by side: each in a process of its own, in turn, round after round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.registry import ways

ROOT: Final = Path(__file__).parent.parent
PATIENCE: Final = 120.0  # seconds until a contender's first result

# Read by OpenBLAS, OpenMP, MKL, numba and XLA when they are loaded.
ONE_THREAD: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


@dataclass
class Figures:
    """What was found of one contender.

    Attributes:
        kind: see `core.Way`.
        reason: why there are no times, if there are none.
        ready: seconds from the formula to the first result in a fresh process, imports apart.
        difference: how far its results are from symdiff's, see `core.difference`.
        times: seconds per call, one per round.
    """

    kind: str
    reason: str = ""
    ready: float | None = None
    difference: float | None = None
    times: list[float] = field(default_factory=list[float])

    def facts(self) -> dict[str, Any]:
        """For the JSON file."""
        if self.reason:
            return {"kind": self.kind, "reason": self.reason}
        return {
            "kind": self.kind,
            "seconds": median(self.times),
            "fastest": min(self.times),
            "ready": self.ready,
            "difference": self.difference,
        }


def compare(
    workload: str, threads: int, rounds: int, tell: Callable[[str], None], only: Sequence[str] = ()
) -> dict[str, Figures]:
    """What every contender of `workload` takes for a call; `tell` hears what is going on.

    `only` are beginnings of labels, symdiff's apart, that are measured; () for all.
    """
    found: dict[str, Figures] = {}
    running: dict[str, Worker] = {}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        for label, way in ways(workload).items():
            if threads > 1 and not way.parallel:
                continue
            if only and not label.startswith(("symdiff", *only)):
                continue
            tell(f"{workload}: {label}")
            found[label] = figures = Figures(way.kind)
            worker = stack.enter_context(Worker(workload, label, threads, Path(folder)))
            answer = worker.answer(PATIENCE)
            if "reason" in answer:
                figures.reason = answer["reason"]
                worker.close()
                continue
            figures.ready, figures.difference = answer["ready"], answer["difference"]
            running[label] = worker
        for i in range(rounds):
            tell(f"{workload}: round {i + 1} of {rounds}")
            for label, worker in running.items():
                worker.go()
                answer = worker.answer(PATIENCE)
                if "seconds" in answer:
                    found[label].times.append(answer["seconds"])
                else:
                    found[label].reason = answer["reason"]
    return found


class Worker:
    """A process that runs `bench.worker`."""

    def __init__(self, workload: str, label: str, threads: int, folder: Path) -> None:
        environment = {k: v for k, v in os.environ.items() if k not in ONE_THREAD}
        path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(path)
        if threads == 1:
            environment |= ONE_THREAD
        else:
            environment["OMP_NUM_THREADS"] = str(threads)
        words = [workload, label, str(threads), str(folder / "expected.npz")]
        self._errors = (folder / "errors").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
            cwd=folder,  # CasADi leaves its C code there
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def go(self) -> None:
        """Have it measure one round."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("round\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # `answer` says what became of it

    def answer(self, patience: float) -> dict[str, Any]:
        """The next answer; with a "reason" if none comes."""
        assert self._process.stdout is not None
        late = threading.Event()
        clock = threading.Timer(patience, lambda: (late.set(), self._process.kill()))
        clock.start()
        line = self._process.stdout.readline()
        clock.cancel()
        if line:
            return json.loads(line)
        if late.is_set():
            return {"reason": f"no result after {patience:.0f} s"}
        self._process.wait()
        self._errors.seek(0)
        last = (self._errors.read().strip() or f"exit {self._process.returncode}").splitlines()[-1]
        return {"reason": f"died: {last[:60]}"}
