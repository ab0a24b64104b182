"""`dp.synthetic_*`: how long synthetic rows of the census take at epsilon 1, and what they are good for.

The way is the whole one, as a kernel goes it: question, ledger, worker, log, sealed answer, rows drawn. Each round is a
new release. Shares are compared with the real rows that they were made from; a model trained on synthetic rows is
tested on rows that nobody trained on, and its baseline is the same model trained on the real rows, in the same cells.
"""

from __future__ import annotations

import pathlib
import statistics
import tempfile
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from jupyter_secure.kernel import synthetic
from tests.unit.kernel.census import BOUNDS, EDGES, KEYS, census, census_client

ROUNDS = 5
NAMES = [name for name in (*KEYS, *BOUNDS) if name != "income"]
LEAST = 0.95  # of the area under the curve of the real rows


def measure() -> list[dict[str, object]]:
    """Return the figures; medians of the rounds."""
    real, test = _cells(census("adult.data")), _cells(census("adult.test"))
    best = _area(real, test)
    took, one, two, area = [], [], [], []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the budget is for six releases, and says so when it ends
        client = census_client(pathlib.Path(folder))
        try:
            handle = client.handle("census")
            for turn in range(ROUNDS):
                wish = synthetic.Wish(target="income", edges=EDGES, epsilon=f"{1 - turn / 1000}", seed=turn)
                began = time.perf_counter()
                made = synthetic.make(handle, wish)
                took.append(time.perf_counter() - began)
                rows = _cells(made.table.to_pandas())
                told = synthetic.compare(rows.astype(str), real.astype(str)).groupby("measure").value.mean()
                one.append(told["total variation, one column"])
                two.append(told["total variation, two columns"])
                area.append(_area(rows, test))
        finally:
            client.close()
    shares, pairs, learned = (statistics.median(each) for each in (one, two, area))
    return [
        _figure("dp.synthetic", statistics.median(took), "s", 0.0, 5.0),
        _figure("dp.synthetic_one", shares, "TV", 0.0, 0.01),
        _figure("dp.synthetic_two", pairs, "TV", 0.0, 0.1),
        _figure("dp.synthetic_learned", learned, "AUC", best, LEAST) | {"over": bool(learned < best * LEAST)},
    ]


def _figure(name: str, value: float, unit: str, baseline: float, limit: float) -> dict[str, object]:
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "baseline": baseline,
        "ratio": value / baseline if baseline else 0.0,
        "limit": limit,
        "over": bool(value > limit),
    }


def _cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return every column as the number of its cell, the last one being what is missing or unknown."""
    found = {}
    for name, keys in KEYS.items():
        place = pd.Index(keys.split()).get_indexer(pd.Index(frame[name].astype(object)))
        found[name] = np.where(place < 0, len(keys.split()), place)
    for name, cuts in EDGES.items():
        place = np.searchsorted(np.array(cuts), frame[name].to_numpy(float), side="right")
        found[name] = np.where(frame[name].isna(), len(cuts) + 1, place)
    return pd.DataFrame(found)


def _area(train: pd.DataFrame, test: pd.DataFrame) -> float:
    model = HistGradientBoostingClassifier(random_state=0).fit(train[NAMES], train.income == 1)
    return float(roc_auc_score(test.income == 1, model.predict_proba(test[NAMES])[:, 1]))
