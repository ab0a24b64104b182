"""Who is asking: a principal whose identity the broker itself has proved."""

from __future__ import annotations

import enum

from .noun import Count, Noun, RoleName, UserName


class Role(enum.StrEnum):
    """The roles that jupyter-secure itself gives rights to; a policy may name others."""

    STEWARD = "steward"  # seals data, writes policy, approves
    SCIENTIST = "scientist"
    ENGINEER = "engineer"
    OFFICER = "officer"  # data protection officer: reads every log entry, loads nothing by role alone


class Principal(Noun):
    """A person or program, with roles as the broker knows them now.

    Attributes:
        mfa_at: when the broker last verified a second factor, seconds since 1970; None if never.
    """

    name: UserName
    display_name: str
    roles: tuple[RoleName, ...]
    mfa_at: Count | None = None

    def has(self, role: Role) -> bool:
        """Say whether the principal holds a built-in role."""
        return role.value in self.roles
