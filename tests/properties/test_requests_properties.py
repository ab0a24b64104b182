"""Requests for access as a machine: whatever people do in whatever order, the store says what a plain model says."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from jupyter_secure.broker.policy.ask import Ask, Context
from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.broker.policy.decide import decide as decide_policy
from jupyter_secure.broker.policy.rules import rule_digest
from jupyter_secure.broker.requests import state as machine
from jupyter_secure.broker.requests.store import Requests, new_id
from jupyter_secure.broker.store import database
from jupyter_secure.protocol.access import DAY, AccessRequest, RequestState
from jupyter_secure.protocol.dataset import Column, DatasetVersion
from jupyter_secure.protocol.errors import ConflictError, RefusedError
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.view import Rung

START = 1_800_000_000_000
ROLES = {
    "ann": ("scientist",),
    "ben": (),
    "sue": ("steward", "scientist"),
    "tom": ("officer", "steward"),
    "olaf": ("officer",),
}
names = st.sampled_from(sorted(ROLES))
approvers = st.sampled_from(["sue", "tom", "olaf"])
days = st.integers(1, 5)


def principal(name, roles=None):
    return Principal(name=name, display_name=name, roles=ROLES[name] if roles is None else roles)


class Machine(RuleBasedStateMachine):
    """The real state machine over the real store, beside a model of three dictionaries."""

    requests = Bundle("requests")

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.engine = database.open_database(f"sqlite:///{Path(self.folder.name)}/store.sqlite")
        database.create(self.engine)
        self.now = START
        self.store = Requests(self.engine, lambda: self.now)
        self.owner, self.word, self.until = {}, {}, {}

    def teardown(self):
        self.engine.dispose()
        self.folder.cleanup()

    def expected(self, number):
        if self.word[number] == "approved" and self.now >= self.until[number]:
            return "expired"
        return self.word[number]

    @rule(target=requests, name=names, length=days, dataset=st.sampled_from("abcdefgh"))
    def ask(self, name, length, dataset):
        request = AccessRequest(
            id=new_id(),
            user=name,
            dataset=dataset,
            rung=Rung.RAW,
            purpose=None,
            rules={"r": "0" * 64},
            reason="because",
            days=length,
            asked=self.now,
        )
        again = [
            it
            for it, owner in self.owner.items()
            if owner == (name, dataset) and self.expected(it) in {"requested", "approved"}
        ]
        try:
            self.store.add(request)
        except ConflictError:
            assert again
            return again[0]
        assert not again
        self.owner[request.id], self.word[request.id] = (name, dataset), "requested"
        return request.id

    @rule(number=requests, name=names, approve=st.booleans(), length=st.none() | days)
    def decide(self, number, name, approve, length):
        before = self.store.get(number)
        may = name != self.owner[number][0] and set(ROLES[name]) & {"steward", "officer"}
        try:
            after = machine.decide(before, principal(name), self.now, approve=approve, days=length)
            self.store.replace(before, after)
        except RefusedError:
            assert not may
        except ConflictError:
            assert may
            assert self.expected(number) != "requested"
        else:
            assert may
            assert self.expected(number) == "requested"
            self.word[number] = "approved" if approve else "denied"
            self.until[number] = self.now + (length or before.days) * DAY

    @rule(
        number=requests, first=st.sampled_from(["sue", "tom", "olaf"]), second=st.sampled_from(["sue", "tom", "olaf"])
    )
    def decide_at_once(self, number, first, second):
        before = self.store.get(number)
        if before.state is not RequestState.REQUESTED or before.user in (first, second):
            return
        one, other = (machine.decide(before, principal(name), self.now, approve=True) for name in (first, second))
        self.store.replace(before, one)
        try:
            self.store.replace(before, other)
        except ConflictError:
            self.word[number], self.until[number] = "approved", one.until
        else:
            raise AssertionError("both decided")

    @rule(number=requests, name=names)
    def revoke(self, number, name):
        before = self.store.get(number)
        own = name == self.owner[number][0]
        may = own or set(ROLES[name]) & {"steward", "officer"}
        endable = {"approved", "requested"} if own else {"approved"}
        try:
            after = machine.revoke(before, principal(name), self.now)
            self.store.replace(before, after)
        except RefusedError:
            assert not may
        except ConflictError:
            assert may
            assert self.expected(number) not in endable
        else:
            assert may
            assert self.expected(number) in endable
            self.word[number] = "revoked"

    @rule(length=st.integers(1, 3 * DAY))
    def time_passes(self, length):
        self.now += length

    @rule(number=consumes(requests))
    def forget(self, number):
        """Leave a request alone from now on, so that runs do not only circle around a few."""

    @invariant()
    def the_store_says_what_the_model_says(self):
        listed = {it.id: it for it in self.store.list()}
        assert {number: it.state.value for number, it in listed.items()} == {it: self.expected(it) for it in self.word}

    @invariant()
    def only_running_approvals_stand(self):
        for name in ROLES:
            standing, _ = self.store.standing(name)
            assert {it.id for it in standing} == {
                it for it, owner in self.owner.items() if owner[0] == name and self.expected(it) == "approved"
            }

    @invariant()
    def nobody_decided_his_own(self):
        assert all(it.decided_by != it.user for it in self.store.list())


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestMachine = Machine.TestCase

POLICY = compile_text("""
[dataset.patients]
tags = { cost = "measure" }
max_grant_days = 3
[purpose.study]
[[rule]]
id = "masked"
to = ["everyone"]
datasets = ["patients"]
view = "masked"
mask = { measure = "keep" }
[[rule]]
id = "raw"
to = ["everyone"]
datasets = ["patients"]
view = "raw"
when = { approval = true }
""")
DIGESTS = {rule.id: rule_digest(rule) for rule in POLICY.terms.rules}
VERSION = DatasetVersion(
    name="patients", version=1, digest="d" * 64, rows=1, sealed_at=0, columns=(Column(name="cost", type="double"),)
)
approvals = st.builds(
    AccessRequest,
    id=st.just("0" * 32),
    user=st.sampled_from(["ann", "ann", "ben"]),
    dataset=st.sampled_from(["patients", "patients", "other"]),
    rung=st.sampled_from([Rung.RAW, Rung.RAW, Rung.MASKED]),
    purpose=st.sampled_from([None, "study"]),
    rules=st.sampled_from([DIGESTS, {"raw": DIGESTS["raw"]}, {"raw": "0" * 64}, {"masked": DIGESTS["raw"]}, {}]),
    reason=st.just("because"),
    days=days,
    asked=st.just(START),
    state=st.sampled_from([*[RequestState.APPROVED] * 4, *RequestState]),
    decided=st.none() | st.integers(START - 4 * DAY, START + 1),
    until=st.none() | st.integers(START - 1, START + DAY),
)


def rung(purpose, *requests):
    context = Context(now_ms=START, approvals=requests)
    ask = Ask(principal=principal("ann"), dataset=VERSION, context=context, purpose=purpose)
    return decide_policy(POLICY, ask).view.rung


@settings(max_examples=400)
@given(st.lists(approvals, max_size=4), st.sampled_from([None, "study"]))
def test_approvals_open_only_what_one_of_them_alone_opens(requests, purpose):
    assert (rung(purpose, *requests) is Rung.RAW) == any(rung(purpose, it) is Rung.RAW for it in requests)


@settings(max_examples=400)
@given(approvals, st.sampled_from([None, "study"]))
def test_an_approval_opens_its_rule_exactly_if_everything_about_it_fits(request, purpose):
    fits = (
        request.state is RequestState.APPROVED
        and request.user == "ann"
        and request.dataset == "patients"
        and request.rung is Rung.RAW
        and request.purpose == purpose
        and request.rules.get("raw") == DIGESTS["raw"]
        and request.decided is not None
        and 0 <= START - request.decided < 3 * DAY
        and request.until is not None
        and request.until > START
    )
    assert rung(purpose, request) is (Rung.RAW if fits else Rung.MASKED)
