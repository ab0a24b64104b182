"""What a kernel may use here, and as what: the answers about datasets that hold no data."""

from __future__ import annotations

from typing import Literal

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.decision import ColumnReason, NearMiss
from jupyter_secure.protocol.grant import Grant
from jupyter_secure.protocol.noun import ColumnName, Count, DatasetName, Noun, PurposeName
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.view import Rung

from .message import Message, Text


class Welcome(Message):
    """The grant that the channel is bound to."""

    grant: Grant


class ColumnOffer(Noun):
    """A column as it would cross now.

    Attributes:
        treatment: the method's name; None where the column is left out.
        form: a made-up example of what comes out (`protocol.form`).
    """

    name: ColumnName
    type: str
    tag: Tag | None
    treatment: str | None
    reason: str
    form: str = ""


class Offer(Noun):
    """A dataset the person may use.

    Attributes:
        rows: None where only `dp` is permitted, because the number of rows is then itself private.
        rungs: what is permitted now, highest first.
        purposes: purposes that some rule for this person names.
        check: what must be true of a view before it crosses, in words.
    """

    dataset: DatasetName
    version: Count
    rows: Count | None
    rungs: tuple[Rung, ...]
    columns: tuple[ColumnOffer, ...]
    purposes: tuple[PurposeName, ...]
    check: str = ""


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


class WhyReply(Message):
    """The reasons of the decision that a load would meet now; `check` says what must be true before a view crosses."""

    dataset: DatasetName
    rung: Rung
    reasons: tuple[ColumnReason, ...]
    near_misses: tuple[NearMiss, ...]
    policy: str
    check: str = ""
