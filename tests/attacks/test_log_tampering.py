"""Nobody can change the audit log unnoticed: each test is one thing an owner of the files might try."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from jupyter_secure.broker.audit.entry import Draft, commit, leaf
from jupyter_secure.broker.audit.log import AuditLog
from jupyter_secure.broker.audit.origin import log_origin
from jupyter_secure.broker.audit.report import Finding
from jupyter_secure.broker.audit.verify import verify
from jupyter_secure.broker.keys.signing import Signer
from jupyter_secure.broker.store import database
from jupyter_secure.broker.store.tables.audit import TRIGGERS
from jupyter_secure.protocol.checkpoint import Checkpoint, format_note
from jupyter_secure.protocol.errors import AuditUnavailableError
from jupyter_secure.protocol.record import Header, Kind, Personal
from jupyter_secure.protocol.tlog import Frontier

SIGNER = Signer(b"s" * 32)
COUNT = 600  # some kept checkpoints on the way


def _header(time: int) -> Header:
    return Header(time=time, kind=Kind.LOAD_DECIDED, outcome="refused", dataset="patients")


def _person(number: int) -> Personal:
    return Personal(user=f"user{number % 3}", notebook="a.ipynb")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    engine = database.open_database(f"sqlite:///{folder}/store.sqlite")
    database.create(engine)
    with AuditLog(engine, SIGNER, lambda: 1, anchor=folder / "checkpoint.note") as log:
        for start in range(0, COUNT, 50):
            log._write([Draft.make(_header(at), _person(at)) for at in range(start, start + 50)])
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    database.scrub(engine)
    engine.dispose()
    return folder


class Vault:
    """A copy of the log, and an attacker with a database shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.note = folder / "checkpoint.note"

    def run(self, *statements: str, triggers: bool = False) -> None:
        shell = sqlite3.connect(self.folder / "store.sqlite")
        if not triggers:
            for name in (trigger.name for trigger in TRIGGERS):
                shell.execute(f"DROP TRIGGER IF EXISTS {name}")
        for statement in statements:
            shell.execute(statement)
        if not triggers:  # an attacker who tidies up
            for sql in (trigger.sqlite() for trigger in TRIGGERS):
                shell.execute(sql)
        shell.commit()
        shell.close()

    def rehash(self) -> None:
        """Recompute every leaf and the head, as somebody would who knows the format but has no key."""
        shell = sqlite3.connect(self.folder / "store.sqlite")
        rows = shell.execute("SELECT seq, header, commitment FROM audit_entries ORDER BY seq").fetchall()
        shell.close()
        tree = Frontier()
        for row in rows:
            tree.add(leaf(*row))
        self.run(
            *(f"UPDATE audit_entries SET leaf = x'{leaf(*row).hex()}' WHERE seq = {row[0]}" for row in rows),
            f"UPDATE audit_head SET size = {tree.size}, frontier = x'{tree.pack().hex()}'",
        )

    def findings(self, *remembered: str) -> list[Finding]:
        return [problem.finding for problem in self.report(*remembered).problems]

    def report(self, *remembered: str):
        engine = database.open_read_only(self.folder / "store.sqlite")
        try:
            return verify(engine, SIGNER.public, *(remembered or (self.note.read_text(),)))
        finally:
            engine.dispose()


@pytest.fixture
def vault(original, tmp_path):
    shutil.copytree(original, tmp_path / "copy")
    return Vault(tmp_path / "copy")


def test_an_untouched_copy_verifies(vault):
    report = vault.report()
    assert (report.problems, report.entries, report.signed) == ((), COUNT, COUNT)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET header = '{}' WHERE seq = 5",
        "UPDATE audit_entries SET personal = '{}' WHERE seq = 5",
        "UPDATE audit_entries SET user = 'eve' WHERE seq = 5",
        "UPDATE audit_entries SET seq = 1000 WHERE seq = 5",
        "UPDATE audit_entries SET salt = NULL WHERE seq = 5",
        "UPDATE audit_entries SET salt = NULL, personal = NULL, user = NULL, notebook = NULL, time = 9 WHERE seq = 5",
        "DELETE FROM audit_entries WHERE seq = 5",
        "DELETE FROM audit_entries",
        "INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries WHERE seq = 5",
        "INSERT INTO audit_entries (seq, header, commitment, leaf, time, kind) VALUES (999, '', '', x'', 1, 'login')",
        "UPDATE audit_head SET size = 1",
        "DELETE FROM audit_head",
        "INSERT OR REPLACE INTO audit_head VALUES (0, 0, x'', NULL)",
        "DELETE FROM audit_checkpoints",
        "UPDATE audit_checkpoints SET note = ''",
        "INSERT OR REPLACE INTO audit_checkpoints SELECT size, '', time FROM audit_checkpoints",
    ],
)
def test_the_database_itself_refuses_a_change(vault, statement):
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        vault.run(statement, triggers=True)
    assert vault.findings() == []


def test_an_edited_header_is_found_and_named(vault):
    vault.run("UPDATE audit_entries SET header = replace(header, 'refused', 'permitted') WHERE seq = 77")
    [problem] = vault.report().problems
    assert (problem.finding, problem.seq) == (Finding.EDITED, 77)


def test_an_edited_header_is_found_even_when_everything_is_hashed_again(vault):
    vault.run("UPDATE audit_entries SET header = replace(header, 'refused', 'permitted') WHERE seq = 377")
    vault.rehash()
    report = vault.report()
    assert {problem.finding for problem in report.problems} == {Finding.FORKED}
    assert report.signed == 300  # the last kept checkpoint before the change tells how far the log can be trusted


def test_an_edited_personal_part_is_found(vault):
    vault.run("""UPDATE audit_entries SET personal = '{"user":"eve"}', user = 'eve', notebook = NULL WHERE seq = 9""")
    assert vault.findings() == [Finding.BAD_COMMITMENT]


def test_an_edited_personal_part_with_a_new_commitment_is_found(vault):
    fresh = commit(b"x" * 32, '{"user":"eve"}')
    vault.run(
        f"""UPDATE audit_entries SET personal = '{{"user":"eve"}}', salt = x'{(b"x" * 32).hex()}', user = 'eve',
        notebook = NULL, commitment = '{fresh}' WHERE seq = 9"""
    )
    assert vault.findings() == [Finding.EDITED]


@pytest.mark.parametrize(
    "change", ["user = 'eve'", "notebook = 'b.ipynb'", "time = 7", "kind = 'login'", "dataset = NULL"]
)
def test_an_entry_hidden_from_searches_is_found(vault, change):
    vault.run(f"UPDATE audit_entries SET {change} WHERE seq = 9")
    assert vault.findings() == [Finding.BAD_INDEX]


def test_a_deleted_entry_is_found(vault):
    vault.run("DELETE FROM audit_entries WHERE seq BETWEEN 300 AND 302")
    [problem] = [problem for problem in vault.report().problems if problem.finding is Finding.MISSING]
    assert (problem.seq, problem.sentence) == (300, "Entries 300 to 302 are missing.")


def test_a_deleted_entry_is_found_when_the_others_close_ranks(vault):
    vault.run(
        "DELETE FROM audit_entries WHERE seq = 300",
        *(f"UPDATE audit_entries SET seq = {at - 1} WHERE seq = {at}" for at in range(301, COUNT)),
    )
    assert Finding.EDITED in vault.findings()
    vault.rehash()
    assert set(vault.findings()) == {Finding.FORKED, Finding.CUT_TAIL}


def test_two_swapped_entries_are_found_and_named(vault):
    vault.run(
        "UPDATE audit_entries SET seq = -1 WHERE seq = 10",
        "UPDATE audit_entries SET seq = 10 WHERE seq = 20",
        "UPDATE audit_entries SET seq = 20 WHERE seq = -1",
    )
    found = [(problem.finding, problem.seq) for problem in vault.report().problems]
    assert found == [(Finding.REORDERED, 10), (Finding.REORDERED, 20)]


def test_an_invented_entry_is_found(vault):
    draft = Draft.make(_header(1), _person(1))
    row = draft.row(COUNT)
    shell = sqlite3.connect(vault.folder / "store.sqlite")
    shell.execute(f"INSERT INTO audit_entries ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})", row)
    shell.commit()
    shell.close()
    assert vault.findings() == [Finding.BAD_HEAD]


def test_a_number_before_the_first_is_found(vault):
    vault.run("UPDATE audit_entries SET seq = -5 WHERE seq = 0")
    assert {Finding.EDITED, Finding.MISSING} & set(vault.findings())


def test_a_cut_tail_is_found(vault):
    vault.run(f"DELETE FROM audit_entries WHERE seq >= {COUNT - 3}")
    assert set(vault.findings()) == {Finding.CUT_TAIL}


def test_a_tail_that_is_cut_with_every_trace_in_the_database_is_found_by_the_remembered_checkpoint(vault):
    vault.run(
        "DELETE FROM audit_entries WHERE seq >= 300",
        "DELETE FROM audit_checkpoints WHERE size > 300",
        "UPDATE audit_head SET note = (SELECT note FROM audit_checkpoints ORDER BY size DESC LIMIT 1)",
    )
    vault.rehash()
    assert vault.findings() == [Finding.CUT_TAIL]


def test_an_emptied_log_is_found(vault):
    vault.run("DELETE FROM audit_entries", "DELETE FROM audit_head", "DELETE FROM audit_checkpoints")
    assert vault.findings() == [Finding.CUT_TAIL]


def test_an_older_copy_of_the_database_is_found(vault, original):
    before = (original / "store.sqlite").read_bytes()
    engine = database.open_database(f"sqlite:///{vault.folder}/store.sqlite")
    with AuditLog(engine, SIGNER, lambda: 1, anchor=vault.note) as log:
        log.append(_header(1), _person(1))
    engine.dispose()
    assert vault.findings() == []
    for path in vault.folder.glob("store.sqlite*"):
        path.unlink()
    (vault.folder / "store.sqlite").write_bytes(before)
    assert vault.findings() == [Finding.CUT_TAIL]


def test_the_log_itself_refuses_to_go_on_from_an_older_copy(vault, original):
    before = (original / "store.sqlite").read_bytes()
    engine = database.open_database(f"sqlite:///{vault.folder}/store.sqlite")
    with AuditLog(engine, SIGNER, lambda: 1, anchor=vault.note) as log:
        log.append(_header(1), _person(1))
    engine.dispose()
    remembered = vault.note.read_text()
    for path in vault.folder.glob("store.sqlite*"):
        path.unlink()
    (vault.folder / "store.sqlite").write_bytes(before)
    engine = database.open_database(f"sqlite:///{vault.folder}/store.sqlite")
    for signer in (SIGNER, None):
        log = AuditLog(engine, signer, lambda: 1, anchor=vault.note)
        for _ in range(2):
            with pytest.raises(AuditUnavailableError, match="older"):
                log.append(_header(2), _person(2))
    engine.dispose()
    assert vault.note.read_text() == remembered  # the evidence is still there


def test_the_log_itself_refuses_to_go_on_from_a_fork(vault):
    shutil.copytree(vault.folder, vault.folder.parent / "fork")
    fork = Vault(vault.folder.parent / "fork")
    for copy, entries in ((vault, 1), (fork, 2)):
        engine = database.open_database(f"sqlite:///{copy.folder}/store.sqlite")
        with AuditLog(engine, SIGNER, lambda: 1, anchor=copy.note) as log:
            for at in range(entries):
                log.append(_header(at), _person(at))
        engine.dispose()
    assert fork.findings(vault.note.read_text()) == [Finding.FORKED]
    engine = database.open_database(f"sqlite:///{fork.folder}/store.sqlite")
    with pytest.raises(AuditUnavailableError):
        AuditLog(engine, SIGNER, lambda: 1, anchor=vault.note).append(_header(3), _person(3))
    engine.dispose()


@pytest.mark.parametrize("more", [0, 3], ids=["edited", "edited and continued"])
def test_a_running_log_signs_nothing_that_did_not_grow_out_of_what_it_wrote(vault, more):
    engine = database.open_database(f"sqlite:///{vault.folder}/store.sqlite")
    log = AuditLog(engine, SIGNER, lambda: 1, anchor=vault.note)
    log.append(_header(1), _person(1))
    vault.run("UPDATE audit_entries SET header = replace(header, 'refused', 'permitted') WHERE seq = 77")
    vault.rehash()
    if more:
        forger = AuditLog(engine, None, lambda: 1)
        for at in range(more):
            forger.append(_header(at), _person(at))
    for _ in range(2):
        with pytest.raises(AuditUnavailableError):
            log.append(_header(2), _person(2))
    engine.dispose()


def test_a_checkpoint_of_another_key_is_found(vault):
    forger = Signer(b"f" * 32)
    engine = database.open_read_only(vault.folder / "store.sqlite")
    root = bytes.fromhex(verify(engine, SIGNER.public).root)
    engine.dispose()
    for origin in (log_origin(forger.public), log_origin(SIGNER.public)):
        body = Checkpoint(origin=origin, size=COUNT, root=root).text()
        forged = format_note(body, origin, forger.public, forger.sign(body.encode()))
        assert vault.findings(forged) == [Finding.BAD_SIGNATURE]


def test_a_forged_checkpoint_in_the_database_is_found(vault):
    body = Checkpoint(origin=log_origin(SIGNER.public), size=1, root=b"r" * 32).text()
    forged = format_note(body, log_origin(SIGNER.public), SIGNER.public, b"s" * 64)
    vault.run(f"UPDATE audit_head SET note = '{forged}'")
    assert vault.findings() == [Finding.BAD_SIGNATURE]


@pytest.mark.parametrize("note", ["", "nonsense", "a\n1\nb\n\n\u2014 c d\n"])
def test_a_remembered_checkpoint_that_is_none_is_found(vault, note):
    assert vault.findings(note) == [Finding.BAD_SIGNATURE]


def test_dropped_triggers_are_found_even_if_nothing_was_edited(vault):
    vault.run("DROP TRIGGER audit_entries_stay", triggers=True)
    assert vault.findings() == [Finding.UNPROTECTED]


def test_a_trigger_that_was_made_toothless_is_found(vault):
    vault.run(
        "DROP TRIGGER audit_entries_stay",
        "CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries BEGIN SELECT 1; END",
        triggers=True,
    )
    assert vault.findings() == [Finding.UNPROTECTED]


def test_an_erasure_that_nobody_logged_is_found(vault):
    vault.run(
        "UPDATE audit_entries SET salt = NULL, personal = NULL, user = NULL, notebook = NULL WHERE seq = 4",
        triggers=True,
    )
    [problem] = vault.report().problems
    assert (problem.finding, problem.seq) == (Finding.UNLOGGED_ERASURE, 4)


def test_a_damaged_head_is_found_and_stops_the_log(vault):
    vault.run("UPDATE audit_head SET frontier = x'00'")
    assert vault.findings() == [Finding.BAD_HEAD]
    engine = database.open_database(f"sqlite:///{vault.folder}/store.sqlite")
    with pytest.raises(AuditUnavailableError):
        AuditLog(engine, SIGNER, lambda: 1, anchor=vault.note).append(_header(1), _person(1))
    engine.dispose()


def test_rows_of_the_wrong_kind_are_found(vault):
    vault.run("UPDATE audit_entries SET header = x'ff', leaf = 'text', commitment = 7 WHERE seq = 3")
    assert vault.findings()[0] in {Finding.EDITED, Finding.UNREADABLE}


def test_a_torn_database_file_is_found(vault):
    path = vault.folder / "store.sqlite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8192] = b"\xa5" * 8192
    path.write_bytes(content)
    assert vault.findings()


def test_a_database_without_a_log_is_found(vault):
    (vault.folder / "store.sqlite").write_bytes(b"")
    assert Finding.UNREADABLE in vault.findings()


@pytest.mark.parametrize("place", range(0, 100, 7))
def test_a_flipped_bit_in_an_entry_is_found(vault, place):
    shell = sqlite3.connect(vault.folder / "store.sqlite")
    [header] = shell.execute("SELECT header FROM audit_entries WHERE seq = 50").fetchone()
    shell.close()
    at = place % len(header)
    changed = header[:at] + chr(ord(header[at]) ^ 1) + header[at + 1 :]
    vault.run(f"UPDATE audit_entries SET header = '{changed.replace(chr(39), chr(39) * 2)}' WHERE seq = 50")
    assert vault.findings()
