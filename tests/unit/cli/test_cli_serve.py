"""`jupyter secure serve`: what it refuses before it opens anything."""

import os

import pytest

from jupyter_secure.cli import serve
from jupyter_secure.cli.main import main, parser
from jupyter_secure.protocol.errors import InvalidRequestError

HUB = ("--hub-api", "http://127.0.0.1:8081/hub/api")
URL = ("--url", "http://127.0.0.1:8490")
ISSUER = ("--oidc-issuer", "https://id.example")
CLIENT = ("--oidc-client-id", "broker")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "Name the Hub"),
        (("--hub-api", "hub"), "Name the Hub"),
        ((*HUB, "--cert", "c.pem"), "both --cert and --key"),
        ((*HUB, "--bind", "0.0.0.0"), "in the clear"),
        ((*HUB, "--url", "http://10.0.0.7:1"), "in the clear"),
        ((*HUB, "--url", "https://127.0.0.1:1"), "needs --cert and --key"),
        ((*HUB, "--url", "http://127.0.0.1:1", "--cert", "c", "--key", "k"), "needs --cert and --key"),
        ((*HUB, "--url", "http://127.0.0.1:x"), "not an address"),
        ((*HUB, "--url", "127.0.0.1"), "not an address"),
        ((*HUB, *URL, *ISSUER), "--oidc-client-id"),
        ((*HUB, *URL, "--oidc-acr", "urn:mfa"), "--oidc-issuer"),
        ((*HUB, *ISSUER, *CLIENT, "--oidc-acr", "urn:mfa"), "--oidc-public-url"),
        ((*HUB, *URL, *ISSUER, *CLIENT), "--oidc-acr"),
        ((*HUB, *URL, *ISSUER, *CLIENT, "--oidc-acr", "urn:a urn:b"), "--oidc-acr"),
        ((*HUB, *URL, "--oidc-issuer", "http://id.example", *CLIENT, "--oidc-acr", "urn:mfa"), "The issuer"),
        ((*HUB, *URL, *ISSUER, *CLIENT, "--oidc-acr", "urn:mfa", "--oidc-public-url", "http://a.example"), "public"),
        ((*HUB, *URL, *ISSUER, *CLIENT, "--oidc-acr", "urn:mfa", "--oidc-secret-file", "nowhere"), "no line"),
    ],
)
def test_what_cannot_be_safe_is_refused_with_a_sentence(capsys, monkeypatch, tmp_path, options, told):
    monkeypatch.delenv("JUPYTERHUB_API_URL", raising=False)
    assert main(["serve", "--vault", str(tmp_path), *options]) == 1
    assert told in capsys.readouterr().err


def test_there_is_no_option_for_the_passphrase_itself():
    for option in ("--passphrase", "--password"):
        with pytest.raises(SystemExit):
            parser().parse_args(["serve", option, "x"])


def test_the_address_has_a_path_and_a_port():
    args = parser().parse_args(["serve", "--url", "https://127.0.0.1:9000/services/secure/"])
    assert serve._place(args, tls=True) == ("127.0.0.1", 9000, "/services/secure")
    assert serve._place(parser().parse_args(["serve"]), tls=False) == ("127.0.0.1", serve.PORT, "")


def test_the_passphrase_is_one_line_of_an_inherited_descriptor():
    reading, writing = os.pipe()
    os.write(writing, "öffne dich\nund mehr".encode())
    os.close(writing)
    args = parser().parse_args(["serve", "--unlock", "fd", "--unlock-fd", str(reading)])
    assert serve._passphrase(args, "vault") == "öffne dich"


def test_a_client_secret_that_others_can_read_is_refused(capsys, tmp_path):
    path = tmp_path / "secret"
    path.write_text("a client's secret\n")
    options = (*HUB, *URL, *ISSUER, *CLIENT, "--oidc-acr", "urn:mfa", "--oidc-secret-file", str(path))
    path.chmod(0o640)
    assert main(["serve", "--vault", str(tmp_path), *options]) == 1
    assert "nobody else may read it" in capsys.readouterr().err
    path.chmod(0o600)
    registration = serve._registration(parser().parse_args(["serve", *options]))
    assert registration.secret == "a client's secret"
    assert registration.secret not in repr(registration)
    assert registration.callback == "http://127.0.0.1:8490/oidc/callback"


def test_the_hubs_pages_may_ask_for_passkeys_once_their_origin_is_named():
    assert serve._relying_party(None) is None
    assert serve._relying_party("http://localhost:8000").origins == ("http://localhost:8000",)
    party = serve._relying_party("https://hub.example.org:8443/")
    assert (party.id, party.origins) == ("hub.example.org", ("https://hub.example.org:8443",))
    for wrong in ("http://hub.example.org", "https://hub.example.org/hub", "hub.example.org", "https://"):
        with pytest.raises(InvalidRequestError, match="https:// address of the Hub"):
            serve._relying_party(wrong)
