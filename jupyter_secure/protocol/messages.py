"""Every message, in two closed families.

*Kernel requests* are what code in a notebook may ask; they name no person, kernel, notebook or guard level, because
all that comes from the records of the relay and the broker. *Relay requests* are what the Jupyter server asks of the
broker; `FromKernel` carries a kernel request together with the grant of the channel it arrived on.

An envelope joins a request to its answers: any number of `Progress`, then one body or one error. `id` 0 is the broker
speaking unasked (`Changed`). Bulk data never travels in a message: a `Delivery` or `Answer` comes with one descriptor,
whose content is sealed to the kernel's key (docs/spec/view-v1.md).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from .access import AccessOffer, AccessRequest, Days, Note, PurposeOffer, RequestId, Sentence
from .dataset import Tag
from .decision import ColumnReason, NearMiss
from .errors import WireError
from .grant import Grant, GuardReport
from .lineage import Graph
from .noun import ColumnName, Count, DatasetName, KernelId, NotebookPath, Noun, PurposeName, UserName
from .principal import Principal
from .record import Entry
from .view import ColumnView, Rung

Text = Annotated[str, msgspec.Meta(max_length=4096)]
Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
ChallengeId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
Assertion = Annotated[str, msgspec.Meta(min_length=2, max_length=16384)]  # JSON text of a PublicKeyCredential


class Message(Noun, tag_field="type"):
    """Base of all messages; the tag is the name of the class."""


class Confidential(Message):
    """Base of messages that hold a passphrase, a password or a ticket: no traceback and no log shows them."""

    def __repr__(self) -> str:
        """Return the name of the message."""
        return f"{type(self).__name__}(...)"


# What a kernel asks.


class Hello(Message):
    """Bind the kernel's ephemeral X25519 public key (base64) to its grant. Answered by `Welcome`."""

    public_key: Annotated[str, msgspec.Meta(max_length=64)]


class Catalog(Message):
    """Ask what may be used here, and as what. Answered by `CatalogReply`."""


class Status(Message):
    """Ask who the broker thinks is asking. Answered by `StatusReply`."""


class Load(Message):
    """Ask for a view. Answered by `Delivery` with a descriptor, or by `Handle` for the rung `dp`.

    Attributes:
        rung: the highest rung wanted; None means the highest permitted.
        columns: None means all permitted.
    """

    dataset: DatasetName
    rung: Rung | None = None
    columns: Annotated[tuple[ColumnName, ...], msgspec.Meta(max_length=5000)] | None = None
    purpose: PurposeName | None = None


class Why(Message):
    """Ask why columns come out as they do. Answered by `WhyReply`."""

    dataset: DatasetName
    column: ColumnName | None = None
    purpose: PurposeName | None = None


class Budget(Message):
    """Ask what is left to spend. Answered by `BudgetReply`."""

    dataset: DatasetName | None = None


class Query(Message):
    """Ask a question with differential privacy, in the closed algebra of docs/spec/query-v1.md.

    Answered by `Answer` with a descriptor.

    Attributes:
        question: the JSON text of the question.
        epsilon: what to spend on it, a decimal string; None takes the policy's default.
        preview: say the cost and the expected error, spend nothing.
    """

    question: Annotated[str, msgspec.Meta(max_length=32768)]
    epsilon: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,4}(\.[0-9]{1,9})?\Z")] | None = None
    purpose: PurposeName | None = None
    preview: bool = False


class StepUp(Confidential):
    """Ask whether a challenge that this kernel got with a refusal is proved by now. Answered by `SteppedUp`.

    Attributes:
        code: the code of an app, typed in the cell; None only asks.
    """

    challenge: ChallengeId
    code: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{6}\Z")] | None = None


class AskAccess(Message):
    """Ask for what policy gives only once somebody has approved it. Answered by `AccessReply`.

    Attributes:
        rung: None means the highest that can be asked for.
    """

    dataset: DatasetName
    reason: Sentence
    days: Days
    rung: Rung | None = None
    purpose: PurposeName | None = None


class Cancel(Message):
    """Stop the request of that id. Never answered."""

    request: Count


KernelRequest = Hello | Catalog | Status | Load | Why | Budget | Query | StepUp | AskAccess | Cancel


# What the broker answers to a kernel.


class Welcome(Message):
    """The grant that the channel is bound to."""

    grant: Grant


class ColumnOffer(Noun):
    """A column as it would cross now; `treatment` is the method's name, None where the column is left out."""

    name: ColumnName
    type: str
    tag: Tag | None
    treatment: str | None
    reason: str


class Offer(Noun):
    """A dataset the person may use.

    Attributes:
        rows: None where only `dp` is permitted, because the number of rows is then itself private.
        rungs: what is permitted now, highest first.
        purposes: purposes that some rule for this person names.
    """

    dataset: DatasetName
    version: Count
    rows: Count | None
    rungs: tuple[Rung, ...]
    columns: tuple[ColumnOffer, ...]
    purposes: tuple[PurposeName, ...]


class CatalogReply(Message):
    """What may be used."""

    offers: tuple[Offer, ...]


class StatusReply(Message):
    """Who is asking, from where, how confined, and the log's last signed state.

    Attributes:
        network: a sentence on which other computers the kernel reaches.
    """

    principal: Principal
    grant: Grant
    vault: Literal["unlocked", "locked"]
    log_size: Count
    log_root: str
    network: Text = ""


class Progress(Message):
    """How far the making of a view has come."""

    rows: Count
    total: Count


class Delivery(Message):
    """A view; its content is behind the descriptor that comes with this message.

    Attributes:
        rows: of the sealed version, as the goal of a progress bar, 0 where policy filters rows; the view's own rows are
            in its authenticated stream.
        seal: base64 of the HPKE encapsulation and the encrypted content key; `info` binds it to grant and request.
        seq: the entry in the audit log that permitted it.
    """

    dataset: DatasetName
    version: Count
    rung: Rung
    columns: tuple[ColumnView, ...]
    left_out: tuple[ColumnReason, ...]
    purpose: PurposeName | None
    rows: Count
    seal: str
    info: str
    seq: Count


class DpColumn(Noun):
    """What a question may say of a column; all of it public, from the policy."""

    name: ColumnName
    kind: Literal["number", "category"]
    lower: float | None = None
    upper: float | None = None
    keys: tuple[str, ...] = ()


class Gauge(Noun):
    """One budget. Epsilon as decimal strings, at the delta given.

    Attributes:
        scope: `dataset` (over all people) or `person`.
        remaining: None where it would show what colleagues spent.
    """

    dataset: DatasetName
    scope: Literal["dataset", "person"]
    cap: str
    spent: str | None
    remaining: str | None
    delta: str


class Handle(Message):
    """A view of the rung `dp`: what may be asked, never any data."""

    dataset: DatasetName
    version: Count
    columns: tuple[DpColumn, ...]
    gauges: tuple[Gauge, ...]
    default_epsilon: str
    purpose: PurposeName | None
    seq: Count


class WhyReply(Message):
    """The reasons of the decision that a load would meet now."""

    dataset: DatasetName
    rung: Rung
    reasons: tuple[ColumnReason, ...]
    near_misses: tuple[NearMiss, ...]
    policy: str


class BudgetReply(Message):
    """What is left."""

    gauges: tuple[Gauge, ...]


class Answer(Message):
    """The answer to a question: a small Arrow table behind the descriptor, sealed like a view; a preview has none.

    Attributes:
        cost: epsilon charged, a decimal string; "0" for a repeated question.
        errors: for each aggregate the half-width of its 95 % margin.
        repeated: the identical question had been asked before and is answered from the record.
    """

    dataset: DatasetName
    version: Count
    cost: str
    errors: dict[str, float]
    repeated: bool
    gauges: tuple[Gauge, ...]
    rows: Count = 0
    seal: str = ""
    info: str = ""
    seq: Count = 0


class SteppedUp(Message):
    """Whether the challenge is proved, so that the same request would now be permitted."""

    verified: bool


class AccessReply(Message):
    """A request for access as it stands."""

    request: AccessRequest


KernelReply = (
    Welcome
    | CatalogReply
    | StatusReply
    | Progress
    | Delivery
    | Handle
    | WhyReply
    | BudgetReply
    | Answer
    | SteppedUp
    | AccessReply
)


# What the relay asks.


class State(Message):
    """Ask whether the vault is open. Answered by `StateReply`."""


class Unlock(Confidential):
    """Open the vault; the passphrase crosses the private socket only. Answered by `StateReply`.

    Attributes:
        ticket: of the person who typed it in the sidebar; None from the terminal that started the server.
    """

    passphrase: Secret
    ticket: Text | None = None


class UnlockFromKeyring(Message):
    """Open the vault with what the operating system's keyring holds; the broker fetches it itself.

    Answered by `StateReply`.
    """


class Login(Confidential):
    """Prove who one is by name and password. Answered by `Session`."""

    user: Text
    password: Secret


class WhoAmI(Confidential):
    """Ask who a ticket stands for now, with the roles of now. Answered by `Session`."""

    ticket: Text


class Logout(Confidential):
    """End a ticket. Answered by `Done`."""

    ticket: Text


class OpenKernel(Confidential):
    """Mint a grant for a kernel that was just started. Answered by `Welcome`."""

    ticket: Text
    kernel: KernelId
    notebook: NotebookPath
    guard: GuardReport


class MoveKernel(Message):
    """The notebook of a kernel was renamed. Answered by `Welcome`."""

    grant: Text
    notebook: NotebookPath


class CloseKernel(Message):
    """A kernel has ended. Answered by `Done`."""

    grant: Text


class Network(Confidential):
    """Ask what a kernel reaches, without a grant what a new one would. Answered by `NetworkReply`."""

    ticket: Text
    grant: Text | None = None


class Connect(Message):
    """The guard's proxy is about to connect for a kernel. Answered by `Done`, after it is in the log.

    Attributes:
        again: the connection stands already; nothing is recorded.
    """

    grant: Text
    host: Text
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    again: bool = False


class FromKernel(Message):
    """A kernel request, with the grant of the channel it came from. Answered by a kernel reply."""

    grant: Text
    request: KernelRequest


class PanelCatalog(Confidential):
    """What the person may use; answered by `CatalogReply`. Without a grant the guard level counts as G0."""

    ticket: Text
    grant: Text | None = None


class PanelWhy(Confidential):
    """The panel's `why?`. Answered by `WhyReply`."""

    ticket: Text
    dataset: DatasetName
    column: ColumnName | None = None
    grant: Text | None = None


class PanelBudget(Confidential):
    """Gauges for all datasets that the person may query. Answered by `BudgetReply`."""

    ticket: Text
    grant: Text | None = None


class PanelLog(Confidential):
    """Entries of one notebook, newest first; officers see everybody's, others their own. Answered by `LogReply`.

    Attributes:
        before: only entries with a smaller sequence number.
        notebook: None asks for all notebooks.
    """

    ticket: Text
    notebook: NotebookPath | None = None
    before: Count | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class PanelLineage(Confidential):
    """The graph of one notebook. Answered by `LineageReply`."""

    ticket: Text
    notebook: NotebookPath


# Second factors: what the sidebar asks on behalf of the person who holds the ticket.


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


# Requests for access: a person decides at the sidebar, never a kernel.


class ListRequests(Confidential):
    """Ask for the person's own requests, and for whom decides, everybody's. Answered by `RequestsReply`."""

    ticket: Text


class PanelAsk(Confidential):
    """The panel's `AskAccess`. Answered by `AccessReply`."""

    ticket: Text
    ask: AskAccess


class Decide(Confidential):
    """Approve or deny what somebody else asked for. Answered by `AccessReply`.

    Attributes:
        days: for how long; None approves what was asked for.
    """

    ticket: Text
    request: RequestId
    approve: bool
    days: Days | None = None
    note: Note = ""


class Revoke(Confidential):
    """End an approval at once, or withdraw one's own open request. Answered by `AccessReply`."""

    ticket: Text
    request: RequestId
    note: Note = ""


class Acknowledge(Confidential):
    """Acknowledge the text of a purpose, named by its digest. Answered by `Done`."""

    ticket: Text
    purpose: PurposeName
    digest: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


AccessMessage = ListRequests | PanelAsk | Decide | Revoke | Acknowledge


class Stop(Message):
    """End the broker in good order. Answered by `Done`, then the process ends."""


RelayRequest = (
    State
    | Unlock
    | UnlockFromKeyring
    | Login
    | WhoAmI
    | Logout
    | OpenKernel
    | MoveKernel
    | CloseKernel
    | Network
    | Connect
    | FromKernel
    | PanelCatalog
    | PanelWhy
    | PanelBudget
    | PanelLog
    | PanelLineage
    | MfaRequest
    | AccessMessage
    | Stop
)


# What the broker answers to the relay.


class StateReply(Message):
    """The broker's own state."""

    vault: Literal["unlocked", "locked"]
    version: str
    pid: Count
    log_size: Count


class Session(Confidential):
    """A proved identity. The ticket is empty in the answer to `WhoAmI`."""

    principal: Principal
    ticket: str
    expires_at: Count


class NetworkReply(Message):
    """The hosts that are open now, and a sentence for people."""

    hosts: tuple[str, ...]
    sentence: Text


class LogReply(Message):
    """A page of entries with the signed checkpoint that covers them."""

    entries: tuple[Entry, ...]
    checkpoint: str


class LineageReply(Message):
    """A graph."""

    graph: Graph


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


class RequestsReply(Message):
    """Requests, and what could be asked for.

    Attributes:
        mine: the person's own.
        others: everybody else's, for whom decides; else empty.
        decides: whether the person may decide what others ask for.
        stale: requests whose rules have changed since; an approval of them opens nothing.
        offers: what the person could ask for.
        purposes: what the person's own rules name.
    """

    mine: tuple[AccessRequest, ...]
    others: tuple[AccessRequest, ...]
    decides: bool
    stale: tuple[RequestId, ...]
    offers: tuple[AccessOffer, ...]
    purposes: tuple[PurposeOffer, ...]


class Done(Message):
    """Nothing more to say."""


class Changed(Message):
    """Something that the panel shows has changed; holds no content. `notebook` None means anywhere."""

    notebook: NotebookPath | None = None


RelayReply = (
    StateReply
    | Session
    | NetworkReply
    | LogReply
    | LineageReply
    | MfaStateReply
    | MfaSecret
    | MfaOptions
    | RequestsReply
    | Done
    | Changed
    | KernelReply
)


class ToBroker(Noun):
    """Envelope from the relay."""

    id: Count
    body: RelayRequest


class FromBroker(Noun):
    """Envelope to the relay; exactly one of `body` and `error` is set."""

    id: Count
    body: RelayReply | None = None
    error: WireError | None = None


class ToRelay(Noun):
    """Envelope from a kernel."""

    id: Count
    body: KernelRequest


class FromRelay(Noun):
    """Envelope to a kernel; exactly one of `body` and `error` is set."""

    id: Count
    body: KernelReply | None = None
    error: WireError | None = None
