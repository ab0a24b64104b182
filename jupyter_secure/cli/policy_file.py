"""Reads a policy file and the files of keys that it names: once, and before anything is done.

A file of keys lies in the policy's folder or below, links followed. Promises: nothing outside that folder is opened,
nothing but a plain file, and no more of one than may be used.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from jupyter_secure.broker.policy import key_lists
from jupyter_secure.broker.policy.compile import compile_document
from jupyter_secure.broker.policy.key_lists import KeyLists
from jupyter_secure.broker.policy.parse import Parsed, parse
from jupyter_secure.broker.policy.places import Path as Place
from jupyter_secure.broker.policy.policy import Policy
from jupyter_secure.protocol.errors import PolicyError


class PolicyFile(NamedTuple):
    """What stands in a policy file, in the files of keys it names, and what both mean."""

    text: str
    keys: KeyLists
    policy: Policy


def read_policy(path: Path) -> PolicyFile:
    """Return a policy file.

    Raises:
        PolicyError: it or a file of keys cannot be read, or it is no policy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise PolicyError(f"line {line}: the file is not UTF-8 text.") from None
    except OSError as error:
        raise PolicyError(f"{path.name} cannot be read: {(error.strerror or 'no access').lower()}.") from None
    parsed = parse(text)
    folder = path.resolve().parent
    files = {place: _read(parsed, place, folder, said.file) for place, said in key_lists.named(parsed)}
    keys = key_lists.read(parsed, files)
    return PolicyFile(text, keys, compile_document(parsed, keys))


def _read(parsed: Parsed, place: Place, folder: Path, name: str) -> bytes:
    try:
        found = (folder / name).resolve(strict=True)
        if not found.is_relative_to(folder):
            parsed.fail(place, f"{name} leads out of the folder of the policy")
        if not found.is_file():
            parsed.fail(place, f"{name} is no file")
        with found.open("rb") as file:
            return file.read(key_lists.MOST_BYTES + 1)
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        reason = (getattr(error, "strerror", None) or "no access").lower()
        parsed.fail(place, f"{name} cannot be read: {reason}")
