"""Which columns models learn from, and how an ordinary frame's dates become the numbers that the broker saw."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from jupyter_secure import ml
from jupyter_secure.kernel.dp import DpFrame
from jupyter_secure.kernel.ml.encoding import encoding
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.messages import DpColumn, Handle

COLUMNS = (
    DpColumn(name="age", kind="number", lower=0, upper=100),
    DpColumn(name="day", kind="date", lower=0, upper=100),
    DpColumn(name="sex", kind="category", keys=("F", "M")),
    DpColumn(name="town", kind="open"),
)
FACTS = {column.name: column for column in COLUMNS}
DAYS = [dt.date(1970, 1, 1), dt.date(1970, 2, 20), None, dt.date(1990, 1, 1)]
HERE = pd.Series(pd.to_datetime(["1970-01-01 23:00", "1970-02-20 01:00", None, "1990-01-01 00:00"])).dt.tz_localize(
    "America/New_York"
)


@pytest.mark.parametrize("days", [DAYS, pd.Series(pd.to_datetime(DAYS)), HERE, [0, 50, None, 7305]], ids=range(4))
def test_dates_enter_a_model_as_their_days(days):
    frame = pd.DataFrame({"day": pd.Series(days)})
    scaled = encoding(FACTS, ["day"], {}, None)
    assert scaled.points(frame)[:, 0].tolist() == [-1.0, 0.0, 0.0, 1.0]
    cells = encoding(FACTS, ["day"], {"day": [10, 60]}, None)
    assert cells.scores(frame, np.arange(4.0)[:, None], np.zeros(1))[:, 0].tolist() == [0.0, 1.0, 3.0, 2.0]


def test_what_is_no_date_gets_a_sentence():
    with pytest.raises(InvalidRequestError, match="no dates"):
        encoding(FACTS, ["day"], {}, None).points(pd.DataFrame({"day": ["soon"]}))


@pytest.mark.parametrize(
    ("model", "learned", "names"),
    [
        (ml.KMeans(), None, ["age", "day"]),
        (ml.PCA(), None, ["age", "day"]),
        (ml.LogisticRegression(), "sex", ["age", "day"]),
        (ml.LogisticRegression(features=["day"]), "sex", ["day"]),
        (ml.LinearRegression(), "age", ["day", "sex"]),
    ],
    ids=repr,
)
def test_without_names_a_model_learns_from_what_it_can_hold(model, learned, names):
    handle = Handle(dataset="d", version=1, columns=COLUMNS, gauges=(), default_epsilon="1", purpose=None, seq=1)
    assert model._asked(DpFrame(handle, None), learned)[2].names == names
