"""Where the passphrase comes from."""

import getpass
import io
import os

import keyring.errors
import pytest

from jupyter_secure.server import opening


def test_one_line_is_read_from_the_descriptor_and_it_is_closed():
    read, write = os.pipe()
    os.write(write, b"open sesame\r\nrest")
    os.close(write)
    assert opening.passphrases("fd", read, "/vault") == ["open sesame"]
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(read)


@pytest.mark.parametrize("source", ["panel", "fd"])
def test_nothing_to_try_is_an_empty_list(source):
    assert opening.passphrases(source, -1, "/vault") == []


def test_without_a_terminal_the_panel_is_left_to_ask(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("typed\n"))
    assert opening.passphrases("terminal", -1, "/vault") == []


def test_a_terminal_is_asked_a_few_times_and_an_empty_line_stops(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    typed = iter(["one", "two", "three", "four"])
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda _: next(typed))
    assert list(opening.passphrases("terminal", -1, "/vault")) == ["one", "two", "three"]
    monkeypatch.setattr(getpass, "getpass", lambda _: "")
    assert list(opening.passphrases("terminal", -1, "/vault")) == []


@pytest.fixture
def vault(tmp_path):
    (tmp_path / "vault.json").write_text('{"id": "a1b2"}')
    return str(tmp_path)


def test_the_keyring_is_asked_for_the_identifier_of_this_vault(vault, monkeypatch):
    asked = []
    monkeypatch.setattr("keyring.get_password", lambda service, vault: asked.append((service, vault)) or "kept")
    assert opening.passphrases("keyring", -1, vault) == ["kept"]
    assert asked == [("jupyter-secure", "a1b2")]


@pytest.mark.parametrize("description", ["not json", "[]", "{}"])
def test_a_vault_without_an_identifier_is_not_in_the_keyring(tmp_path, description):
    (tmp_path / "vault.json").write_text(description)
    assert opening.passphrases("keyring", -1, str(tmp_path)) == []
    assert opening.passphrases("keyring", -1, str(tmp_path / "missing")) == []


def test_a_keyring_that_fails_is_an_empty_one(vault, monkeypatch):
    def fail(*_):
        raise keyring.errors.NoKeyringError

    monkeypatch.setattr("keyring.get_password", fail)
    assert opening.passphrases("keyring", -1, vault) == []
