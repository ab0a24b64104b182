"""What each rule gives, and to whom."""

import datetime as dt

import pytest
from msgspec.structs import replace

from jupyter_secure.broker.policy import explain
from jupyter_secure.broker.policy.ask import Ask, Context
from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.broker.policy.decide import decide
from jupyter_secure.broker.policy.offer import offer
from jupyter_secure.broker.policy.order import combine
from jupyter_secure.protocol.dataset import Column, DatasetVersion, Tag
from jupyter_secure.protocol.errors import PolicyError
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.treatment import (
    Clip,
    Constant,
    Generalize,
    Keep,
    Noise,
    Partial,
    Pseudonym,
    Redact,
    Scrub,
    ShiftDates,
    Suppress,
)
from jupyter_secure.protocol.view import Comparison, Membership, Rung

NOW = int(dt.datetime(2026, 3, 4, 10, 30, tzinfo=dt.UTC).timestamp() * 1000)
NAMES = ("id", "name", "zip", "diagnosis", "cost", "site", "fresh")
HEAD = """
[policy]
timezone = "Europe/Berlin"
[dataset.patients]
tags = { id = "direct", name = "direct", zip = "quasi", diagnosis = "sensitive", cost = "measure", site = "public" }
privacy_unit = "id"
bounds = { cost = [0, 50000] }
keys = { site = ["a", "b"] }
[dataset.patients.budget]
epsilon = "5"
[dataset.plain]
[purpose.study]
project = "hearts"
[purpose.billing]
"""
MASKED = """
[[rule]]
id = "masked"
to = ["role:engineer"]
datasets = ["patients"]
view = "masked"
mask = { direct = "pseudonym", quasi = "generalize", sensitive = "suppress" }
"""
VERSION = DatasetVersion(
    name="patients",
    version=3,
    digest="d" * 64,
    rows=10,
    sealed_at=0,
    columns=tuple(Column(name=name, type="string") for name in NAMES),
)


def rule(text, **fields):
    lines = "".join(f"{name} = {value}\n" for name, value in fields.items())
    return f'[[rule]]\nid = "{text}"\nto = ["everyone"]\ndatasets = ["patients"]\n{lines}'


def ask(rules, *, roles=("engineer",), user="ed", mfa=None, guard=GuardLevel.G3, now=NOW, version=VERSION, **fields):
    principal = Principal(name=user, display_name=user, roles=roles, mfa_at=mfa)
    question = Ask(principal=principal, dataset=version, context=Context(now_ms=now, guard=guard), **fields)
    return decide(compile_text(HEAD + rules), question)


def shown(decision):
    return {column.name: column.treatment for column in decision.view.columns} if decision.view else None


def test_an_empty_policy_gives_nothing():
    decision = ask("")
    assert decision.view is None
    assert [reason.column for reason in decision.reasons] == list(NAMES)


def test_a_masked_rule_masks_by_tag_and_leaves_out_tags_without_a_mask():
    decision = ask(MASKED)
    assert shown(decision) == {
        "id": Pseudonym(domain="id"),
        "name": Pseudonym(domain="name"),
        "zip": Generalize(),
        "diagnosis": Suppress(),
    }
    assert decision.view.rung is Rung.MASKED
    assert decision.view.project == "default"


def test_a_mask_for_a_column_goes_before_the_mask_for_its_tag():
    decision = ask(
        MASKED + 'mask_columns = { zip = { method = "generalize", prefix = 2 }, cost = "keep", name = "redact" }'
    )
    assert shown(decision)["zip"] == Generalize(prefix=2)
    assert shown(decision)["cost"] == Keep()
    assert shown(decision)["name"] == Redact()


def test_deny_wins_over_everything():
    decision = ask(rule("raw", view='"raw"') + rule("no", view='"deny"', tags='["direct"]', advice='"Ask the board."'))
    assert set(shown(decision)) == {"zip", "diagnosis", "cost", "site"}
    reason = decision.reasons[0]
    assert (reason.rule, reason.treatment, reason.advice) == ("no", None, "Ask the board.")


def test_a_column_without_a_tag_is_left_out_of_every_view():
    for rung in (Rung.RAW, Rung.MASKED, Rung.DP):
        decision = ask(rule("raw", view='"raw"') + MASKED + rule("dp", view='"dp"'), rung=rung)
        assert "fresh" not in shown(decision)
        assert "no tag" in decision.reasons[-1].sentence


def test_the_tag_confirmed_at_sealing_counts_where_the_policy_is_silent_and_only_there():
    columns = (Column(name="fresh", type="string", tag=Tag.PUBLIC), Column(name="zip", type="string", tag=Tag.PUBLIC))
    version = DatasetVersion(name="patients", version=4, digest="e" * 64, rows=1, sealed_at=0, columns=columns)
    decision = ask(rule("raw", view='"raw"', tags='["public"]'), version=version)
    assert set(shown(decision)) == {"fresh"}


def test_a_raw_view_gives_each_column_at_its_own_highest_rung():
    decision = ask(MASKED + rule("raw", view='"raw"', tags='["measure"]'))
    assert decision.view.rung is Rung.RAW
    assert shown(decision)["cost"] == Keep()
    assert shown(decision)["name"] == Pseudonym(domain="name")


def test_a_masked_view_never_holds_an_identifying_column_as_it_is():
    decision = ask(rule("raw", view='"raw"'), rung=Rung.MASKED)
    assert shown(decision) == {"cost": Keep(), "site": Keep()}
    assert "--as raw" in decision.reasons[1].advice


def test_the_rung_is_never_above_the_one_asked_for():
    rules = MASKED + rule("raw", view='"raw"') + rule("dp", view='"dp"')
    assert [ask(rules, rung=rung).view.rung for rung in (None, Rung.RAW, Rung.MASKED, Rung.DP)] == [
        Rung.RAW,
        Rung.RAW,
        Rung.MASKED,
        Rung.DP,
    ]
    assert ask(rules, rung=Rung.DENY).view is None


def test_a_dp_view_lists_what_may_be_asked_and_lets_no_row_cross():
    decision = ask(rule("dp", view='"dp"'))
    assert decision.view.rung is Rung.DP
    assert shown(decision) == {"cost": Suppress(), "site": Suppress()}


def test_there_is_no_dp_view_when_the_privacy_unit_is_missing_from_the_version():
    version = DatasetVersion(
        name="patients", version=5, digest="f" * 64, rows=1, sealed_at=0, columns=(Column(name="cost", type="int64"),)
    )
    assert ask(rule("dp", view='"dp"'), version=version).view is None


def test_equal_rungs_combine_to_the_most_restrictive_mask():
    rules = rule(
        "a", view='"masked"', mask='{ quasi = { method = "generalize", prefix = 4, width = 50 }, sensitive = "redact" }'
    )
    rules += rule(
        "b",
        view='"masked"',
        mask='{ quasi = { method = "generalize", prefix = 2, unit = "decade" }, sensitive = "pseudonym" }',
    )
    decision = ask(rules)
    assert shown(decision) == {"zip": Generalize(width=50, prefix=2, unit="decade"), "diagnosis": Redact()}


def test_row_filters_of_all_active_permits_are_joined():
    rules = rule("a", view='"raw"', tags='["measure"]', rows='[{ column = "site", op = "eq", value = "a" }]')
    rules += rule("b", view='"raw"', tags='["public"]', rows='[{ column = "cost", op = "lt", value = 5 }]')
    rules += rule(
        "c", view='"raw"', rows='[{ column = "site", op = "in", values = ["a"] }]', when='{ purpose = ["study"] }'
    )
    comparisons = (
        Comparison(column="cost", operator="lt", value=5),
        Comparison(column="site", operator="eq", value="a"),
    )
    assert ask(rules).view.rows == comparisons
    assert set(ask(rules, purpose="study").view.rows) == {*comparisons, Membership(column="site", values=("a",))}


def test_a_filter_by_a_column_that_does_not_exist_refuses():
    assert ask(rule("a", view='"raw"', rows='[{ column = "gone", op = "eq", value = 1 }]')).view is None


def test_exceptions_take_people_out_of_a_rule():
    rules = rule("a", view='"raw"', except_to='["role:intern", "user:bo"]')
    assert ask(rules).view
    assert ask(rules, user="bo").view is None
    assert ask(rules, roles=("engineer", "intern")).view is None


def test_unknown_dataset_purpose_and_column_are_refused():
    other = DatasetVersion(name="other", version=1, digest="0" * 64, rows=1, sealed_at=0, columns=VERSION.columns)
    rules = rule("a", view='"raw"').replace('["patients"]', '"*"')
    assert ask(rules).view
    assert ask(rules, version=other).view is None
    assert ask(rules, purpose="hacking").view is None
    assert ask(rules, columns=("cost", "nothing")).view is None


def test_only_the_columns_asked_for_are_in_the_view():
    decision = ask(rule("a", view='"raw"'), columns=("cost", "fresh", "cost"))
    assert shown(decision) == {"cost": Keep()}
    assert decision.reasons[1].sentence == "Not asked for."
    assert "no tag" in decision.reasons[-1].sentence


def test_the_highest_rung_is_sought_among_the_columns_asked_for():
    assert ask(MASKED + rule("raw", view='"raw"', tags='["measure"]'), columns=("name",)).view.rung is Rung.MASKED


@pytest.mark.parametrize(
    ("when", "good", "bad", "advice"),
    [
        ('{ purpose = ["study"] }', {"purpose": "study"}, {"purpose": "billing"}, "needs purpose study, not billing"),
        ('{ purpose = ["study"] }', {"purpose": "study"}, {}, "none was stated"),
        ('{ guard = "G2" }', {"guard": GuardLevel.G2}, {"guard": GuardLevel.G1}, "needs guard G2; this kernel is G1"),
        (
            '{ mfa_max_age = "12h" }',
            {"mfa": NOW // 1000 - 43200},
            {"mfa": NOW // 1000 - 43201},
            "second factor verified in the last 12 hours",
        ),
        ('{ mfa_max_age = "12h" }', {"mfa": NOW // 1000}, {"mfa": NOW // 1000 + 1}, "second factor"),
        ('{ mfa_max_age = "12h" }', {"mfa": NOW // 1000}, {}, "second factor"),
        ("{ hours = [11, 12] }", {}, {"now": NOW + 1_800_000}, "from 11:00 to 12:00, Europe/Berlin time"),
        ("{ hours = [22, 12] }", {}, {"now": NOW + 1_800_000}, "from 22:00"),
        ("{ valid_until = 2026-03-04 }", {}, {"now": NOW + 12 * 3_600_000 + 1_800_000}, "ended on 2026-03-04"),
        ("{ valid_from = 2026-03-04 }", {}, {"now": NOW - 11 * 3_600_000 - 1_800_001}, "from 2026-03-04 on"),
    ],
)
def test_a_condition_that_fails_gives_nothing_and_says_what_to_do(when, good, bad, advice):
    rules = rule("a", view='"raw"', when=when)
    assert ask(rules, **good).view
    refused = ask(rules, **bad)
    assert refused.view is None
    assert advice in refused.near_misses[0].advice
    assert advice in refused.reasons[0].advice


def test_a_near_miss_is_told_only_to_people_whom_the_rule_addresses():
    rules = rule("a", view='"raw"', when='{ guard = "G4" }').replace('"everyone"', '"role:steward"')
    assert ask(rules).near_misses == ()
    assert ask(rules, roles=("steward",)).near_misses[0].condition == "guard"


def test_a_rule_that_fails_twice_is_no_near_miss():
    assert ask(rule("a", view='"raw"', when='{ guard = "G4", purpose = ["study"] }')).near_misses == ()


def test_the_purpose_decides_the_project_of_pseudonyms():
    assert ask(MASKED, purpose="study").view.project == "hearts"
    assert ask(MASKED, purpose="billing").view.project == "billing"


def test_a_plan_is_not_reused_for_other_columns_under_the_same_digest():
    policy = compile_text(HEAD + rule("a", view='"raw"'))
    principal = Principal(name="ed", display_name="ed", roles=())
    changed = DatasetVersion(
        name="patients", version=3, digest=VERSION.digest, rows=10, sealed_at=0, columns=VERSION.columns[::-1]
    )
    for version in (VERSION, changed):
        view = decide(policy, Ask(principal=principal, dataset=version, context=Context(now_ms=NOW))).view
        assert [column.name for column in view.columns] == [c.name for c in version.columns if c.name != "fresh"]


def test_the_digest_names_the_meaning_and_not_the_file():
    one, two = rule("a", view='"raw"'), MASKED
    assert compile_text(HEAD + one + two).digest == compile_text(HEAD + "# note\n" + two + one).digest
    assert compile_text(HEAD + one).digest != compile_text(HEAD + two).digest


def offered(rules, **fields):
    principal = Principal(name="ed", display_name="ed", roles=("engineer",))
    return offer(
        compile_text(HEAD + rules), principal, VERSION, Context(now_ms=NOW, guard=fields.get("guard", GuardLevel.G1))
    )


def test_the_catalog_offers_what_some_purpose_would_open():
    found = offered(MASKED + 'when = { purpose = ["study"] }')
    assert found.rungs == (Rung.MASKED,)
    assert found.purposes == ("study",)
    assert found.rows == 10
    assert {column.name: column.treatment for column in found.columns}["zip"] == "generalize"


def test_the_catalog_keeps_the_number_of_rows_where_only_dp_is_permitted():
    found = offered(rule("dp", view='"dp"'))
    assert (found.rungs, found.rows) == ((Rung.DP,), None)
    assert {column.treatment for column in found.columns} == {None, "dp"}


def test_the_catalog_keeps_the_number_of_all_rows_from_those_who_get_some():
    found = offered(rule("a", view='"raw"', rows='[{ column = "site", op = "eq", value = "a" }]'))
    assert (found.rungs[0], found.rows) == (Rung.RAW, None)


def test_the_catalog_says_nothing_of_datasets_that_no_rule_of_the_person_names():
    assert offered("") is None
    assert offered(rule("a", view='"raw"').replace('"everyone"', '"role:steward"')) is None
    assert offered(rule("a", view='"deny"')) is None


def test_the_catalog_says_which_condition_is_missing():
    found = offered(rule("a", view='"raw"', when='{ guard = "G3" }'))
    assert (found.rungs, found.rows) == ((), None)
    assert "needs guard G3; this kernel is G1" in found.columns[0].reason


def test_an_officer_sees_every_rule_with_what_fails():
    policy = compile_text(HEAD + MASKED + rule("b", view='"raw"', when='{ guard = "G4" }'))
    principal = Principal(name="ed", display_name="ed", roles=())
    trace = explain.officer(policy, Ask(principal=principal, dataset=VERSION, context=Context(now_ms=NOW)))
    states = {item.rule: (item.addressed, len(item.failed), item.active) for item in trace.rules}
    assert states == {"masked": (False, 0, False), "b": (True, 1, False)}


def by_person(mask, **others):
    return rule("aged", view='"masked"', mask_columns=f"{{ zip = {mask} }}", **others)


def test_a_mask_that_goes_by_persons_takes_the_privacy_unit_or_the_column_that_is_named():
    for mask, subject in (('"shift-dates"', "id"), ('{ method = "shift-dates", subject = "name" }', "name")):
        [column] = ask(by_person(mask)).view.columns
        assert column.treatment == ShiftDates(subject=subject)


def test_a_mask_whose_person_no_column_names_leaves_its_column_out():
    assert ask(by_person('{ method = "noise", scale = 1.5, subject = "nobody" }')).view is None


@pytest.mark.parametrize("mask", ['{ method = "clip", high = 90 }', '{ method = "noise", scale = 1.0 }', '"keep"'])
def test_what_names_a_person_is_not_shown_nearly_as_it_is(mask):
    with pytest.raises(PolicyError, match=r"hides too little|only measure and public"):
        compile_text(HEAD + rule("weak", view='"masked"', mask=f"{{ direct = {mask} }}"))
    with pytest.raises(PolicyError, match=r"hides too little|only measure and public"):
        compile_text(HEAD + rule("weak", view='"masked"', mask_columns=f"{{ name = {mask} }}"))
    if mask != '"keep"':
        assert ask(by_person(mask)).view is not None


def test_a_weak_mask_of_a_column_that_the_data_itself_tags_as_direct_leaves_it_out():
    tagged = Column(name="fresh", type="string", tag=Tag.DIRECT)
    version = replace(VERSION, columns=(*VERSION.columns[:-1], tagged))
    weak = rule("weak", view='"masked"', mask_columns='{ fresh = { method = "clip", high = 90 } }')
    assert ask(weak, version=version).view is None


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Clip(low=0, high=90), Clip(high=80), Clip(low=0, high=80)),
        (Clip(low=0), Clip(high=-1), Suppress()),
        (Noise(scale=1.0, subject="a"), Noise(scale=2.0, subject="b"), Noise(scale=2.0, subject="b")),
        (ShiftDates(days=10, subject="a"), ShiftDates(days=20, subject="a"), ShiftDates(days=20, subject="a")),
        (Generalize(edges=(0, 18, 65)), Generalize(edges=(0, 65, 80), grid=0.5), Generalize(edges=(0, 65), grid=0.5)),
        (Generalize(edges=(1,)), Generalize(edges=(2,)), Suppress()),
        (Partial(form="email"), Partial(form="card"), Partial(form="card")),
        (Clip(low=0), Scrub(), Scrub()),
        (Pseudonym(domain="a"), Constant(value=1), Constant(value=1)),
    ],
)
def test_two_masks_combine_to_what_both_permit(one, other, expected):
    assert combine(one, other) == combine(other, one) == expected
    assert combine(expected, one) == expected
