"""The specification's worked example and lists, recomputed from the document itself."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jupyter_secure.broker.audit.entry import Draft, decode_header, decode_personal
from jupyter_secure.broker.audit.report import Finding

DOCUMENT = (Path(__file__).parents[4] / "docs/spec/audit-log-v1.md").read_text()
EXAMPLE = json.loads(re.search(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)[1])


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def test_the_example_follows_from_the_document_alone():
    hashes = []
    for seq, entry in enumerate(EXAMPLE["entries"]):
        commitment = sha256(b"jsec-commit\0", bytes.fromhex(entry["salt"]), entry["personal"].encode()).hex()
        fields = {"v": 1, "seq": seq, "commitment": commitment, "header": json.loads(entry["header"])}
        leaf = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        assert (entry["seq"], entry["commitment"]) == (seq, commitment)
        assert entry["leaf_hash"] == sha256(b"\0", leaf).hex()
        hashes.append(sha256(b"\0", leaf))
    assert EXAMPLE["root"] == sha256(b"\1", *hashes).hex()


def test_the_example_s_checkpoint_follows_from_the_document_alone():
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(EXAMPLE["signing_seed"]))
    public = key.public_key().public_bytes_raw()
    name = "jupyter-secure/log/" + sha256(public).hex()[:16]
    text = f"{name}\n2\n{base64.b64encode(bytes.fromhex(EXAMPLE['root'])).decode()}\n"
    key_id = sha256(name.encode(), b"\n\1", public)[:4]
    signature = base64.b64encode(key_id + key.sign(text.encode())).decode()
    assert base64.b64encode(public).decode() == EXAMPLE["log_key"]
    assert EXAMPLE["checkpoint"] == f"{text}\n\u2014 {name} {signature}\n"


def test_the_log_writes_the_example():
    for entry in EXAMPLE["entries"]:
        header, personal = decode_header(entry["header"]), decode_personal(entry["personal"])
        row = Draft.make(header, personal, bytes.fromhex(entry["salt"])).row(entry["seq"])
        found = row["header"], row["personal"], row["commitment"], row["leaf"].hex()
        assert found == (entry["header"], entry["personal"], entry["commitment"], entry["leaf_hash"])


def test_the_document_lists_every_finding_and_no_other():
    listed = re.findall(r"^\| `([a-z_]+)` \| [^|]+ \|$", DOCUMENT, re.MULTILINE)
    assert sorted(listed) == sorted(finding.value for finding in Finding)
