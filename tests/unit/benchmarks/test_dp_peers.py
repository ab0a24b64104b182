"""What the comparison with other libraries counts as an error, and what becomes of it; no other library is needed."""

import json
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from benchmarks import dp_peers
from benchmarks.peers import ours
from benchmarks.peers.asked import repeated
from benchmarks.peers.data import BINS, NAMES, QUANTILES, People, error, rank_errors, truth
from benchmarks.peers.notebook import POLICY
from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.protocol.dataset import Measure

FOLDER = Path(dp_peers.__file__).parent / "peers"
ROWS = 100_000


@pytest.fixture(scope="module")
def people():
    return People.make(ROWS)


def test_the_same_people_are_made_and_read_each_time(people, tmp_path):
    people.write(tmp_path / "people.npz")
    again = People.read(tmp_path / "people.npz")
    for column in ("income", "town", "bin"):
        np.testing.assert_array_equal(getattr(again, column), getattr(People.make(ROWS), column))


def test_a_true_answer_has_no_error_and_others_have_their_mean_distance(people):
    exact = truth(people)
    assert all(error(name, np.array([exact[name]]), people) == 0 for name in exact if name != "quantiles")
    assert error("count", np.array([[ROWS - 5.0], [ROWS + 1.0], [ROWS]]), people) == 2


def test_an_error_of_ranks_is_the_way_to_the_nearest_equal_row():
    ordered = np.array([1.0, 2, 2, 2, 2, 2, 2, 2, 9, 10])  # the wanted ranks are 2, 4, 6 and 8
    np.testing.assert_array_equal(rank_errors(np.array([[2, 2, 2, 2], [0, 9.5, 2, 99]]), ordered)[0], [0, 0, 0, 0])
    np.testing.assert_array_equal(rank_errors(np.array([0, 9.5, 2, 99]), ordered), [2, 5, 0, 2])


@pytest.mark.parametrize("measure", get_args(Measure))
@pytest.mark.parametrize("name", dp_peers.QUESTIONS)
def test_ours_answers_every_question_about_the_numbers_that_are_compared(people, name, measure):
    found = repeated(ours.ready(people, measure)[name], 1)
    answer = np.array(found["answers"])
    assert answer.shape == (1, {"histogram": BINS, "grouped": len(NAMES), "quantiles": len(QUANTILES)}.get(name, 1))
    assert error(name, answer, people) < {"mean": 40, "grouped": 4000, "quantiles": 500}.get(name, 30)


def test_another_turn_is_another_question():
    asked = [json.dumps(ours.question(name, turn)) for name in dp_peers.QUESTIONS for turn in range(3)]
    assert len(set(asked)) == len(asked)


def test_the_lowest_error_is_of_enough_draws_and_keeps_the_number_of_rows_private(people):
    def answers(off, number):
        return {"seconds": [0.05] * number, "answers": [[ROWS + off]] * number}

    peers = {
        "lucky": answers(0, dp_peers.ENOUGH - 1),
        "sound": answers(2, dp_peers.ENOUGH),
        "diffprivlib": answers(0, dp_peers.ENOUGH),
    }
    mine = {"pure": answers(3, 5), "zcdp": answers(7, 5)}
    against, quickest, wrong = dp_peers.figures("count", [(0.002, 0.04)], mine, peers, people)
    assert (against["ratio"], against["over"]) == (20, True)
    assert (quickest["ratio"], quickest["over"]) == (0.8, False)
    assert (wrong["value"], wrong["baseline"], wrong["ratio"], wrong["over"]) == (3, 2, 1.5, True)
    assert wrong["peers"] == {"lucky": 0, "sound": 2, "diffprivlib": 0, "pure": 3, "zcdp": 7}


def test_an_answer_within_ten_milliseconds_may_be_any_number_of_times_slower_than_pandas(people):
    mine = {measure: {"seconds": [0.009], "answers": [[ROWS]]} for measure in get_args(Measure)}
    peers = {"sound": {"seconds": [0.05], "answers": [[ROWS + 1]] * dp_peers.ENOUGH}}
    assert dp_peers.figures("count", [(0.001, 0.009)], mine, peers, people)[0]["over"] is False


def test_every_library_has_a_module_and_exact_pins():
    for library, (environment, _) in dp_peers.PEERS.items():
        assert (FOLDER / f"{library}.py").exists()
        lines = (FOLDER / f"{environment}.txt").read_text().splitlines()
        assert all(re.fullmatch(r"#.*|[\w.-]+==[\w.]+", line) for line in lines), environment


def test_the_policy_of_the_comparison_is_one():
    assert compile_text(POLICY)
