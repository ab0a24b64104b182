"""An ID token that is not exactly what was asked for proves nothing; each way to differ has its own test."""

import base64
import json
from dataclasses import replace

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from jupyter_secure.broker.authn.id_token import SKEW, Expected, read
from jupyter_secure.protocol.errors import SecondFactorError

NOW = 1_790_000_000
KEY = RSAKey.generate_key(2048, {"kid": "a", "use": "sig"})
OTHER = RSAKey.generate_key(2048, {"kid": "a", "use": "sig"})
CURVE = ECKey.generate_key("P-256", {"kid": "c", "use": "sig"})
KEYS = [KEY.as_dict(private=False), CURVE.as_dict(private=False)]
EXPECTED = Expected(
    issuer="https://id.example",
    client="broker",
    nonce="n-1",
    acr=("urn:mfa", "urn:passkey"),
    claim="sub",
    user="ann",
    started=NOW - 60,
)
CLAIMS = {
    "iss": "https://id.example",
    "aud": "broker",
    "sub": "ann",
    "nonce": "n-1",
    "iat": NOW - 5,
    "exp": NOW + 300,
    "auth_time": NOW - 20,
    "acr": "urn:mfa",
}


def signed(key=KEY, alg="RS256", kid="a", **changes):
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return jwt.encode({"alg": alg, "kid": kid}, claims, key, algorithms=[alg])


def reason(token, expected=EXPECTED, now=NOW):
    with pytest.raises(SecondFactorError) as caught:
        read(token, KEYS, expected, now)
    assert len(token) < 20 or token not in caught.value.public
    return caught.value.detail


def unsigned(header, claims=None):
    parts = (json.dumps(part).encode() for part in (header, claims or CLAIMS))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


@pytest.mark.parametrize(("key", "alg", "kid"), [(KEY, "RS256", "a"), (KEY, "PS256", "a"), (CURVE, "ES256", "c")])
def test_a_token_as_asked_for_is_a_proof(key, alg, kid):
    proof = read(signed(key, alg, kid), KEYS, EXPECTED, NOW)
    assert (proof.acr, proof.auth_time) == ("urn:mfa", NOW - 20)


def test_the_audience_may_be_a_list_of_one_and_the_party_may_be_named():
    assert read(signed(aud=["broker"], azp="broker"), KEYS, EXPECTED, NOW).acr == "urn:mfa"


def test_the_name_may_be_the_preferred_one():
    token = signed(sub="f81d", preferred_username="ann")
    assert read(token, KEYS, replace(EXPECTED, claim="preferred_username"), NOW).acr == "urn:mfa"
    assert reason(token) == "subject"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://id.example/"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "other"}, "aud"),
        ({"aud": ["other"]}, "aud"),
        ({"aud": ["broker", "other"]}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": None}, "aud"),
        ({"azp": "other"}, "azp"),
        ({"azp": ""}, "azp"),
        ({"nonce": "n-2"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": ["n-1"]}, "nonce"),
        ({"acr": "urn:password"}, "acr"),
        ({"acr": None}, "acr"),
        ({"acr": ["urn:mfa"]}, "acr"),
        ({"acr": "urn:mfa urn:passkey"}, "acr"),
        ({"auth_time": None}, "auth_time"),
        ({"auth_time": True}, "auth_time"),
        ({"auth_time": str(NOW)}, "auth_time"),
        ({"sub": "mallory"}, "subject"),
        ({"sub": "Ann"}, "subject"),
        ({"sub": None}, "subject"),
        ({"sub": ["ann"]}, "subject"),
        ({"exp": None}, "exp"),
        ({"exp": 1e300}, "exp"),
        ({"iat": None}, "iat"),
        ({"nbf": NOW + SKEW + 1}, "nbf"),
    ],
)
def test_a_claim_that_differs_is_refused(changes, why):
    assert reason(signed(**changes)) == why


@pytest.mark.parametrize(
    ("claim", "last_good", "first_bad"),
    [
        ("exp", NOW - SKEW + 1, NOW - SKEW),
        ("iat", NOW + SKEW, NOW + SKEW + 1),
        ("iat", EXPECTED.started - SKEW, EXPECTED.started - SKEW - 1),
        ("auth_time", NOW + SKEW, NOW + SKEW + 1),
        ("auth_time", EXPECTED.started - SKEW, EXPECTED.started - SKEW - 1),
    ],
)
def test_clocks_may_differ_by_so_much_and_no_more(claim, last_good, first_bad):
    assert read(signed(**{claim: last_good}), KEYS, EXPECTED, NOW).auth_time <= NOW
    assert reason(signed(**{claim: first_bad})) == claim


def test_a_signature_of_another_key_is_refused():
    assert reason(signed(OTHER)) == "signature"


def test_a_key_that_the_issuer_does_not_show_is_refused_by_its_number():
    assert reason(signed(OTHER, kid="z")) == "signature"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
def test_a_token_without_a_signature_is_refused(alg):
    assert reason(unsigned({"alg": alg, "kid": "a"})) == "signature"


def test_the_public_key_is_no_secret_to_sign_with():
    for secret in (KEY.as_pem(private=False), json.dumps(KEYS[0]).encode()):
        token = jwt.encode({"alg": "HS256", "kid": "a"}, CLAIMS, OctKey.import_key(base64.b64encode(secret)), ["HS256"])
        assert reason(token) == "signature"


def test_a_key_inside_the_token_is_not_taken():
    header = {"alg": "RS256", "kid": "a", "jwk": OTHER.as_dict(private=False)}
    assert reason(jwt.encode(header, CLAIMS, OTHER, ["RS256"])) == "signature"


def test_a_secret_key_among_the_issuers_is_not_used():
    secret = OctKey.generate_key(256, {"kid": "s", "use": "sig"})
    token = jwt.encode({"alg": "HS256", "kid": "s"}, CLAIMS, secret, ["HS256"])
    with pytest.raises(SecondFactorError):
        read(token, [*KEYS, secret.as_dict()], EXPECTED, NOW)


def test_keys_of_unknown_kinds_do_not_disturb():
    strange = [{"kty": "LATTICE", "kid": "l"}, {"kty": "RSA", "kid": "b"}, "nothing", {**KEYS[0], "use": "enc"}]
    assert read(signed(), [*strange, *KEYS], EXPECTED, NOW).acr == "urn:mfa"


def test_an_algorithm_that_the_provider_may_like_but_we_do_not_is_refused():
    assert reason(signed(KEY, "RS512")) == "signature"


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "a" * 20_000, "ä.ö.ü", signed() + "x", signed()[:-1], signed() + ".a.b"]
)
def test_what_is_no_token_is_refused(token):
    assert reason(token) in {"signature", "size"}


@pytest.mark.parametrize("part", range(3))
def test_a_changed_token_is_refused(part):
    pieces = signed().split(".")
    first = "A" if pieces[part][10] != "A" else "B"
    pieces[part] = pieces[part][:10] + first + pieces[part][11:]
    assert reason(".".join(pieces)) == "signature"
