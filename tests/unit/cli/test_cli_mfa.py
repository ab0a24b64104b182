"""`jupyter secure user reset-mfa`: a second person takes the factors of somebody who lost them."""

import io
import json
import sys

import pytest

from jupyter_secure.broker.authn.enrolment import Enrolment
from jupyter_secure.broker.authn.second_factor import SecondFactor
from jupyter_secure.cli import main as command
from jupyter_secure.protocol.record import Kind
from jupyter_secure.testing.device import App
from jupyter_secure.testing.world import PASSWORD, World


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "SUBCOMMANDS", ("user",))
    with World(tmp_path) as made:
        for name, role in (("stella", "steward"), ("sam", "scientist"), ("eli", "engineer")):
            made.person(name, role)
        yield made
        made.verify()


def enrol(world, name):
    """Return the recovery codes of a person who now has an app."""
    enrolment = Enrolment(SecondFactor(world.vault))
    secret = enrolment.begin_totp(name, None)
    return enrolment.confirm_totp(name, App(secret.secret).code(world.clock()))


@pytest.fixture
def reset(world, monkeypatch, capsys):
    def reset(name, by="stella", lines=(PASSWORD,)):
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        words = ["user", "reset-mfa", name, "--by", by, "--vault", str(world.path), "--password-stdin", "--json"]
        status = command.main(words)
        return status, json.loads(capsys.readouterr().out)

    return reset


def has_factor(world, name):
    return SecondFactor(world.vault).enrolled(name)


def test_a_steward_resets_somebody_else_and_the_log_names_both(world, reset):
    enrol(world, "sam")
    assert reset("sam") == (0, {"reset": "sam"})
    assert not has_factor(world, "sam")
    [entry] = world.vault.audit.entries(kinds=(Kind.MFA_RESET,))
    assert (entry.personal.user, entry.personal.note) == ("sam", "by stella")


@pytest.mark.parametrize(
    ("by", "lines", "code"),
    [
        ("eli", (PASSWORD,), "refused"),
        ("stella", ("not the password",), "unauthenticated"),
        ("nobody", (PASSWORD,), "unauthenticated"),
    ],
)
def test_nobody_else_does(world, reset, by, lines, code):
    enrol(world, "sam")
    status, told = reset("sam", by, lines)
    assert (status, told["error"]["code"]) == (1, code)
    assert has_factor(world, "sam")


def test_a_steward_cannot_reset_the_own_factor(world, reset):
    codes = enrol(world, "stella")
    status, told = reset("stella", lines=(PASSWORD, codes[0]))
    assert (status, told["error"]["code"]) == (1, "invalid")
    assert has_factor(world, "stella")


def test_a_steward_with_a_factor_proves_it(world, reset):
    enrol(world, "sam")
    codes = enrol(world, "stella")
    status, told = reset("sam", lines=(PASSWORD, "0-AAAA-AAAA-AAAA-AAAA"))
    assert (status, told["error"]["code"]) == (1, "mfa")
    assert has_factor(world, "sam")
    assert reset("sam", lines=(PASSWORD, codes[0]))[0] == 0
    assert not has_factor(world, "sam")
