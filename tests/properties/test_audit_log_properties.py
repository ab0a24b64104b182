"""Whatever is written verifies, and no cell of the log can be changed unnoticed."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from jupyter_secure.broker.audit.log import AuditLog
from jupyter_secure.broker.audit.verify import verify
from jupyter_secure.broker.keys.signing import Signer
from jupyter_secure.broker.store import database
from jupyter_secure.broker.store.tables.audit import TRIGGERS
from jupyter_secure.protocol.record import Header, Kind, Personal

SIGNER = Signer(b"s" * 32)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
headers = st.builds(
    Header,
    time=st.integers(0, 2**53 - 1),
    kind=st.sampled_from(Kind).filter(lambda kind: kind is not Kind.ENTRY_ERASED),
    outcome=words,
    dataset=st.none() | words,
    extra=st.dictionaries(words, words, max_size=2),
)
persons = st.builds(Personal, user=st.none() | words, notebook=st.none() | words)
logs = st.lists(st.tuples(headers, persons), min_size=1, max_size=12)
COLUMNS = ["seq", "header", "commitment", "leaf", "salt", "personal", "time", "kind", "dataset", "user", "notebook"]
cells = st.none() | st.integers(-3, 20) | words | st.binary(max_size=40)


def _write(entries: list[tuple[Header, Personal]], engine: Engine) -> str:
    database.create(engine)
    with AuditLog(engine, SIGNER, lambda: 1) as log:
        for header, personal in entries:
            log.append(header, personal)
        return log.head().note


@settings(max_examples=25)
@given(logs, st.data())
def test_what_was_written_verifies_also_after_erasures(entries, data):
    engine = database.open_database("sqlite://")
    _write(entries, engine)
    log = AuditLog(engine, SIGNER, lambda: 1)
    for seq in data.draw(st.sets(st.integers(0, len(entries) - 1))):
        log.erase(seq)
    report = verify(engine, SIGNER.public, log.head().note)
    read = log.entries(limit=None)[::-1]
    engine.dispose()
    assert report.problems == ()
    assert [entry.header for entry in read[: len(entries)]] == [header for header, _ in entries]
    assert all(entry.personal in (None, given[1]) for entry, given in zip(read, entries, strict=False))


@settings(max_examples=60)
@given(logs, st.sampled_from(COLUMNS), cells, st.data())
def test_no_cell_can_be_changed_unnoticed(entries, column, value, data):
    engine = database.open_database("sqlite://")
    note = _write(entries, engine)
    seq = data.draw(st.integers(0, len(entries) - 1))
    where: dict[str, Any] = {"value": value, "seq": seq}
    with engine.connect() as connection:
        for name in (trigger.name for trigger in TRIGGERS):
            connection.execute(text(f"DROP TRIGGER {name}"))
        try:
            changed = connection.execute(
                text(f"UPDATE audit_entries SET {column} = :value WHERE seq = :seq AND {column} IS NOT :value"), where
            ).rowcount
        except IntegrityError:  # the database's own constraints come first
            changed = 0
        for sql in (trigger.sqlite() for trigger in TRIGGERS):
            connection.execute(text(sql))
        connection.commit()
    problems = verify(engine, SIGNER.public, note).problems
    engine.dispose()
    assert bool(problems) == bool(changed)
