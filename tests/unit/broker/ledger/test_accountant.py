"""What is shown of a budget is what OpenDP's conversion says, rounded to the safe side, however it was estimated."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction

import opendp.prelude as dp
import pytest

from jupyter_secure.broker.ledger import accountant
from jupyter_secure.broker.ledger.accountant import PURE, UNITS_PER_RHO, epsilon_of, units_of
from jupyter_secure.protocol.errors import InvalidRequestError

DELTAS = ("1e-6", "1e-9", "0.001")
STEP = Decimal("0.000001")


def of_opendp(units, delta):
    dp.enable_features("contrib")
    point = dp.atom_domain(T=float, nan=False), dp.absolute_distance(T=float)
    curve = dp.c.make_zCDP_to_approxDP(dp.m.make_gaussian(*point, scale=1.0))
    return curve.map((2 * units / UNITS_PER_RHO) ** 0.5).epsilon(float(delta))


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("units", [1, 7, 999, 50_000, 2_500_000, 185_069_840, 10**10])
def test_an_epsilon_is_opendp_s_to_the_last_place_shown(units, delta):
    least = Decimal(of_opendp(units, delta)).quantize(STEP, rounding=ROUND_CEILING)
    assert Decimal(epsilon_of(units, delta)) == least
    assert Decimal(epsilon_of(units, delta, up=False)) == max(least - STEP, 0)


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("epsilon", ["0.001", "0.01", "0.1", "1", "3", "12.3456789", "50"])
def test_units_are_the_most_that_opendp_permits(epsilon, delta):
    units = units_of(epsilon, delta)
    assert Fraction(of_opendp(units, delta)) <= Fraction(epsilon)
    assert Fraction(of_opendp(units + 1 + units // 10**9, delta)) > Fraction(epsilon)


@pytest.mark.parametrize(("epsilon", "units"), [("1", 10**9), ("0.1", 10**8), ("0.000000001", 1), ("50", 5 * 10**10)])
def test_pure_epsilons_are_counted_as_they_are(epsilon, units):
    assert units_of(epsilon, PURE) == units
    assert Decimal(epsilon_of(units, PURE)) == Decimal(epsilon).quantize(STEP, rounding=ROUND_CEILING)
    assert Decimal(epsilon_of(units, PURE, up=False)) == Decimal(epsilon).quantize(STEP, rounding=ROUND_FLOOR)


@pytest.mark.parametrize("delta", ["0", "0.0", "0e-6", "", "Pure", "zcdp"])
def test_only_the_one_name_of_pure_epsilon_is_one(delta):
    with pytest.raises(InvalidRequestError, match="delta"):
        units_of("1", delta)


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_a_wrong_estimate_breaks_no_promise(monkeypatch, factor):
    estimate = accountant._estimate
    monkeypatch.setattr(accountant, "_estimate", lambda units, delta: factor * estimate(units, delta))
    spent, left = (epsilon_of.__wrapped__(2_500_000, "1e-6", up=up) for up in (True, False))
    exact = Decimal(of_opendp(2_500_000, "1e-6"))
    assert exact <= Decimal(spent) < exact * Decimal("1.02")
    assert exact * Decimal("0.98") < Decimal(left) < exact
    assert of_opendp(units_of.__wrapped__("0.3", "1e-6"), "1e-6") <= 0.3
