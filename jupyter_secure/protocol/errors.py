"""The one error family.

Each error has a `code` (from the closed list of classes below), a `public` sentence that says what the person can do,
and a private `detail` that stays in the broker's own log. Promises: `str(error)` is the public sentence and nothing
else; no sentence holds a cell value, a key, a token or a path of the vault; a refused dataset and an unknown one give
the same error. Only `code` and `public` cross a process line (`to_wire`, `from_wire`).
"""

from __future__ import annotations

from typing import ClassVar

from .noun import Noun


class WireError(Noun, omit_defaults=True):
    """What crosses a process line of an error; `challenge` is set for the one error that can be answered."""

    code: str
    public: str
    challenge: str | None = None


class SecureError(Exception):
    """Root of the family; raised as it is only for faults of our own."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    default: ClassVar[str] = (
        "Something failed inside the broker and nothing was handed out. Ask the operator to look at the broker's log."
    )

    def __init__(self, public: str | None = None, *, detail: str = "") -> None:
        self.public = public or self.default
        self.detail = detail
        super().__init__(self.public)

    def to_wire(self) -> WireError:
        """Return the part that may leave the process."""
        return WireError(code=self.code, public=self.public)


class RefusedError(SecureError):
    """Policy does not permit it, or it does not exist: the two look the same."""

    code = "refused"
    status = 404
    default = (
        "Nothing of that name is available to you in that form. "
        "`%secure_catalog` lists what is; ask a data steward for more."
    )


class StepUpError(RefusedError):
    """Refused for want of a fresh second factor alone; a proof of the challenge makes the same request permitted."""

    code = "step_up"
    status = 403
    HOW: ClassVar[str] = "Verify in the Secure Data sidebar, then run the cell again."
    default = f"This needs a second factor. {HOW}"

    def __init__(self, public: str | None = None, *, detail: str = "", challenge: str | None = None) -> None:
        super().__init__(public, detail=detail)
        self.challenge = challenge

    def to_wire(self) -> WireError:
        """Return the part that may leave the process, with the challenge."""
        return WireError(code=self.code, public=self.public, challenge=self.challenge)


class SecondFactorError(SecureError):
    """A code or an assertion that proves nothing."""

    code = "mfa"
    status = 403
    default = "That is wrong, or was used before. For a code of an app, wait until it shows the next one."


class InvalidRequestError(SecureError):
    """The request itself is malformed."""

    code = "invalid"
    status = 400
    default = "That request is not well formed. See the help of the command you used."


class UnauthenticatedError(SecureError):
    """Nobody, or somebody whose proof has lapsed."""

    code = "unauthenticated"
    status = 401
    default = "Log in again: your session is not known to the broker."


class LockedError(SecureError):
    """The vault's keys are not in memory."""

    code = "locked"
    status = 423
    default = "The vault is locked. Unlock it in the Secure Data sidebar, or restart and type the passphrase."


class UnlockError(SecureError):
    """The passphrase, or the keyring's secret, does not open the vault."""

    code = "unlock"
    status = 403
    default = "That passphrase does not open the vault. Nothing was changed; try again."


class UnavailableError(SecureError):
    """The broker cannot be reached."""

    code = "unavailable"
    status = 503
    default = "The broker is not running. It is being restarted; run the cell again in a moment. Nothing was lost."


class AuditUnavailableError(SecureError):
    """The log could not be written, so nothing was opened."""

    code = "audit_unavailable"
    status = 503
    default = "The audit log could not be written, so no data was opened. Ask the operator to check the broker's disk."


class IntegrityError(SecureError):
    """Stored data is not what was sealed."""

    code = "integrity"
    status = 500
    default = (
        "The sealed data failed its integrity check, so nothing was handed out. "
        "Tell a data steward: `jupyter secure verify` shows which part."
    )


class GuardError(SecureError):
    """The kernel's confinement is missing or too weak."""

    code = "guard"
    status = 403
    default = (
        "This kernel is not confined enough for that. `jupyter secure doctor` says what this computer can enforce."
    )


class DisclosureError(SecureError):
    """A view would show too few people apart from all others."""

    code = "disclosure"
    status = 403
    default = (
        "This view would tell single people apart from all others, so nothing was handed out. `%secure_why` says what "
        "is asked of it; a data steward can make it coarser."
    )


class BudgetError(SecureError):
    """A privacy budget does not allow the question."""

    code = "budget"
    status = 403
    default = "The privacy budget does not allow that question. `%secure_budget` shows what is left."


class PolicyError(SecureError):
    """A policy file is wrong; the sentence names line and field."""

    code = "policy"
    status = 400
    default = "The policy file is not valid."


class InputFileError(SecureError):
    """A file to be sealed is broken; the sentence names the row, never a value."""

    code = "input"
    status = 400
    default = "The file cannot be read as a table. Nothing was sealed."


class ConflictError(SecureError):
    """The thing exists already, or changed meanwhile."""

    code = "conflict"
    status = 409
    default = "That exists already. Nothing was changed."


class InstallationError(SecureError):
    """A part of the installation is missing."""

    code = "environment"
    status = 500
    default = "A part of jupyter-secure is missing here. `jupyter secure doctor` says which."


class CancelledError(SecureError):
    """The person interrupted the cell."""

    code = "cancelled"
    status = 499
    default = "Cancelled. The request stays in the log."


FAMILY: dict[str, type[SecureError]] = {
    cls.code: cls
    for cls in (
        SecureError,
        RefusedError,
        StepUpError,
        SecondFactorError,
        InvalidRequestError,
        UnauthenticatedError,
        LockedError,
        UnlockError,
        UnavailableError,
        AuditUnavailableError,
        IntegrityError,
        GuardError,
        DisclosureError,
        BudgetError,
        PolicyError,
        InputFileError,
        ConflictError,
        InstallationError,
        CancelledError,
    )
}


def from_wire(error: WireError) -> SecureError:
    """Rebuild an error on the far side; an unknown code becomes the root class."""
    if error.code == StepUpError.code:
        return StepUpError(error.public, challenge=error.challenge)
    return FAMILY.get(error.code, SecureError)(error.public)
