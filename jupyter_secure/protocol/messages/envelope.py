"""The closed families, and the envelopes that join a request to its answers.

Any number of `Progress`, then one body or one error. `id` 0 is the broker speaking unasked (`Changed`).
"""

from __future__ import annotations

from jupyter_secure.protocol.errors import WireError
from jupyter_secure.protocol.noun import Count, Noun

from .asked import KernelRequest
from .delivered import AccessReply, Delivery, Progress, SteppedUp
from .factors import MfaOptions, MfaRequest, MfaSecret, MfaStateReply
from .kernels import CloseKernel, Connect, FromKernel, MoveKernel, Network, NetworkReply, OpenKernel
from .offers import CatalogReply, StatusReply, Welcome, WhyReply
from .outputs import Compare, Compared
from .panel import Changed, Done, LineageReply, LogReply, PanelBudget, PanelCatalog, PanelLineage, PanelLog, PanelWhy
from .private import Answer, BudgetReply, Handle
from .requests import AccessMessage, RequestsReply
from .session import Login, Logout, Session, State, StateReply, Stop, Unlock, UnlockFromKeyring, WhoAmI

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
    | Compare
    | Stop
)

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
    | Compared
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
