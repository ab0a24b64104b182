"""Runs every benchmark and writes `build/bench.json`.

Each benchmark measures its subject and a baseline in turn in the same run, because the speed of a machine drifts: trust
the ratios. Prints a table; exits with 1 if a figure is over its limit, so that CI can ask for it and nobody must.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pathlib
import sys

BENCHMARKS = (
    "sealed_read",
    "masked_load",
    "views",
    "first_load",
    "dp_count",
    "dp_time",
    "dp_notebook",
    "dp_grouped",
    "synthetic",
    "dp_equal_noise",
    "kernel_start",
    "guard",
)
PEERS = ("dp_peers",)  # other libraries, which `make bench-peers` installs
HUB = ("hub_load", "hub_revoke", "hub_masked_load")  # each takes a minute and more, and needs PostgreSQL's programs
ROOT = pathlib.Path(__file__).parents[1]


def main() -> int:
    """Run the named benchmarks, or all but the Hub's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join((*BENCHMARKS, *PEERS, *HUB))}")
    parser.add_argument("--hub", action="store_true", help=f"run {', '.join(HUB)}")
    args = parser.parse_args()
    figures = []
    for name in args.names or (HUB if args.hub else BENCHMARKS):
        figures += importlib.import_module(f"benchmarks.{name}").measure()
        print(f"{name}: {figures[-1]['value']:.4g} {figures[-1]['unit']}", flush=True)
    target = ROOT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(figures, indent=2) + "\n")
    return report(figures)


def report(figures: list[dict[str, object]]) -> int:
    """Print the table and return the exit status."""
    print(f"\n{'name':24} {'value':>10} {'unit':8} {'baseline':>10} {'ratio':>7} {'limit':>7}")
    late = 0
    for figure in figures:
        over = bool(figure.get("over"))
        late += over
        row = [figure["name"], figure["value"], figure["unit"], figure["baseline"], figure["ratio"], figure["limit"]]
        print("{:24} {:>10.4g} {:8} {:>10.4g} {:>7.3g} {:>7.3g}".format(*row), "  over its limit" if over else "")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
