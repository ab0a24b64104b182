"""FF1 against the samples of NIST, and that it is a permutation of each domain."""

import json
import pathlib
import string

import numpy as np
import pytest

from jupyter_secure.broker.views.mask.ff1 import FF1

SAMPLES = json.loads((pathlib.Path(__file__).parents[4] / "vectors" / "ff1.json").read_text())["samples"]
NUMERALS = string.digits + string.ascii_lowercase


def numerals(text):
    return np.array([[NUMERALS.index(character) for character in text]], np.uint8)


@pytest.mark.parametrize("sample", SAMPLES, ids=range(1, 10))
def test_the_samples_of_nist(sample):
    cipher = FF1(bytes.fromhex(sample["key"]), sample["radix"], bytes.fromhex(sample["tweak"]))
    found = cipher.cipher(np.repeat(numerals(sample["plain"]), 3, axis=0))
    assert {"".join(NUMERALS[number] for number in row) for row in found} == {sample["cipher"]}


def test_every_value_of_a_domain_has_a_token_of_its_own():
    values = np.arange(10**6)[:, None] // 10 ** np.arange(5, -1, -1) % 10
    found = FF1(bytes(32), 10).cipher(values.astype(np.uint8))
    numbers = found.astype(np.int64) @ 10 ** np.arange(5, -1, -1)
    assert len(np.unique(numbers)) == 10**6
    assert not np.array_equal(numbers, np.arange(10**6))


@pytest.mark.parametrize(
    ("radix", "length", "fits"),
    [(10, 5, False), (10, 6, True), (10, 32, True), (10, 33, False), (62, 18, True), (62, 19, False), (26, 1, False)],
)
def test_domains_too_small_or_too_large_are_refused(radix, length, fits):
    cipher = FF1(bytes(32), radix)
    assert cipher.fits(length) is fits
    if not fits:
        with pytest.raises(ValueError, match="numerals"):
            cipher.cipher(np.zeros((1, length), np.uint8))
