"""The demo's table and policy agree with one another, and the four roles see what the demo says."""

import datetime as dt

import pyarrow.parquet as pq
import pytest

from jupyter_secure.broker.policy.ask import Ask, Context
from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.broker.policy.decide import decide
from jupyter_secure.broker.policy.notes import notes
from jupyter_secure.cli import demo_data
from jupyter_secure.protocol.dataset import Column, DatasetVersion, Tag
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.view import Rung


@pytest.fixture(scope="module")
def table():
    return demo_data.build()


@pytest.fixture(scope="module")
def policy():
    return compile_text(demo_data.policy_text())


def ask(table, policy, role, rung=None, purpose=None):
    columns = tuple(
        Column(name=field.name, type=str(field.type), tag=demo_data.TAGS[field.name]) for field in table.schema
    )
    version = DatasetVersion(name="patients", version=1, digest="0" * 64, rows=1629, columns=columns, sealed_at=1)
    person = Principal(name="someone", display_name="Someone", roles=(role,))
    view = decide(
        policy, Ask(principal=person, dataset=version, context=Context(now_ms=1), rung=rung, purpose=purpose)
    ).view
    return None if view is None else (view.rung, {it.name: type(it.treatment).__name__ for it in view.columns})


def test_the_table_is_the_same_every_time(table):
    assert table.equals(demo_data.build())


def test_every_column_is_tagged_and_the_policy_says_the_same(table, policy):
    assert table.column_names == list(demo_data.TAGS)
    assert policy.datasets["patients"].tags == dict(demo_data.TAGS)
    assert notes(policy) == ()


def test_there_is_one_row_for_each_person(table):
    assert table.num_rows == 1629
    for name in ("patient_id", "ssn", "email"):
        assert len(set(table[name].to_pylist())) == 1629


def test_generated_numbers_and_addresses_can_belong_to_nobody(table):
    assert all(number.startswith("000-") for number in table["ssn"].to_pylist())
    assert all(address.endswith("@example.org") for address in table["email"].to_pylist())


def test_birth_dates_agree_with_the_real_ages(table):
    for born, age in zip(table["birth_date"].to_pylist(), table["age_1971"].to_pylist(), strict=True):
        reached = dt.date(born.year + age, born.month, min(born.day, 28))
        assert reached <= demo_data.INTERVIEW < reached.replace(year=reached.year + 1) + dt.timedelta(days=4)


def test_what_privacy_is_told_covers_what_the_table_has(table, policy):
    terms = policy.datasets["patients"]
    for name, keys in terms.keys.items():
        assert set(table[name].to_pylist()) <= set(keys)
    for name, (low, high) in terms.bounds.items():
        values = [value for value in table[name].to_pylist() if value is not None]
        assert float(low) <= min(values)
        assert max(values) <= float(high)


def test_a_steward_sees_everything(table, policy):
    rung, columns = ask(table, policy, "steward")
    assert rung is Rung.RAW
    assert set(columns) == set(table.column_names)


def test_a_scientist_sees_masks_and_more_with_the_purpose(table, policy):
    rung, columns = ask(table, policy, "scientist")
    assert rung is Rung.MASKED
    assert columns["patient_id"] == "Pseudonym"
    assert columns["name"] == "Redact"
    assert columns["zip"] == "Generalize"
    assert columns["weight_1982_kg"] == "Keep"
    assert not {"ssn", "race", "cigarettes_1971"} & set(columns)
    _, more = ask(table, policy, "scientist", purpose="cohort-study")
    assert set(more) - set(columns) == {"cigarettes_1971", "years_smoked"}


def test_an_engineer_sees_less_than_a_scientist(table, policy):
    rung, columns = ask(table, policy, "engineer")
    assert rung is Rung.MASKED
    assert columns["zip"] == columns["education"] == columns["name"] == "Suppress"


@pytest.mark.parametrize("role", ["scientist", "engineer"])
def test_scientists_and_engineers_may_ask_with_privacy(table, policy, role):
    assert ask(table, policy, role, rung=Rung.DP)[0] is Rung.DP


def test_an_officer_sees_no_data(table, policy):
    assert ask(table, policy, "officer") is None


def test_nobody_but_stewards_gets_social_security_numbers(table, policy):
    for role in ("scientist", "engineer", "officer"):
        for rung in (None, Rung.DP, Rung.MASKED):
            view = ask(table, policy, role, rung=rung, purpose="cohort-study")
            assert view is None or "ssn" not in view[1]


def test_the_file_for_sealing_is_the_table(table, tmp_path):
    demo_data.write(tmp_path / "demo.parquet")
    assert pq.read_table(tmp_path / "demo.parquet").equals(table)
    assert set(demo_data.TAGS.values()) == set(Tag)
