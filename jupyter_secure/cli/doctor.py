"""`jupyter secure doctor`: how well this computer can confine a kernel, measured now; why not better; what to do.

Exit status 0 if kernels start here under the default rule (G2 or better), 1 if they do not. With `--hub` it looks at a
Hub's broker instead (`doctor_hub`).
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import entry_points
from typing import Any

from jupyter_secure.guard import landlockversions, probe
from jupyter_secure.guard.plan import Stack
from jupyter_secure.protocol.errors import GuardError
from jupyter_secure.protocol.grant import GuardLevel

from . import doctor_hub
from .guard_levels import MEANINGS

PROVISIONER = "jupyter_secure.guard.provisioner:GuardProvisioner"


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("doctor", parents=[common], help="what this computer can enforce, and why not more")
    doctor_hub.add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print; return the exit status."""
    if args.hub:
        return doctor_hub.run(args)
    found = examine()
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        _tell(found)
    return 0 if found["starts"] else 1


def examine() -> dict[str, Any]:
    """Return everything the command prints, as JSON values."""
    host = probe.host()
    stacks = {stack.value: _measure(stack, host) for stack in _possible(host)}
    level = max((GuardLevel(shown["level"]) for shown in stacks.values()), default=GuardLevel.G0)
    installed = [
        point.value for point in entry_points(group="jupyter_client.kernel_provisioners", name="jupyter-secure")
    ]
    advice = host.shortcomings()
    if installed != [PROVISIONER]:
        advice.append(
            f"The kernel guard is not installed as it should be (found: {installed}). Cure: reinstall the package."
        )
    return {
        "level": str(level),
        "meaning": MEANINGS[level],
        "starts": level.reaches(GuardLevel.G2) and installed == [PROVISIONER],
        "system": host.system,
        "machine": host.machine,
        "landlock": host.landlock,
        "landlock_lacks": [step.sentence for step in landlockversions.lacking(host.landlock)],
        "seccomp": host.seccomp,
        "bubblewrap": probe.bubblewrap_version(host.bubblewrap.path) if host.bubblewrap.works else None,
        "limits": _limits(host),
        "stacks": stacks,
        "advice": advice,
    }


def _limits(host: probe.Host) -> str:
    if host.system != "linux":
        return "No limits: kernels do not start here."
    from jupyter_secure.guard import cgroup

    return cgroup.find().sentence


def _possible(host: probe.Host) -> list[Stack]:
    if host.best is None:
        return []
    return [Stack.BUBBLEWRAP, Stack.LAUNCHER] if host.bubblewrap.works else [Stack.LAUNCHER]


def _measure(stack: Stack, host: probe.Host) -> dict[str, Any]:
    from jupyter_secure.guard import rehearsal  # needs parts of Python that Windows has not

    try:
        report = rehearsal.rehearse(stack, host)
    except GuardError as error:
        return {
            "level": "G0",
            "layers": [],
            "reached": [],
            "missing": [error.public],
            "attempts": 0,
            "said": error.detail,
        }
    return {
        "level": str(report.level),
        "layers": list(report.layers),
        "reached": sorted(name for name, stopped in report.canaries.items() if not stopped),
        "missing": list(report.missing),
        "attempts": len(report.canaries),
        "said": "",
    }


def _tell(found: dict[str, Any]) -> None:
    print(f"Kernels on this computer: {found['level']}, {found['meaning']}.")
    if not found["starts"]:
        print("Kernels are refused here, because the default rule asks for G2.")
    for name, shown in found["stacks"].items():
        tried = f"{shown['attempts']} attempts to get out, {len(shown['reached'])} of them successful"
        print(f"\n{name}: {shown['level']} ({', '.join(shown['layers']) or 'nothing in force'}); {tried}")
        for sentence in shown["missing"]:
            print(f"  - {sentence}")
    print(f"\n{found['limits']}")
    if found["advice"]:
        print("\nWhat to do:")
        for sentence in found["advice"]:
            print(f"  - {sentence}")
