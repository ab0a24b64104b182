"""What holds for every policy: deny by default, deny only takes away, order means nothing, nothing crosses unnamed."""

import json
from functools import reduce
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_secure.broker.policy.ask import Ask, Context
from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.broker.policy.decide import decide
from jupyter_secure.broker.policy.order import combine
from jupyter_secure.protocol.dataset import Column, DatasetVersion, Tag
from jupyter_secure.protocol.errors import PolicyError
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.treatment import RESTRICTIVENESS, Generalize, Keep, Pseudonym, Redact, Suppress, Unit
from jupyter_secure.protocol.view import Rung

COLUMNS = ("id", "name", "zip", "cost", "site")
ROLES = ("engineer", "steward")
LADDER = (Rung.RAW, Rung.MASKED, Rung.DP)
HEAD = """
[dataset.patients]
tags = {{ {tags} }}
privacy_unit = "id"
bounds = {{ cost = [0, 10] }}
keys = {{ site = ["a"] }}
[dataset.patients.budget]
epsilon = "1"
[purpose.study]
"""

tables = st.dictionaries(st.sampled_from(COLUMNS), st.sampled_from(list(Tag)))
subsets = st.lists(st.sampled_from(COLUMNS), min_size=1, unique=True)
masks = st.dictionaries(
    st.sampled_from(list(Tag)), st.sampled_from(["pseudonym", "redact", "suppress", "generalize"]), min_size=1
)
conditions = st.sampled_from(["", 'when.purpose = ["study"]', 'when.guard = "G2"', 'when.mfa_max_age = "1h"'])
treatments = st.one_of(
    st.just(Keep()),
    st.builds(Pseudonym, domain=st.sampled_from(["a", "b", "c"])),
    st.builds(Generalize, width=st.integers(1, 9), prefix=st.integers(0, 9), unit=st.sampled_from(get_args(Unit))),
    st.just(Redact()),
    st.just(Suppress()),
)
asks = st.tuples(
    st.lists(st.sampled_from(ROLES), unique=True),
    st.sampled_from(list(GuardLevel)),
    st.sampled_from([None, "study"]),
    st.sampled_from([None, 1000]),
)


@st.composite
def rules(draw, views=("raw", "masked", "dp", "deny")):
    view = draw(st.sampled_from(views))
    lines = [
        f'to = ["{draw(st.sampled_from(["everyone", "role:engineer", "role:steward"]))}"]',
        'datasets = ["patients"]',
    ]
    lines.append(f'view = "{view}"')
    if draw(st.booleans()):
        lines.append(f"columns = {json.dumps(draw(subsets))}")
    if view == "masked":
        lines.append("mask = { " + ", ".join(f'{tag} = "{mask}"' for tag, mask in draw(masks).items()) + " }")
    if view != "deny":
        lines.append(draw(conditions))
        if draw(st.integers(0, 3)) == 0:
            lines.append(f'rows = [{{ column = "cost", op = "lt", value = {draw(st.integers(0, 3))} }}]')
    return "\n".join(lines) + "\n"


def policy_of(tags, texts):
    head = HEAD.format(tags=", ".join(f'{name} = "{tag}"' for name, tag in tags.items()))
    return compile_text(head + "".join(f'[[rule]]\nid = "r{place}"\n{text}' for place, text in texts))


def answers(policy, ask):
    roles, guard, purpose, mfa = ask
    version = DatasetVersion(
        name="patients",
        version=1,
        digest="0" * 64,
        rows=1,
        sealed_at=0,
        columns=tuple(Column(name=n, type="string") for n in COLUMNS),
    )
    principal = Principal(name="ann", display_name="", roles=tuple(roles), mfa_at=mfa)
    context = Context(now_ms=1_500_000, guard=guard)
    return {
        rung: decide(policy, Ask(principal=principal, dataset=version, context=context, rung=rung, purpose=purpose))
        for rung in LADDER
    }


def access(policy, ask):
    """Return every (rung, column) that the person can have, each rung being asked for in turn."""
    return {
        (rung, column.name)
        for rung, answer in answers(policy, ask).items()
        if answer.view is not None and answer.view.rung is rung
        for column in answer.view.columns
    }


@given(tables, st.lists(rules(), max_size=6), rules(views=("deny",)), asks)
def test_one_more_deny_rule_never_gives_more(tags, texts, deny, ask):
    numbered = list(enumerate(texts))
    assert access(policy_of(tags, [*numbered, (99, deny)]), ask) <= access(policy_of(tags, numbered), ask)


@given(tables, st.lists(rules(), max_size=6), asks, st.randoms())
def test_the_order_of_rules_means_nothing(tags, texts, ask, shuffler):
    numbered = list(enumerate(texts))
    shuffled = list(numbered)
    shuffler.shuffle(shuffled)
    one, two = policy_of(tags, numbered), policy_of(tags, shuffled)
    assert one.digest == two.digest
    assert answers(one, ask) == answers(two, ask)


@given(tables, st.lists(rules(), max_size=6), asks)
def test_no_column_crosses_without_a_rule_that_names_it(tags, texts, ask):
    policy = policy_of(tags, list(enumerate(texts)))
    by_id = {rule.id: rule for rule in policy.terms.rules}
    for answer in answers(policy, ask).values():
        for column in answer.view.columns if answer.view else ():
            rule = by_id[column.rule]
            assert rule.rung is not Rung.DENY
            assert rule.selects(column.name, tags[column.name])
            assert set(ask[0]) & set(rule.to.roles) or rule.to.everyone
            assert column.treatment != Keep() or rule.rung is Rung.RAW


@given(tables, st.lists(rules(), max_size=6), asks)
def test_every_column_has_a_reason_that_agrees_with_the_view(tags, texts, ask):
    for answer in answers(policy_of(tags, list(enumerate(texts))), ask).values():
        assert [reason.column for reason in answer.reasons] == list(COLUMNS)
        crossing = {column.name: column.treatment for column in answer.view.columns} if answer.view else {}
        assert {reason.column: reason.treatment for reason in answer.reasons if reason.treatment} == crossing
        assert all(reason.sentence for reason in answer.reasons)
        assert answer.digest() == answer.digest()


@given(tables, st.lists(rules(), max_size=6), rules(views=("raw", "masked", "dp")), asks)
def test_rows_are_only_ever_filtered_more_by_one_more_rule_of_the_same_conditions(tags, texts, text, ask):
    before = answers(policy_of(tags, list(enumerate(texts))), ask)
    after = answers(policy_of(tags, [*enumerate(texts), (99, text)]), ask)
    for rung in LADDER:
        if before[rung].view and after[rung].view:
            assert set(before[rung].view.rows) <= set(after[rung].view.rows)


@given(asks)
def test_without_rules_nothing_crosses(ask):
    policy = policy_of(dict.fromkeys(COLUMNS, Tag.PUBLIC), [])
    assert not any(answer.permitted for answer in answers(policy, ask).values())


@given(st.lists(treatments, min_size=1, max_size=4), st.randoms())
def test_the_combination_of_masks_does_not_depend_on_their_order(items, shuffler):
    shuffled = list(items)
    shuffler.shuffle(shuffled)
    joined = reduce(combine, items)
    assert joined == reduce(combine, shuffled)
    assert combine(joined, joined) == joined
    assert max(RESTRICTIVENESS.index(type(item)) for item in items) == RESTRICTIVENESS.index(type(joined))


@settings(max_examples=300)
@given(st.text(alphabet=st.sampled_from("[]{}=\"'\\#,.\n \tab1-"), max_size=60))
def test_any_text_is_a_policy_or_a_policy_error(text):
    try:
        compile_text(text)
    except PolicyError as error:
        assert str(error).startswith("line ")  # noqa: PT017  # a text may just as well be a policy


@given(
    st.sampled_from(["", "dataset.x.", "dataset.x.budget.", "policy.", "purpose.p."]),
    st.from_regex(r"\Azz[a-z_]{1,8}\Z"),
)
def test_an_unknown_field_is_an_error_wherever_it_stands(prefix, name):
    with pytest.raises(PolicyError, match=f"{name}: unknown field"):
        compile_text(f'dataset.x.budget.epsilon = "1"\n{prefix}{name} = 1\n')
