"""What may follow what."""

import pytest
from msgspec.structs import replace

from jupyter_secure.broker.requests.state import as_of, decide, decides, require_days, revoke
from jupyter_secure.protocol.access import DAY, AccessRequest, RequestState
from jupyter_secure.protocol.errors import ConflictError, InvalidRequestError, RefusedError
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.view import Rung

NOW = 1_800_000_000_000
OPEN = AccessRequest(
    id="0" * 32,
    user="ann",
    dataset="patients",
    rung=Rung.RAW,
    purpose=None,
    rules={"raw": "0" * 64},
    reason="readmissions",
    days=7,
    asked=NOW,
)


def person(name, *roles):
    return Principal(name=name, display_name=name, roles=roles)


STEWARD = person("sue", "steward")
OFFICER = person("olaf", "officer")
APPROVED = decide(OPEN, STEWARD, NOW, approve=True)


def test_an_approval_names_who_when_and_until():
    assert (APPROVED.state, APPROVED.decided_by, APPROVED.decided) == (RequestState.APPROVED, "sue", NOW)
    assert APPROVED.until == NOW + 7 * DAY
    assert decide(OPEN, OFFICER, NOW, approve=True, days=2).until == NOW + 2 * DAY


def test_a_denial_opens_nothing():
    denied = decide(OPEN, OFFICER, NOW, approve=False, note="Ask for masked.")
    assert (denied.state, denied.until, denied.note) == (RequestState.DENIED, None, "Ask for masked.")


@pytest.mark.parametrize("roles", [("steward",), ("officer",), ("steward", "officer", "scientist")])
@pytest.mark.parametrize("approve", [True, False])
def test_nobody_decides_his_own_request_whatever_his_roles(roles, approve):
    with pytest.raises(RefusedError, match="own request"):
        decide(OPEN, person("ann", *roles), NOW, approve=approve)


@pytest.mark.parametrize("roles", [(), ("scientist",), ("engineer", "stewards")])
def test_only_stewards_and_officers_decide(roles):
    assert not decides(person("ben", *roles))
    with pytest.raises(RefusedError, match="no request of that number"):
        decide(OPEN, person("ben", *roles), NOW, approve=True)
    with pytest.raises(RefusedError, match="no request of that number"):
        revoke(APPROVED, person("ben", *roles), NOW)


def test_a_request_is_decided_once():
    for decided in (APPROVED, decide(OPEN, STEWARD, NOW, approve=False), revoke(OPEN, person("ann"), NOW)):
        for approve in (True, False):
            with pytest.raises(ConflictError):
                decide(decided, OFFICER, NOW, approve=approve)


def test_an_approval_expires_by_time_alone():
    assert as_of(APPROVED, NOW + 7 * DAY - 1).state is RequestState.APPROVED
    assert as_of(APPROVED, NOW + 7 * DAY).state is RequestState.EXPIRED
    assert as_of(replace(APPROVED, until=None), NOW).state is RequestState.EXPIRED
    with pytest.raises(ConflictError, match="has run out"):
        revoke(APPROVED, STEWARD, NOW + 7 * DAY)


def test_a_steward_revokes_and_the_person_gives_back():
    assert revoke(APPROVED, OFFICER, NOW + 1).ended_by == "olaf"
    assert revoke(APPROVED, person("ann"), NOW + 1).state is RequestState.REVOKED
    with pytest.raises(ConflictError):
        revoke(revoke(APPROVED, OFFICER, NOW), STEWARD, NOW)


def test_an_open_request_is_withdrawn_by_its_owner_alone():
    assert revoke(OPEN, person("ann"), NOW).state is RequestState.REVOKED
    with pytest.raises(ConflictError, match="still open"):
        revoke(OPEN, STEWARD, NOW)


def test_days_have_a_maximum():
    require_days(30, 30)
    with pytest.raises(InvalidRequestError, match="at most 30 days"):
        require_days(31, 30)
