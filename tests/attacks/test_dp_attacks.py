"""What a hostile analyst cannot do with questions."""

import hashlib
import json
import math
import shutil
import sqlite3
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opendp.mod import GLOBAL_FEATURES

from jupyter_secure.broker.ledger.accountant import PURE, epsilon_of, units_of
from jupyter_secure.broker.ledger.balance import gauges_of
from jupyter_secure.broker.ledger.ledger import Ledger, Reservation, StoredAnswer
from jupyter_secure.broker.ledger.scope import Scope
from jupyter_secure.broker.ledger.verify import verify
from jupyter_secure.broker.store import database
from jupyter_secure.broker.views.dp.bind import bind
from jupyter_secure.broker.views.dp.domain import facts
from jupyter_secure.broker.views.dp.job import Normalised, run
from jupyter_secure.broker.views.dp.release import Price, noise_for, release
from jupyter_secure.broker.views.dp.sensitivity import Sensitivity
from jupyter_secure.broker.views.question import DpQuestion
from jupyter_secure.protocol.dataset import Measure
from jupyter_secure.protocol.dpdomain import CategoryDomain, DpDomain, NumberDomain
from jupyter_secure.protocol.errors import BudgetError, IntegrityError, InvalidRequestError, SecureError
from jupyter_secure.protocol.query import question_digest
from jupyter_secure.protocol.queryread import read_question

KEY = bytes(32)
DOMAIN = DpDomain(
    dataset="patients",
    privacy_unit="pid",
    contributions=1,
    columns=(
        NumberDomain(name="age", lower=0, upper=120, resolution=1),
        NumberDomain(name="cost", lower=0, upper=50_000, resolution=0.01),
        CategoryDomain(name="sex", keys=("F", "M")),
    ),
)
TABLE = pa.table(
    {"pid": np.arange(200), "age": np.arange(200) % 90, "cost": np.arange(200) * 1.5, "sex": ["F", "M"] * 100}
)
SCOPES = (Scope("dataset", "patients"), Scope("person", "patients", "eve"))
COUNT = '{"v":1,"dataset":"patients","aggs":[{"op":"count"}]}'


class Desk:
    """The order that the gate keeps: validate, cost, reserve, noise, store, answer."""

    def __init__(self, path, table=TABLE):
        self.path = path
        self.table = table
        self.engine = database.open_database(f"sqlite:///{path}")
        database.create(self.engine)
        self.ledger = Ledger(self.engine)

    def ask(self, text, epsilon="0.1"):
        question, units = read_question(text), units_of(epsilon, "1e-6")
        bind(question, facts(DOMAIN), units)
        digest = question_digest(question, version="v1", domain=DOMAIN.digest(), units=units)
        found = self.ledger.reserve(digest, SCOPES, units)
        if isinstance(found, StoredAnswer):
            return found.answer
        asked = DpQuestion(question=question, domain=DOMAIN, version="v1", units=units, bounding_key=KEY)
        result = run(asked, lambda names: self.table.select(list(names)), Normalised(), lambda: None)
        self.ledger.attach(found, result.stream)
        return result.stream

    def spent(self):
        return gauges_of(self.ledger.balances(SCOPES), "1e-6")[1].spent


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path / "store.sqlite")
    for scope in SCOPES:
        desk.ledger.set_cap(scope, units_of("1", "1e-6"))
    yield desk
    verify(desk.engine)
    desk.engine.dispose()


def test_averaging_an_identical_question_cannot_thin_the_noise(desk):
    answers = {desk.ask(text) for text in (COUNT, COUNT, f" {COUNT}", COUNT.replace(":1", ": 1"))}
    assert len(answers) == 1
    assert desk.spent() == "0.1"


def test_an_equivalent_rewrite_is_charged(desk):
    rewrites = [
        {"op": op, "col": "age", "value": value} for op, value in (("ge", 0), ("gt", -1), ("le", 120), ("lt", 121))
    ]
    for where in rewrites:
        desk.ask(json.dumps(json.loads(COUNT) | {"where": where}))
    assert desk.spent() == epsilon_of(4 * units_of("0.1", "1e-6"), "1e-6")


def test_a_dearer_repeat_is_not_given_the_noisier_answer(desk):
    assert desk.ask(COUNT, "0.1") != desk.ask(COUNT, "0.2")


def test_a_failure_is_charged_in_full_and_says_nothing_of_the_data(tmp_path):
    seen = set()
    for number, table in enumerate([TABLE.drop(["age"]), TABLE.set_column(1, "age", pa.array(["7"] * 200))]):
        desk = Desk(tmp_path / f"{number}.sqlite", table)
        for scope in SCOPES:
            desk.ledger.set_cap(scope, units_of("1", "1e-6"))
        with pytest.raises(SecureError) as failed:
            desk.ask('{"v":1,"dataset":"patients","aggs":[{"op":"sum","col":"age"}]}')
        seen.add((failed.value.code, failed.value.public, desk.spent()))
        desk.engine.dispose()
    assert len(seen) == 1
    assert next(iter(seen))[2] == "0.1"


def test_a_new_session_cannot_reset_the_budget(desk):
    for number in range(60):
        try:
            desk.ask(json.dumps(json.loads(COUNT) | {"where": {"op": "gt", "col": "age", "value": number}}), "0.3")
        except BudgetError:
            break
    again = Desk(desk.path)
    with pytest.raises(BudgetError):
        again.ask(json.dumps(json.loads(COUNT) | {"where": {"op": "lt", "col": "age", "value": 1}}), "0.3")
    again.engine.dispose()


def test_a_restored_backup_of_the_ledger_is_refused(desk, tmp_path):
    desk.ask(COUNT)
    backup = tmp_path / "backup.sqlite"
    with sqlite3.connect(desk.path) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    source.close()
    target.close()
    desk.ask(COUNT, "0.2")
    anchor = desk.ledger.head()  # what the audit log remembers
    desk.ledger.check_anchor(anchor)
    shutil.copy(backup, tmp_path / "restored.sqlite")
    restored = database.open_database(f"sqlite:///{tmp_path}/restored.sqlite")
    with pytest.raises(IntegrityError):
        Ledger(restored).check_anchor(anchor)
    restored.dispose()


def test_a_ledger_that_is_exchanged_under_a_running_broker_is_noticed(desk, tmp_path):
    desk.ask(COUNT)
    known = desk.ledger._seen
    other = Desk(tmp_path / "other.sqlite")
    for scope in SCOPES:
        other.ledger.set_cap(scope, units_of("1", "1e-6"))
    other.ledger._seen = known
    with pytest.raises(IntegrityError):
        other.ask(COUNT)
    other.engine.dispose()


@pytest.mark.parametrize(("lower", "upper"), [(2**52, 2**53 - 2), (-(2**53) + 1, -(2**52)), (50_001, 60_000)])
@pytest.mark.parametrize("op", ["sum", "mean"])
def test_bounds_beyond_the_policy_cannot_overflow_a_sum(op, lower, upper):
    question = read_question(
        json.dumps({"v": 1, "dataset": "patients", "aggs": [{"op": op, "col": "cost", "lower": lower, "upper": upper}]})
    )
    with pytest.raises(SecureError):
        bind(question, facts(DOMAIN), 1000)


def test_wider_bounds_than_the_policy_s_do_not_reach_the_sensitivity():
    question = read_question(
        '{"v":1,"dataset":"patients","aggs":[{"op":"sum","col":"cost","lower":-9e15,"upper":9e15}]}'
    )
    (part,) = bind(question, facts(DOMAIN), 1000).aggregates[0].parts
    assert (part.lo, part.hi) == (0, 5_000_000)


HOSTILE = [
    "",
    "null",
    "[]",
    "[" * 30_000,
    '{"a":' * 8_000,
    '"' + "x" * 40_000,
    '{"v":1e999,"dataset":"patients","aggs":[{"op":"count"}]}',
    '{"v":NaN}',
    COUNT.replace("patients", "../../etc/passwd"),
    COUNT.replace("patients", "Patients"),
    COUNT.replace('"count"', '"__class__"'),
    COUNT.replace('"count"', '"eval","code":"import os"'),
    COUNT.replace('"v":1', '"v":2'),
    COUNT.replace('"v":1', '"v":true'),
    COUNT.replace('"v":1', '"v":1,"scale":0'),
    COUNT.replace('"v":1', '"v":1,"epsilon":1e300'),
    COUNT.replace('"v":1', '"v":1,"contributions":0'),
    COUNT.replace('"v":1', '"v":1,"privacy_unit":"sex"'),
    COUNT.replace('"v":1', '"v":1,"rows":[]'),
    COUNT.replace('{"op":"count"}', '{"op":"count","as":"a b"}'),
    COUNT.replace('{"op":"count"}', '{"op":"count","as":"\\u0000"}'),
    COUNT.replace('{"op":"count"}', '{"op":"count","col":"pid"}'),
    COUNT.replace('{"op":"count"}', '{"op":"count","col":"\\ud800"}'),
    COUNT.replace('{"op":"count"}', '{"op":"sum","col":"cost","unit":1e-9}'),
    COUNT.replace('{"op":"count"}', '{"op":"sum","col":"cost","keys":["x"]}'),
    *(
        json.dumps(json.loads(COUNT) | {"where": where})
        for where in [
            "age > 3",
            ["gt", "age", 3],
            {"op": "gt", "col": "age", "value": {"col": "cost"}},
            {"op": "gt", "col": ["age"], "value": 1},
            {"op": "gt", "col": "age", "value": "1"},
            {"op": "gt", "col": "age", "value": [1]},
            {"op": "gt", "col": "age", "value": None},
            {"op": "gt", "col": "age", "value": False},
            {"op": "gt", "col": "age + 1", "value": 1},
            {"op": "eq", "col": "sex", "value": "M' OR 1=1"},
            {"op": "in", "col": "sex", "values": "FM"},
            {"op": "and", "args": []},
            {"op": "cast", "col": "age", "to": "string"},
            {"op": "udf", "pickle": "gASVAAAA"},
            {"op": "like", "col": "sex", "value": "%"},
            {"op": "in", "col": "age", "values": {"dataset": "other"}},
        ]
    ),
    *(
        json.dumps(json.loads(COUNT) | {"group_by": keys})
        for keys in [
            [{"col": "pid"}],
            [{"col": "sex", "keys": ["F", "Z"]}],
            [{"col": "age", "width": 1e-300}],
            [{"col": "cost", "width": 0.01}],
            [{"col": "age", "width": math.pi}],
            [{"col": "age", "width": 1}, {"col": "cost", "width": 10}],
            [{"col": "age", "width": 2**53}],
            [{"col": "sex"}, {"col": "sex"}],
        ]
    ),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_question_is_refused(text):
    with pytest.raises(SecureError) as refused:
        bind(read_question(text), facts(DOMAIN), 1_000_000)
    assert refused.value.code in {"invalid", "budget"}


RICH = {
    "v": 1,
    "dataset": "patients",
    "where": {
        "op": "and",
        "args": [
            {"op": "gt", "col": "age", "value": 30},
            {"op": "not", "arg": {"op": "in", "col": "sex", "values": ["M"]}},
        ],
    },
    "group_by": [{"col": "sex"}, {"col": "age", "width": 10}],
    "aggs": [{"op": "mean", "col": "cost", "lower": 1.5, "as": "m"}, {"op": "sum", "col": "age"}],
}
SEEDS = [COUNT, json.dumps(RICH, separators=(",", ":"))]
TOKENS = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "-",
    "1e308",
    "null",
    "true",
    "0",
    "9" * 30,
    "\\u0000",
    '"op"',
    '"col"',
    "é",
]


@settings(max_examples=600)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(TOKENS), st.integers(0, 6)), max_size=4),
)
def test_a_mutant_of_a_question_is_answered_or_refused_and_never_crashes(seed, edits):
    text = seed
    for place, token, cut in edits:
        text = text[: place % (len(text) + 1)] + token + text[place % (len(text) + 1) + cut :]
    try:
        question = read_question(text)
        bind(question, facts(DOMAIN), 1_000_000)
    except (InvalidRequestError, BudgetError):
        return
    asked = DpQuestion(question=question, domain=DOMAIN, version="v", units=1_000_000, bounding_key=KEY)
    run(asked, lambda names: TABLE.select(list(names)), Normalised(), lambda: None)


def excess(sensitivity, units, epsilon, measure, size=30_000):
    """Measure a count of 0 against its neighbour's 1."""
    reach, price = Sensitivity(sensitivity, sensitivity), Price(units, measure)
    noise = noise_for(reach, price)
    chance = math.sqrt(math.log(2e13) / (2 * size))  # Hoeffding; false alarm under 1e-9 over all events
    zero, one = (release(np.full(size, value), noise, reach, price) for value in (0, 1))
    worst, delta = -1.0, 0.0 if measure == "pure" else 1e-6
    for threshold in range(-60, 61):
        for event in (lambda draws, t=threshold: (draws >= t).mean(), lambda draws, t=threshold: (draws <= t).mean()):
            for first, second in ((zero, one), (one, zero)):
                slack = (1 + math.exp(epsilon)) * chance
                worst = max(worst, event(first) - math.exp(epsilon) * event(second) - delta - slack)
    return worst


def test_the_noise_of_a_count_is_measured_to_hold_its_epsilon():
    assert excess(1, units_of("1", "1e-6"), 1.0, "zcdp") <= 0
    assert excess(1, units_of("1", PURE), 1.0, "pure") <= 0


def test_the_measurement_would_notice_a_count_with_too_little_noise():
    assert excess(1, units_of("8", "1e-6"), 0.5, "zcdp") > 0
    assert excess(1, units_of("2", PURE), 1.0, "pure") > 0


def test_no_low_bits_tell_neighbours_apart():
    for measure in get_args(Measure):
        price = Price(1_000_000, measure)
        found = release(np.zeros(2000, np.int64), noise_for(Sensitivity(1, 1), price), Sensitivity(1, 1), price)
        assert found.dtype == np.int64


def test_unproved_features_of_the_noise_library_are_off():
    noise_for(Sensitivity(1, 1), Price(1000, "pure"))
    units_of("1", "1e-6")
    assert set(GLOBAL_FEATURES) == {"contrib"}


def test_the_shape_of_an_answer_tells_nothing_of_the_data():
    text = '{"v":1,"dataset":"patients","group_by":[{"col":"sex"}],"aggs":[{"op":"mean","col":"cost"},{"op":"count"}]}'
    shapes = set()
    for table in (TABLE, TABLE.slice(0, 0), TABLE.set_column(3, "sex", pa.nulls(200, pa.string()))):
        asked = DpQuestion(question=read_question(text), domain=DOMAIN, version="v", units=10**6, bounding_key=KEY)
        found = pa.ipc.open_stream(
            run(asked, lambda names, t=table: t.select(list(names)), Normalised(), lambda: None).stream
        ).read_all()
        assert not any(pa.types.is_dictionary(kind) for kind in found.schema.types)
        shapes.add((str(found.schema), tuple(found["sex"].to_pylist())))
    assert len(shapes) == 1


def test_nan_and_null_rows_weigh_no_more_than_any_other():
    heavy = pa.table(
        {"pid": [1] * 1000, "age": [float("nan"), None] * 500, "cost": [1e308] * 1000, "sex": ["F"] * 1000}
    )
    asked = DpQuestion(question=read_question(COUNT), domain=DOMAIN, version="v", units=10**15, bounding_key=KEY)
    found = pa.ipc.open_stream(
        run(asked, lambda names: heavy.select(list(names)), Normalised(), lambda: None).stream
    ).read_all()
    assert found["count"].to_pylist() == [1]


def test_sixty_four_people_cannot_pool_their_budgets(desk):
    one = units_of("0.3", "1e-6")
    answered = 0
    for number in range(64):
        own = Scope("person", "patients", f"user{number}")
        desk.ledger.set_cap(own, one)
        try:
            found = desk.ledger.reserve(hashlib.sha256(b"%d" % number).hexdigest(), (SCOPES[0], own), one)
            answered += isinstance(found, Reservation)
        except BudgetError:
            continue
    assert answered == units_of("1", "1e-6") // one
