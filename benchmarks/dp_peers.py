"""`peers.*`: five private questions against other libraries on the same million rows, and against pandas.

Ours are timed in a notebook, through server, guard, broker, worker, durable ledger and log; the others in a process of
their own, in the environments that `make bench-peers` made, on rows they hold in memory already, without any ledger.
Errors are mean absolute ones over repetitions at epsilon 1 and delta 1e-6 for each question, of quantiles in ranks;
ours of a dataset of the measure `pure`, as the others count, and beside it of one that counts in rho (`zcdp`).
A library that is too slow for `ENOUGH` noisy numbers is shown and does not count as the lowest, nor one that takes the
number of rows as public and so promises less.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any, get_args

import numpy as np

from benchmarks.peers import notebook, ours
from benchmarks.peers.asked import repeated
from benchmarks.peers.data import People, error
from jupyter_secure.protocol.dataset import Measure

ROOT = Path(__file__).parents[1]
QUESTIONS = tuple(ours.AGGREGATES)
REPETITIONS, ENOUGH, NOTEBOOK_ROUNDS = 100, 80, 15
EXEMPT_MS, RATIO_LIMIT, ERROR_LIMIT = 10.0, 3.0, 1.05
# Each with its environment and how often it is asked: a question of theirs may take half a minute.
PEERS: dict[str, tuple[str, dict[str, int]]] = {
    "diffprivlib": ("peers", dict.fromkeys(QUESTIONS, REPETITIONS) | {"quantiles": 30}),
    "smartnoise": ("peers", dict.fromkeys(QUESTIONS, REPETITIONS)),
    "opendp": (
        "peers-opendp",
        dict.fromkeys(QUESTIONS, REPETITIONS) | {"histogram": 30, "grouped": 30, "quantiles": 40},
    ),
    "pipelinedp": ("peers", dict.fromkeys(QUESTIONS, 3)),
}
# diffprivlib cuts a count at the length of the array, and divides sums by true numbers of rows.
PUBLIC_ROWS = {"diffprivlib": ("count", "mean", "grouped")}
Found = dict[str, dict[str, list[Any]]]  # question -> seconds and answers


def measure() -> list[dict[str, object]]:
    """Return the entries."""
    people = People.make()
    times = notebook.times(people, NOTEBOOK_ROUNDS)
    mine = {measure: _mine(people, measure) for measure in get_args(Measure)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.npz"
        people.write(path)
        peers = {library: asked(library, path, rounds) for library, (_, rounds) in PEERS.items()}
    return [
        entry for name in QUESTIONS for entry in figures(name, times[name], of(name, mine), of(name, peers), people)
    ]


def _mine(people: People, measure: Measure) -> Found:
    return {name: repeated(ask, REPETITIONS) for name, ask in ours.ready(people, measure).items()}


def asked(library: str, path: Path, rounds: dict[str, int]) -> Found:
    """Return what a library answered, from its own environment; a peer that does not start is a failure of the run."""
    program = ROOT / "build" / PEERS[library][0] / "bin" / "python"
    command = [str(program), "-m", "benchmarks.peers.asked", library, str(path), json.dumps(rounds)]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=ROOT, env=clean, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def of(name: str, peers: dict[str, Found]) -> Found:
    """Return what those said about one question who know it."""
    return {library: found[name] for library, found in peers.items() if name in found}


def figures(
    name: str, times: list[tuple[float, float]], mine: Found, peers: Found, people: People
) -> list[dict[str, object]]:
    """Return three entries: against pandas, against the quickest peer, and the error against the lowest."""
    value = 1000 * statistics.median(ours for _, ours in times)
    plain = 1000 * statistics.median(plain for plain, _ in times)
    ratio = statistics.median(ours / plain for plain, ours in times)
    over = ratio > RATIO_LIMIT and value > EXEMPT_MS
    pandas = _entry(f"peers.{name}", "ms", value, plain, RATIO_LIMIT) | {"ratio": round(ratio, 2), "over": over}
    seconds = {library: 1000 * statistics.median(found["seconds"]) for library, found in peers.items()}
    errors = {library: error(name, np.array(found["answers"]), people) for library, found in peers.items()}
    wrong = {measure: error(name, np.array(found["answers"]), people) for measure, found in mine.items()}
    lowest = min(errors[library] for library, found in peers.items() if counts(library, name, found["answers"]))
    unit = "ranks" if name == "quantiles" else "error"
    return [
        pandas,
        _entry(f"peers.{name}_time", "ms", value, min(seconds.values()), 1.0) | {"peers": _rounded(seconds)},
        _entry(f"peers.{name}_error", unit, wrong["pure"], lowest, ERROR_LIMIT) | {"peers": _rounded(errors | wrong)},
    ]


def counts(library: str, name: str, answers: list[list[float]]) -> bool:
    """Say whether a library's error may be the lowest: a sound promise, and no lucky draw."""
    return name not in PUBLIC_ROWS.get(library, ()) and sum(map(len, answers)) >= ENOUGH


def _entry(name: str, unit: str, value: float, baseline: float, limit: float) -> dict[str, object]:
    ratio = value / baseline if baseline else float(value > 0) * 1e9 or 1.0
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "baseline": round(baseline, 3),
        "ratio": round(ratio, 3),
        "limit": limit,
        "over": ratio > limit,
    }


def _rounded(found: dict[str, float]) -> dict[str, float]:
    return {library: round(value, 3) for library, value in found.items()}
