"""A cell that waits for a second factor, and one that cannot."""

import pytest

from jupyter_secure.kernel import step_up
from jupyter_secure.protocol.errors import SecondFactorError, StepUpError, UnavailableError
from jupyter_secure.protocol.messages import Catalog, CatalogReply, SteppedUp, StepUp

CHALLENGE = "ab" * 16
MISSING = StepUpError(f"`patients` as raw is not available to you now. {StepUpError.HOW}", challenge=CHALLENGE)


class Kernel:
    _allow_stdin = True
    _supports_kernel_subshells = True


@pytest.fixture
def kernel(monkeypatch):
    found = Kernel()
    monkeypatch.setattr(step_up, "_kernel", lambda: found)
    monkeypatch.setattr(step_up, "EVERY", 0.01)
    return found


@pytest.fixture
def broker(relay):
    """A relay whose broker wants a proof; `polls` says how often it has to be asked for it, `code` is the right one."""

    class Broker:
        polls = 3
        code = "123456"
        proved = False
        seen = relay.seen

    def catalog(_):
        return CatalogReply(offers=()) if Broker.proved else MISSING

    def prove(message):
        Broker.polls -= 1
        if message.code is not None and message.code != Broker.code:
            return SecondFactorError()
        Broker.proved |= Broker.polls <= 0 or message.code == Broker.code
        return SteppedUp(verified=Broker.proved)

    relay.handlers |= {Catalog: catalog, StepUp: prove}
    return Broker


@pytest.mark.parametrize("widgets", [True, False])
def test_a_cell_waits_until_somebody_has_verified_and_goes_on(relay, broker, kernel, capsys, widgets):
    kernel._supports_kernel_subshells = widgets
    assert step_up.asked(relay.client, Catalog()) == (CatalogReply(offers=()), None)
    assert [message.code for message in relay.seen if isinstance(message, StepUp)] == [None] * 3
    shown = capsys.readouterr().out
    assert "Secure Data sidebar" in shown or widgets
    assert "run the cell again" not in shown


def test_a_code_typed_in_the_cell_is_the_proof_of_its_request_alone(relay, broker, kernel):
    broker.polls = 99
    with step_up.Prompt(relay.client, MISSING) as prompt:
        field = prompt._widget
        field._code.value = "000000"
        assert field._said.value == SecondFactorError.default
        assert field._code.value == ""
        field._code.value = "123 456"
        assert field._said.value == "Verified."
        assert prompt.wait()
    sent = [message for message in relay.seen if isinstance(message, StepUp)]
    assert [message.code for message in sent] == ["000000", "123456"]
    assert {message.challenge for message in sent} == {CHALLENGE}


def test_nothing_is_sent_before_six_digits_are_typed(relay, broker, kernel):
    with step_up.Prompt(relay.client, MISSING) as prompt:
        prompt._widget._code.value = "12345"
    assert relay.seen == []


def test_nothing_waits_where_nobody_could_verify(relay, broker, kernel):
    kernel._allow_stdin = False
    with pytest.raises(StepUpError, match="run the cell again"):
        step_up.asked(relay.client, Catalog())
    assert len(relay.seen) == 1


def test_the_wait_ends_with_the_challenge(relay, broker, kernel):
    relay.handlers[StepUp] = lambda _: SecondFactorError()
    with pytest.raises(StepUpError):
        step_up.asked(relay.client, Catalog())


def test_the_wait_ends_by_itself(relay, broker, kernel, monkeypatch):
    monkeypatch.setattr(step_up, "PATIENCE", 0.05)
    broker.polls = 10**6
    with pytest.raises(StepUpError):
        step_up.asked(relay.client, Catalog())


def test_another_fault_is_told_as_it_is(relay, broker, kernel):
    relay.handlers[StepUp] = lambda _: UnavailableError()
    with pytest.raises(UnavailableError):
        step_up.asked(relay.client, Catalog())
