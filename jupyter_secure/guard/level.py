"""From measurements to a level: what the canaries met inside, what the process shows outside. Pure.

| level | condition |
|---|---|
| G3 | no canary got out; no_new_privs, a filter, no capability; own user, mount, pid, network and ipc namespaces |
| G2 | no canary got out, `signal` excepted (Landlock before ABI 6); no_new_privs, a filter, no capability; Landlock |
| G1 | no_new_privs and a filter, or no_new_privs and Landlock |
| G0 | anything less |

G4 (a machine or container of its own) cannot be seen from here and is never given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jupyter_secure.protocol.grant import GuardLevel, GuardReport

from . import landlockversions

NAMESPACES_NEEDED = ("user", "mnt", "pid", "net", "ipc")
# Reached on older kernels although everything else holds; said in the report.
TOLERATED_G2 = frozenset({"signal"})
SENTENCES = {
    "signal": "This kernel version cannot keep a notebook from ending your other processes (Landlock before ABI 6).",
}


def assess(abi: int, canaries: Mapping[str, bool], outside: Mapping[str, str], gaps: Sequence[str] = ()) -> GuardReport:
    """Return the report for one kernel.

    Args:
        abi: version of Landlock in force, 0 for none.
        canaries: name of each attempt and whether it was stopped, judged from outside where that is possible.
        outside: from `outside.measure`.
        gaps: sentences of the plan on what it could not cover.
    """
    reached = {name for name, stopped in canaries.items() if not stopped}
    own = [name for name in NAMESPACES_NEEDED if outside.get(f"ns_{name}") == "own"]
    privileges = outside.get("NoNewPrivs") == "1"
    filtered = outside.get("Seccomp") == "2"
    powerless = int(outside.get("CapEff", "f"), 16) == 0
    sealed = privileges and filtered and powerless and bool(canaries)
    if sealed and not reached and len(own) == len(NAMESPACES_NEEDED):
        level = GuardLevel.G3
    elif sealed and abi and reached <= TOLERATED_G2:
        level = GuardLevel.G2
    elif privileges and (filtered or abi):
        level = GuardLevel.G1
    else:
        level = GuardLevel.G0
    layers = [
        *(["namespaces"] if own else []),
        *([f"landlock-{abi}"] if abi else []),
        *(["seccomp"] if filtered else []),
        *(["no-new-privileges"] if privileges else []),
        *(["cgroup"] if outside.get("cgroup") == "own" else []),
    ]
    return GuardReport(
        level=level,
        layers=tuple(layers),
        canaries=dict(canaries),
        outside=dict(outside),
        missing=(*_missing(abi, reached, own, outside), *gaps),
    )


def _missing(abi: int, reached: set[str], own: list[str], outside: Mapping[str, str]) -> list[str]:
    sentences = [SENTENCES.get(name, f"The attempt `{name}` was not stopped.") for name in sorted(reached)]
    if not abi:
        sentences.append("Landlock is not in force: files are kept apart by mounts alone.")
    absent = [name for name in NAMESPACES_NEEDED if name not in own]
    if absent:
        sentences.append(f"No namespace of its own for: {', '.join(absent)}.")
        old = landlockversions.lacking(abi)
        sentences += [step.sentence for step in old if not (step.held_otherwise or step.measured)]
    if outside.get("Seccomp") != "2":
        sentences.append("No system call filter is in force.")
    return sentences
