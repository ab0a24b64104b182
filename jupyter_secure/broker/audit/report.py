"""What verification can find: a closed list, each with a sentence that names places, never contents."""

from __future__ import annotations

import enum

from jupyter_secure.protocol.noun import Count, Noun


class Finding(enum.StrEnum):
    """What is wrong."""

    EDITED = "edited"  # an entry is not what was hashed when it was written
    MISSING = "missing"  # numbers are left out
    REORDERED = "reordered"  # an entry stands at the place of another
    CUT_TAIL = "cut_tail"  # a signed checkpoint covers more entries than there are
    FORKED = "forked"  # the entries are not those that a checkpoint was signed for
    BAD_SIGNATURE = "bad_signature"  # a checkpoint was not signed by this log's key, or is no checkpoint
    BAD_COMMITMENT = "bad_commitment"  # a personal part is not the one that was committed to
    UNLOGGED_ERASURE = "unlogged_erasure"  # a personal part is gone, and no later entry says so
    BAD_INDEX = "bad_index"  # a search column does not say what the entry says
    BAD_HEAD = "bad_head"  # the stored size or frontier is not that of the entries
    UNPROTECTED = "unprotected"  # the database no longer refuses changes of the log
    UNREADABLE = "unreadable"  # the database, or an entry in it, cannot be read


class Problem(Noun):
    """One finding.

    Attributes:
        seq: the entry it concerns; None where it concerns the log.
    """

    finding: Finding
    sentence: str
    seq: int | None = None


class Report(Noun):
    """The result.

    Attributes:
        entries: how many were read.
        root: hex root over them.
        signed: how many of them a good checkpoint covers; the rest was written while the vault was locked.
        erased: how many have no personal part any more.
        anchored: a remembered checkpoint was compared; without one a cut tail shows only if the database shows it.
        problems: empty if the log verifies; the first `MOST_PROBLEMS` otherwise.
    """

    entries: Count
    root: str
    signed: Count
    erased: Count
    anchored: bool
    problems: tuple[Problem, ...]

    @property
    def verified(self) -> bool:
        """Say whether nothing was found."""
        return not self.problems
