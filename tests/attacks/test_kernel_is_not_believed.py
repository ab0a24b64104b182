"""A kernel cannot say who it is, whose it is, which notebook it runs or how confined it is."""

import typing

import msgspec
import pytest

from jupyter_secure.protocol.messages import KernelRequest, RelayRequest, ToRelay

REQUESTS = typing.get_args(KernelRequest)
RELAYS_ALONE = [kind for kind in typing.get_args(RelayRequest) if kind not in REQUESTS]
SMALLEST = {
    "Hello": {"public_key": ""},
    "Load": {"dataset": "patients"},
    "Why": {"dataset": "patients"},
    "Query": {"question": "{}"},
    "StepUp": {"challenge": "0" * 32},
    "AskAccess": {"dataset": "patients", "reason": "For the study.", "days": 7},
    "Cancel": {"request": 1},
}
CLAIMS = {
    "user": "steward",
    "principal": {"name": "steward", "display_name": "", "roles": ["steward"]},
    "roles": ["steward"],
    "role": "steward",
    "ticket": "t",
    "grant": "g",
    "kernel": "k",
    "notebook": "another.ipynb",
    "guard": {"level": "G4"},
    "mfa_at": 1,
    "now": 1,
}


def datagram(kind, **more):
    body = {"type": kind.__name__, **SMALLEST.get(kind.__name__, {}), **more}
    return msgspec.json.encode({"id": 1, "body": body})


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.__name__)
def test_the_smallest_request_is_accepted(kind):
    assert isinstance(msgspec.json.decode(datagram(kind), type=ToRelay).body, kind)


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.__name__)
def test_a_kernel_cannot_claim_anything_about_itself(kind, claim):
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(datagram(kind, **{claim: CLAIMS[claim]}), type=ToRelay)
    beside = msgspec.json.encode({**msgspec.json.decode(datagram(kind)), claim: CLAIMS[claim]})
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(beside, type=ToRelay)


@pytest.mark.parametrize("kind", RELAYS_ALONE, ids=lambda kind: kind.__name__)
def test_a_kernel_cannot_say_what_only_the_relay_may(kind):
    with pytest.raises(msgspec.ValidationError, match="Invalid value"):
        msgspec.json.decode(datagram(kind), type=ToRelay)
