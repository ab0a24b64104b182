"""The magics in a real IPython shell, with the relay's end of the channel played by real messages."""

import base64
import sys

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import jupyter_secure
from jupyter_secure.kernel import api, extension, progress
from jupyter_secure.kernel import client as kernel_client
from jupyter_secure.protocol.access import AccessRequest
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.decision import ColumnReason, NearMiss
from jupyter_secure.protocol.errors import InvalidRequestError, RefusedError
from jupyter_secure.protocol.messages import (
    AccessReply,
    Answer,
    AskAccess,
    Budget,
    BudgetReply,
    Catalog,
    CatalogReply,
    ColumnOffer,
    Delivery,
    DpColumn,
    Gauge,
    Handle,
    Hello,
    Load,
    Offer,
    Query,
    Spent,
    Status,
    StatusReply,
    Why,
    WhyReply,
)
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.treatment import Keep, Pseudonym
from jupyter_secure.protocol.view import ColumnView, Rung
from jupyter_secure.testing.sealed_data import seal_table

EVIL = "<script>alert(1)</script>"
TABLE = pa.table({"name": ["p1", "p2"], "cost": [1, 2]})
LEFT_OUT = ColumnReason(
    column="zip", tag=Tag.QUASI, treatment=None, rule=None, sentence="Left out: no rule.", advice="Ask."
)


@pytest.fixture(scope="module")
def module_shell(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        shell = InteractiveShell()
        yield shell
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()


@pytest.fixture
def shell(module_shell, monkeypatch):
    monkeypatch.setattr("jupyter_secure.kernel.completion.PATIENCE", 60.0)
    monkeypatch.setattr(extension, "WARM_AFTER", 1e6)
    monkeypatch.setattr(extension.threading, "Timer", lambda *_: Idle())
    module_shell.reset()
    extension.load_ipython_extension(module_shell)
    yield module_shell
    extension.unload_ipython_extension(module_shell)


class Idle:
    daemon = False

    def start(self):
        pass


def offer(**fields):
    standard = {
        "dataset": "patients",
        "version": 2,
        "rows": 1234,
        "rungs": (Rung.MASKED, Rung.DP),
        "columns": (
            ColumnOffer(name="name", type="string", tag=Tag.DIRECT, treatment="pseudonym", reason="r"),
            ColumnOffer(name="cost", type="int64", tag=Tag.MEASURE, treatment="keep", reason="r"),
            ColumnOffer(name="zip", type="string", tag=None, treatment=None, reason="Needs guard G3."),
        ),
        "purposes": ("billing", "study"),
    }
    return Offer(**standard | fields)


@pytest.fixture
def answers(relay):
    def deliver(_):
        hello = next(message for message in reversed(relay.seen) if isinstance(message, Hello))
        fd, seal = seal_table(TABLE, base64.b64decode(hello.public_key), b"i")
        columns = (
            ColumnView(name="name", treatment=Pseudonym(domain="name"), rule="r"),
            ColumnView(name="cost", treatment=Keep(), rule="r"),
        )
        reply = Delivery(
            dataset="patients",
            version=2,
            rung=Rung.MASKED,
            columns=columns,
            left_out=(LEFT_OUT,),
            purpose=None,
            rows=5,
            seal=seal,
            info="i",
            seq=9,
        )
        return (reply, fd)

    relay.handlers[Load] = deliver
    relay.handlers[Catalog] = lambda _: CatalogReply(offers=(offer(), offer(dataset="visits", rungs=(), rows=None)))
    return relay


def run(shell, code, capsys=None):
    result = shell.run_cell(code)
    return result.result if result.success else result.error_in_exec


@pytest.mark.parametrize(("frame", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("arrow", pa.Table)])
def test_a_load_returns_the_frame_that_was_asked_for(shell, answers, frame, kind):
    shell.run_cell(f"df = %secure_load patients --frame {frame} --quiet")
    df = shell.user_ns["df"]
    assert isinstance(df, kind)
    assert df.shape == (2, 2)


def test_every_option_reaches_the_broker(shell, answers):
    shell.run_cell('%secure_load patients --as raw --columns "name, cost,name" --purpose study --quiet')
    assert answers.seen[-1] == Load(dataset="patients", rung=Rung.RAW, columns=("name", "cost"), purpose="study")


def test_a_load_says_what_is_masked_and_what_is_missing(shell, answers, capsys):
    shell.run_cell("df = %secure_load patients --as raw")
    said = capsys.readouterr().out
    assert "patients version 2, masked view (raw was asked for): 2 rows, 2 columns." in said
    assert "Masked: name pseudonym." in said
    assert "Left out: zip." in said


def test_the_functions_do_the_same(answers):
    assert jupyter_secure.load("patients", columns=["name"]).shape == (2, 2)
    assert answers.seen[-1].columns == ("name",)


def test_a_private_dataset_is_a_handle(shell, relay):
    handle = Handle(
        dataset="patients", version=1, columns=(DpColumn(name="cost", kind="number", lower=0, upper=9),), gauges=(),
        default_epsilon="0.1", purpose=None, seq=1,
    )  # fmt: skip
    relay.handlers[Load] = lambda _: handle
    shell.run_cell("df = %secure_load patients --as dp")
    assert type(shell.user_ns["df"]).__name__ == "DpFrame"
    assert shell.user_ns["df"].columns == ("cost",)


TABLES = pa.table(
    {
        "part": ["total", *["one"] * 7, "parent", *["pair"] * 12],
        "feature": pa.array([-1, *[0] * 4, *[1] * 3, 1, *[1] * 12], pa.int32()),
        "cell": pa.array([0, 0, 1, 2, 3, 0, 1, 2, 0, *np.repeat([0, 1, 2], 4)], pa.int32()),
        "output": pa.array([0] * 9 + [0, 1, 2, 3] * 3, pa.int32()),
        "value": pa.array([90, 30, 30, 30, 0, 45, 45, 0, 0, 30, 15, 0, 0, 0, 15, 30, 0, 0, 0, 0, 0], pa.float64()),
    }
)


def test_synthetic_rows_come_from_a_private_dataset_and_say_so(shell, relay, capsys):
    columns = (
        DpColumn(name="cost", kind="number", lower=0, upper=2, resolution=1.0, type="int64"),
        DpColumn(name="sex", kind="category", keys=("F", "M"), type="string"),
    )
    treatments = {"pid": "pseudonym", "sex": "keep", "cost": "keep", "zip": None, "note": "redact"}
    offered = tuple(
        ColumnOffer(name=name, type="string", tag=None, treatment=treatment, reason="")
        for name, treatment in treatments.items()
    )
    relay.handlers[Load] = lambda _: Handle(
        dataset="patients", version=1, columns=columns, gauges=(), default_epsilon="0.1", purpose=None, seq=1
    )
    relay.handlers[Catalog] = lambda _: CatalogReply(offers=(offer(columns=offered),))
    asked = []

    def answer(message):
        asked.append(message)
        info = "answer"
        hello = next(message for message in relay.seen if isinstance(message, Hello))
        fd, seal = seal_table(TABLES, base64.b64decode(hello.public_key), info.encode())
        errors = {"count of a cell": 3.0, "count of a pair": 2.0}
        return Answer(
            dataset="patients", version=1, cost="0.5", errors=errors, repeated=False, gauges=(), rows=21,
            seal=seal, info=info,
        ), fd  # fmt: skip

    relay.handlers[Query] = answer
    shell.run_cell("df = %secure_load patients --as synthetic --rows 30 --epsilon 0.5 --purpose study")
    said = capsys.readouterr().out
    frame = shell.user_ns["df"]
    assert list(frame.columns) == ["pid", "sex", "cost", "note"]
    assert frame.cost.value_counts().to_dict() == {0: 10, 1: 10, 2: 10}
    assert frame[frame.cost == 0].sex.unique().tolist() == ["F"]
    assert asked[0].epsilon == "0.5"
    assert "patients version 1, synthetic: 30 made-up rows, epsilon 0.5." in said
    assert "They stand for about 90; counts by one column are right within 3, by a pair of the tree within 2" in said
    assert "That is much for so few" not in said
    assert "Random tokens: pid." in said
    assert "Empty: note." in said


def test_options_of_synthetic_rows_go_with_no_other_form(shell, answers, capsys):
    run(shell, "%secure_load patients --as raw --rows 5")
    assert "go with `--as synthetic`" in "".join(capsys.readouterr())


def test_a_refusal_is_one_sentence_without_a_traceback(shell, relay, capsys):
    relay.handlers[Load] = lambda _: RefusedError("Nothing called `patients` is available to you.")
    for code in ("df = %secure_load patients", "import jupyter_secure\njupyter_secure.load('patients')"):
        error = run(shell, code)
        said = "".join(capsys.readouterr())
        assert isinstance(error, RefusedError)
        assert "Not permitted:" in said
        assert "Nothing called `patients` is available to you." in said
        assert "Traceback" not in said
        assert "kernel/api.py" not in said
        assert said.strip().count("\n") == 0


def test_without_a_channel_the_magic_says_what_is_missing(shell, monkeypatch, capsys):
    monkeypatch.setattr(kernel_client, "CONNECTION", kernel_client._Connection())
    monkeypatch.setattr("jupyter_secure.kernel.api.CONNECTION", kernel_client.CONNECTION)
    run(shell, "%secure_catalog")
    said = "".join(capsys.readouterr())
    assert "There is no secure channel here" in said
    assert "jupyter secure doctor" in said
    assert "Traceback" not in said


def test_a_wrong_option_is_a_usage_error(shell, answers, capsys):
    run(shell, "%secure_load patients --as everything")
    assert "invalid choice" in "".join(capsys.readouterr())
    run(shell, "%secure_load")
    assert "required: dataset" in "".join(capsys.readouterr())


def test_the_options_are_documented(shell):
    text = shell.magics_manager.magics["line"]["secure_load"].__doc__
    assert "--columns" in text
    assert "--purpose" in text


def test_the_catalog_shows_what_may_be_used(shell, answers):
    table = run(shell, "%secure_catalog")
    assert table.reply.offers[0].dataset == "patients"
    text = repr(table)
    assert "1,234" in text
    assert "masked, dp" in text
    assert "billing, study" in text
    assert "nothing now" in text
    assert "visits: r" in text


def test_status_says_who_where_and_how_confined(shell, relay, grant):
    principal = Principal(name="ann", display_name="Ann B", roles=("engineer",), mfa_at=None)
    relay.handlers[Status] = lambda _: StatusReply(
        principal=principal, grant=grant, vault="unlocked", log_size=7, log_root="ab" * 32
    )
    text = repr(run(shell, "%secure_status"))
    for part in (
        "Ann B (ann)",
        "engineer",
        "never verified",
        "a/b.ipynb",
        "G2 (seccomp)",
        "7 entries",
        "no bubblewrap",
    ):
        assert part in text


def test_why_names_the_column_the_rule_and_what_to_do(shell, relay):
    miss = NearMiss(rule="more", rung=Rung.RAW, condition="guard", advice="This needs guard G3; this kernel is G2.")
    relay.handlers[Why] = lambda _: WhyReply(
        dataset="patients", rung=Rung.MASKED, reasons=(LEFT_OUT,), near_misses=(miss,), policy="0" * 64
    )
    text = repr(run(shell, "%secure_why patients.zip --purpose study"))
    assert relay.seen[-1] == Why(dataset="patients", column="zip", purpose="study")
    assert "Left out: no rule. Ask." in text
    assert "Rule more would give raw. This needs guard G3" in text


def test_a_column_that_was_mistyped_is_told_and_nothing_else_of_a_refusal(shell, answers):
    refused = RefusedError("Nothing called `patients` is available to you.")
    answers.handlers[Load] = lambda _: refused
    for line, says in (
        ("patients --columns cost,coat", "has no column coat. There are: name, cost, zip."),
        ("patients --columns cost,zip", "Nothing called"),
        ("payroll --columns coat", "Nothing called"),
        ("patients", "Nothing called"),
    ):
        assert says in run(shell, f"%secure_load {line}").public
    answers.handlers[Catalog] = lambda _: CatalogReply(offers=())
    assert "Nothing called" in run(shell, "%secure_load patients --columns coat").public


def test_a_budget_does_not_tell_what_colleagues_spent(shell, relay):
    gauge = Gauge(dataset="patients", scope="dataset", cap="10", spent=None, remaining=None, delta="1e-6")
    relay.handlers[Budget] = lambda _: BudgetReply(gauges=(gauge,))
    text = repr(run(shell, "%secure_budget patients"))
    assert relay.seen[-1] == Budget(dataset="patients")
    assert "not told" in text
    relay.handlers[Budget] = lambda _: BudgetReply(gauges=())
    assert "no dataset here" in repr(run(shell, "%secure_budget"))


def test_an_officer_is_told_who_spent_a_budget_that_he_has_no_part_in(shell, relay):
    spent = Spent(dataset="patients", columns=("cost",), cost="0.5", user="ann", notebook="a.ipynb", seq=3, time=1)
    erased = msgspec.structs.replace(spent, user=None, notebook=None)
    relay.handlers[Budget] = lambda _: BudgetReply(gauges=(), history=(spent, erased))
    text = repr(run(shell, "%secure_budget"))
    assert "epsilon 0.5 on patients about cost in a.ipynb by ann." in text
    assert "on patients about cost by somebody (erased)." in text
    gauge = Gauge(dataset="patients", scope="person", cap="10", spent="1", remaining="9", delta="1e-6", renewed=1)
    relay.handlers[Budget] = lambda _: BudgetReply(gauges=(gauge,), history=(spent,))
    text = repr(run(shell, "%secure_budget"))
    assert "yours, renewed once" in text
    assert "by ann" not in text


def test_names_are_escaped_in_html_and_control_characters_do_not_reach_a_terminal(shell, relay, grant):
    column = ColumnOffer(name=EVIL, type="string", tag=None, treatment=None, reason=EVIL)
    relay.handlers[Catalog] = lambda _: CatalogReply(offers=(offer(columns=(column,), rungs=(), purposes=()),))
    reason = ColumnReason(column=EVIL, tag=None, treatment=None, rule=None, sentence=EVIL, advice="\x1b[2J")
    relay.handlers[Why] = lambda _: WhyReply(
        dataset="patients", rung=Rung.DENY, reasons=(reason,), near_misses=(), policy="0" * 64
    )
    principal = Principal(name="ann", display_name=EVIL, roles=())
    relay.handlers[Status] = lambda _: StatusReply(
        principal=principal, grant=grant, vault="locked", log_size=0, log_root=""
    )
    for line in ("%secure_catalog", "%secure_why patients", "%secure_status"):
        page = run(shell, line)._repr_html_()
        assert "<script>" not in page
        assert "&lt;script&gt;" in page
    assert "\x1b" not in repr(run(shell, "%secure_why patients"))


def completions(shell, text):
    with provisionalcompleter():
        found = list(shell.Completer.completions(text, len(text)))
    return [(item.text, text[item.start : item.end]) for item in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("df = %secure_load ", ["patients", "visits"]),
        ("%secure_load pa", ["patients"]),
        ("df = %secure_load patients --as ", ["masked", "dp", "synthetic"]),
        ("df = %secure_load patients --as m", ["masked"]),
        ("df = %secure_load --as ", ["raw", "masked", "dp", "synthetic"]),
        ("df = %secure_load patients --columns ", ["name", "cost"]),
        ("df = %secure_load patients --columns name,", ["cost"]),
        ("df = %secure_load patients --purpose s", ["study"]),
        ("df = %secure_load patients --frame p", ["pandas", "polars"]),
        ("df = %secure_load patients --p", ["--purpose", "--preview"]),
        ("df = %secure_load patients --as dp --f", ["--frame"]),
        ("x = 1\ny = %secure_load v", ["visits"]),
        ("%secure_why patients.c", ["patients.cost"]),
        ("%secure_budget p", ["patients"]),
        ("%secure_request pa", ["patients"]),
        ("%secure_request patients --as ", ["raw", "masked", "dp"]),
        ("%secure_request patients --reason x --d", ["--days"]),
    ],
)
def test_completion_offers_what_the_person_may_use_and_nothing_else(shell, answers, text, expected):
    assert [found for found, _ in completions(shell, text)] == expected


def test_a_completed_line_is_the_line_that_was_meant(shell, answers):
    text = "df = %secure_load patients --columns name,co"
    assert completions(shell, text) == [("cost", "co")]


def test_the_catalog_is_asked_for_once_in_a_while(shell, answers):
    for _ in range(3):
        completions(shell, "%secure_load ")
    assert [type(message) for message in answers.seen] == [Catalog]


def test_other_lines_are_left_to_ipython(shell, answers):
    shell.user_ns["patients_of_mine"] = 1
    assert ("patients_of_mine", "patients_o") in completions(shell, "patients_o")
    assert answers.seen == []


def test_a_broker_that_does_not_answer_means_no_completions(shell, relay, monkeypatch):
    monkeypatch.setattr("jupyter_secure.kernel.completion.PATIENCE", 0.05)
    monkeypatch.setattr("jupyter_secure.kernel.completion.OFFERS._offers", ())
    relay.handlers[Catalog] = lambda _: None
    assert "patients" not in {found for found, _ in completions(shell, "%secure_load ")}


def test_loading_twice_is_loading_once_and_unloading_removes_everything(shell):
    extension.load_ipython_extension(shell)
    jupyter_secure.load_ipython_extension(shell)
    assert sum(m.__name__ == "complete" for m in shell.Completer.custom_matchers) == 1
    extension.unload_ipython_extension(shell)
    assert "secure_load" not in shell.magics_manager.magics["line"]
    assert not shell.Completer.custom_matchers
    assert not hasattr(RefusedError(), "_render_traceback_")


def test_a_quick_load_shows_no_progress_and_a_slow_one_a_line_that_goes_away(capsys):
    with progress.ProgressBar("patients") as bar:
        bar.show(1, 2)
    assert capsys.readouterr().err == ""
    with progress.ProgressBar("patients", patience=0) as bar:
        bar.show(1000, 2000)
        bar.show(1001, 2000)  # too soon after the last one
    assert capsys.readouterr().err == "\rpatients: 1,000 of 2,000 rows\x1b[K\r\x1b[K"


def test_how_long_it_may_still_take_is_said_from_the_speed_of_the_rows(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with progress.ProgressBar("patients", patience=0) as bar:
        for at, rows, total in (
            (100, 1000, 10_000),
            (100.2, 1500, 10_000),
            (102, 3000, 10_000),
            (103, 4000, 0),
            (300, 4001, 10_000),
        ):
            now[0] = at
            bar.show(rows, total)
    lines = [line.removesuffix("\x1b[K") for line in capsys.readouterr().err.split("\r") if line.startswith("patients")]
    assert lines == [
        "patients: 1,000 of 10,000 rows",
        "patients: 1,500 of 10,000 rows",
        "patients: 3,000 of 10,000 rows, about 7 s left",
        "patients: 4,000 rows",  # nobody knows of how many
        "patients: 4,001 of 10,000 rows, about 7 min left",
    ]


def test_in_a_notebook_progress_is_a_widget_that_goes_away(monkeypatch):
    import ipywidgets

    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    monkeypatch.setattr("IPython.get_ipython", type("Shell", (), {"kernel": object()}))
    with progress.ProgressBar("patients", patience=0) as bar:
        bar.show(10, 40)
        box = shown[0]
        assert isinstance(box.children[0], ipywidgets.IntProgress)
        assert (box.children[0].value, box.children[0].max) == (10, 40)
        assert box.children[1].value == "10 of 40 rows"
    assert box.comm is None


def test_polars_that_is_missing_is_said_plainly(shell, answers, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "polars", None)
    run(shell, "%secure_load patients --frame polars --quiet")
    assert "polars is not installed in this kernel" in "".join(capsys.readouterr())


def test_access_is_asked_for_with_a_reason(shell, relay):
    asked = AccessRequest(
        id="0" * 32,
        user="ann",
        dataset="patients",
        rung=Rung.MASKED,
        purpose="study",
        rules={},
        reason="Who comes back?",
        days=7,
        asked=0,
    )
    relay.handlers[AskAccess] = lambda _: AccessReply(request=asked)
    line = '%secure_request patients --as masked --purpose study --reason "Who comes back?" --days 7'
    text = repr(run(shell, line))
    assert relay.seen[-1] == AskAccess(
        dataset="patients", rung=Rung.MASKED, purpose="study", reason="Who comes back?", days=7
    )
    assert "patients as masked for study, for 7 days" in text
    assert "steward or an officer decides" in text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"reason": "a\tb"}, "one line"),
        ({"reason": " "}, "one line"),
        ({"reason": "x" * 501}, "one line"),
        ({"days": 0}, "1 to 366 days"),
        ({"days": 367}, "1 to 366 days"),
        ({"as_": "synthetic"}, "raw, masked and dp"),
    ],
)
def test_a_malformed_request_is_answered_with_what_is_wrong_in_it(relay, fields, sentence):
    with pytest.raises(InvalidRequestError, match=sentence):
        api.request("patients", **{"reason": "x", **fields})
    assert relay.seen == []
