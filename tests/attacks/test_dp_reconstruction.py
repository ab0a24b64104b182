"""A secret bit of each of 100 people is sought by linear programming over 1,000 answers (Dinur and Nissim).

The attacker knows everyone's age, which names one person, and asks how many of a random half have the secret. At a
total of epsilon 1 Pinsker's inequality lets nobody guess a bit better than (1 + sqrt(rho / 2)) / 2 = 0.555 of the time;
five standard deviations of 100 guesses are allowed on top. The same attack finds every bit when budget is no limit.
"""

import json

import numpy as np
import pyarrow as pa
from scipy.optimize import linprog

from jupyter_secure.broker.ledger.accountant import units_of
from jupyter_secure.broker.views.dp.job import Normalised, run
from jupyter_secure.broker.views.question import DpQuestion
from jupyter_secure.protocol.dpdomain import CategoryDomain, DpDomain, NumberDomain
from jupyter_secure.protocol.queryread import read_question

PEOPLE, QUESTIONS = 100, 1000
DOMAIN = DpDomain(
    dataset="patients",
    privacy_unit="pid",
    contributions=1,
    columns=(
        NumberDomain(name="age", lower=0, upper=PEOPLE - 1, resolution=1),
        CategoryDomain(name="ill", keys=("no", "yes")),
    ),
)


def guessed(units):
    """Return the share of bits that the attack finds when all its questions together cost `units`."""
    rng = np.random.default_rng(7)
    secret = rng.integers(0, 2, PEOPLE)
    table = pa.table({"pid": np.arange(PEOPLE), "age": np.arange(PEOPLE), "ill": np.array(["no", "yes"])[secret]})
    halves = rng.integers(0, 2, (QUESTIONS, PEOPLE))
    kept = Normalised()
    answers = np.array([asked(half, units // QUESTIONS, table, kept) for half in halves])
    return (reconstructed(halves, answers) == secret).mean()


def asked(half, units, table, kept):
    among = {"op": "in", "col": "age", "values": np.flatnonzero(half).tolist()}
    where = {"op": "and", "args": [among, {"op": "eq", "col": "ill", "value": "yes"}]}
    text = json.dumps({"v": 1, "dataset": "patients", "where": where, "aggs": [{"op": "count"}]})
    question = DpQuestion(question=read_question(text), domain=DOMAIN, version="v", units=units, bounding_key=bytes(32))
    answer = run(question, lambda names: table.select(list(names)), kept, lambda: None).stream
    return pa.ipc.open_stream(answer).read_all()["count"][0].as_py()


def reconstructed(halves, answers):
    """Return the bits whose counts lie nearest to the answers, by the sum of distances."""
    people, distances = np.zeros(PEOPLE), np.ones(QUESTIONS)
    one = np.eye(QUESTIONS)
    found = linprog(
        np.concatenate([people, distances]),
        A_ub=np.block([[halves, -one], [-halves, -one]]),
        b_ub=np.concatenate([answers, -answers]),
        bounds=[(0, 1)] * PEOPLE + [(0, None)] * QUESTIONS,
    )
    assert found.success
    return found.x[:PEOPLE] > 0.5


def test_a_thousand_answers_do_not_rebuild_the_secret_bits():
    assert guessed(units_of("1", "1e-6")) <= 0.555 + 5 * 0.05


def test_the_attack_works_where_the_budget_is_no_limit():
    assert guessed(10**15) == 1
