"""Only the code and the public sentence of an error leave a process."""

import msgspec
import pytest

from jupyter_secure.protocol.errors import FAMILY, RefusedError, SecureError, StepUpError, WireError, from_wire


@pytest.mark.parametrize("cls", FAMILY.values())
def test_every_error_says_something_and_survives_the_wire(cls):
    rebuilt = from_wire(cls(detail="a cell value").to_wire())
    assert type(rebuilt) is cls
    assert str(rebuilt) == cls.default
    assert rebuilt.detail == ""


def family(root=SecureError):
    ours = [cls for cls in root.__subclasses__() if cls.__module__ == SecureError.__module__]
    return {root}.union(*map(family, ours))


def test_codes_are_unique():
    subclasses = family()
    assert set(FAMILY.values()) == subclasses
    assert len(FAMILY) == len(subclasses)


def test_a_challenge_crosses_with_the_one_error_that_can_be_answered():
    assert from_wire(StepUpError("Verify.", challenge="ab").to_wire()).challenge == "ab"
    assert "challenge" not in msgspec.json.encode(RefusedError().to_wire()).decode()


def test_the_detail_is_not_printed():
    assert "cell" not in f"{RefusedError(detail='a cell value')!s} {RefusedError(detail='a cell value')!r}"


def test_an_unknown_code_becomes_the_root_error():
    assert type(from_wire(WireError(code="from the future", public="x"))) is SecureError
