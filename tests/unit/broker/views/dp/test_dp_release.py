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
    exact = [number * 10**6 for number in range(length)]
    noisy = release(exact, noise_for(ONE, price), ONE, price)
    assert [round(value / 10**6) for value in noisy] == list(range(length))


@pytest.mark.parametrize("price", PRICES, ids=["zcdp", "pure"])
def test_each_piece_has_noise_of_its_own_and_of_the_size_that_was_asserted(price):
    noise = noise_for(ONE, price)
    drawn = np.array(release([0] * (8 * PIECE), noise, ONE, price), float)
    pieces = drawn.reshape(8, PIECE)
    correlated = np.corrcoef(pieces)[np.triu_indices(8, 1)]
    assert np.abs(correlated).max() < 6 / PIECE**0.5
    assert drawn.std() == pytest.approx(SPREAD[price.measure] * noise.scale, rel=0.05)
    assert abs(drawn.mean()) < 6 * drawn.std() / len(drawn) ** 0.5


def test_what_costs_more_than_was_reserved_is_not_drawn_in_pieces_either(monkeypatch):
    cheap, dear = PRICES[0], Price(50_000_000, "zcdp")
    monkeypatch.setattr(exit_, "ThreadPoolExecutor", None)
    with pytest.raises(ArithmeticError, match="more than was reserved"):
        release([0] * (2 * PIECE), noise_for(ONE, dear), ONE, cheap)
