"""Second factors: what the sidebar asks on behalf of the person who holds the ticket."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from jupyter_secure.protocol.noun import ColumnName, Count, DatasetName, NotebookPath, Noun, PurposeName, UserName
from jupyter_secure.protocol.view import Rung

from .message import Assertion, ChallengeId, Confidential, Secret, Text


class MfaState(Confidential):
    """Ask which factors the person has and what waits for a proof. Answered by `MfaStateReply`."""

    ticket: Text


class MfaChallenge(Confidential):
    """Ask for a challenge: to be proved for its own sake, or to permit one change of factors.

    Answered by `MfaOptions`.
    """

    ticket: Text
    use: Literal["verify", "manage"]


class MfaPasskeyOptions(Confidential):
    """Ask for what a browser needs to prove a waiting challenge with a passkey. Answered by `MfaOptions`."""

    ticket: Text
    challenge: ChallengeId


class MfaVerify(Confidential):
    """Prove a challenge by a code (of an app, or a recovery code) or by a passkey. Answered by `MfaStateReply`."""

    ticket: Text
    challenge: ChallengeId
    code: Secret | None = None
    assertion: Assertion | None = None


class MfaEnrol(Confidential):
    """Begin with an app for codes. Answered by `MfaSecret`.

    Attributes:
        challenge: a proved one of the use `manage`; None only while the person has no factor.
    """

    ticket: Text
    challenge: ChallengeId | None = None


class MfaConfirm(Confidential):
    """Finish what `MfaEnrol` began, by the first code. Answered by `MfaStateReply`."""

    ticket: Text
    code: Secret


class MfaAddPasskey(Confidential):
    """Begin with a passkey; `challenge` as in `MfaEnrol`. Answered by `MfaOptions`."""

    ticket: Text
    challenge: ChallengeId | None = None


class MfaKeepPasskey(Confidential):
    """Finish what `MfaAddPasskey` began, by what the browser answered. Answered by `MfaStateReply`."""

    ticket: Text
    challenge: ChallengeId
    assertion: Assertion
    label: Annotated[str, msgspec.Meta(max_length=80)] = ""


class MfaRecoveryCodes(Confidential):
    """Replace all recovery codes. Answered by `MfaStateReply`, the one time that they are shown."""

    ticket: Text
    challenge: ChallengeId


class MfaRemove(Confidential):
    """Remove one factor: `totp`, or a passkey by its id. Answered by `MfaStateReply`."""

    ticket: Text
    challenge: ChallengeId
    factor: Annotated[str, msgspec.Meta(min_length=1, max_length=1400)]


class MfaReset(Confidential):
    """A steward takes away all factors of somebody else, who has lost them. Answered by `Done`."""

    ticket: Text
    user: UserName
    challenge: ChallengeId | None = None


MfaRequest = (
    MfaState
    | MfaChallenge
    | MfaPasskeyOptions
    | MfaVerify
    | MfaEnrol
    | MfaConfirm
    | MfaAddPasskey
    | MfaKeepPasskey
    | MfaRecoveryCodes
    | MfaRemove
    | MfaReset
)


class Passkey(Noun):
    """A passkey as its owner sees it; `created` in milliseconds since 1970."""

    id: str
    label: str
    created: Count


class PendingStepUp(Noun):
    """A request of a kernel that waits for a proof.

    Attributes:
        rung: what would be permitted after it.
        columns: None means all that are permitted.
        expires: in milliseconds since 1970.
    """

    challenge: ChallengeId
    dataset: DatasetName
    rung: Rung
    columns: tuple[ColumnName, ...] | None
    purpose: PurposeName | None
    notebook: NotebookPath
    expires: Count


class MfaStateReply(Confidential):
    """The factors of a person.

    Attributes:
        totp: whether an app for codes is enrolled.
        recovery_left: recovery codes that were not used.
        mfa_at: when a factor was last verified, seconds since 1970.
        locked_until: no proof is looked at before that, milliseconds since 1970; None if proofs are.
        recovery: new recovery codes, told this one time.
        provider: address at which a browser proves a challenge (`?challenge=` and its number) at the organisation's
            identity provider; None where there is none.
    """

    totp: bool
    passkeys: tuple[Passkey, ...]
    recovery_left: Count
    mfa_at: Count | None
    locked_until: Count | None
    pending: tuple[PendingStepUp, ...]
    recovery: tuple[str, ...] = ()
    provider: str | None = None


class MfaSecret(Confidential):
    """What an app needs to show codes: an `otpauth` address, its secret in base32, the address as rows of a QR code.

    A row is a text of `0` and `1`.
    """

    uri: str
    secret: str
    qr: tuple[str, ...]


class MfaOptions(Confidential):
    """A challenge, and for a browser the options of `navigator.credentials` as JSON text.

    Attributes:
        options: empty where the person has no passkey.
    """

    challenge: ChallengeId
    options: str
