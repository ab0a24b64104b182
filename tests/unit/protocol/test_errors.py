"""Only the code and the public sentence of an error leave a process."""

import pytest

from jupyter_secure.protocol.errors import FAMILY, RefusedError, SecureError, WireError, from_wire


@pytest.mark.parametrize("cls", FAMILY.values())
def test_every_error_says_something_and_survives_the_wire(cls):
    rebuilt = from_wire(cls(detail="a cell value").to_wire())
    assert type(rebuilt) is cls
    assert str(rebuilt) == cls.default
    assert rebuilt.detail == ""


def test_codes_are_unique():
    subclasses = {SecureError, *SecureError.__subclasses__()}
    assert set(FAMILY.values()) == subclasses
    assert len(FAMILY) == len(subclasses)


def test_the_detail_is_not_printed():
    assert "cell" not in f"{RefusedError(detail='a cell value')!s} {RefusedError(detail='a cell value')!r}"


def test_an_unknown_code_becomes_the_root_error():
    assert type(from_wire(WireError(code="from the future", public="x"))) is SecureError
