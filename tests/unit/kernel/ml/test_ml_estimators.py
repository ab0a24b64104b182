"""Estimators over a whole broker: trained on sealed census data, charged in the ledger, and ordinary afterwards."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.utils.validation import check_is_fitted

import jupyter_secure
from jupyter_secure import ml
from jupyter_secure.protocol.errors import BudgetError, InvalidRequestError, RefusedError
from tests.unit.kernel.census import EDGES, census, census_client, spent

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::jupyter_secure.kernel.dp_budget.BudgetWarning")]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    client = census_client(tmp_path_factory.mktemp("census"))
    yield client
    client.close()


@pytest.fixture
def p(client):
    return client.handle("census")


@pytest.fixture(scope="module")
def test_rows():
    return census("adult.test")


def test_logistic_regression_at_epsilon_1_reaches_0_900_and_is_charged_once(p, test_rows):
    before = spent(p)
    model = ml.LogisticRegression("1", edges=EDGES, decay=1e-6).fit(p, p.income)  # asked by no other test
    proba = model.predict_proba(test_rows)
    assert roc_auc_score(test_rows.income == ">50K", proba[:, 1]) >= 0.900
    assert (model.predict(test_rows) == test_rows.income).mean() >= 0.85
    assert model.score(test_rows, test_rows.income) >= 0.85
    assert np.allclose(proba.sum(axis=1), 1)
    once = spent(p)
    assert before < once <= before + 1
    again = ml.LogisticRegression("1", edges=EDGES, decay=1e-6).fit(p, "income")
    assert again.privacy_["repeated"]
    assert np.array_equal(again.coef_, model.coef_)
    assert spent(p) == once


def test_a_fitted_model_is_an_ordinary_one(p, test_rows):
    model = ml.LogisticRegression("1", edges=EDGES).fit(p, p.income)
    check_is_fitted(model)
    assert model.classes_.tolist() == ["<=50K", ">50K"]
    assert model.n_features_in_ == len(model.feature_names_in_) == 10
    assert model.coef_.shape == (1, len([name for column in model.encoding_.columns for name in column.cell_names]))
    assert abs(model.rows_ - 32_561) < 1000
    fresh = clone(model)
    assert fresh.get_params()["edges"] == EDGES
    with pytest.raises(AttributeError):
        fresh.predict(test_rows)


def test_naive_bayes_and_a_support_vector_machine_learn_too(p, test_rows):
    rich = test_rows.income == ">50K"
    bayes = ml.NaiveBayes("0.5", edges=EDGES).fit(p, p.income)
    assert roc_auc_score(rich, bayes.predict_proba(test_rows)[:, 1]) >= 0.88
    machine = ml.LinearSVC("1", edges=EDGES).fit(p, p.income)
    assert roc_auc_score(rich, machine.decision_function(test_rows)) >= 0.88


def test_regression_clusters_and_components(p, test_rows):
    line = ml.LinearRegression("1", edges=EDGES, features=["age", "sex", "marital", "occupation"]).fit(p, p.hours)
    assert line.score(test_rows, test_rows.hours) > 0.1
    heaps = ml.KMeans(3, "0.3", features=["age", "hours"]).fit(p)
    assert heaps.cluster_centers_.shape == (3, 2)
    assert heaps.sizes_.sum() == pytest.approx(32_561, abs=500)
    assert set(heaps.predict(test_rows)) <= {0, 1, 2}
    parts = ml.PCA(2, "0.3", features=["age", "school", "hours"]).fit(p)
    assert parts.transform(test_rows).shape == (len(test_rows), 2)
    assert parts.components_ @ parts.components_.T == pytest.approx(np.eye(2), abs=1e-9)
    scaled = test_rows[["age", "school", "hours"]] / [50, 10, 50] - 1
    assert parts.mean_ == pytest.approx(scaled.mean(), abs=0.02)


def test_a_condition_is_part_of_the_training(p):
    some = ml.NaiveBayes("0.2", features=["sex"]).fit(p[p.age >= 60], p.income)
    assert some.class_count_.sum() == pytest.approx(2_644, abs=300)


def test_a_preview_says_the_price_and_spends_nothing(p):
    before = spent(p)
    price = ml.LogisticRegression("0.7").preview(p, p.income)
    assert float(price.epsilon[0]) == pytest.approx(0.7)
    assert price.asked.tolist() == ["rows"]
    assert spent(p) == before


def test_what_the_budget_does_not_allow_is_refused_and_nothing_is_spent(p):
    before = spent(p)
    with pytest.raises(BudgetError):
        ml.LogisticRegression("50").fit(p, p.income)
    assert spent(p) == before


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda p: ml.LogisticRegression().fit(pd.DataFrame(), "income"), "private handle"),
        (lambda p: ml.LogisticRegression().fit(p), "Name the column"),
        (lambda p: ml.LogisticRegression().fit(p, "salary"), "Name the column"),
        (lambda p: ml.LogisticRegression(features=["salary"]).fit(p, p.income), "no such column"),
        (lambda p: ml.LogisticRegression(features=["income"]).fit(p, p.income), "not the one that is learned"),
        (lambda p: ml.LogisticRegression(edges={"sex": [1]}).fit(p, p.income), "is a category"),
        (lambda p: ml.LogisticRegression(steps=0).fit(p, p.income), "steps"),
        (lambda p: ml.LinearRegression().fit(p, p.income), "is a category"),
        (lambda p: ml.KMeans(2, features=["sex"]).fit(p), "need numbers"),
        (lambda p: ml.LogisticRegression("a lot").fit(p, p.income), "positive number"),
        (lambda p: ml.LogisticRegression(features=["pid"]).fit(p, p.income), "no such column"),
    ],
)
def test_wrong_input_gets_a_sentence(p, wrong, says):
    with pytest.raises((InvalidRequestError, RefusedError), match=says):
        wrong(p)


def test_predicting_from_the_wrong_thing_gets_a_sentence(p, test_rows):
    model = ml.LogisticRegression("1", edges=EDGES).fit(p, p.income)
    with pytest.raises(InvalidRequestError, match="lacks columns of the model: age"):
        model.predict(test_rows.drop(columns="age"))
    with pytest.raises(InvalidRequestError, match="pandas frame"):
        model.predict([[1, 2]])
    with pytest.raises(InvalidRequestError, match="`age` holds values that are no numbers"):
        model.predict(test_rows.assign(age="old"))
    odd = test_rows.head(3).assign(age=[np.nan, -5, 500], sex=[None, "F", True])
    assert len(model.predict(odd)) == 3


def test_the_face_of_the_package_has_it():
    assert jupyter_secure.ml is ml
