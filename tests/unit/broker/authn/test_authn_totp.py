"""Codes of an app against the published ones, and the window in which they are good."""

import re

import pytest

from jupyter_secure.broker.authn import totp

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_are_those_of_rfc_6238(seconds, code):
    assert totp.matching_step(SECRET, code, seconds * 1000, after=0) == seconds // 30


def test_a_code_is_good_one_step_before_and_after_and_never_again():
    code, step = "005924", 1234567890 // 30
    for off, good in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        now = (step + off) * 30_000
        assert totp.matching_step(SECRET, code, now, after=0) == (step if good else None)
    assert totp.matching_step(SECRET, code, step * 30_000, after=step) is None


@pytest.mark.parametrize("code", ["", "5924", "0059240", "００５９２４", "abcdef"])  # noqa: RUF001 - digits of another script
def test_what_is_not_six_digits_is_wrong(code):
    assert totp.matching_step(SECRET, code, 1234567890_000, after=0) is None


def test_a_secret_has_160_bits_and_no_two_are_alike():
    drawn = {totp.new_secret() for _ in range(100)}
    assert len(drawn) == 100
    assert {len(secret) for secret in drawn} == {20}


def test_an_app_reads_the_address_from_a_qr_code():
    address = totp.address(SECRET, "sam@example.org")
    assert address.startswith("otpauth://totp/jupyter-secure:sam%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    rows = totp.qr_rows(address)
    assert len(rows) == len(rows[0])
    assert all(re.fullmatch("[01]+", row) for row in rows)
    assert rows[0].startswith("11111110"), "the corner by which a camera finds the code"
