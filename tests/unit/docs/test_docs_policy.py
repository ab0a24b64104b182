"""The example in docs/policy.md is a policy, and decides as the page says; the page names every field."""

import re
from pathlib import Path

import pytest

from jupyter_secure.broker.policy import document, key_lists
from jupyter_secure.broker.policy.ask import Ask, Context
from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.broker.policy.decide import decide
from jupyter_secure.broker.policy.notes import notes
from jupyter_secure.broker.policy.parse import parse
from jupyter_secure.protocol.dataset import Column, DatasetVersion
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.treatment import METHODS, Generalize, Keep, Pseudonym, Suppress
from jupyter_secure.protocol.view import Comparison, Rung

PAGE = (Path(__file__).parents[3] / "docs" / "policy.md").read_text()
NOON = 1_767_265_200_000  # 2026-01-01 12:00 in Berlin
NAMES = ("patient_id", "name", "zip", "birth_date", "diagnosis", "cost", "ward")


@pytest.fixture(scope="module")
def policy():
    found = compile_text(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL).group(1))
    assert notes(found) == ()
    return found


def view(policy, role, **fields):
    version = DatasetVersion(
        name="patients",
        version=1,
        digest="0" * 64,
        rows=1,
        sealed_at=0,
        columns=tuple(Column(name=name, type="string") for name in NAMES),
    )
    principal = Principal(name="someone", display_name="", roles=(role,), mfa_at=NOON // 1000 - 60)
    context = Context(now_ms=NOON, guard=GuardLevel.G2)
    return decide(policy, Ask(principal=principal, dataset=version, context=context, **fields)).view


def test_engineers_get_masked_data_for_the_study(policy):
    assert view(policy, "engineer") is None
    found = view(policy, "engineer", purpose="readmission-study")
    assert (found.rung, found.project) == (Rung.MASKED, "readmissions")
    assert {column.name: column.treatment for column in found.columns} == {
        "patient_id": Pseudonym(domain="patient_id"),
        "zip": Generalize(prefix=2),
        "birth_date": Generalize(),
        "diagnosis": Suppress(),
        "cost": Keep(),
        "ward": Keep(),
    }


def test_scientists_ask_privately(policy):
    found = view(policy, "scientist")
    assert (found.rung, [column.name for column in found.columns]) == (Rung.DP, ["cost", "ward"])


def test_stewards_see_the_north_without_names(policy):
    found = view(policy, "steward")
    assert found.rows == (Comparison(column="ward", operator="eq", value="north"),)
    assert [column.name for column in found.columns] == [name for name in NAMES if name != "name"]


@pytest.mark.parametrize(
    "table",
    [
        document.PolicyTable,
        document.DatasetTable,
        document.KeyFileTable,
        document.BudgetTable,
        document.PurposeTable,
        document.RuleTable,
        document.WhenTable,
        document.RowTable,
        document.ConsentTable,
        document.AttributeTable,
        *METHODS.values(),
    ],
)
def test_the_page_names_every_field(table):
    for field in table.__struct_fields__:
        assert re.search(rf"\b{field}\b", PAGE), field


def test_the_page_has_a_row_for_every_method_in_the_order_in_which_they_combine():
    table = PAGE[PAGE.index("## Methods") : PAGE.index("## Rows")]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == list(METHODS)


@pytest.mark.parametrize(
    "text", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL), ids=["whole", "keys", "rows", "disclosure", "approval"]
)
def test_every_example_is_a_valid_policy(text):
    parsed = parse(text)
    files = {place: b"code\nnorth\n" for place, _ in key_lists.named(parsed)}
    assert compile_text(text, key_lists.read(parsed, files)).terms.rules
