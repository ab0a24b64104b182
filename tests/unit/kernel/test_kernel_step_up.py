"""A cell that asks for a second factor and goes on, and one that cannot ask."""

import getpass

import pytest
from IPython.core.error import StdinNotImplementedError

from jupyter_secure.kernel import step_up
from jupyter_secure.protocol.errors import SecondFactorError, StepUpError, UnavailableError
from jupyter_secure.protocol.messages import Catalog, CatalogReply, SteppedUp, StepUp

CHALLENGE = "ab" * 16
MISSING = StepUpError(f"`patients` as raw is not available to you now. {StepUpError.HOW}", challenge=CHALLENGE)
CODE = "123456"


@pytest.fixture
def broker(relay):
    """A relay whose broker wants a proof: the right code, or that `proved` was set elsewhere."""

    class Broker:
        proved = False

    def prove(message):
        if message.code not in {None, CODE}:
            return SecondFactorError()
        Broker.proved |= message.code == CODE
        return SteppedUp(verified=Broker.proved)

    relay.handlers |= {Catalog: lambda _: CatalogReply(offers=()) if Broker.proved else MISSING, StepUp: prove}
    return Broker


@pytest.fixture
def person(monkeypatch):
    """Return a function that says what the person types, and the list of what the person was shown."""
    shown = []

    def types(*answers):
        left = list(answers)

        def answer(prompt):
            shown.append(prompt)
            return left.pop(0)() if callable(left[0]) else left.pop(0)

        monkeypatch.setattr(getpass, "getpass", answer)
        return shown

    return types


def sent(relay):
    return [message for message in relay.seen if isinstance(message, StepUp)]


def test_a_code_typed_in_the_cell_is_the_proof_of_its_request_and_the_cell_goes_on(relay, broker, person):
    shown = person("000000", "recovery-code", "123 456")
    assert step_up.asked(relay.client, Catalog()) == (CatalogReply(offers=()), None)
    assert [(message.challenge, message.code) for message in sent(relay)] == [(CHALLENGE, "000000"), (CHALLENGE, CODE)]
    assert shown[0].startswith("`patients` as raw")
    assert "sidebar" in shown[0]
    assert "run the cell again" not in shown[0]
    assert shown[1].startswith(SecondFactorError.default)
    assert "six" in shown[2] or "6 digits" in shown[2]


def test_enter_goes_on_after_somebody_has_verified_in_the_sidebar(relay, broker, person):
    def verified_meanwhile():
        broker.proved = True
        return ""

    shown = person("", verified_meanwhile)
    assert step_up.asked(relay.client, Catalog()) == (CatalogReply(offers=()), None)
    assert [message.code for message in sent(relay)] == [None, None]
    assert shown[1].startswith("Nothing was verified yet")


def test_a_person_is_asked_three_times(relay, broker, person):
    shown = person("", "", "", "")
    with pytest.raises(StepUpError, match="run the cell again"):
        step_up.asked(relay.client, Catalog())
    assert len(shown) == 3


@pytest.mark.parametrize("silence", [StdinNotImplementedError, EOFError])
def test_where_nobody_can_be_asked_the_refusal_stands(relay, broker, monkeypatch, silence):
    def nobody(_):
        raise silence

    monkeypatch.setattr(getpass, "getpass", nobody)
    with pytest.raises(StepUpError, match="run the cell again"):
        step_up.asked(relay.client, Catalog())
    assert len(relay.seen) == 1


def test_a_challenge_that_has_ended_is_told(relay, broker, person):
    shown = person(CODE, CODE, CODE)
    relay.handlers[StepUp] = lambda _: SecondFactorError("There is nothing to verify here any more.")
    with pytest.raises(StepUpError):
        step_up.asked(relay.client, Catalog())
    assert shown[1].startswith("There is nothing")


def test_another_fault_is_told_as_it_is(relay, broker, person):
    person(CODE)
    relay.handlers[StepUp] = lambda _: UnavailableError()
    with pytest.raises(UnavailableError):
        step_up.asked(relay.client, Catalog())
