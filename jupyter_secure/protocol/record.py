"""One entry of the audit log, in two parts: what stays for ever, and what can be erased.

The *header* is hashed into the log as it is and holds nothing personal. The *personal* part is hashed in as a salted
commitment, so it can be erased while every proof still verifies. See docs/spec/audit-log-v1.md.
"""

from __future__ import annotations

import enum

import msgspec

from .noun import Count, Noun


class Kind(enum.StrEnum):
    """What happened."""

    VAULT_CREATED = "vault.created"
    VAULT_UNLOCKED = "vault.unlocked"
    VAULT_UNLOCK_FAILED = "vault.unlock_failed"
    PASSPHRASE_CHANGED = "vault.passphrase_changed"  # noqa: S105  # the name of an event
    BROKER_STARTED = "broker.started"
    BROKER_STOPPED = "broker.stopped"
    USER_ADDED = "user.added"
    USER_DISABLED = "user.disabled"
    LOGIN = "login"
    LOGIN_FAILED = "login.failed"
    MFA_ENROLLED = "mfa.enrolled"
    MFA_REMOVED = "mfa.removed"
    MFA_VERIFIED = "mfa.verified"
    MFA_FAILED = "mfa.failed"
    MFA_LOCKED = "mfa.locked"
    MFA_RESET = "mfa.reset"
    DATASET_SEALED = "dataset.sealed"
    DATASET_SHREDDED = "dataset.shredded"
    KEYS_ROTATED = "keys.rotated"
    SUBJECT_DELETED = "subject.deleted"
    POLICY_APPLIED = "policy.applied"
    KERNEL_STARTED = "kernel.started"
    KERNEL_STOPPED = "kernel.stopped"
    LOAD_DECIDED = "load.decided"
    LOAD_DELIVERED = "load.delivered"
    LOAD_FAILED = "load.failed"
    QUERY_DECIDED = "query.decided"
    QUERY_ANSWERED = "query.answered"
    QUERY_FAILED = "query.failed"
    EGRESS_DECIDED = "egress.decided"
    VIEWS_CLEARED = "views.cleared"
    VIEW_DROPPED = "view.dropped"
    OUTPUTS_COMPARED = "outputs.compared"
    BUDGET_RENEWED = "budget.renewed"
    LEDGER_ANCHORED = "ledger.anchored"
    ACCESS_REQUESTED = "access.requested"
    ACCESS_APPROVED = "access.approved"
    ACCESS_DENIED = "access.denied"
    ACCESS_REVOKED = "access.revoked"
    PURPOSE_ACKNOWLEDGED = "purpose.acknowledged"
    ENTRY_ERASED = "entry.erased"


class Header(Noun):
    """The part that stays. Every field is optional but time, kind and outcome; none names a person or a notebook.

    Attributes:
        request: joins the entries of one request.
        outcome: `permitted`, `refused`, `done` or `failed`.
        reference: sequence number of the entry this one completes.
    """

    time: Count  # milliseconds since 1970
    kind: Kind
    outcome: str
    request: str | None = None
    reference: Count | None = None
    dataset: str | None = None
    version: Count | None = None
    rung: str | None = None
    columns: tuple[str, ...] = ()
    rows: Count | None = None
    policy: str | None = None
    decision: str | None = None
    view: str | None = None
    guard: str | None = None
    error: str | None = None
    cost: str | None = None
    extra: dict[str, str] = msgspec.field(default_factory=dict)


class Personal(Noun):
    """The part that can be erased."""

    user: str | None = None
    kernel: str | None = None
    notebook: str | None = None
    purpose: str | None = None
    note: str | None = None


class Entry(Noun):
    """An entry as it is read back; `personal` is None once erased."""

    seq: Count
    header: Header
    commitment: str
    personal: Personal | None
