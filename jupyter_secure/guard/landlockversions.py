"""What each version of Landlock brought that these walls use, and so what an older one lacks. Pure.

It matters where bubblewrap does not keep the rest of the system out of sight. ABI 7 brought words about logging, 8
about threads: nothing for a wall. The bits themselves are in `wall/landlock.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One version.

    Attributes:
        lack: what is missing before it.
        linux: the release that brought it.
        held_otherwise: another wall holds it back too, so nothing is open without it.
        measured: a canary tries it, so the report says it from measurement.
    """

    abi: int
    lack: str
    linux: str
    held_otherwise: bool = False
    measured: bool = False

    @property
    def sentence(self) -> str:
        """Return it as a sentence."""
        return f"Landlock before ABI {self.abi}: {self.lack}."


STEPS = (
    Step(2, "a notebook cannot move files between folders of its own", "5.19"),
    Step(3, "a notebook can empty files that it may not write", "6.2"),
    Step(4, "TCP is held back by the filter alone", "6.7", held_otherwise=True),
    Step(5, "control commands to devices are not held back", "6.10"),
    Step(6, "a notebook can end your other processes", "6.12", measured=True),
    Step(9, "Unix sockets are held back by the filter alone", "7.1", held_otherwise=True),
)


def lacking(abi: int) -> list[Step]:
    """Return what a version lacks; nothing for no Landlock at all, about which there is more to say."""
    return [step for step in STEPS if 0 < abi < step.abi]
