"""Long vectors are drawn in pieces: nothing of that is seen in what leaves."""

import numpy as np
import pytest

from jupyter_secure.broker.views.dp import release as exit_
from jupyter_secure.broker.views.dp.release import PIECE, Price, noise_for, release
from jupyter_secure.broker.views.dp.sensitivity import Sensitivity

ONE = Sensitivity(l1=1, l2=1)
PRICES = [Price(5_000_000, "zcdp"), Price(100_000_000, "pure")]
SPREAD = {"zcdp": 1.0, "pure": 2**0.5}  # standard deviation of one draw of scale 1


@pytest.mark.parametrize("price", PRICES, ids=["zcdp", "pure"])
@pytest.mark.parametrize("length", [1, PIECE, PIECE + 1, 3 * PIECE + 5])
def test_numbers_come_back_in_their_order(price, length):
    exact = np.arange(length) * 10**6
    noisy = release(exact, noise_for(ONE, price), ONE, price)
    assert [round(value / 10**6) for value in noisy] == list(range(length))


@pytest.mark.parametrize("price", PRICES, ids=["zcdp", "pure"])
def test_each_piece_has_noise_of_its_own_and_of_the_size_that_was_asserted(price):
    noise = noise_for(ONE, price)
    drawn = release(np.zeros(8 * PIECE, np.int64), noise, ONE, price).astype(float)
    pieces = drawn.reshape(8, PIECE)
    correlated = np.corrcoef(pieces)[np.triu_indices(8, 1)]
    assert np.abs(correlated).max() < 6 / PIECE**0.5
    assert drawn.std() == pytest.approx(SPREAD[price.measure] * noise.scale, rel=0.05)
    assert abs(drawn.mean()) < 6 * drawn.std() / len(drawn) ** 0.5


def test_what_costs_more_than_was_reserved_is_not_drawn_in_pieces_either(monkeypatch):
    cheap, dear = PRICES[0], Price(50_000_000, "zcdp")
    monkeypatch.setattr(exit_, "ThreadPoolExecutor", None)
    with pytest.raises(ArithmeticError, match="more than was reserved"):
        release(np.zeros(2 * PIECE, np.int64), noise_for(ONE, dear), ONE, cheap)


@pytest.mark.parametrize("exact", [np.zeros(2), np.zeros(2, np.int32), np.zeros(2, bool), np.zeros((1, 1), np.int64)])
def test_nothing_but_a_vector_of_whole_64_bit_numbers_leaves(exact):
    with pytest.raises(TypeError):
        release(exact, noise_for(ONE, PRICES[0]), ONE, PRICES[0])


def test_the_largest_numbers_do_not_wrap_around():
    most = np.iinfo(np.int64).max
    noisy = release(np.array([most, -most] * 50), noise_for(ONE, PRICES[0]), ONE, PRICES[0])
    assert (np.sign(noisy) == [1, -1] * 50).all()
