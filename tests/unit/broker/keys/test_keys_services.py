"""Every key provider keeps the same promises; each service, when it fails, fails closed and says what to do."""

import secrets

import boto3
import pytest

from jupyter_secure.broker.keys import provider as providers
from jupyter_secure.broker.keys.provider import Context, Wrapped, make_provider, open_provider, secret_of
from jupyter_secure.protocol.errors import (
    InstallationError,
    IntegrityError,
    InvalidRequestError,
    LockedError,
    UnlockError,
)
from jupyter_secure.testing import keys
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.unsafe_keys import UnsafePassphraseProvider
from tests import key_services
from tests.key_services import PIN, REGION, TOKEN, Service

pytestmark = pytest.mark.slow
CONTEXT = Context(vault="v", purpose="dataset", name="patients")
KEY = bytes(range(32))


@pytest.fixture(scope="module")
def bao(tmp_path_factory):
    with key_services.bao(tmp_path_factory.mktemp("bao")) as server:
        yield server


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    with key_services.softhsm(tmp_path_factory.mktemp("hsm")) as uri:
        yield uri


@pytest.fixture
def aws(monkeypatch):
    with key_services.aws(monkeypatch) as address:
        yield address


def aws_key():
    return boto3.client("kms", region_name=REGION).create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]


@pytest.fixture(params=["passphrase", "transit", "pkcs11", "kms"])
def service(request):
    """A key in each service, for one test; only the service that it needs is started."""
    name = f"key-{secrets.token_hex(4)}"
    if request.param == "transit":
        return Service(f"transit:{request.getfixturevalue('bao').address}/transit/{name}", TOKEN)
    if request.param == "pkcs11":
        return Service(f"{request.getfixturevalue('token')}&key={name}", PIN)
    if request.param == "kms":
        request.getfixturevalue("aws")
        return Service(f"kms:{REGION}/{aws_key()}", "")
    return Service(UnsafePassphraseProvider.scheme, PASSPHRASE)


def test_it_keeps_every_promise(service):
    keys.check(
        lambda: make_provider(service.uri, service.secret),
        lambda settings: open_provider(service.uri, settings, service.secret),
        service.secret,
    )


@pytest.mark.parametrize("service", ["transit", "pkcs11", "kms"], indirect=True)
def test_a_root_that_is_there_is_taken_and_not_made_anew(service):
    wrapped = make_provider(service.uri, service.secret).wrap(KEY, CONTEXT)
    assert make_provider(service.uri, service.secret).unwrap(wrapped, CONTEXT) == KEY


class Broken(UnsafePassphraseProvider):
    """Keeps every promise but one."""

    def __init__(self, *rest):
        super().__init__(*rest)
        self.gone = False

    def destroy(self):
        self.gone = True
        super().destroy()


class AnyContext(Broken):
    def wrap(self, key, context):
        return super().wrap(key, CONTEXT)

    def unwrap(self, wrapped, context):
        return super().unwrap(wrapped, CONTEXT)


class WrongBytes(Broken):
    def unwrap(self, wrapped, context):
        return super().unwrap(wrapped, context)[:-1]


class SaysTheKey(Broken):
    def unwrap(self, wrapped, context):
        try:
            return super().unwrap(wrapped, context)
        except IntegrityError:
            raise IntegrityError(detail=f"not {KEY.hex()}") from None


class SaysTheSecret(Broken):
    @property
    def uri(self):
        return f"unsafe-passphrase:{PASSPHRASE}"


class NeverEnds(Broken):
    def destroy(self):
        pass


class Equal(Broken):
    def wrap(self, key, context):
        if not hasattr(self, "_first") or self._first[0] != (key, context):
            self._first = (key, context), super().wrap(key, context)
        return self._first[1]


class Plain(Broken):
    def wrap(self, key, context):
        whole = super().wrap(key, context)
        return Wrapped(
            provider=whole.provider, key_id=key.decode("latin-1"), key_version=1, ciphertext=whole.ciphertext
        )


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (AnyContext, "another context"),
        (WrongBytes, "something else"),
        (SaysTheKey, "an error holds the key"),
        (SaysTheSecret, "its secret stands"),
        (NeverEnds, "after it was destroyed"),
        (Equal, "two wraps of one key are equal"),
    ],
)
def test_a_broken_promise_is_noticed(broken, said):
    with pytest.raises(AssertionError, match=said):
        keys.check(lambda: broken.create(PASSPHRASE), lambda settings: broken.open(settings, PASSPHRASE), PASSPHRASE)


def test_what_a_person_types_is_said_by_the_uri():
    assert [secret_of(uri) for uri in ("passphrase:argon2id", "transit:x", "pkcs11:x", "kms:x")] == [
        "passphrase", "token", "PIN", "",
    ]  # fmt: skip


def test_a_library_that_is_missing_is_said_with_the_extra(monkeypatch):
    monkeypatch.delitem(providers._OPENERS, "kms", raising=False)
    monkeypatch.setitem(__import__("sys").modules, "jupyter_secure.broker.keys.kms", None)
    with pytest.raises(InstallationError, match=r"jupyter-secure\[kms\]"):
        make_provider("kms:eu-central-1/alias/x", "")
    with pytest.raises(InstallationError):
        make_provider("azure:x", "")


@pytest.mark.parametrize(
    "uri",
    [
        "transit:", "transit:bao/transit/key", "transit:https://bao.example.org", "transit:https://bao.example.org/key",
        "transit:https://user:password@bao.example.org/transit/key", "transit:http://bao.example.org/transit/key",
        "pkcs11:module.so?token=a&key=b", "pkcs11:/module.so", "pkcs11:/module.so?token=a",
        "pkcs11:/module.so?token=a&key=b&pin=1", "kms:", "kms:eu-central-1", "kms:/key",
    ],
)  # fmt: skip
def test_a_uri_that_is_none_is_refused(uri):
    with pytest.raises(InvalidRequestError):
        make_provider(uri, "secret")


def test_a_wrong_token_or_pin_is_an_unlock_error(bao, token):
    uri = f"transit:{bao.address}/transit/wrong"
    settings = make_provider(uri, TOKEN).settings
    with pytest.raises(UnlockError, match="refuses the token"):
        open_provider(uri, settings, "another-token")
    with pytest.raises(UnlockError):
        make_provider(uri, "another-token")
    uri = f"{token}&key=wrong"
    settings = make_provider(uri, PIN).settings
    with pytest.raises(UnlockError, match="does not take that PIN"):
        open_provider(uri, settings, "0000")
    open_provider(uri, settings, PIN)


def test_a_token_of_the_service_that_ends_or_may_only_decrypt(bao):
    uri = f"transit:{bao.address}/transit/duties"
    wrapped = make_provider(uri, TOKEN).wrap(KEY, CONTEXT)
    settings = {"address": bao.address, "mount": "transit", "key": "duties"}
    both = 'path "transit/%s/duties" { capabilities = ["update"] }\n'
    short = bao.token(both % "encrypt" + both % "decrypt")
    provider = open_provider(uri, settings, short)
    assert provider.unwrap(wrapped, CONTEXT) == KEY
    bao.ask("POST", "auth/token/revoke", {"token": short})
    with pytest.raises(LockedError, match="refuses the token"):
        provider.unwrap(wrapped, CONTEXT)
    with pytest.raises(UnlockError):
        open_provider(uri, settings, bao.token(both % "decrypt"))


def test_the_service_rotates_its_key_and_forgets_old_versions(bao):
    uri = f"transit:{bao.address}/transit/turning"
    provider = make_provider(uri, TOKEN)
    old = provider.wrap(KEY, CONTEXT)
    bao.ask("POST", "transit/keys/turning/rotate")
    new = provider.wrap(KEY, CONTEXT)
    assert (old.key_version, new.key_version) == (1, 2)
    assert provider.unwrap(old, CONTEXT) == provider.unwrap(new, CONTEXT) == KEY
    bao.ask("POST", "transit/keys/turning/config", {"min_decryption_version": 2})
    with pytest.raises(IntegrityError):
        provider.unwrap(old, CONTEXT)


@pytest.mark.parametrize(
    "body", [{}, {"derived": True, "exportable": True}, {"derived": True, "convergent_encryption": True}]
)
def test_a_key_of_the_service_that_keeps_no_promise_is_not_taken(bao, body):
    name = f"weak-{secrets.token_hex(4)}"
    bao.ask("POST", f"transit/keys/{name}", body)
    with pytest.raises(InvalidRequestError, match="exportable, convergent or not derived"):
        make_provider(f"transit:{bao.address}/transit/{name}", TOKEN)


def test_a_service_that_is_sealed_or_gone_is_a_locked_vault(tmp_path):
    with key_services.bao(tmp_path) as server:
        uri = f"transit:{server.address}/transit/key"
        provider = make_provider(uri, TOKEN)
        wrapped = provider.wrap(KEY, CONTEXT)
        settings = provider.settings
        server.ask("PUT", "sys/seal")
        with pytest.raises(LockedError, match="does not answer or is sealed"):
            provider.unwrap(wrapped, CONTEXT)
    with pytest.raises(LockedError, match="does not answer or is sealed"):
        provider.health()
    with pytest.raises(LockedError):
        open_provider(uri, settings, TOKEN)


def test_a_module_or_a_token_that_is_not_there_is_a_locked_vault(token, tmp_path):
    module = token.partition("?")[0]
    for uri in (f"{module}?token=gone&key=a", "pkcs11:/nowhere/module.so?token=vault&key=a"):
        with pytest.raises(LockedError, match="not there"):
            make_provider(uri, PIN)
    settings = {"module": module.removeprefix("pkcs11:"), "token": "vault", "key": "never-made"}
    with pytest.raises(LockedError):
        open_provider(f"{token}&key=never-made", settings, PIN)


def test_a_key_on_the_token_cannot_be_read_out(token):
    import pkcs11

    provider = make_provider(f"{token}&key=hidden", PIN)
    with pytest.raises(pkcs11.exceptions.AttributeSensitive):
        provider._key[pkcs11.Attribute.VALUE]


def test_keys_of_aws_that_cannot_be_used(aws, monkeypatch):
    client = boto3.client("kms", region_name=REGION)
    with pytest.raises(LockedError, match="does not permit this key"):
        make_provider(f"kms:{REGION}/no-such-key", "")
    signing = client.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")["KeyMetadata"]["KeyId"]
    disabled = aws_key()
    client.disable_key(KeyId=disabled)
    for key in (signing, disabled):
        with pytest.raises(InvalidRequestError, match="disabled, or not one for symmetric"):
            make_provider(f"kms:{REGION}/{key}", "")
    client.create_alias(AliasName="alias/vault", TargetKeyId=(whole := aws_key()))
    by_alias = make_provider(f"kms:{REGION}/alias/vault", "")
    assert whole in by_alias.wrap(KEY, CONTEXT).key_id
    settings = by_alias.settings
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    with pytest.raises(LockedError):
        open_provider(by_alias.uri, settings, "")


@pytest.mark.parametrize("scheme", ["transit", "pkcs11", "kms"])
def test_settings_that_were_changed_open_nothing(scheme):
    with pytest.raises(IntegrityError):
        open_provider(f"{scheme}:x", {}, "secret")
