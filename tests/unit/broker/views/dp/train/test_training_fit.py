"""Exact statistics of trainings, checked with so large a budget that noise is far below what is compared."""

import json

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from jupyter_secure.broker.views.dp.domain import facts
from jupyter_secure.broker.views.dp.job import Normalised, run
from jupyter_secure.broker.views.dp.train import fixed
from jupyter_secure.broker.views.dp.train.bind import bind_training
from jupyter_secure.broker.views.question import DpQuestion
from jupyter_secure.protocol.dpdomain import CategoryDomain, DpDomain, NumberDomain
from jupyter_secure.protocol.errors import BudgetError, InvalidRequestError
from jupyter_secure.protocol.trainingread import read_training

EXACT = 10**15
KEY = bytes(range(32))
PEOPLE = 4000
DOMAIN = DpDomain(
    dataset="d",
    privacy_unit="pid",
    contributions=1,
    max_rows=10**6,
    columns=(
        NumberDomain(name="x", lower=-10, upper=10, resolution=0.01),
        NumberDomain(name="y", lower=0, upper=100, resolution=1),
        CategoryDomain(name="two", keys=("no", "yes")),
        CategoryDomain(name="three", keys=("a", "b", "c")),
    ),
)


@pytest.fixture(scope="module")
def table():
    choice = np.random.default_rng(7)
    x, y = choice.uniform(-12, 12, PEOPLE).round(2), choice.integers(0, 101, PEOPLE)
    score = 0.4 * np.clip(x, -10, 10) + 0.05 * (y - 50) + choice.logistic(size=PEOPLE)
    three = np.array(["a", "b", "c", "other"])[np.digitize(x + choice.normal(size=PEOPLE), [-4, 4, 9])]
    return pa.table(
        {
            "pid": [f"p{number}" for number in range(PEOPLE)],
            "x": pa.array([None if number % 50 == 0 else value for number, value in enumerate(x)]),
            "y": y,
            "two": np.where(score > 0, "yes", "no"),
            "three": three,
        }
    )


def trained(table, train, features, units=EXACT, **fields):
    text = json.dumps({"v": 1, "dataset": "d", "train": train, "features": features} | fields)
    asked = DpQuestion(
        question=None, training=read_training(text), domain=DOMAIN, version="v1", units=units, bounding_key=KEY
    )
    result = run(asked, lambda names: table.select(list(names)), Normalised(), lambda: None)
    return pa.ipc.open_stream(result.stream).read_all().to_pandas(), result


def part(answer, name):
    rows = answer[answer.part == name]
    return rows.value.to_numpy().reshape(-1, rows.output.max() + 1)


def test_logistic_regression_is_the_one_of_scikit_learn(table):
    answer, _ = trained(table, {"op": "gradient", "target": "two", "steps": 500}, [{"col": "x"}, {"col": "y"}])
    frame = table.to_pandas()
    scaled = np.stack([frame.x.clip(-10, 10).fillna(0) / 10, (frame.y - 50) / 50], axis=1)
    plain = LogisticRegression(C=1e6).fit(scaled, frame.two)
    assert part(answer, "weight")[:, 0] == pytest.approx(plain.coef_[0], rel=0.02)
    assert part(answer, "intercept")[0, 0] == pytest.approx(plain.intercept_[0], abs=0.02)
    assert part(answer, "rows")[0, 0] == PEOPLE


def test_softmax_learns_three_classes_and_leaves_rows_of_no_class_out(table):
    answer, _ = trained(table, {"op": "gradient", "target": "three", "steps": 300}, [{"col": "x"}])
    frame = table.to_pandas()
    known = frame[frame.three != "other"]
    plain = LogisticRegression(C=1e6).fit((known.x.clip(-10, 10).fillna(0) / 10).to_frame(), known.three)
    mine = part(answer, "weight")[0] - part(answer, "weight")[0].mean()
    assert mine == pytest.approx(plain.coef_[:, 0], rel=0.1)
    assert part(answer, "rows")[0, 0] == len(known)


def test_a_hinge_separates(table):
    answer, _ = trained(table, {"op": "gradient", "target": "two", "loss": "hinge"}, [{"col": "x"}, {"col": "y"}])
    frame = table.to_pandas()
    weight = part(answer, "weight")[:, 0]
    score = part(answer, "intercept")[0, 0] + weight[0] * frame.x.clip(-10, 10).fillna(0) / 10
    score += weight[1] * (frame.y - 50) / 50
    assert ((score > 0) == (frame.two == "yes")).mean() > 0.8


def test_linear_regression_finds_a_line():
    x = np.linspace(-10, 10, 1001)
    table = pa.table({"pid": [f"p{n}" for n in range(1001)], "x": x, "y": np.rint(50 + 2 * x)})
    answer, _ = trained(table, {"op": "gradient", "target": "y", "loss": "squared", "steps": 500}, [{"col": "x"}])
    assert part(answer, "weight")[0, 0] == pytest.approx(0.4, abs=0.01)  # 2 * 10 / 50: both ends scaled
    assert part(answer, "intercept")[0, 0] == pytest.approx(0, abs=0.01)


def test_naive_bayes_counts_cells(table):
    answer, _ = trained(
        table, {"op": "naive_bayes", "target": "two"}, [{"col": "x", "edges": [-5, 0, 5]}, {"col": "three"}]
    )
    frame = table.to_pandas()
    yes = frame[frame.two == "yes"]
    assert part(answer, "class")[0].tolist() == [PEOPLE - len(yes), len(yes)]
    counts = part(answer, "count")[:, 1]
    binned = [(yes.x < -5).sum(), ((yes.x >= -5) & (yes.x < 0)).sum(), ((yes.x >= 0) & (yes.x < 5)).sum()]
    assert counts[:3].tolist() == binned
    assert counts[4] == yes.x.isna().sum()
    assert counts[5:].tolist() == [(yes.three == key).sum() for key in ("a", "b", "c", "other")]


def test_k_means_finds_two_heaps():
    choice = np.random.default_rng(3)
    heaps = np.concatenate([choice.normal(-6, 1, 500), choice.normal(6, 1, 300)])
    table = pa.table({"pid": [f"p{n}" for n in range(800)], "x": heaps, "y": np.full(800, 50)})
    answer, _ = trained(table, {"op": "k_means", "clusters": 2, "steps": 10}, [{"col": "x"}, {"col": "y"}])
    centres = part(answer, "centre")
    order = np.argsort(centres[0])
    assert centres[0][order] * 10 == pytest.approx([-6, 6], abs=0.2)
    assert centres[1] == pytest.approx([0, 0], abs=0.002)
    assert part(answer, "size")[0][order] == pytest.approx([500, 300], abs=0.1)


def test_moments_are_those_of_numpy(table):
    answer, _ = trained(table, {"op": "components", "components": 2}, [{"col": "x"}, {"col": "y"}])
    frame = table.to_pandas()
    scaled = np.stack([frame.x.clip(-10, 10).fillna(0) / 10, (frame.y - 50) / 50], axis=1)
    with_one = np.hstack([np.ones((PEOPLE, 1)), scaled])
    moments = np.vstack([part(answer, "first"), part(answer, "product")])
    assert moments == pytest.approx(with_one.T @ with_one, rel=0.003, abs=5)


def test_a_condition_leaves_rows_out(table):
    answer, _ = trained(
        table, {"op": "components", "components": 1}, [{"col": "y"}], where={"op": "lt", "col": "y", "value": 50}
    )
    assert part(answer, "first")[0, 0] == pytest.approx((table.to_pandas().y < 50).sum(), abs=0.01)


def test_a_table_has_the_same_shape_whatever_the_rows_hold(table):
    wanted = {"op": "gradient", "target": "two", "steps": 2}, [{"col": "x", "edges": [0]}, {"col": "three"}]
    shapes = []
    for rows in (table, table.slice(0, 1), table.slice(0, 0)):
        answer, result = trained(rows, *wanted, units=10**9)
        shapes.append((answer[["part", "feature", "cell", "output"]].to_csv(), result.errors, str(answer.dtypes)))
    assert len(set(map(str, shapes))) == 1


@pytest.mark.parametrize(
    ("train", "features", "says"),
    [
        ({"op": "gradient", "target": "y"}, [{"col": "x"}], "is a number"),
        ({"op": "gradient", "target": "two", "loss": "squared"}, [{"col": "x"}], "is a category"),
        ({"op": "gradient", "target": "three", "loss": "hinge"}, [{"col": "x"}], "two classes"),
        ({"op": "gradient", "target": "z"}, [{"col": "x"}], "no column `z`"),
        ({"op": "gradient", "target": "two"}, [{"col": "pid"}], "no column `pid`"),
        ({"op": "gradient", "target": "two"}, [{"col": "three", "edges": [1]}], "leave `edges` out"),
        ({"op": "naive_bayes", "target": "two"}, [{"col": "x"}], "public `edges`"),
        ({"op": "k_means", "clusters": 2}, [{"col": "three"}], "need numbers"),
        ({"op": "k_means", "clusters": 2}, [{"col": "x", "edges": [1]}], "need numbers"),
        ({"op": "components", "components": 2}, [{"col": "x"}], "at most 1 components"),
        ({"op": "gradient", "target": "three"}, [{"col": "x", "edges": list(range(1000))}] * 1, None),
    ],
)
def test_what_fits_no_column_is_refused_before_any_data(train, features, says):
    training = read_training(json.dumps({"v": 1, "dataset": "d", "train": train, "features": features}))
    if says is None:
        assert bind_training(training, facts(DOMAIN), 10**6).cells == 1002
        return
    with pytest.raises(InvalidRequestError, match=says):
        bind_training(training, facts(DOMAIN), 10**6)


def test_a_model_of_too_many_numbers_is_refused():
    wide = tuple(CategoryDomain(name=f"c{n}", keys=tuple(map(str, range(999)))) for n in range(11))
    public = facts(DpDomain(dataset="d", privacy_unit="pid", contributions=1, columns=(*DOMAIN.columns, *wide)))
    features = [{"col": column.name} for column in wide]
    text = json.dumps({"v": 1, "dataset": "d", "train": {"op": "naive_bayes", "target": "two"}, "features": features})
    with pytest.raises(InvalidRequestError, match="more than 10,000"):
        bind_training(read_training(text), public, 10**6)


def test_a_budget_that_cannot_be_split_is_refused():
    text = json.dumps(
        {"v": 1, "dataset": "d", "train": {"op": "gradient", "target": "two"}, "features": [{"col": "x"}]}
    )
    with pytest.raises(BudgetError):
        bind_training(read_training(text), facts(DOMAIN), 100)
    assert bind_training(read_training(text), facts(DOMAIN), 101 * 7).price.units == 7


def test_the_tables_are_the_functions_they_stand_for():
    scores = np.linspace(-20, 20, 4001)
    whole = np.rint(scores * fixed.WEIGHT_ONE).astype(np.int64)
    assert fixed.sigmoid(whole) / fixed.RESIDUAL_ONE == pytest.approx(1 / (1 + np.exp(-scores)), abs=3e-4)
    falls = np.abs(whole)
    assert fixed.falling(falls) / fixed.RESIDUAL_ONE == pytest.approx(np.exp(-np.abs(scores)), abs=1.1e-3)
    assert fixed.scaled(np.array([0, 2**52, 2**53 - 2]), 0, 2**53 - 2, 10).tolist() == [-1024, 0, 1024]
