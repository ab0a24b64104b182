"""The operating system's keyring: used if it encrypts, refused with a sentence if not."""

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as Missing
from keyring.backends.null import Keyring as Void
from keyring.errors import KeyringLocked

from jupyter_secure.broker.keys import keyring as kept
from jupyter_secure.protocol.errors import InstallationError


class InMemory(KeyringBackend):
    """Says it is the Secret Service, keeps secrets in a dictionary."""

    priority = 5

    def __init__(self):
        super().__init__()
        self.secrets = {}

    def get_password(self, service, username):
        return self.secrets.get((service, username))

    def set_password(self, service, username, password):
        self.secrets[service, username] = password

    def delete_password(self, service, username):
        del self.secrets[service, username]


InMemory.__module__ = "keyring.backends.SecretService"


class Plaintext(InMemory):
    """A backend that is on no list."""


Plaintext.__module__ = "keyrings.alt.file"


@pytest.fixture
def use():
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


def test_a_passphrase_is_remembered_recalled_and_forgotten(use):
    use(InMemory())
    assert kept.recall("v") is None
    kept.remember("v", "four words of mine")
    assert kept.recall("v") == "four words of mine"
    assert kept.recall("w") is None
    kept.forget("v")
    kept.forget("v")
    assert kept.recall("v") is None


@pytest.mark.parametrize("backend", [Missing, Void, Plaintext])
def test_a_keyring_that_does_not_encrypt_is_refused_with_a_sentence(use, backend):
    use(backend())
    for attempt in (lambda: kept.remember("v", "four words"), lambda: kept.recall("v"), lambda: kept.forget("v")):
        with pytest.raises(InstallationError, match="keyring"):
            attempt()


def test_nothing_is_written_to_a_refused_keyring(use):
    backend = Plaintext()
    use(backend)
    with pytest.raises(InstallationError):
        kept.remember("v", "four words")
    assert backend.secrets == {}


def test_a_locked_keyring_is_a_sentence_and_not_a_traceback(use):
    class Locked(InMemory):
        def get_password(self, service, username):
            raise KeyringLocked("secret detail")

    Locked.__module__ = InMemory.__module__
    use(Locked())
    with pytest.raises(InstallationError) as caught:
        kept.recall("v")
    assert "secret detail" not in str(caught.value)
