"""Where the passphrase comes from."""

import getpass
import io
import os

import pytest

from jupyter_secure.protocol.messages import Unlock, UnlockFromKeyring
from jupyter_secure.server import opening


def tried(source, fd=-1):
    return [body.passphrase for body in opening.attempts(source, fd)]


def test_one_line_is_read_from_the_descriptor_and_it_is_closed():
    read, write = os.pipe()
    os.write(write, b"open sesame\r\nrest")
    os.close(write)
    assert tried("fd", read) == ["open sesame"]
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(read)


@pytest.mark.parametrize("source", ["panel", "fd"])
def test_there_may_be_nothing_to_try(source):
    assert tried(source) == []


def test_without_a_terminal_the_panel_is_left_to_ask(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("typed\n"))
    assert tried("terminal") == []


def test_a_terminal_is_asked_a_few_times_and_an_empty_line_stops(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    typed = iter(["one", "two", "three", "four"])
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda _: next(typed))
    assert tried("terminal") == ["one", "two", "three"]
    monkeypatch.setattr(getpass, "getpass", lambda _: "")
    assert tried("terminal") == []


def test_the_keyrings_secret_does_not_pass_through_the_relay():
    assert list(opening.attempts("keyring", -1)) == [UnlockFromKeyring()]
    assert not hasattr(UnlockFromKeyring(), "passphrase")
    assert Unlock(passphrase="x").passphrase == "x"
