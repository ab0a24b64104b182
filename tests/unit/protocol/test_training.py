"""Trainings as text: one way in, defaults filled in, clear sentences."""

import json

import pytest

from jupyter_secure.protocol.canonical import digest
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.query import Question
from jupyter_secure.protocol.training import Training
from jupyter_secure.protocol.trainingread import read_asked, read_training

PLAIN = {"v": 1, "dataset": "d", "train": {"op": "gradient", "target": "t"}, "features": [{"col": "x"}]}


def read(**fields):
    return read_training(json.dumps(PLAIN | fields))


def test_what_is_asked_is_a_question_or_a_training():
    assert isinstance(read_asked(json.dumps(PLAIN)), Training)
    assert isinstance(read_asked('{"v": 1, "dataset": "d", "aggs": [{"op": "count"}]}'), Question)
    named = '{"v": 1, "dataset": "d", "aggs": [{"op": "count", "col": "train"}]}'
    with pytest.raises(InvalidRequestError):
        read_asked(named.replace('"count"', '"train"'))


def test_defaults_written_out_are_the_same_training():
    full = {"op": "gradient", "target": "t", "loss": "log", "steps": 100, "rate": 2, "momentum": 0.9, "decay": 0}
    assert digest(read(train=full)) == digest(read())
    assert digest(read(train=full | {"steps": 99})) != digest(read())


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"v": 2}, r"\$\.v"),
        ({"train": {"op": "forest"}}, r"\$\.train"),
        ({"train": {"op": "gradient"}}, "target"),
        ({"train": PLAIN["train"] | {"steps": 0}}, r"\$\.train\.steps"),
        ({"train": PLAIN["train"] | {"steps": 10**6}}, r"\$\.train\.steps"),
        ({"train": PLAIN["train"] | {"rate": -1}}, r"\$\.train\.rate"),
        ({"train": PLAIN["train"] | {"momentum": 1}}, r"\$\.train\.momentum"),
        ({"train": PLAIN["train"] | {"loss": "mine"}}, r"\$\.train\.loss"),
        ({"train": PLAIN["train"] | {"code": "x"}}, "code"),
        ({"features": []}, r"\$\.features"),
        ({"features": [{"col": "x"}] * 2}, "once"),
        ({"features": [{"col": "t"}]}, "from itself"),
        ({"features": [{"col": "x", "edges": [2, 1]}]}, "must rise"),
        ({"features": [{"col": "x", "edges": []}]}, r"edges"),
        ({"features": [{"col": "x", "edges": [1e300]}]}, r"edges"),
        ({"where": {"op": "not", "arg": {"op": "nor"}}}, r"\$\.where"),
    ],
)
def test_what_is_none_of_the_family_is_refused_with_its_place(fields, says):
    with pytest.raises(InvalidRequestError, match=says):
        read(**fields)


@pytest.mark.parametrize("text", ["", "{", '{"train":', '{"train": ' + "[" * 5000, '{"train": "' + "x" * 40_000 + '"}'])
def test_what_is_no_json_of_moderate_size_is_refused(text):
    with pytest.raises(InvalidRequestError):
        read_training(text)
