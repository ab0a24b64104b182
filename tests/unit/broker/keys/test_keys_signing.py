"""Signatures and envelopes: only the signed bytes, only of the stated type, only by this key."""

import base64
import json
from pathlib import Path

import pytest

from jupyter_secure.broker.keys.signing import (
    Signer,
    Subject,
    Verifier,
    encode_for_signing,
    make_statement,
    open_envelope,
    read_statement,
    seal_envelope,
)
from jupyter_secure.protocol.errors import IntegrityError

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "signing.json").read_text())


@pytest.fixture
def signer():
    return Signer(bytes(range(32)))


@pytest.mark.parametrize("case", VECTORS["ed25519"], ids=lambda case: case["comment"])
def test_signatures_are_those_of_rfc_8032(case):
    signer = Signer(bytes.fromhex(case["seed"]))
    assert signer.public.hex() == case["public"]
    assert signer.sign(bytes.fromhex(case["message"])).hex() == case["signature"]


@pytest.mark.parametrize("case", VECTORS["pae"], ids=lambda case: case["comment"])
def test_what_is_signed_is_the_encoding_of_dsse(case):
    assert encode_for_signing(case["type"], case["payload"].encode()) == case["encoded"].encode()


def test_an_envelope_gives_its_payload_back(signer):
    data = seal_envelope(signer, "text/plain", b"content")
    assert open_envelope(Verifier(signer.public), "text/plain", data) == b"content"


def test_another_key_does_not_open_it(signer):
    data = seal_envelope(signer, "text/plain", b"content")
    with pytest.raises(IntegrityError):
        open_envelope(Verifier(Signer(bytes(32)).public), "text/plain", data)


def test_another_payload_does_not_verify(signer):
    envelope = json.loads(seal_envelope(signer, "text/plain", b"content"))
    envelope["payload"] = base64.b64encode(b"contenu").decode()
    with pytest.raises(IntegrityError):
        open_envelope(Verifier(signer.public), "text/plain", json.dumps(envelope).encode())


def test_a_payload_cannot_pass_as_another_type(signer):
    envelope = json.loads(seal_envelope(signer, "text/plain", b"content"))
    envelope["payloadType"] = "text/html"
    with pytest.raises(IntegrityError):
        open_envelope(Verifier(signer.public), "text/html", json.dumps(envelope).encode())


@pytest.mark.parametrize("signatures", [[], None])
def test_an_envelope_without_signature_is_refused(signer, signatures):
    envelope = json.loads(seal_envelope(signer, "text/plain", b"content"))
    envelope["signatures"] = signatures
    with pytest.raises(IntegrityError):
        open_envelope(Verifier(signer.public), "text/plain", json.dumps(envelope).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"payloadType":"text/plain","payload":"!","signatures":[]}'])
def test_what_is_no_envelope_is_refused(signer, data):
    with pytest.raises(IntegrityError):
        open_envelope(Verifier(signer.public), "text/plain", data)


def test_a_statement_is_read_only_as_its_own_predicate_type():
    payload = make_statement((Subject(name="a", digest={"sha256": "0"}),), "https://example.org/a/v1", {"x": 1})
    assert json.loads(bytes(read_statement(payload, "https://example.org/a/v1").predicate)) == {"x": 1}
    with pytest.raises(IntegrityError):
        read_statement(payload, "https://example.org/b/v1")


def test_a_malformed_public_key_is_refused():
    with pytest.raises(IntegrityError):
        Verifier(b"short")
