"""The passphrase provider: it opens for the right passphrase alone, and only at an honest cost."""

import pytest

from jupyter_secure.broker.keys.passphrase import PassphraseProvider
from jupyter_secure.broker.keys.provider import Context, KeyProvider, Wrapped, open_provider
from jupyter_secure.protocol.errors import (
    InstallationError,
    IntegrityError,
    InvalidRequestError,
    LockedError,
    UnlockError,
)
from jupyter_secure.testing.unsafe_keys import UnsafePassphraseProvider

CONTEXT = Context(vault="v", purpose="dataset", name="patients")
KEY = bytes(range(32))
PHRASE = "four words of mine"


@pytest.fixture
def provider():
    return UnsafePassphraseProvider.create(PHRASE)


def test_it_is_a_key_provider(provider):
    assert isinstance(provider, KeyProvider)


def test_what_one_wraps_another_with_the_same_passphrase_unwraps(provider):
    again = UnsafePassphraseProvider.open(provider.settings, PHRASE)
    assert again.unwrap(provider.wrap(KEY, CONTEXT), CONTEXT) == KEY


def test_two_wraps_of_one_key_differ(provider):
    assert provider.wrap(KEY, CONTEXT).ciphertext != provider.wrap(KEY, CONTEXT).ciphertext


def test_a_wrong_passphrase_is_an_unlock_error_and_changes_nothing(provider):
    before = provider.settings
    with pytest.raises(UnlockError):
        UnsafePassphraseProvider.open(provider.settings, PHRASE + "!")
    assert provider.settings == before


def test_one_passphrase_typed_in_two_unicode_forms_is_one():
    provider = UnsafePassphraseProvider.create("caf\u00e9 at the corner")
    UnsafePassphraseProvider.open(provider.settings, "cafe\u0301 at the corner")


@pytest.mark.parametrize("other", [{"vault": "w"}, {"purpose": "log"}, {"name": "x"}, {"version": 2}])
def test_a_key_opens_only_in_its_own_context(provider, other):
    wrapped = provider.wrap(KEY, CONTEXT)
    fields = {"vault": "v", "purpose": "dataset", "name": "patients", "version": 1} | other
    with pytest.raises(IntegrityError):
        provider.unwrap(wrapped, Context(**fields))


@pytest.mark.parametrize("position", [0, 12, 30, -1])
def test_a_flipped_bit_in_a_wrapped_key_is_detected(provider, position):
    wrapped = provider.wrap(KEY, CONTEXT)
    changed = bytearray(wrapped.ciphertext)
    changed[position] ^= 1
    with pytest.raises(IntegrityError):
        provider.unwrap(
            Wrapped(provider=wrapped.provider, key_id="root", key_version=1, ciphertext=bytes(changed)), CONTEXT
        )


def test_a_short_passphrase_is_refused():
    with pytest.raises(InvalidRequestError):
        UnsafePassphraseProvider.create("short")


def test_the_passphrase_can_change_and_wrapped_keys_still_open(provider):
    wrapped = provider.wrap(KEY, CONTEXT)
    provider.change("another four words")
    with pytest.raises(UnlockError):
        UnsafePassphraseProvider.open(provider.settings, PHRASE)
    assert UnsafePassphraseProvider.open(provider.settings, "another four words").unwrap(wrapped, CONTEXT) == KEY


def test_after_destroy_nothing_opens_again(provider):
    wrapped = provider.wrap(KEY, CONTEXT)
    provider.destroy()
    with pytest.raises(LockedError):
        provider.unwrap(wrapped, CONTEXT)
    with pytest.raises(IntegrityError):
        UnsafePassphraseProvider.open(provider.settings, PHRASE)


@pytest.mark.parametrize(
    "change", [{"memory_kib": 8}, {"passes": 1}, {"memory_kib": 2**30}, {"salt": ""}, {"kdf": "md5"}, {"root": "!"}]
)
def test_weakened_or_absurd_costs_are_refused_before_anything_is_derived(change):
    honest = {
        "kdf": "argon2id",
        "memory_kib": 65536,
        "passes": 3,
        "lanes": 4,
        "salt": "A" * 22 + "==",
        "root": "A" * 80,
    }
    with pytest.raises(IntegrityError):
        PassphraseProvider.open(honest | change, PHRASE)


def test_new_vaults_demand_the_cost_that_is_promised():
    settings = PassphraseProvider.create(PHRASE).settings
    assert (settings["memory_kib"], settings["passes"], settings["lanes"]) == (65536, 3, 4)


def test_settings_and_wrapped_keys_hold_neither_key_nor_passphrase(provider):
    shown = repr(provider.settings) + repr(provider.wrap(KEY, CONTEXT)) + repr(provider)
    assert PHRASE not in shown
    assert KEY.hex() not in shown


def test_an_unknown_scheme_is_refused():
    with pytest.raises(InstallationError):
        open_provider("awskms:key", {}, "x")


def test_a_wrapped_key_survives_its_stored_form(provider):
    wrapped = provider.wrap(KEY, CONTEXT)
    assert Wrapped.decode(wrapped.encode()) == wrapped


def test_a_damaged_stored_form_is_an_integrity_error():
    with pytest.raises(IntegrityError):
        Wrapped.decode(b"{}")
