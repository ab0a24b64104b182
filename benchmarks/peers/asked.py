"""Asks one library, in its own environment and process, and prints what came back as JSON.

    build/peers/bin/python -m benchmarks.peers.asked diffprivlib people.npz '{"count": 100}'

A library's module has `ready(people)`: it loads the rows as the library likes them, and returns what asks each question
once more at `EPSILON` and `DELTA`. Only the asking is timed.
"""

from __future__ import annotations

import importlib
import json
import pathlib
import sys
import time
import warnings

from .data import Asking, People

WARM_FROM = 5


def main(library: str, path: str, rounds: str) -> None:
    """Print `{question: {"seconds": [...], "answers": [[...], ...]}}` for the questions that the library knows."""
    warnings.simplefilter("ignore")
    asking = importlib.import_module(f"benchmarks.peers.{library}").ready(People.read(pathlib.Path(path)))
    wanted = json.loads(rounds)
    print(json.dumps({name: repeated(asking[name], wanted[name]) for name in wanted if name in asking}))


def repeated(ask: Asking, rounds: int) -> dict[str, list[object]]:
    """Ask again and again, and once before that, which is not counted, unless there are few rounds."""
    if rounds >= WARM_FROM:
        ask()
    seconds: list[object] = []
    answers: list[object] = []
    for _ in range(rounds):
        began = time.perf_counter()
        found = ask()
        seconds.append(time.perf_counter() - began)
        answers.append(found.tolist())
    return {"seconds": seconds, "answers": answers}


if __name__ == "__main__":
    main(*sys.argv[1:])
