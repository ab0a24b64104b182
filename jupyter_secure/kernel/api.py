"""What the magics do, as functions: `jupyter_secure.load(...)` and its companions.

Promises: a load returns a whole frame or raises; a private handle is returned where only private questions are
permitted; what is shown of names and reasons comes from the broker's answer. Everything heavy is imported by the first
load.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from msgspec.structs import replace

from jupyter_secure.protocol.errors import IntegrityError, InvalidRequestError, RefusedError, UnavailableError
from jupyter_secure.protocol.messages import (
    AccessReply,
    AskAccess,
    Budget,
    BudgetReply,
    Catalog,
    CatalogReply,
    ColumnOffer,
    Delivery,
    Handle,
    Load,
    Status,
    StatusReply,
    Why,
    WhyReply,
)
from jupyter_secure.protocol.view import Rung

from .client import CONNECTION, ShowProgress
from .display import AccessNote, BudgetTable, CatalogTable, LoadNote, PreviewTable, StatusTable, SyntheticNote, WhyTable
from .dp_source import decimal_text
from .progress import ProgressBar
from .step_up import asked

Frame = Literal["pandas", "polars", "arrow"]
RUNGS = ("raw", "masked", "dp")
SYNTHETIC = "synthetic"
FRAMES = ("pandas", "polars", "arrow")


def load(
    dataset: str,
    as_: str | None = None,
    columns: Iterable[str] | str | None = None,
    purpose: str | None = None,
    frame: Frame = "pandas",
) -> Any:
    """Return the view of a dataset that policy permits.

    Args:
        dataset: its name.
        as_: the highest form wanted, `raw`, `masked` or `dp`, by default the highest permitted; or `synthetic`, with
            the settings that `synthesize` has by default.
        columns: names; by default all that are permitted.
        purpose: what the data is used for.
        frame: `pandas`, `polars` or `arrow`.

    Returns:
        A frame of that kind, or a private handle (`kernel.dp.DpFrame`) where only private questions are permitted.

    Raises:
        RefusedError: policy does not permit it, or there is no such dataset.
        SecureError: as its sentence says.
    """
    return load_with_note(dataset, as_, columns, purpose, frame)[0]


def load_with_note(
    dataset: str, as_: str | None, columns: Iterable[str] | str | None, purpose: str | None, frame: str
) -> tuple[Any, LoadNote | SyntheticNote | None]:
    """Return the same as `load`, and what to tell the person about it."""
    if as_ == SYNTHETIC:
        return synthesize_with_note(dataset, columns=columns, purpose=purpose, frame=frame)
    if as_ is not None and as_ not in RUNGS:
        raise InvalidRequestError("Choose the form from raw, masked, dp and synthetic.")
    if frame not in FRAMES:
        raise InvalidRequestError("Choose the frame from pandas, polars and arrow.")
    message = Load(dataset=dataset, rung=None if as_ is None else Rung(as_), columns=names(columns), purpose=purpose)
    try:
        with ProgressBar(dataset) as bar:
            return _load(message, frame, bar.show)
    except RefusedError as error:
        raise _explained(error, message) from None


def synthesize(dataset: Any, **wish: Any) -> Any:
    """Return synthetic rows of a dataset that may be asked private questions; one question pays for them.

    Args:
        dataset: its name, or a private handle, with conditions if wanted.
        wish: `columns`, `target`, `edges`, `rows`, `epsilon` and `seed`, as `kernel.synthetic.Wish` has them;
            `purpose` what the data is used for; `frame`, one of `pandas`, `polars` and `arrow`; `dry_run` to return the
            price and the margins and spend nothing.

    Raises:
        InvalidRequestError: what is asked does not fit the dataset; nothing was spent.
        RefusedError: policy does not permit private questions, or there is no such dataset.
        BudgetError: the budget does not allow it; nothing was spent.
    """
    return synthesize_with_note(dataset, **wish)[0]


def synthesize_with_note(
    dataset: Any, *, purpose: str | None = None, frame: str = "pandas", dry_run: bool = False, **wish: Any
) -> tuple[Any, SyntheticNote | None]:
    """Return the same as `synthesize`, and what to tell the person about it."""
    from .frames import to_frame
    from .synthetic import Wish, make, price

    unknown = set(wish) - set(Wish.__dataclass_fields__)
    if unknown:
        raise InvalidRequestError(f"Synthetic rows have no setting {', '.join(sorted(unknown))}.")
    if frame not in FRAMES:
        raise InvalidRequestError("Choose the frame from pandas, polars and arrow.")
    wished = Wish(**wish | {"columns": names(wish.get("columns"))})
    handle = _private(dataset, purpose)
    if dry_run:
        return price(handle, wished), None
    made = make(handle, wished, _offered(handle.dataset))
    note, shown = SyntheticNote(made), to_frame(made.table, frame)  # type: ignore[arg-type]  # one of `FRAMES`
    if frame == "pandas":
        shown.attrs.update(made.about)
    return shown, note


def _private(dataset: Any, purpose: str | None) -> Any:
    return load(dataset, "dp", purpose=purpose) if isinstance(dataset, str) else dataset


def _offered(dataset: str) -> tuple[ColumnOffer, ...]:
    offers = _ask(Catalog(), CatalogReply).offers
    return next((offer.columns for offer in offers if offer.dataset == dataset), ())


def sql(text: str, *, epsilon: Any = None, purpose: str | None = None, dry_run: bool = False) -> Any:
    """Ask a private dataset one SELECT; return a frame with values and margins.

    Args:
        text: the statement.
        epsilon: what it may cost; the policy's default if None.
        purpose: what the data is used for.
        dry_run: return the price and the margins, and spend nothing.

    Raises:
        InvalidRequestError: it is no such statement; the sentence says what works.
        RefusedError: policy does not permit private questions, or there is no such dataset.
    """
    try:
        from . import sql as translation
        from .sql_order import in_order
    except ImportError:
        raise InvalidRequestError("SQL needs sqlglot: install `jupyter-secure[sql]`.") from None
    handle = load(translation.dataset_of(text), "dp", purpose=purpose)
    dates = [name for name, fact in handle.facts.items() if fact.kind == "date"]
    question, ordering = translation.translate(text, handle.columns, dates), translation.ordering_of(text)
    return in_order(handle.ask(question, epsilon=epsilon, dry_run=dry_run), ordering)


def plot(answer: Any, kind: str = "bar", **options: Any) -> Any:
    """Plot a private answer with its margins as error bars (`kernel.dp_plot.plot`)."""
    from .dp_plot import plot as with_margins

    return with_margins(answer, kind, **options)


def catalog() -> CatalogTable:
    """Return the datasets that may be used here, and as what."""
    return CatalogTable(_ask(Catalog(), CatalogReply))


def status() -> StatusTable:
    """Return who the broker thinks is asking, and how confined this kernel is."""
    return StatusTable(_ask(Status(), StatusReply))


def why(what: str, purpose: str | None = None) -> WhyTable:
    """Return the reasons for `dataset` or `dataset.column`, as a load would meet them now."""
    dataset, _, column = what.partition(".")
    return WhyTable(_ask(Why(dataset=dataset, column=column or None, purpose=purpose), WhyReply))


def preview(dataset: str, purpose: str | None = None, columns: Iterable[str] | str | None = None) -> PreviewTable:
    """Return what a load would give now, with an example of each column's form; opens nothing.

    Raises:
        RefusedError: policy does not permit it, or there is no such dataset.
        InvalidRequestError: a column is none of the dataset.
    """
    reply, wanted = _ask(Why(dataset=dataset, purpose=purpose), WhyReply), names(columns)
    if wanted is not None:
        known = {reason.column for reason in reply.reasons}
        if set(wanted) - known:
            raise InvalidRequestError(f"There is no such column here. There are: {', '.join(sorted(known))}.")
        reply = replace(reply, reasons=tuple(each for each in reply.reasons if each.column in wanted))
    offers = _ask(Catalog(), CatalogReply).offers
    kinds = {column.name: column.type for offer in offers if offer.dataset == dataset for column in offer.columns}
    return PreviewTable(reply, kinds)


def budget(dataset: str | None = None, allow: Any = None) -> BudgetTable:
    """Return what is left to spend on private questions, and what spent it.

    Args:
        dataset: only this one.
        allow: from now on this notebook may spend so much of it in all, an epsilon.

    Raises:
        RefusedError: you may not question it.
        InvalidRequestError: no dataset was named, or the number is none.
    """
    return BudgetTable(_ask(Budget(dataset=dataset, allow=decimal_text(allow)), BudgetReply))


def request(
    dataset: str, as_: str | None = None, purpose: str | None = None, *, reason: str, days: int = 7
) -> AccessNote:
    """Ask for what policy gives only once somebody has approved it; a steward or officer decides, never yourself.

    Args:
        dataset: its name.
        as_: the form, `raw`, `masked` or `dp`; by default the highest that can be asked for.
        purpose: what the data would be used for.
        reason: why you need it, one line for whoever decides.
        days: how long.

    Raises:
        RefusedError: nothing of that name can be asked for.
        InvalidRequestError: not in that form, for that purpose or for so long.
        ConflictError: you have asked for it already.
    """
    if as_ is not None and as_ not in RUNGS:
        raise InvalidRequestError("Choose the form from raw, masked and dp.")
    rung = None if as_ is None else Rung(as_)
    message = AskAccess(dataset=dataset, rung=rung, purpose=purpose, reason=reason, days=days)
    return AccessNote(_ask(message, AccessReply))


def _load(message: Load, frame: str, show: ShowProgress) -> tuple[Any, LoadNote | None]:
    client = CONNECTION.client()
    reply, fd = asked(client, message, show)
    if isinstance(reply, Handle):
        from .dp import DpFrame

        return DpFrame(reply, client), None
    if not isinstance(reply, Delivery) or fd is None:
        raise IntegrityError(detail="a load was answered without a view")
    loaded = client.open(reply, fd, show, frame)
    return loaded, LoadNote(reply, len(loaded), message.rung)


def _explained(error: RefusedError, wish: Load) -> Exception:
    """Return what a refusal comes from where the catalog shows it, a column that was mistyped; else the refusal."""
    if type(error) is not RefusedError or not wish.columns:
        return error
    offers = _ask(Catalog(), CatalogReply).offers
    known = next(([column.name for column in each.columns] for each in offers if each.dataset == wish.dataset), [])
    unknown = [name for name in wish.columns if name not in known]
    if not known or not unknown:
        return error
    return InvalidRequestError(f"`{wish.dataset}` has no column {', '.join(unknown)}. There are: {', '.join(known)}.")


def _ask(message: Any, expected: type[Any]) -> Any:
    reply, _ = CONNECTION.client().request(message)
    if not isinstance(reply, expected):
        raise UnavailableError(detail=f"{type(message).__name__} was answered by {type(reply).__name__}")
    return reply


def names(columns: Iterable[str] | str | None) -> tuple[str, ...] | None:
    """Return column names that were given as one text with commas, or as several."""
    if columns is None:
        return None
    listed = columns.split(",") if isinstance(columns, str) else columns
    found = tuple(dict.fromkeys(str(name).strip() for name in listed))
    if not found or "" in found:
        raise InvalidRequestError("Name at least one column, with commas between them, or leave them out for all.")
    return found
