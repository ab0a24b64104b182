"""From the text of a policy file to a `Document`, or to one error that names line and field.

Steps: (1) TOML, (2) dates become ISO texts and numbers must be finite, (3) strict decoding, (4) a failure is traced to
the field that was written. Promises: every error is a `PolicyError` whose sentence begins `line N:`; a name that is
nearly right is answered with the right one; nothing of a faulty file is used.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import NamedTuple, NoReturn, get_args

import msgspec

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import PolicyError
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.treatment import METHODS, Unit
from jupyter_secure.protocol.view import Rung

from .document import (
    AttributeTable,
    BudgetTable,
    ConsentTable,
    DatasetTable,
    DisclosureTable,
    Document,
    EgressTable,
    KeyFileTable,
    OutputsTable,
    PolicyTable,
    PurposeTable,
    RowTable,
    RuleTable,
    WhenTable,
)
from .places import Path, Places

ANY = object()
LIMIT = 3_000_000  # characters, also of all keys that a policy reads from files
MASKS = (
    ("rule", "*", "mask", "*"),
    ("rule", "*", "mask_columns", "*"),
    ("dataset", "*", "disclosure", "ladder", "*", "*"),
)
TABLES: tuple[tuple[tuple[str, ...], type[msgspec.Struct]], ...] = (
    ((), Document),
    (("policy",), PolicyTable),
    (("dataset", "*"), DatasetTable),
    (("dataset", "*", "budget"), BudgetTable),
    (("dataset", "*", "consent"), ConsentTable),
    (("dataset", "*", "disclosure"), DisclosureTable),
    (("dataset", "*", "keys", "*"), KeyFileTable),
    (("purpose", "*"), PurposeTable),
    (("attribute", "*"), AttributeTable),
    (("rule", "*"), RuleTable),
    (("rule", "*", "when"), WhenTable),
    (("rule", "*", "rows", "*"), RowTable),
    (("egress", "*"), EgressTable),
    (("outputs",), OutputsTable),
)
CHOICES: dict[str, Iterable[str]] = {
    "tags": Tag,
    "not_tags": Tag,
    "mask": Tag,
    "method": METHODS,
    "view": Rung,
    "guard": GuardLevel,
    "op": ("eq", "ne", "lt", "le", "gt", "ge", "in"),
    "unit": get_args(Unit),
    "kind": ("opt-in", "opt-out"),
    "after": ("masked", "raw"),
}
HINTS = {
    "id": "a rule id is lower case letters, digits and hyphens, and begins with a letter",
    "to": 'write "role:NAME", "user:NAME" or "everyone"',
    "except_to": 'write "role:NAME", "user:NAME" or "everyone"',
    "datasets": 'write names of datasets, or "*" for all that this file declares',
    "dataset": "a dataset's name is lower case letters, digits, _ and -, and begins with a letter",
    "purpose": "a purpose's name is lower case letters, digits and hyphens, and begins with a letter",
    "attribute": "an attribute's name is lower case letters, digits, _ and -, and begins with a letter",
    "project": "a project's name is lower case letters, digits and hyphens, and begins with a letter",
    "mfa_max_age": 'write a number and one of s, m, h, d, for example "12h"',
    "epsilon": 'write a decimal number in quotes, for example "0.5"',
    "person": 'write a decimal number in quotes, for example "0.5"',
    "default_query": 'write a decimal number in quotes, for example "0.5"',
    "delta": 'write a small number in quotes, for example "1e-6"',
    "hours": "write two whole hours from 0 to 24, for example [8, 18]",
    "file": 'write a path below the folder of the policy, for example "codes/wards.csv"',
    "bounds": "write the smallest and the largest value, for example [0, 50000]",
}
UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
MISSING = re.compile(r"Object missing required field `(.*)`")
WHERE = re.compile(r"^(.*?)(?: - at (`key` in )?`\$?(.*?)`)?$", re.DOTALL)
STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]|\[(\.\.\.)\]")


class Parsed(NamedTuple):
    """A decoded file, and the line of every field of it."""

    document: Document
    places: Places
    raw: Mapping[str, object]

    def fail(self, path: Path, sentence: str) -> NoReturn:
        """Raise the `PolicyError` of one field."""
        raise PolicyError(f"line {self.places.line(path)}: {_name(path, self.raw)}: {sentence}.")


class _Failure(NamedTuple):
    text: str
    steps: tuple[object, ...]


def parse(text: str) -> Parsed:
    """Return the document and its places.

    Raises:
        PolicyError: the file is not a policy; the sentence names line and field.
    """
    if len(text) > LIMIT:
        raise PolicyError(f"line 1: the file is longer than {LIMIT} characters.")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(_syntax(str(error), text)) from None
    except RecursionError:
        raise PolicyError("line 1: the file is nested too deeply.") from None
    places = Places(text)
    empty = Parsed(Document(), places, raw)
    plain = _plain(raw, (), empty)
    assert isinstance(plain, dict)
    failure = _failure(plain)
    if failure is not None:
        _explain(failure, plain, Parsed(Document(), places, plain))
    return Parsed(msgspec.convert(plain, Document), places, plain)


def _syntax(message: str, text: str) -> str:
    match = re.search(r"\(at (?:line (\d+), column \d+|end of document)\)", message)
    line = match.group(1) if match and match.group(1) else str(text.count("\n") + 1)
    said = message[: match.start()].strip() if match else message
    return f"line {line}: not TOML: {said[:1].lower()}{said[1:]}."


def _plain(value: object, path: Path, parsed: Parsed) -> object:
    if isinstance(value, dict):
        return {key: _plain(item, (*path, key), parsed) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, (*path, place), parsed) for place, item in enumerate(value)]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        parsed.fail(path, "a number must be finite")
    if isinstance(value, int) and abs(value) >= 2**53:
        parsed.fail(path, "a whole number must be smaller than 2 to the power of 53")
    return value


def _failure(raw: object) -> _Failure | None:
    try:
        msgspec.convert(raw, Document)
    except msgspec.ValidationError as error:
        match = WHERE.match(str(error))
        assert match is not None
        steps: list[object] = []
        for name, place, _ in STEP.findall(match.group(3) or ""):
            steps.append(name or (int(place) if place else ANY))
        return _Failure(match.group(1), (*steps, ANY) if match.group(2) else tuple(steps))
    return None


def _trace(failure: _Failure, raw: object) -> Path:
    # The decoder does not say which key of a mapping failed: keep one key at a time until the same failure remains.
    path: Path = ()
    node: object = raw
    for step in failure.steps:
        key = step
        if step is ANY:
            assert isinstance(node, dict)
            for key in node:
                trial = _replaced(raw, path, {key: node[key]})
                if _failure(trial) == failure:
                    raw = trial
                    break
        assert isinstance(key, str | int)
        path = (*path, key)
        node = _child(node, key)
    return path


def _child(node: object, key: str | int) -> object:
    if isinstance(node, dict):
        return node.get(key)
    return node[key] if isinstance(node, list) and isinstance(key, int) and key < len(node) else None


def _replaced(node: object, path: Path, value: object) -> object:
    if not path:
        return value
    if isinstance(node, dict):
        return {**node, path[0]: _replaced(node[path[0]], path[1:], value)}
    assert isinstance(node, list)
    return [_replaced(item, path[1:], value) if place == path[0] else item for place, item in enumerate(node)]


def _explain(failure: _Failure, raw: dict[str, object], parsed: Parsed) -> NoReturn:
    path = _trace(failure, raw)
    if match := UNKNOWN.match(failure.text):
        name = match.group(1)
        parsed.fail((*path, name), "unknown field" + (nearest(name, _fields(path, raw)) or "; it takes none"))
    if match := MISSING.match(failure.text):
        parsed.fail(path, f"the field `{match.group(1)}` is missing")
    named = next((part for part in reversed(path) if isinstance(part, str) and part in {*CHOICES, *HINTS}), "")
    if failure.text.startswith(("Invalid enum value", "Invalid value")) and named in CHOICES:
        value = failure.text.split("'")[1] if "'" in failure.text else ""
        parsed.fail(path, f"{value!r} is not known here" + nearest(value, CHOICES[named]))
    said = failure.text.replace("`", "")
    said = "not well formed" if "matching regex" in said else said[:1].lower() + said[1:]
    parsed.fail(path, f"{said}; {HINTS[named]}" if named in HINTS else said)


def _fields(path: Path, raw: object) -> list[str]:
    for pattern, table in TABLES:
        if _fits(pattern, path):
            return list(table.__struct_fields__)
    if any(_fits(pattern, path) for pattern in MASKS):
        node = reduce(_child, path, raw)
        assert isinstance(node, dict)  # an unknown field is one of a table
        return list(METHODS[node["method"]].__struct_fields__)
    return []


def _fits(pattern: tuple[str, ...], path: Path) -> bool:
    return len(pattern) == len(path) and all(part in ("*", here) for part, here in zip(pattern, path, strict=True))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the one that was meant, or those that there are."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; perhaps `{close[0]}` is meant"
    return f"; known are {', '.join(known)}" if known else ""


def _name(path: Path, raw: Mapping[str, object]) -> str:
    if path[:1] in (("rule",), ("egress",)) and len(path) > 1:
        rules = raw.get(str(path[0]))
        table = _child(rules, path[1])
        own = table.get("id") if isinstance(table, dict) else None
        place = int(path[1]) + 1
        head = f"[[{path[0]}]] {place}" + (f" ({own!r})" if isinstance(own, str) else "")
        rest = path[2:]
    elif path[:1] in (("dataset",), ("purpose",), ("attribute",)) and len(path) > 1:
        head, rest = f"[{path[0]}.{path[1]}]", path[2:]
    elif path[:1] == ("policy",):
        head, rest = "[policy]", path[1:]
    else:
        head, rest = "", path
    field = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in rest).lstrip(".")
    return " -> ".join(part for part in (head, field) if part) or "the file"
