"""What an approved request opens, and for how long; what an acknowledgement is worth."""

import hashlib

import pytest
from msgspec.structs import replace

from jupyter_secure.broker.policy.approvals import requestable, stands
from jupyter_secure.broker.policy.ask import Ask, Context
from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.broker.policy.decide import decide
from jupyter_secure.broker.policy.offer import offer
from jupyter_secure.broker.policy.rules import rule_digest
from jupyter_secure.protocol.access import DAY, AccessRequest, RequestState
from jupyter_secure.protocol.dataset import Column, DatasetVersion
from jupyter_secure.protocol.errors import PolicyError
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.view import Rung

NOW = 1_800_000_000_000
POLICY = """
[dataset.patients]
tags = { name = "direct", cost = "measure" }
max_grant_days = 30
[dataset.other]
tags = { cost = "measure" }

[purpose.study]
[purpose.careful]
acknowledge = "I publish no single person."

[[rule]]
id = "raw-on-request"
to = ["role:scientist"]
datasets = ["patients"]
view = "raw"
when = { approval = true, purpose = ["study", "careful"] }

[[rule]]
id = "careful-masked"
to = ["role:engineer"]
datasets = ["patients"]
view = "masked"
mask = { measure = "keep" }
"""
VERSION = DatasetVersion(
    name="patients",
    version=1,
    digest="d" * 64,
    rows=5,
    sealed_at=0,
    columns=(Column(name="name", type="string"), Column(name="cost", type="double")),
)
COMPILED = compile_text(POLICY)
DIGEST = rule_digest(next(rule for rule in COMPILED.terms.rules if rule.id == "raw-on-request"))
APPROVED = AccessRequest(
    id="0" * 32,
    user="ann",
    dataset="patients",
    rung=Rung.RAW,
    purpose="study",
    rules={"raw-on-request": DIGEST},
    reason="readmissions",
    days=7,
    asked=NOW - DAY,
    state=RequestState.APPROVED,
    decided=NOW - DAY,
    decided_by="sue",
    until=NOW + 6 * DAY,
)
TEXT = hashlib.sha256(b"I publish no single person.").hexdigest()


def ask(*approvals, policy=POLICY, user="ann", role="scientist", purpose="study", now=NOW, acknowledged=None, **fields):
    context = Context(
        now_ms=now, approvals=approvals, acknowledged=acknowledged or {}, guard=fields.pop("guard", GuardLevel.G0)
    )
    principal = Principal(name=user, display_name=user, roles=(role,))
    question = Ask(principal=principal, dataset=VERSION, context=context, purpose=purpose, **fields)
    return decide(compile_text(policy), question)


def test_without_an_approval_the_rule_gives_nothing_and_says_how_to_ask():
    decision = ask()
    assert decision.view is None
    [miss] = decision.near_misses
    assert miss.condition == "approval"
    assert '`%secure_request patients --as raw --purpose study --reason "..." --days 7`' in miss.advice


def test_an_approval_opens_its_rule():
    assert ask(APPROVED).view.rung is Rung.RAW


@pytest.mark.parametrize(
    "change",
    [
        {"user": "ben"},
        {"dataset": "other"},
        {"rung": Rung.MASKED},
        {"rules": {"raw-on-request": "0" * 64}},
        {"rules": {"careful-masked": DIGEST}},
        {"state": RequestState.REQUESTED},
        {"state": RequestState.DENIED},
        {"state": RequestState.REVOKED},
        {"state": RequestState.EXPIRED},
        {"until": NOW},
        {"until": None},
        {"decided": None},
        {"decided": NOW + 1},
        {"decided": NOW - 30 * DAY},
    ],
    ids=str,
)
def test_an_approval_that_is_not_exactly_this_one_opens_nothing(change):
    assert ask(replace(APPROVED, **change)).view is None


def test_an_approval_counts_until_its_last_millisecond():
    assert ask(APPROVED, now=APPROVED.until - 1).view is not None
    assert ask(APPROVED, now=APPROVED.until).view is None


def test_a_shorter_maximum_counts_for_what_was_approved_before():
    assert ask(APPROVED, policy=POLICY.replace("max_grant_days = 30", "max_grant_days = 1")).view is None


def test_a_changed_rule_needs_a_new_approval():
    changed = POLICY.replace('["study", "careful"]', '["study"]')
    assert ask(APPROVED, policy=changed).view is None
    assert stands(COMPILED, APPROVED)
    assert not stands(compile_text(changed), APPROVED)


def test_an_approval_for_another_purpose_is_told():
    decision = ask(replace(APPROVED, purpose="careful"))
    assert decision.view is None
    assert "Your approval is for careful: `--purpose careful`." in decision.near_misses[0].advice


def test_a_forgotten_purpose_is_part_of_the_advice_to_ask():
    [miss] = ask(purpose=None).near_misses
    assert miss.condition == "approval"
    assert "--purpose careful" in miss.advice


def test_an_approval_replaces_no_other_condition():
    guarded = POLICY.replace("approval = true,", 'approval = true, guard = "G2",')
    digest = rule_digest(next(rule for rule in compile_text(guarded).terms.rules if rule.id == "raw-on-request"))
    approved = replace(APPROVED, rules={"raw-on-request": digest})
    assert ask(approved, policy=guarded).view is None
    assert ask(approved, policy=guarded, guard=GuardLevel.G2).view is not None


def test_a_purpose_with_a_text_counts_only_once_it_is_acknowledged():
    approved = replace(APPROVED, purpose="careful")
    assert ask(approved, purpose="careful").near_misses[0].condition == "acknowledge"
    assert ask(approved, purpose="careful", acknowledged={"careful": "0" * 64}).view is None
    assert ask(approved, purpose="careful", acknowledged={"study": TEXT}).view is None
    assert ask(approved, purpose="careful", acknowledged={"careful": TEXT}).view is not None


def test_a_purpose_that_was_not_acknowledged_opens_no_permit_even_one_that_names_none():
    assert ask(role="engineer", purpose="study").view is not None
    assert ask(role="engineer", purpose="careful").view is None
    assert ask(role="engineer", purpose="careful", acknowledged={"careful": TEXT}).view is not None


def test_a_deny_rule_goes_by_the_purpose_that_was_stated():
    deny = (
        POLICY + '[[rule]]\nid = "no"\nto = ["everyone"]\ndatasets = "*"\nview = "deny"\nwhen.purpose = ["careful"]\n'
    )
    assert ask(role="engineer", purpose="careful", policy=deny, acknowledged={"careful": TEXT}).view is None


def test_the_catalog_offers_what_may_be_asked_for():
    person = Principal(name="ann", display_name="", roles=("scientist",))
    found = offer(COMPILED, person, VERSION, Context(now_ms=NOW))
    assert found.rungs == ()
    assert "%secure_request" in found.columns[0].reason
    assert offer(COMPILED, person, VERSION, Context(now_ms=NOW, approvals=(APPROVED,))).rungs[0] is Rung.RAW


def test_only_rules_that_want_an_approval_can_be_asked_for():
    ann = Principal(name="ann", display_name="", roles=("scientist",))
    ed = Principal(name="ed", display_name="", roles=("engineer",))
    assert [rule.id for rule in requestable(COMPILED, ann, "patients", NOW)] == ["raw-on-request"]
    assert requestable(COMPILED, ed, "patients", NOW) == []
    assert requestable(COMPILED, ann, "never-was", NOW) == []
    everything = compile_text(POLICY.replace('["patients"]\nview = "raw"', '"*"\nview = "raw"'))
    assert requestable(everything, ann, "never-was", NOW) == []


def test_a_rule_that_is_over_cannot_be_asked_for():
    over = compile_text(POLICY.replace("approval = true,", "approval = true, valid_until = 2020-01-01,"))
    assert requestable(over, Principal(name="ann", display_name="", roles=("scientist",)), "patients", NOW) == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("approval = true", "approval = false", "approval"),
        ("max_grant_days = 30", "max_grant_days = 0", "max_grant_days"),
        ("max_grant_days = 30", "max_grant_days = 367", "max_grant_days"),
        ('acknowledge = "I publish no single person."', 'acknowledge = " "', "acknowledge"),
        ('view = "raw"', 'view = "deny"', "approval: a deny rule"),
    ],
)
def test_nonsense_is_refused_with_its_line(old, new, sentence):
    with pytest.raises(PolicyError, match=rf"line \d+: .*{sentence}"):
        compile_text(POLICY.replace(old, new))


def test_a_policy_that_uses_none_of_this_keeps_the_digest_it_was_signed_with():
    text = '[dataset.a]\n[purpose.b]\n[[rule]]\nid="r"\nto=["everyone"]\ndatasets="*"\nview="raw"\n'
    assert compile_text(text).digest == "e6cc61c89620cec10f27bd7f87de3e4b8ba65f20bff352efd3733586d7a096c9"
