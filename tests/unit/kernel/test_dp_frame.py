import datetime as dt
import json

import msgspec
import pandas as pd
import pyarrow as pa
import pytest

import jupyter_secure
from jupyter_secure.kernel.dp import DpFrame
from jupyter_secure.kernel.dp_budget import BudgetWarning
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.messages import Answer, DpColumn, Gauge, Handle
from jupyter_secure.protocol.query import NEEDED
from jupyter_secure.protocol.queryread import read_question

GAUGE = Gauge(dataset="patients", scope="person", cap="3", spent="1", remaining="2", delta="0.000001")
HANDLE = Handle(
    dataset="patients",
    version=1,
    columns=(
        DpColumn(name="age", kind="number", lower=0, upper=120),
        DpColumn(name="sex", kind="category", keys=("F", "M")),
        DpColumn(name="<b>cost", kind="number", lower=0, upper=1),
        DpColumn(name="drug", kind="open"),
        DpColumn(name="day", kind="date", lower=18262, upper=19722),
    ),
    gauges=(GAUGE,),
    default_epsilon="0.1",
    purpose="study",
    seq=7,
)


class Recorder:
    """Stands at the place of the channel: keeps what would be sent and answers a fixed table."""

    def __init__(self):
        self.sent = []

    def request(self, message, progress=None):
        self.sent.append(message)
        answer = Answer(
            dataset="patients", version=1, cost="0.1", errors={"count": 9.0}, repeated=False, gauges=(GAUGE,)
        )
        return answer, None if message.preview else 3

    def open(self, reply, fd):
        return pa.table({"count": [5], "count_margin": [9]})


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def p(recorder):
    return DpFrame(HANDLE, recorder)


def sent(recorder):
    message = recorder.sent[-1]
    read_question(message.question)  # whatever the frame builds is inside the algebra
    return json.loads(message.question)


def test_a_filtered_grouped_mean_is_one_question(p, recorder):
    found = p[(p.age > 40) & p.sex.isin(["F"])].groupby("sex")["<b>cost"].mean(lower=0, epsilon=0.25)
    assert sent(recorder) == {
        "v": 1,
        "dataset": "patients",
        "where": {
            "op": "and",
            "args": [{"op": "gt", "col": "age", "value": 40}, {"op": "in", "col": "sex", "values": ["F"]}],
        },
        "group_by": [{"col": "sex"}],
        "aggs": [{"op": "mean", "col": "<b>cost", "lower": 0}],
    }
    assert recorder.sent[-1].epsilon == "0.25"
    assert recorder.sent[-1].purpose == "study"
    assert isinstance(found, pd.DataFrame)
    assert found.attrs["epsilon"] == "0.1"


def test_conditions_add_up(p, recorder):
    older = p[p.age >= 18]
    older[~(older.sex == "F") | older.age.isna()].count()
    where = sent(recorder)["where"]
    assert where["op"] == "and"
    assert where["args"][1]["op"] == "or"


@pytest.mark.parametrize(
    ("condition", "node"),
    [
        (lambda p: p.age.between(1, 2), {"op": "between", "col": "age", "lower": 1, "upper": 2}),
        (lambda p: p["sex"] != "F", {"op": "ne", "col": "sex", "value": "F"}),
        (lambda p: p.age.notna(), {"op": "not", "arg": {"op": "is_null", "col": "age"}}),
        (lambda p: p.age <= pd.Series([3]).max(), {"op": "le", "col": "age", "value": 3}),
        (lambda p: p.sex == True, {"op": "eq", "col": "sex", "value": "true"}),  # noqa: E712
    ],
)
def test_conditions_are_kept_as_json(p, recorder, condition, node):
    p[condition(p)].count()
    assert sent(recorder)["where"] == node


@pytest.mark.parametrize(
    ("ask", "aggs", "keys"),
    [
        (lambda p: p.hist("age", width=5), [{"op": "histogram", "col": "age", "width": 5}], None),
        (lambda p: p.age.hist(), [{"op": "histogram", "col": "age", "width": 12}], None),
        (lambda p: p.day.hist(), [{"op": "histogram", "col": "day", "width": 146}], None),
        (lambda p: p.sex.hist(), [{"op": "histogram", "col": "sex"}], None),
        (lambda p: p.mean(), [{"op": "mean", "col": "age"}, {"op": "mean", "col": "<b>cost"}], None),
        (lambda p: p.age.count(), [{"op": "count", "col": "age"}], None),
        (
            lambda p: p.groupby(["sex", ("age", 10)]).size(),
            [{"op": "count"}],
            [{"col": "sex"}, {"col": "age", "width": 10}],
        ),
        (
            lambda p: p.groupby("age", width=10).agg({"age": ["sum", "mean"]}),
            [{"op": "sum", "col": "age"}, {"op": "mean", "col": "age"}],
            [{"col": "age", "width": 10}],
        ),
    ],
)
def test_questions_say_what_was_written(p, recorder, ask, aggs, keys):
    ask(p)
    assert sent(recorder)["aggs"] == aggs
    assert sent(recorder).get("group_by") == keys


def test_a_preview_says_price_and_margin_and_asks_for_nothing_more(p, recorder):
    for found in (p.preview()[p.age > 3].count(), p.count(dry_run=True)):
        assert recorder.sent[-1].preview
        assert found.to_dict("records") == [{"asked": "count", "margin": 9.0, "epsilon": "0.1"}]
    p.count()
    assert not recorder.sent[-1].preview


@pytest.mark.parametrize(
    ("by", "part"),
    [
        (lambda p: p.day.dt.year, "year"),
        (lambda p: [p.day.dt.month], "month_of_year"),
        (lambda p: p.day.dt.quarter, "quarter_of_year"),
        (lambda p: p.day.dt.date, "day"),
        (lambda p: p.day.dt.to_period("M"), "month"),
        (lambda p: ("day", "weekday"), "weekday"),
    ],
)
def test_dates_are_grouped_by_their_parts(p, recorder, by, part):
    p.groupby(by(p)).count()
    assert sent(recorder)["group_by"] == [{"col": "day", "part": part}]


def test_dates_compare_with_days(p, recorder):
    new_year = dt.date(2021, 1, 1)
    for value in (new_year, "2021-01-01", pd.Timestamp(new_year), 18628):
        p[p.day >= value].count()
        assert sent(recorder)["where"] == {"op": "ge", "col": "day", "value": 18628}
    p[p.day.between("2021-01-01", new_year) & p.day.isin([new_year])].count()
    assert [node.get("values") for node in sent(recorder)["where"]["args"]] == [None, [18628]]


@pytest.mark.parametrize(
    ("forbidden", "instead"),
    [
        (len, "p.count()"),
        (bool, "p.count()"),
        (lambda p: p.head(), "hist"),
        (lambda p: p.age.max(), "quantile"),
        (lambda p: p.median(), "p.cost.median()"),
        (lambda p: p.age.nunique(), "p.persons()"),
        (lambda p: p.to_csv("x"), "rows never leave"),
        (lambda p: list(p.age), "hist"),
        (lambda p: list(p.groupby("sex")), "agg"),
        (lambda p: p.age > p.age, "Two columns"),
        (lambda p: p[p.age > 1 and p.age < 2], "`&`"),
        (lambda p: p["zip"], "There are: age"),
        (lambda p: p[3], "p.age > 40"),
        (lambda p: setattr(p, "x", 1), "assign"),
        (lambda p: p.__setitem__("x", 1), "assign"),
        (lambda p: p.count(epsilon=float("nan")), "epsilon"),
        (lambda p: p.count(epsilon=-1), "epsilon"),
        (lambda p: p.groupby("sex").median(), "median"),
        (lambda p: p.age.dt, "no date"),
        (lambda p: p.day.dt.hour, "whole days"),
        (lambda p: p.day.dt.dayofweek, "'weekday'"),
        (lambda p: p.day.dt.to_period("h"), "Y, Q, M, W, D"),
        (lambda p: p.day > "31.1.2024", "2024-01-31"),
        (lambda p: p.day > pd.Timestamp("2024-01-31 12:00"), "2024-01-31"),
        (lambda p: p.groupby("sex").agg({"age": "max"}), "quantile"),
        (lambda p: p.groupby("sex").agg(n="count"), '("cost", "mean")'),
        (lambda p: p.agg({}), "at least one"),
        (lambda p: p.hist(), "Name a column"),
        (lambda p: p.age + 1, "conditions"),
        (lambda p: 2 * p, "conditions"),
        (lambda p: -p.age, "conditions"),
        (lambda p: p.corr(), "of two columns"),
        (lambda p: p.zip.mean(), "Columns: age, sex"),
        (lambda p: p.within("2%"), "of=20_000"),
        (lambda p: p.within("two", of=3), "above 0"),
        (lambda p: p.within("nan%", of=3), "above 0"),
        (lambda p: p.within(None), "above 0"),
        (lambda p: p.within(3, rows=0), "from 1 to"),
        (lambda p: p.preview(rows="many"), "from 1 to"),
    ],
)
def test_what_is_impossible_says_what_works(p, recorder, forbidden, instead):
    with pytest.raises(InvalidRequestError) as refused:
        forbidden(p)
    assert instead in refused.value.public
    assert not recorder.sent


@pytest.mark.parametrize(
    ("asks", "aggs"),
    [
        (lambda p: p.age.var(), [{"op": "variance", "col": "age"}]),
        (lambda p: p.age.std(lower=1), [{"op": "std", "col": "age", "lower": 1}]),
        (lambda p: p.age.median(), [{"op": "quantile", "col": "age", "q": 0.5}]),
        (lambda p: p.age.quantile([0.1, 0.9]), [{"op": "quantile", "col": "age", "q": q} for q in (0.1, 0.9)]),
        (lambda p: p.persons(), [{"op": "persons"}]),
        (lambda p: p.age.corr(p["<b>cost"]), [{"op": "correlation", "col": "age", "other": "<b>cost"}]),
        (lambda p: p.age.cov("<b>cost"), [{"op": "covariance", "col": "age", "other": "<b>cost"}]),
        (lambda p: p.groupby("sex").agg({"age": ["std", "median"]}),
         [{"op": "std", "col": "age"}, {"op": "quantile", "q": 0.5, "col": "age"}]),
        (lambda p: p.groupby("sex").agg(m=("age", "mean")), [{"op": "mean", "col": "age", "as": "m"}]),
        (lambda p: p.groupby("sex").age.agg(["count", "mean"]), [{"op": o, "col": "age"} for o in ("count", "mean")]),
        (lambda p: p.agg({"age": "sum"}), [{"op": "sum", "col": "age"}]),
        (lambda p: p.sex.value_counts(), [{"op": "histogram", "col": "sex"}]),
        (lambda p: p.sex.nlargest(3), [{"op": "histogram", "col": "sex"}]),
        (lambda p: p.drug.value_counts(3), [{"op": "persons"}]),
        (lambda p: p.groupby("drug").persons(), [{"op": "persons"}]),
    ],
)  # fmt: skip
def test_more_of_pandas_is_asked_in_the_algebra(p, recorder, asks, aggs):
    asks(p)
    assert sent(recorder)["aggs"] == aggs


def test_the_most_frequent_keys_are_cut_from_what_was_released(recorder, monkeypatch):
    told = pa.table({"sex": ["F", "M", None], "count": [2, 9, 5], "count_margin": [1, 1, 1]})
    monkeypatch.setattr(recorder, "open", lambda reply, fd: told)
    p = DpFrame(HANDLE, recorder)
    assert p.sex.value_counts()["count"].tolist() == [9, 5, 2]
    assert p.sex.value_counts(2)["count"].tolist() == p.sex.nlargest(2)["count"].tolist() == [9, 5]
    assert p.sex.value_counts(2).attrs["epsilon"] == "0.1"
    assert p.sex.value_counts(2, dry_run=True).asked.tolist() == ["count"]
    p.drug.value_counts()
    assert sent(recorder)["group_by"] == [{"col": "drug"}]


def test_a_size_of_groups_is_said_with_every_preview_and_never_with_a_question(p, recorder):
    sized = p.preview(rows=20_000)[p.age > 3].groupby("sex")
    sized.age.mean()
    assert (recorder.sent[-1].preview, recorder.sent[-1].rows) == (True, 20_000)
    p.within(30, rows=7).age.mean()
    assert [sent.rows for sent in recorder.sent[1:]] == [7] * (len(recorder.sent) - 2) + [None]


def test_a_price_by_margin_does_not_take_a_threshold_for_one(recorder, monkeypatch):
    def priced(message, progress=None):
        recorder.sent.append(message)
        margin = 9.0 / float(message.epsilon or 0.1)
        errors = {"persons": margin, f"persons {NEEDED}": 4 * margin + 10}
        return Answer(
            dataset="patients", version=1, cost="0.1", errors=errors, repeated=False, gauges=(GAUGE,)
        ), None if message.preview else 3

    monkeypatch.setattr(recorder, "request", priced)
    DpFrame(HANDLE, recorder).within(30).groupby("drug").persons()
    assert float(recorder.sent[-1].epsilon) == pytest.approx(0.3, rel=0.1)


def test_a_margin_in_per_cent_is_of_a_size_that_the_person_says(recorder, monkeypatch):
    def priced(message, progress=None):
        recorder.sent.append(message)
        errors = {"count": 9.0 / float(message.epsilon or 0.1)}
        return Answer(
            dataset="patients", version=1, cost="0.1", errors=errors, repeated=False, gauges=(GAUGE,)
        ), None if message.preview else 3

    monkeypatch.setattr(recorder, "request", priced)
    DpFrame(HANDLE, recorder).within("2 %", of=1500).count()
    assert float(recorder.sent[-1].epsilon) == pytest.approx(0.3, rel=0.05)


def test_a_description_is_one_question(p, recorder):
    p.age.describe(epsilon=0.5)
    assert len(recorder.sent) == 1
    assert [each["op"] for each in sent(recorder)["aggs"]] == ["count", "mean", "std", *["quantile"] * 3]


class Spender(Recorder):
    """Tells what was spent."""

    spent, scope, delta = "0.1", "person", "0.000001"

    def request(self, message, progress=None):
        reply, fd = super().request(message)
        gauge = msgspec.structs.replace(GAUGE, spent=self.spent, scope=self.scope, delta=self.delta)
        cost = "0" if reply.repeated else message.epsilon or "0.1"
        return msgspec.structs.replace(reply, gauges=(gauge,), cost=cost), fd


@pytest.fixture
def spender():
    return Spender()


def test_little_left_is_said_once_at_each_threshold(spender):
    p = DpFrame(HANDLE, spender)
    p.count()
    for spent, said in (("2.3", "23%"), ("2.4", None), ("2.75", "8%"), ("3", None)):
        spender.spent = spent
        if said is None:
            p.count()
            continue
        with pytest.warns(BudgetWarning, match=f"{said} of your budget for `patients` is left"):
            p.count()


def test_the_word_comes_before_the_question_that_enters_the_last_quarter(spender):
    p = DpFrame(HANDLE, spender)
    spender.spent = "2.1"  # of 3
    p.count(epsilon="0.1")
    with pytest.warns(BudgetWarning, match=r"After one more question like this, 1\d% of your budget .* 2.1 of 3"):
        p.count(epsilon="1.2")
    spender.spent = "2.3"
    p.count(epsilon="0.1")  # said already
    with pytest.warns(BudgetWarning, match=r"After this question, \d% of your budget"):
        p.count(epsilon="1.5", dry_run=True)


def test_what_cannot_be_paid_leaves_nothing_and_not_less(spender):
    with pytest.warns(BudgetWarning, match="After this question, 0% of"):
        DpFrame(HANDLE, spender).count(epsilon="9", dry_run=True)


def test_budgets_are_told_apart(spender):
    p = DpFrame(HANDLE, spender)
    spender.spent = "2.3"
    with pytest.warns(BudgetWarning, match="your budget"):
        p.count()
    spender.scope = "notebook"
    with pytest.warns(BudgetWarning, match=r"the budget \(this notebook, as you said\)"):
        p.count()


def test_without_a_delta_epsilons_add_up(spender):
    p = DpFrame(HANDLE, spender)
    spender.spent, spender.delta = "1.5", "0"
    p.count(epsilon="0.7")
    with pytest.warns(BudgetWarning, match="After one more question like this, 20% of"):
        p.count(epsilon="0.9")


def test_a_plot_has_an_error_bar_for_each_value():
    matplotlib = pytest.importorskip("matplotlib", reason="in the extra `demo`")
    matplotlib.use("agg")
    answer = pd.DataFrame({"sex": ["F", "M", None], "count": [5, 7, 0], "count_margin": [2, 2, 2]})
    for kind in ("bar", "line", "barh"):
        axes = jupyter_secure.plot(answer, kind)
        # The horizontal and vertical caps, and the bar between them.
        assert len([line for line in axes.collections if len(line.get_segments()) == 3]) == 1
        matplotlib.pyplot.close(axes.figure)
    labels = [text.get_text() for text in jupyter_secure.plot(answer).get_xticklabels()]
    matplotlib.pyplot.close("all")
    assert labels == ["F", "M", "unknown"]
    with pytest.raises(InvalidRequestError, match="margin"):
        jupyter_secure.plot(pd.DataFrame({"a": [1]}))
    with pytest.raises(InvalidRequestError, match="bar, barh, line"):
        jupyter_secure.plot(answer, "pie")


def test_looking_at_a_handle_asks_nothing_and_renders_no_html_of_names(p, recorder):
    shown = p._repr_html_()
    assert "0 to 120" in shown
    assert "F, M" in shown
    assert "2020-01-01 to 2023-12-31" in shown
    assert "told where enough people share one" in shown
    assert "epsilon 3" in shown
    assert "<b>cost" not in shown
    assert "patients" in repr(p)
    assert {"age", "count", "preview"} <= set(dir(p))
    assert not hasattr(p, "head")
    assert list(p) == ["age", "sex", "<b>cost", "drug", "day"]
    assert not recorder.sent


def test_a_question_of_one_s_own_is_passed_on_as_it_is(p, recorder):
    p.ask('{"v":1}', epsilon="0.5", dry_run=True)
    assert (recorder.sent[-1].question, recorder.sent[-1].epsilon) == ('{"v":1}', "0.5")


def test_a_small_epsilon_is_no_exponent(p, recorder):
    p.count(epsilon=1e-5)
    assert recorder.sent[-1].epsilon == "0.00001"
