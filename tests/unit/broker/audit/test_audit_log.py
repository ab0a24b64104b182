"""The log as it is meant to be used; every log here is verified whole at the end of its test."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from jupyter_secure.broker.audit import anchor as anchors
from jupyter_secure.broker.audit.head import KEEP_EVERY
from jupyter_secure.broker.audit.log import AuditLog
from jupyter_secure.broker.audit.verify import verify
from jupyter_secure.broker.keys.signing import Signer
from jupyter_secure.broker.store import database, postgres
from jupyter_secure.protocol.checkpoint import parse_checkpoint, parse_note
from jupyter_secure.protocol.errors import (
    AuditUnavailableError,
    ConflictError,
    IntegrityError,
    InvalidRequestError,
    LockedError,
)
from jupyter_secure.protocol.record import Header, Kind, Personal
from tests.waiting import until

SIGNER = Signer(b"s" * 32)
ANN = Personal(user="ann", notebook="work/a.ipynb", kernel="k1", purpose="study")


def header(kind: Kind = Kind.LOAD_DECIDED, **fields) -> Header:
    return Header(**{"time": 1, "kind": kind, "outcome": "permitted", "dataset": "patients", **fields})


@pytest.fixture
def engine(store_engine):
    return store_engine


@pytest.fixture
def note(tmp_path):
    return tmp_path / "checkpoint.note"


@pytest.fixture
def log(engine, note):
    log = AuditLog(engine, SIGNER, itertools.count(1000).__next__, anchor=note)
    yield log
    log.close()
    remembered = [note.read_text()] if note.exists() else []
    assert verify(engine, SIGNER.public, *remembered).problems == ()


def test_entries_are_numbered_without_gaps_and_read_back_newest_first(log):
    assert [log.append(header(time=number), ANN) for number in range(5)] == [0, 1, 2, 3, 4]
    entries = log.entries()
    assert [entry.seq for entry in entries] == [4, 3, 2, 1, 0]
    assert [entry.header.time for entry in entries] == [4, 3, 2, 1, 0]
    assert entries[0].personal == ANN


def test_every_field_is_read_back(log):
    full = header(
        request="r1", reference=3, version=2, rung="masked", columns=("zip", "na\u00efve"), rows=10, policy="p",
        decision="d", view="v", guard="G2", error="e", cost="0.1", extra={"z": "1", "a": "2"},
    )  # fmt: skip
    person = Personal(user="ann", kernel="k", notebook="n.ipynb", purpose="p", note="said \u201cyes\u201d\n")
    log.append(full, person)
    [entry] = log.entries()
    assert (entry.header, entry.personal) == (full, person)


def test_a_name_with_any_character_is_written_and_found(log):
    person = Personal(user="an\0n", notebook="\0\u2028\U0001f600.ipynb")
    log.append(header(), person)
    assert [entry.personal for entry in log.entries(user="an\0n", notebook=person.notebook)] == [person]


def test_an_entry_without_a_person_is_read_back(log):
    log.append(header(Kind.BROKER_STARTED, dataset=None))
    assert log.entries()[0].personal == Personal()


def test_entries_are_found_by_notebook_person_dataset_and_kind(log):
    log.append(header(), ANN)
    log.append(header(Kind.LOAD_DELIVERED), Personal(user="bob", notebook="work/a.ipynb"))
    log.append(header(dataset="other"), Personal(user="ann", notebook="b.ipynb"))
    found = {
        "notebook": log.entries(notebook="work/a.ipynb"),
        "user": log.entries(user="ann"),
        "both": log.entries(user="ann", notebook="work/a.ipynb"),
        "dataset": log.entries(dataset="other"),
        "kinds": log.entries(kinds=(Kind.LOAD_DELIVERED,)),
        "before": log.entries(before=2),
        "limit": log.entries(limit=1),
        "nobody": log.entries(user="eve"),
    }
    assert {name: [entry.seq for entry in entries] for name, entries in found.items()} == {
        "notebook": [1, 0], "user": [2, 0], "both": [0], "dataset": [2], "kinds": [1], "before": [1, 0], "limit": [2],
        "nobody": [],
    }  # fmt: skip


def test_every_commit_signs_the_state_that_it_leaves(log):
    log.append(header(), ANN)
    log.append(header(), ANN)
    head = log.head()
    note = parse_note(head.note)
    checkpoint = parse_checkpoint(note.text)
    assert (checkpoint.size, checkpoint.root.hex()) == (head.size, head.root) == (2, head.root)
    assert checkpoint.origin == note.signatures[0].name


def test_an_empty_log_has_no_checkpoint(log):
    assert log.checkpoint() == ""
    assert log.head().size == 0


def test_signing_an_unchanged_log_changes_nothing(log):
    log.append(header(), ANN)
    assert log.checkpoint() == log.checkpoint() == log.head().note


def test_a_locked_vault_leaves_entries_for_the_next_signature(engine, note):
    log = AuditLog(engine, None, lambda: 5, anchor=note)
    log.append(header(Kind.VAULT_UNLOCK_FAILED), ANN)
    assert log.head().note == ""
    assert verify(engine, SIGNER.public).signed == 0
    log.sign_with(SIGNER)
    assert verify(engine, SIGNER.public, note.read_text()).signed == 1
    log.append(header(), ANN)
    log.close()
    report = verify(engine, SIGNER.public, note.read_text())
    assert (report.problems, report.signed, report.entries) == ((), 2, 2)


def test_a_key_that_is_locked_when_it_is_needed_stops_nothing(engine, note):
    class Locked(Signer):
        def sign(self, data: bytes) -> bytes:
            raise LockedError

    log = AuditLog(engine, Locked(b"s" * 32), lambda: 5, anchor=note)
    assert log.append(header(), ANN) == 0
    assert log.head().note == ""
    log.close()


def test_the_last_checkpoint_is_remembered_apart_from_the_database(log, note):
    log.append(header(), ANN)
    assert note.read_text() == log.head().note
    log.append(header(), ANN)
    log.close()
    assert note.read_text() == log.head().note


async def test_the_checkpoint_is_remembered_soon_when_no_entries_come(log, note):
    await log.record(header(), ANN)
    await log.record(header(), ANN)
    for _ in range(100):
        if note.exists() and note.read_text() == log.head().note:
            break
        await asyncio.sleep(anchors.QUIET)
    assert note.read_text() == log.head().note


async def test_an_entry_that_leaves_the_file_to_others_is_remembered_soon_too(log, note):
    await log.record(header(), ANN)
    await until(note.exists)
    for _ in range(2):
        await asyncio.to_thread(log.append, header(), ANN, remember=False)
        await until(lambda: note.read_text() == log.head().note)


async def test_entries_that_wait_together_share_a_commit_and_keep_their_order(log):
    numbers = await asyncio.gather(*(log.record(header(time=at), ANN) for at in range(300)))
    assert numbers == list(range(300))
    assert [entry.header.time for entry in log.entries(limit=None)] == list(range(299, -1, -1))


async def test_a_caller_that_stops_waiting_disturbs_nobody(log):
    tasks = [asyncio.create_task(log.record(header(), ANN)) for _ in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results.pop(3), asyncio.CancelledError)
    assert len(set(results)) == 9
    log.close()
    assert log.head().size == 10


async def test_a_closed_log_takes_nothing_more_and_loses_nothing(log):
    waiting = asyncio.gather(*(log.record(header(), ANN) for _ in range(20)))
    await asyncio.sleep(0)
    await asyncio.to_thread(log.close)
    assert sorted(await waiting) == list(range(20))
    with pytest.raises(AuditUnavailableError):
        await log.record(header(), ANN)


def test_checkpoints_are_kept_now_and_then(log, engine):
    for _ in range(2 * KEEP_EVERY + 10):
        log._write([]) if log.head().size % 7 else None
        log._write([_draft() for _ in range(7)])
        if log.head().size > 2 * KEEP_EVERY:
            break
    with engine.connect() as connection:
        sizes = connection.scalars(text("SELECT size FROM audit_checkpoints ORDER BY size")).all()
    assert sizes == [7, 259, 518]


def _draft():
    from jupyter_secure.broker.audit.entry import Draft

    return Draft.make(header(), ANN)


def test_threads_that_append_at_once_get_numbers_of_their_own(log):
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda at: log.append(header(time=at), ANN), range(40)))
    assert sorted(numbers) == list(range(40))


def test_two_processes_worth_of_logs_share_one_database(engine, log, note, store_url):
    other_engine = database.open_database(store_url)
    other = AuditLog(other_engine, SIGNER, lambda: 7, anchor=note)
    assert [one.append(header(), ANN) for one in (log, other, log, other)] == [0, 1, 2, 3]
    other.close()
    other_engine.dispose()
    assert parse_checkpoint(parse_note(note.read_text()).text).size == 4


def test_a_process_that_lags_never_takes_the_remembered_checkpoint_back(tmp_path):
    def make(size: int) -> str:
        return f"o\n{size}\n{'A' * 43}=\n\n\u2014 o {'A' * 96}\n"

    path = tmp_path / "checkpoint.note"
    for size in (5, 3):
        held = anchors.Anchor(path)
        held.offer(size, make(size))
        held.flush()
    assert path.read_text() == make(5)


def test_the_personal_part_can_be_erased_and_the_log_still_verifies(log, engine):
    log.append(header(), ANN)
    log.append(header(), Personal(user="bob"))
    assert log.erase(0, Personal(user="officer")) == 2
    logged, _, erased = log.entries()
    assert erased.personal is None
    assert (logged.header.kind, logged.header.reference, logged.personal.user) == (Kind.ENTRY_ERASED, 0, "officer")
    assert log.entries(user="ann") == log.entries(notebook="work/a.ipynb") == ()
    assert verify(engine, SIGNER.public).erased == 1


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_what_was_erased_is_in_no_file_of_the_database(log, engine, tmp_path):
    log.append(header(), Personal(user="a-quite-unusual-name", notebook="secret-notebook.ipynb"))
    assert any(b"a-quite-unusual-name" in path.read_bytes() for path in tmp_path.iterdir())
    log.erase(0)
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"a-quite-unusual-name" not in left
    assert b"secret-notebook" not in left


def test_nothing_is_erased_twice_or_out_of_nothing(log):
    log.append(header(), ANN)
    log.erase(0)
    with pytest.raises(ConflictError):
        log.erase(0)
    with pytest.raises(InvalidRequestError):
        log.erase(99)
    assert log.head().size == 2


def test_what_has_no_canonical_form_is_not_written(log):
    with pytest.raises(AuditUnavailableError):
        log.append(header(extra={"k": "\ud800"}), ANN)
    assert log.head().size == 0


def test_a_log_that_another_process_holds_is_an_error_and_writes_nothing(log, engine, store_url, monkeypatch):
    log.append(header(), ANN)
    monkeypatch.setattr(database, "BUSY_MS", 50)
    monkeypatch.setitem(postgres._SETTINGS, "lock_timeout", 50)
    blocked_engine = database.open_database(store_url)
    blocked = AuditLog(blocked_engine, SIGNER, lambda: 1)
    with database.transaction(engine, database.Family.AUDIT), pytest.raises(AuditUnavailableError):
        blocked.append(header(), ANN)
    assert blocked.append(header(), ANN) == 1
    blocked_engine.dispose()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_callers_in_a_loop_hear_of_a_log_that_cannot_be_written(tmp_path, engine):
    reader = database.open_read_only(tmp_path / "store.sqlite")
    log = AuditLog(reader, SIGNER, lambda: 1)
    results = await asyncio.gather(*(log.record(header(), ANN) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [AuditUnavailableError] * 3
    log.close()
    reader.dispose()


def test_a_checkpoint_file_that_cannot_be_written_stops_the_log(log, note):
    note.mkdir()
    with pytest.raises(AuditUnavailableError):
        log.append(header(), ANN)
    with pytest.raises(AuditUnavailableError):
        log.append(header(), ANN)
    note.rmdir()
    assert log.append(header(), ANN) == log.head().size - 1


def test_a_damaged_checkpoint_file_stops_the_log_and_says_what_to_run(log, note):
    note.write_text("nonsense")
    with pytest.raises(AuditUnavailableError, match="audit verify"):
        log.append(header(), ANN)
    note.unlink()


def test_a_damaged_entry_is_not_shown_as_something_else(engine):
    log = AuditLog(engine, SIGNER, lambda: 1)
    log.append(header(), ANN)
    with database.transaction(engine) as connection:
        where = "" if engine.dialect.name == "sqlite" else " ON audit_entries"
        connection.execute(text(f"DROP TRIGGER audit_entries_only_erased{where}"))
        connection.execute(text("""UPDATE audit_entries SET header = '{"time": "x"}'"""))
    with pytest.raises(IntegrityError, match="audit verify"):
        log.entries()
    log.close()
