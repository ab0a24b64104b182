"""What may follow what. Pure: time and people come in as arguments, a new request comes out.

    requested -> approved   by a steward or officer who is not the one who asked
              -> denied     likewise
              -> revoked    by the one who asked
    approved  -> revoked    by a steward or officer, or the one who has it
              -> expired    by time alone; nobody writes it down

Promises: nobody decides his own request, whatever roles he holds; the role is the one of now; a request is decided once
and an end is final; whoever may not decide learns nothing about a request, not even that it exists.
"""

from __future__ import annotations

from msgspec.structs import replace

from jupyter_secure.protocol.access import DAY, AccessRequest, RequestState
from jupyter_secure.protocol.errors import ConflictError, InvalidRequestError, RefusedError
from jupyter_secure.protocol.principal import Principal, Role

UNKNOWN = "There is no request of that number that you could decide or end."
OWN = "Nobody decides his own request. Ask another steward or an officer."
_ENDED = {
    RequestState.REQUESTED: "is still open",
    RequestState.APPROVED: "was approved already",
    RequestState.DENIED: "was denied already",
    RequestState.REVOKED: "was revoked",
    RequestState.EXPIRED: "has run out",
}


def decides(principal: Principal) -> bool:
    """Say whether the principal may decide what others ask for."""
    return principal.has(Role.STEWARD) or principal.has(Role.OFFICER)


def as_of(request: AccessRequest, now: int) -> AccessRequest:
    """Return the request as it stands at a moment: an approval that is over has expired."""
    over = request.state is RequestState.APPROVED and (request.until is None or request.until <= now)
    return replace(request, state=RequestState.EXPIRED) if over else request


def decide(
    request: AccessRequest, by: Principal, now: int, *, approve: bool, days: int | None = None, note: str = ""
) -> AccessRequest:
    """Return the request, approved (for the days it asks for, or others) or denied.

    Raises:
        RefusedError: `by` may not decide it.
        ConflictError: it is not open any more.
    """
    if not decides(by):
        raise RefusedError(UNKNOWN)
    if by.name == request.user:
        raise RefusedError(OWN)
    _require(request, now, RequestState.REQUESTED)
    granted = days or request.days
    return replace(
        request,
        state=RequestState.APPROVED if approve else RequestState.DENIED,
        days=granted,
        decided=now,
        decided_by=by.name,
        note=note,
        until=now + granted * DAY if approve else None,
    )


def revoke(request: AccessRequest, by: Principal, now: int) -> AccessRequest:
    """Return the request, ended.

    Raises:
        RefusedError: `by` may not end it.
        ConflictError: there is nothing to end.
    """
    own = by.name == request.user
    if not (own or decides(by)):
        raise RefusedError(UNKNOWN)
    _require(request, now, RequestState.APPROVED, *([RequestState.REQUESTED] if own else []))
    return replace(request, state=RequestState.REVOKED, ended=now, ended_by=by.name)


def require_days(days: int, longest: int) -> None:
    """Check a duration against the policy's maximum.

    Raises:
        InvalidRequestError: it is longer.
    """
    if days > longest:
        raise InvalidRequestError(f"Access to this dataset lasts at most {longest} days. Choose fewer.")


def _require(request: AccessRequest, now: int, *states: RequestState) -> None:
    state = as_of(request, now).state
    if state not in states:
        raise ConflictError(f"This request {_ENDED[state]}. Nothing was changed.")
