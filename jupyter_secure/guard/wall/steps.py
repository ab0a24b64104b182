"""The launcher's steps, in their order, each numbered in `main`.

 1  read the policy from a sealed memory file
 2  without a process namespace: split off the supervisor
 3  close every descriptor that the policy does not name
 4  start a session of its own
 5  as uid 0: give up every capability
 6  rlimits
 7  no_new_privs
 8  Landlock
 9  seccomp
10  canaries: try to get out
11  report to the guard, which measures from outside as well, and wait for its word
12  become the kernel, with exactly the environment of the policy

A step that fails ends the process: there is no kernel without its walls. The policy comes from the guard's own process
and is `marshal`, because `json` would cost 6 ms of every start.
"""

from __future__ import annotations

import marshal
import os
import sys

from . import canaries, landlock, process, seccomp, supervisor

GO = b"go"


def main(arguments: list[str]) -> int:
    """Raise the walls, then execute the command behind `--`; return a status only if that failed."""
    if len(arguments) < 4 or arguments[0] != "--policy-fd" or arguments[2] != "--":
        return _fail("usage: launcher.py --policy-fd N -- command...")
    policy = _policy(int(arguments[1]))  # (1)
    machine = os.uname().machine
    try:
        if policy["supervise"]:
            supervisor.split(policy["leash"])  # (2)
        process.close_all_but([*policy["keep"], policy["report"]])  # (3)
        os.setsid()  # (4)
        if os.getuid() == 0:
            process.drop_capabilities()  # (5)
        os.chdir(policy["folder"])
        process.limit(policy["limits"])  # (6)
        process.no_new_privileges()  # (7)
        abi = landlock.restrict(policy["files"], network=policy["private_network"])  # (8)
        if policy["filter"]:
            seccomp.load(policy["filter"], machine)  # (9)
        stopped = canaries.attempt(policy["bait"], machine)  # (10)
        if not _agreed(policy["report"], abi, stopped):  # (11)
            return _fail("the guard refused the walls")
        os.execve(arguments[3], arguments[3:], policy["environment"])  # (12)  # noqa: S606  # no shell wanted
    except OSError as error:
        return _fail(str(error))


def _policy(fd: int) -> dict:
    with os.fdopen(fd, "rb") as file:
        file.seek(0)
        return marshal.load(file)  # noqa: S302  # written by the guard, sealed


def _agreed(report: int, abi: int, stopped: dict[str, bool]) -> bool:
    lines = [f"landlock {abi}", *(f"{name} {int(held)}" for name, held in stopped.items())]
    os.write(report, "\n".join(lines).encode())
    word = os.read(report, 16)
    os.close(report)
    return word == GO


def _fail(why: str) -> int:
    sys.stderr.write(f"jupyter-secure launcher: {why}\n")
    return 126
