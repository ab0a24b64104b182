"""`jupyter secure masks`: every method, in the order in which they combine."""

import json

from jupyter_secure.cli import main as command
from jupyter_secure.protocol.treatment import METHODS


def test_the_methods_are_listed_with_their_parameters(capsys, monkeypatch):
    monkeypatch.setattr(command, "SUBCOMMANDS", ("masks",))
    assert command.main(["masks", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [it["method"] for it in told["methods"]] == list(METHODS)
    [bucket] = [it for it in told["methods"] if it["method"] == "bucket"]
    assert (bucket["parameters"], bucket["required"]) == (["count", "domain"], ["count"])
    assert command.main(["masks"]) == 0
    [general] = [it for it in told["methods"] if it["method"] == "generalize"]
    assert general["choices"] == {"unit": ["day", "week", "month", "quarter", "year", "decade"]}
    shown = capsys.readouterr().out
    assert "shift-dates        days, subject" in shown
    assert "partial: `form` is one of email, phone, iban, card, tail" in shown
