"""100,000 damaged questions: each is refused with a sentence, or is one of the algebra within every public limit."""

import json
import random
from fractions import Fraction

from jupyter_secure.broker.views.dp.bind import bind
from jupyter_secure.broker.views.dp.domain import facts
from jupyter_secure.broker.views.dp.sensitivity import sensitivity
from jupyter_secure.protocol.dpdomain import CategoryDomain, DateDomain, DpDomain, NumberDomain, OpenDomain
from jupyter_secure.protocol.errors import BudgetError, InvalidRequestError
from jupyter_secure.protocol.query import MAX_GROUPS, Persons
from jupyter_secure.protocol.queryread import read_question

MUTANTS = 100_000
UNITS = 1_000_000
LARGEST = {"age": 120, "cost": 5_000_000, "day": 19_722}  # in steps of the resolution
FACTS = facts(
    DpDomain(
        dataset="patients",
        privacy_unit="pid",
        contributions=2,
        columns=(
            NumberDomain(name="age", lower=0, upper=120, resolution=1),
            NumberDomain(name="cost", lower=0, upper=50_000, resolution=0.01),
            CategoryDomain(name="sex", keys=("F", "M")),
            OpenDomain(name="city", delta="0.0000005"),
            DateDomain(name="day", lower=18_262, upper=19_722, resolution=1, zone="UTC"),
        ),
    )
)
AGGREGATES = [
    [{"op": "count", "col": "age"}, {"op": "persons"}, {"op": "sum", "col": "cost", "upper": 900}],
    [{"op": "mean", "col": "cost", "lower": 1.5}, {"op": "variance", "col": "age"}, {"op": "std", "col": "cost"}],
    [{"op": "covariance", "col": "age", "other": "cost"}, {"op": "correlation", "col": "age", "other": "cost"}],
    [{"op": "quantile", "col": "cost", "q": 0.25, "lower": 10}, {"op": "count"}],
    [{"op": "histogram", "col": "age", "width": 10}],
]
WHERE = {
    "op": "and",
    "args": [
        {"op": "between", "col": "age", "lower": 30, "upper": 60},
        {"op": "not", "arg": {"op": "in", "col": "sex", "values": ["M"]}},
        {"op": "or", "args": [{"op": "is_null", "col": "cost"}, {"op": "ge", "col": "cost", "value": 7.25}]},
    ],
}
SEEDS = [
    json.dumps({"v": 1, "dataset": "patients", "where": WHERE, "group_by": [{"col": "sex"}], "aggs": aggs})
    for aggs in AGGREGATES
]
SEEDS += [
    json.dumps({"v": 1, "dataset": "patients", "where": WHERE, "group_by": [key], "aggs": [{"op": "persons"}]})
    for key in ({"col": "city"}, {"col": "day", "part": "month"})
]
TOKENS = [*'{}[],:"-.09', "", "1e308", "9" * 30, "null", "true", "NaN", "\\u0000", '"op"', '"col"', "pid", "é"]


def mutant(choice):
    text = choice.choice(SEEDS)
    for _ in range(choice.randint(1, 4)):
        place = choice.randrange(len(text) + 1)
        text = text[:place] + choice.choice(TOKENS) + text[place + choice.randint(0, 6) :]
    return text


def test_a_hundred_thousand_mutants_find_nothing_outside_the_algebra():
    choice, accepted = random.Random(20_261_126), 0
    for text in SEEDS:
        bind(read_question(text), FACTS, UNITS)
    for _ in range(MUTANTS):
        text = mutant(choice)
        try:
            bound = bind(read_question(text), FACTS, UNITS)
        except (InvalidRequestError, BudgetError):
            continue
        accepted += 1
        assert bound.columns <= {"age", "cost", "sex", "city", "day"}, text
        assert bound.groups <= MAX_GROUPS, text
        assert bound.k == 2, text
        assert 0 < bound.price.units * len(bound.parts) <= UNITS, text
        if bound.opened is not None:
            assert bound.slots == (), text
            assert [each.kind for each in bound.aggregates] == [Persons], text
            assert 0 < bound.opened.delta <= Fraction(1, 10**6), text
            assert bound.opened.threshold > 0, text
        assert all(
            1 <= sensitivity(part, bound.k).l2 <= sensitivity(part, bound.k).l1 < 2**63 for part in bound.parts
        ), text
        narrowed = [part for part in bound.parts if hasattr(part, "lo")]
        assert all(0 <= part.lo <= part.hi <= LARGEST[part.col] for part in narrowed), text
    assert accepted > 100
