"""Signed notes and checkpoints: one meaning, one text."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from jupyter_secure.protocol import checkpoint
from jupyter_secure.protocol.checkpoint import Checkpoint

VECTOR = json.loads((Path(__file__).parents[2] / "vectors/tlog/note.json").read_text())
PUBLIC = base64.b64decode(VECTOR["public_key"])
NOTE = VECTOR["text"] + "\n" + VECTOR["signature_line"] + "\n"
TEXT = "example.org/log\n5\n" + base64.b64encode(b"r" * 32).decode() + "\n"


def verify(message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(PUBLIC).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def test_the_published_note_verifies():
    assert checkpoint.parse_note(NOTE).signed_by(VECTOR["name"], PUBLIC, verify)


def test_the_published_note_is_made_byte_for_byte():
    signature = Ed25519PrivateKey.from_private_bytes(base64.b64decode(VECTOR["seed"])).sign(VECTOR["text"].encode())
    assert checkpoint.format_note(VECTOR["text"], VECTOR["name"], PUBLIC, signature) == NOTE


def test_the_key_id_is_the_published_one():
    assert checkpoint.key_id(VECTOR["name"], PUBLIC).hex() == VECTOR["key_id"]


def test_a_changed_text_is_not_signed():
    note = checkpoint.parse_note(NOTE.replace("problem is", "problem was"))
    assert not note.signed_by(VECTOR["name"], PUBLIC, verify)


def test_a_signature_under_another_name_does_not_count():
    assert not checkpoint.parse_note(NOTE).signed_by("Somebody", PUBLIC, verify)


def test_a_further_signature_of_somebody_else_does_no_harm():
    other = "\u2014 witness " + base64.b64encode(b"k" * 4 + b"s" * 64).decode() + "\n"
    note = checkpoint.parse_note(NOTE + other)
    assert len(note.signatures) == 2
    assert note.signed_by(VECTOR["name"], PUBLIC, verify)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        NOTE[:-1],
        NOTE + "\n",
        VECTOR["text"],
        NOTE.replace("\u2014", "-"),
        NOTE.replace("PeterNeumann x", "Peter Neumann x"),
        NOTE.replace("x08go", "x08 go"),
        NOTE.replace("x08go", "*08go"),
        NOTE.replace("\n", "\r\n"),
        VECTOR["text"] + "\n\u2014 PeterNeumann x08gow==\n",
        "x" * 64_001 + NOTE,
    ],
)
def test_what_is_not_quite_a_note_is_refused(note):
    with pytest.raises(ValueError, match="not"):
        checkpoint.parse_note(note)


@pytest.mark.parametrize(("text", "name"), [("no newline", "name"), ("t\n", ""), ("t\n", "a b"), ("t\n", "a+b")])
def test_a_note_that_could_not_be_read_back_is_not_made(text, name):
    with pytest.raises(ValueError, match="not a note"):
        checkpoint.format_note(text, name, PUBLIC, b"s" * 64)


def test_a_checkpoint_is_read_back():
    made = Checkpoint(origin="example.org/log", size=5, root=b"r" * 32)
    assert made.text() == TEXT
    assert checkpoint.parse_checkpoint(TEXT) == made


def test_extension_lines_are_read_back():
    made = Checkpoint(origin="o", size=0, root=b"r" * 32, extensions=("time 1", "x"))
    assert checkpoint.parse_checkpoint(made.text()) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT + "\n",
        TEXT.replace("\n5\n", "\n05\n"),
        TEXT.replace("\n5\n", "\n-5\n"),
        TEXT.replace("\n5\n", "\n+5\n"),
        TEXT.replace("\n5\n", "\n\u0665\n"),
        TEXT.replace("\n5\n", "\n9007199254740992\n"),
        TEXT.replace("example.org/log", ""),
        TEXT.replace("cnI=", "cnJ="),
        "o\n5\n" + base64.b64encode(b"r" * 31).decode() + "\n",
        "o\n5\n",
    ],
)
def test_what_is_not_quite_a_checkpoint_is_refused(text):
    with pytest.raises(ValueError, match="not"):
        checkpoint.parse_checkpoint(text)


@pytest.mark.parametrize(
    "bad",
    [
        Checkpoint(origin="", size=1, root=b"r" * 32),
        Checkpoint(origin="a\nb", size=1, root=b"r" * 32),
        Checkpoint(origin="a", size=1, root=b"r"),
        Checkpoint(origin="a", size=1, root=b"r" * 32, extensions=("",)),
    ],
)
def test_a_checkpoint_that_could_not_be_read_back_is_not_made(bad):
    with pytest.raises(ValueError, match="not a checkpoint"):
        bad.text()
