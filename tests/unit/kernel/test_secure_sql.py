"""SQL becomes a question of the algebra or a sentence; nothing else comes of it."""

import datetime as dt
import json
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_secure.kernel import api, extension
from jupyter_secure.kernel.sql import dataset_of, ordering_of, translate
from jupyter_secure.kernel.sql_order import in_order
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.queryread import read_question
from jupyter_secure.testing.world import World
from tests.unit.kernel.desk_client import DeskClient

COLUMNS = ("age", "cost", "sex", "Ward", "day")
QUESTION = {
    "SELECT COUNT(*) FROM patients": {"aggs": [{"op": "count"}]},
    "select count(cost) as n from patients p where p.age >= 18": {
        "aggs": [{"op": "count", "col": "cost", "as": "n"}], "where": {"op": "ge", "col": "age", "value": 18}
    },
    "SELECT sex, FLOOR(age / 10) * 10 AS decade, AVG(cost) FROM patients GROUP BY sex, decade": {
        "aggs": [{"op": "mean", "col": "cost"}], "group_by": [{"col": "sex"}, {"col": "age", "width": 10}]
    },
    "SELECT sex, SUM(cost), STDDEV(cost), VAR_POP(cost) FROM patients GROUP BY 1": {
        "aggs": [{"op": op, "col": "cost"} for op in ("sum", "std", "variance")], "group_by": [{"col": "sex"}]
    },
    "SELECT MEDIAN(cost), PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY age), APPROX_QUANTILE(age, 0.1) FROM patients": {
        "aggs": [
            {"op": "quantile", "col": "cost", "q": 0.5}, {"op": "quantile", "col": "age", "q": 0.9},
            {"op": "quantile", "col": "age", "q": 0.1},
        ]
    },
    "SELECT YEAR(day), EXTRACT(isodow FROM day), COUNT(*) FROM patients GROUP BY 1, EXTRACT(ISODOW FROM day)": {
        "aggs": [{"op": "count"}], "group_by": [{"col": "day", "part": "year"}, {"col": "day", "part": "weekday"}]
    },
    "SELECT date_trunc('month', day) AS m, COUNT(*) FROM patients WHERE day >= DATE '2024-01-31' GROUP BY m": {
        "aggs": [{"op": "count"}], "group_by": [{"col": "day", "part": "month"}],
        "where": {"op": "ge", "col": "day", "value": 19753},
    },
    "SELECT COUNT(*) FROM patients WHERE '2024-01-31' <= day AND day BETWEEN '2024-01-31' AND DATE '2024-02-01'": {
        "aggs": [{"op": "count"}],
        "where": {"op": "and", "args": [
            {"op": "ge", "col": "day", "value": 19753},
            {"op": "between", "col": "day", "lower": 19753, "upper": 19754}]},
    },
    "SELECT COUNT(*) FROM patients GROUP BY MONTH(day), QUARTER(day), DATE_TRUNC('day', day)": {
        "aggs": [{"op": "count"}],
        "group_by": [{"col": "day", "part": part} for part in ("month_of_year", "quarter_of_year", "day")],
    },
    "SELECT COUNT(DISTINCT person) FROM patients WHERE NOT (sex IN ('F', 'M') OR ward IS NULL)": {
        "aggs": [{"op": "persons"}],
        "where": {"op": "not", "arg": {"op": "or", "args": [
            {"op": "in", "col": "sex", "values": ["F", "M"]}, {"op": "is_null", "col": "Ward"}]}},
    },
    "SELECT COUNT(*) FROM patients WHERE -5 < cost AND age BETWEEN 1 AND 2.5 AND ward IS NOT TRUE": {
        "aggs": [{"op": "count"}],
        "where": {"op": "and", "args": [
            {"op": "gt", "col": "cost", "value": -5}, {"op": "between", "col": "age", "lower": 1, "upper": 2.5},
            {"op": "not", "arg": {"op": "eq", "col": "Ward", "value": "true"}}]},
    },
}  # fmt: skip


@pytest.mark.parametrize("text", QUESTION)
def test_a_statement_is_one_question(text):
    question = translate(text, COLUMNS, ["day"])
    assert question == {"v": 1, "dataset": "patients"} | QUESTION[text]
    keys = {key["col"] for key in question.get("group_by", ())}
    if len(keys) == len(question.get("group_by", ())):
        read_question(json.dumps(question))
    else:
        with pytest.raises(InvalidRequestError, match="use a key once"):
            read_question(json.dumps(question))


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("SELECT * FROM patients", "single rows never leave"),
        ("SELECT cost FROM patients", "single rows never leave"),
        ("SELECT age, COUNT(*) FROM patients GROUP BY sex", "single rows never leave"),
        ("SELECT sex FROM patients GROUP BY sex", "COUNT(*)"),
        ("SELECT MAX(cost) FROM patients", "QUANTILE(cost, 0.99)"),
        ("SELECT MODE(sex) FROM patients", "ORDER BY n DESC LIMIT 1"),
        ("SELECT HISTOGRAM(age) FROM patients", "FLOOR(age / 10) * 10"),
        ("SELECT COVAR_SAMP(cost, age) FROM patients", "COVAR_POP"),
        ("SELECT ROUND(AVG(cost), 2) FROM patients", "calculate with the answer"),
        ("SELECT SUM(cost) / COUNT(*) FROM patients", "calculate with the answer"),
        ("SELECT SUM(CASE WHEN age > 3 THEN 1 ELSE 0 END) FROM patients", "after `WHERE`"),
        ("WITH x AS (SELECT 1) SELECT COUNT(*) FROM x", "one dataset"),
        ("SELECT COUNT(*) FROM patients WHERE age < 1e400", "too large"),
        (f"SELECT COUNT(*) FROM patients WHERE age < {'9' * 400}", "too large"),
        (f"SELECT COUNT(*) FROM patients WHERE age < {'9' * 5000}", "too large"),
        ("SELECT COUNT(*) FROM patients WHERE day < 'soon'", "Compare a date with a day"),
        ("SELECT SUM(cost * 2) FROM patients", "name a column"),
        ("SELECT SUM(DISTINCT cost) FROM patients", "name a column"),
        ("SELECT COUNT(DISTINCT sex) FROM patients", "counts people"),
        ("SELECT DAYOFWEEK(day), COUNT(*) FROM patients GROUP BY 1", "COUNT, SUM"),
        ("SELECT COUNT(*) FROM patients GROUP BY EXTRACT(HOUR FROM day)", "YEAR(day)"),
        ("SELECT COUNT(*) FROM patients GROUP BY DATE_TRUNC('century', day)", "YEAR(day)"),
        ("SELECT COUNT(*) FROM patients GROUP BY YEAR(day + 1)", "COUNT, SUM"),
        ("SELECT COUNT(*) FROM patients GROUP BY CAST(day AS DATE)", "YEAR(day)"),
        ("SELECT SUM(CAST(cost AS INT)) FROM patients", "name a column"),
        ("SELECT COUNT(*) FROM patients WHERE day > CAST('3' AS INT)", "where a number belongs"),
        ("SELECT COUNT(*) FROM patients WHERE day > DATE '2024-02-30'", "Compare a date with a day"),
        ("SELECT COUNT(*) FROM patients ORDER BY 1", "sort the answer"),
        ("SELECT COUNT(*) FROM patients LIMIT 1", "cut the answer"),
        ("SELECT sex, COUNT(*) FROM patients GROUP BY sex LIMIT 1", "cut the answer"),
        ("SELECT sex, COUNT(*) FROM patients GROUP BY sex ORDER BY sex", "sort the answer"),
        ("SELECT sex, COUNT(*) FROM patients GROUP BY sex ORDER BY SUM(cost)", "sort the answer"),
        ("SELECT sex, COUNT(*) FROM patients GROUP BY sex ORDER BY 1 LIMIT 2", "sort the answer"),
        ("SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex ORDER BY n, sex", "sort the answer"),
        ("SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex ORDER BY n LIMIT 2 + 1", "LIMIT 10"),
        ("SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex ORDER BY n LIMIT 10 PERCENT", "LIMIT 10"),
        ("SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex ORDER BY n LIMIT 10 OFFSET 3", "cut the answer"),
        ("SELECT sex, COUNT(*) FROM patients GROUP BY sex HAVING COUNT(*) > 5", "filter the answer"),
        ("SELECT COUNT(*) FROM patients JOIN others ON age = x", "one dataset"),
        ("SELECT COUNT(*) FROM patients, others", "one dataset"),
        ("SELECT COUNT(*) FROM (SELECT * FROM patients)", "one SELECT from one dataset"),
        ("WITH x AS (SELECT 1) SELECT COUNT(*) FROM patients", "one dataset"),
        ("SELECT COUNT(*) FROM patients UNION SELECT 1", "one SELECT"),
        ("SELECT COUNT(*) FROM patients; SELECT 1", "one SELECT"),
        ("DROP TABLE patients", "one SELECT"),
        ("SELECT COUNT(*) FROM patients WHERE age > cost", "compare a column with a literal"),
        ("SELECT COUNT(*) FROM patients WHERE age + 1 > 2", "COUNT, SUM"),
        ("SELECT COUNT(*) FROM patients WHERE sex LIKE 'F%'", "public keys with `IN`"),
        ("SELECT COUNT(*) FROM patients WHERE age IN (SELECT 1)", "COUNT, SUM"),
        ("SELECT COUNT(*) FROM patients WHERE age BETWEEN SYMMETRIC 3 AND 1", "COUNT, SUM"),
        ("SELECT COUNT(*) FILTER (WHERE age > 3) FROM patients", "after `WHERE`"),
        ("SELECT COUNT(*) OVER () FROM patients", "COUNT, SUM"),
        ("SELECT COUNT(*) FROM patients TABLESAMPLE 10%", "COUNT, SUM"),
        ("SELECT COUNT(*) FROM patients GROUP BY ROLLUP (sex)", "COUNT, SUM"),
        ("SELECT COUNT(*) FROM READ_CSV('/etc/passwd')", "COUNT, SUM"),
        ("SELECT COUNT(*) FROM patients FOR UPDATE", "COUNT, SUM"),
        ("SELECT COUNT(*) FROM other.patients", "one dataset"),
        ("SELECT SUM(zip) FROM patients", "There are: age, cost, sex, Ward, day"),
        ('SELECT SUM("AGE") FROM patients', "no column `AGE`"),
        ("SELECT CEIL(age), COUNT(*) FROM patients GROUP BY CEIL(age)", "COUNT, SUM"),
        ("SELECT COUNT(*) FROM patients WHERE age > 'x' || 'y'", "COUNT, SUM"),
        ("SELEC", "one SELECT"),
        ("", "one SELECT"),
        ("SELECT 1", "one SELECT"),
        ("SELECT APPROX_QUANTILE(cost, . 0.1) FROM patients", "where a number belongs"),
        ("SELECT " + "(" * 3000 + "1" + ")" * 3000, "SQL"),
    ],
)
def test_what_the_algebra_lacks_is_refused_with_what_works(text, instead):
    with pytest.raises(InvalidRequestError) as refused:
        translate(text, COLUMNS, ["day"])
    assert instead in refused.value.public


def test_what_stands_before_a_select_is_refused_before_its_dataset_is_sought():
    with pytest.raises(InvalidRequestError, match="one SELECT from one dataset"):
        dataset_of("WITH x AS (SELECT * FROM patients) SELECT COUNT(*) FROM x")


@pytest.mark.parametrize(
    ("order", "kept"),
    [
        ("ORDER BY n DESC LIMIT 2", [9, 7]),
        ("ORDER BY COUNT(*) DESC", [9, 7, 4]),
        ("ORDER BY 2 LIMIT 1", [4]),
        ("ORDER BY n LIMIT 0", []),
        ("ORDER BY m DESC LIMIT 2", [4, 9]),
    ],
)
def test_the_largest_groups_are_cut_from_the_answer_and_the_question_stays_the_same(order, kept):
    plain = "SELECT sex, COUNT(*) AS n, AVG(cost) AS m FROM patients GROUP BY sex"
    assert translate(f"{plain} {order}", COLUMNS) == translate(plain, COLUMNS)
    assert ordering_of(plain) is None
    answer = pd.DataFrame({"sex": ["F", "M", None], "n": [7, 4, 9], "n_margin": 1, "m": [1, 3, 2], "m_margin": 1})
    assert in_order(answer, ordering_of(f"{plain} {order}")).n.tolist() == kept
    price = pd.DataFrame({"asked": ["n"], "margin": [1.0]})
    assert in_order(price, ordering_of(f"{plain} {order}")) is price


FURTHER = (
    "*", "(", ")", ",", ";", "--", "/*", "'", '"', "%", "::", "||", "CASE", "WHEN", "THEN", "END", "CAST", "AS", "LIKE",
    "UNION", "SELECT", "EXISTS", "PIVOT", "1e400", "0x1f", "1_0", "9" * 400, ".", "1e-400", "²", "'2024-01-31'",
)  # fmt: skip


def mutant(choice, words):
    """Return a statement made of pieces of others, in a new order."""
    made = list(words[choice.randrange(len(words))])
    for _ in range(choice.randrange(1, 6)):
        place, other = choice.randrange(len(made)), words[choice.randrange(len(words))]
        what = choice.randrange(4)
        if what == 0:
            made[place] = other[choice.randrange(len(other))]
        elif what == 1:
            made.insert(place, other[choice.randrange(len(other))])
        elif what == 2 and len(made) > 1:
            del made[place]
        else:
            start = choice.randrange(len(other))
            made[place:place] = other[start : start + choice.randrange(1, 5)]
    return " ".join(made)


@pytest.mark.parametrize("seed", range(4))
def test_a_mutant_is_a_question_of_the_algebra_or_a_sentence(seed):
    """A hundred thousand in all."""
    words = [text.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split() for text in QUESTION]
    words.append(FURTHER)
    choice, accepted = random.Random(20_261_126 + seed), 0
    for _ in range(25_000):
        text = mutant(choice, words)
        try:
            dataset_of(text)
            read_question(json.dumps(translate(text, COLUMNS, ["day"]), allow_nan=False))
            accepted += 1
        except InvalidRequestError:
            pass
    assert accepted > 200


POLICY = """
[dataset.patients]
tags = { pid = "direct", age = "measure", sex = "measure", day = "measure" }
privacy_unit = "pid"
bounds = { age = [0, 100], day = [2022-01-01, 2023-12-31] }
keys = { sex = ["F", "M"] }
budget = { epsilon = "40", delta = "1e-6", default_query = "1" }

[[rule]]
id = "scientists-ask"
to = ["role:scientist"]
datasets = ["patients"]
view = "dp"
"""


@pytest.fixture
def client(tmp_path):
    world = World(tmp_path)
    world.person("ann", "scientist")
    choice = np.random.default_rng(1)
    table = pa.table(
        {"pid": [f"p{n}" for n in range(4000)], "age": choice.integers(0, 101, 4000), "sex": ["F", "M"] * 2000}
    )
    days = pa.array([dt.date(2022, 5, 1), dt.date(2023, 5, 1)] * 2000)
    tags = {"pid": Tag.DIRECT, "age": Tag.MEASURE, "sex": Tag.MEASURE, "day": Tag.MEASURE}
    world.seal(table.append_column("day", days), tags=tags)
    world.apply(POLICY)
    client = DeskClient(world, "ann")
    yield client
    client.close()


def test_the_magic_asks_a_whole_broker(client, monkeypatch, tmp_path):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setattr(api.CONNECTION, "client", lambda: client)
    shell = InteractiveShell()
    extension.load_ipython_extension(shell)
    try:
        statement = "SELECT sex, COUNT(*) AS n, MEDIAN(age) FROM patients WHERE age < 50 GROUP BY sex"
        top = f"{statement} ORDER BY n DESC LIMIT 2"
        price = shell.run_cell_magic("secure_sql", "--dry-run", statement)
        assert price.asked.tolist() == ["n", "q50_age in ranks"]
        assert shell.run_cell_magic("secure_sql", "answer --epsilon 8", statement) is None
        answer = shell.user_ns["answer"]
        assert answer.columns.tolist() == ["sex", "n", "n_margin", "q50_age", "q50_age_margin"]
        assert answer.n[:2].tolist() == pytest.approx([1000, 1000], abs=100)
        assert answer.q50_age[:2].tolist() == pytest.approx([25, 25], abs=5)
        assert answer.attrs["epsilon"] == "8"
        again = shell.run_cell_magic("secure_sql", "--epsilon 8", top)
        assert again.attrs["repeated"]  # the same question, sorted and cut here, for free
        assert sorted(again.sex) == ["F", "M"]
        assert again.n[0] >= again.n[1]
        years = "SELECT YEAR(day), COUNT(*) AS n FROM patients WHERE day < DATE '2023-02-01' GROUP BY 1"
        found = shell.run_cell_magic("secure_sql", "--epsilon 8", years)
        assert found.day[:2].tolist() == [2022, 2023]
        assert found.n.tolist() == pytest.approx([2000, 0, 0], abs=100)
    finally:
        extension.unload_ipython_extension(shell)
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()
