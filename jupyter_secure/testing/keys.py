"""The conformance suite of key providers: for those of this package and for those of other packages.

`check(make, reopen)` fails with an `AssertionError` that says which promise of `broker.keys.provider` broke; afterwards
the provider's root is destroyed, so never give it one that holds anything.

    def test_my_provider():
        keys.check(lambda: MyProvider.create(URI, PIN), lambda settings: MyProvider.open(settings, PIN), PIN)
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from jupyter_secure.broker.keys.provider import Context, KeyProvider, Settings, Wrapped
from jupyter_secure.protocol.errors import IntegrityError, LockedError, SecureError

KEY = bytes(range(32))
CONTEXT = Context(vault="v", purpose="dataset", name="patients")
OTHERS = ({"vault": "w"}, {"purpose": "log"}, {"name": "patients2"}, {"name": ""}, {"version": 2})


def check(make: Callable[[], KeyProvider], reopen: Callable[[Settings], KeyProvider], secret: str = "") -> None:
    """Check every promise; `secret` is what opens the provider, which must stand nowhere.

    Raises:
        AssertionError: a promise is broken.
    """
    provider = make()
    _check_words(provider, secret)
    wrapped = _check_round_trip(provider)
    _check_reopened(provider, reopen, wrapped)
    for change in OTHERS:
        context = msgspec.structs.replace(CONTEXT, **change)
        _refused(provider, wrapped, context, f"a key opens under another context ({', '.join(change)})", secret)
    _check_damage(provider, wrapped, secret)
    _check_destroyed(provider, wrapped)


def _check_words(provider: KeyProvider, secret: str) -> None:
    assert isinstance(provider, KeyProvider), "it lacks a method or an attribute of KeyProvider"
    assert provider.uri.partition(":")[0].isalnum() or "-" in provider.uri, "its URI has no scheme"
    said = f"{provider.uri} {dict(provider.settings)!r} {provider!r}"
    assert not secret or secret not in said, "its secret stands in its URI, settings or representation"
    msgspec.json.encode(dict(provider.settings))
    provider.health()


def _check_round_trip(provider: KeyProvider) -> Wrapped:
    for key in (KEY, b"\0", bytes(64)):
        wrapped = provider.wrap(key, CONTEXT)
        assert provider.unwrap(wrapped, CONTEXT) == key, "what was wrapped comes back as something else"
    wrapped, again = provider.wrap(KEY, CONTEXT), provider.wrap(KEY, CONTEXT)
    assert wrapped.ciphertext != again.ciphertext, "two wraps of one key are equal, so it shows which keys are"
    assert KEY not in wrapped.encode(), "the key stands in its wrapped form"
    assert Wrapped.decode(wrapped.encode()) == wrapped, "a wrapped key does not survive being stored"
    return wrapped


def _check_reopened(provider: KeyProvider, reopen: Callable[[Settings], KeyProvider], wrapped: Wrapped) -> None:
    again = reopen(dict(provider.settings))
    assert again.uri == provider.uri, "opened again it has another URI"
    assert again.unwrap(wrapped, CONTEXT) == KEY, "opened again it does not open what it wrapped"
    assert provider.unwrap(again.wrap(KEY, CONTEXT), CONTEXT) == KEY, "what it wraps when opened again does not open"


def _check_damage(provider: KeyProvider, wrapped: Wrapped, secret: str) -> None:
    ciphertext = wrapped.ciphertext
    damaged = [ciphertext[:-1], ciphertext[: len(ciphertext) // 2], b"", ciphertext + b"x"]
    damaged += [_flipped(ciphertext, place) for place in (len(ciphertext) // 2, -1)]
    for each in damaged:
        _refused(provider, msgspec.structs.replace(wrapped, ciphertext=each), CONTEXT, "a damaged key opens", secret)
    foreign = msgspec.structs.replace(wrapped, provider="another:root")
    _refused(provider, foreign, CONTEXT, "a key of another provider is looked at", secret)
    assert provider.unwrap(wrapped, CONTEXT) == KEY, "after a failure the whole key does not open any more"


def _check_destroyed(provider: KeyProvider, wrapped: Wrapped) -> None:
    provider.destroy()  # a service may keep the root for some days, so opening again is not tried
    for attempt in (lambda: provider.unwrap(wrapped, CONTEXT), lambda: provider.wrap(KEY, CONTEXT), provider.health):
        try:
            attempt()
        except LockedError:
            continue
        raise AssertionError("after it was destroyed it goes on")


def _refused(provider: KeyProvider, wrapped: Wrapped, context: Context, promise: str, secret: str) -> None:
    try:
        provider.unwrap(wrapped, context)
    except IntegrityError as error:
        told = f"{error} {error.detail} {error.__cause__!r}"
        assert KEY.hex() not in told, "an error holds the key"
        assert not secret or secret not in told, "an error holds the secret"
        return
    except SecureError as error:
        raise AssertionError(f"{type(error).__name__} instead of IntegrityError: {promise}") from None
    raise AssertionError(promise)


def _flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] = changed[place] ^ 1 if changed[place] != ord("=") else ord("A")
    return bytes(changed)
