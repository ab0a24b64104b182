"""No acknowledged entry is lost and no half entry stays: full disks, limits, and writers that are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

from jupyter_secure.broker.audit.log import AuditLog
from jupyter_secure.broker.audit.verify import verify
from jupyter_secure.broker.keys.signing import Signer
from jupyter_secure.broker.store import database
from jupyter_secure.protocol.errors import AuditUnavailableError
from jupyter_secure.protocol.record import Header, Kind, Personal

SIGNER = Signer(b"s" * 32)
HEADER = Header(time=1, kind=Kind.LOAD_DECIDED, outcome="permitted", extra={"padding": "x" * 500})
ANN = Personal(user="ann", notebook="a.ipynb")

START = textwrap.dedent("""
    import resource, sys
    from pathlib import Path
    from jupyter_secure.broker.audit.log import AuditLog
    from jupyter_secure.broker.keys.signing import Signer
    from jupyter_secure.broker.store import database
    from jupyter_secure.protocol.errors import AuditUnavailableError
    from jupyter_secure.protocol.record import Header, Kind, Personal

    folder = Path(sys.argv[1])
    engine = database.open_database(f"sqlite:///{folder}/store.sqlite")
    log = AuditLog(engine, Signer(b"s" * 32), lambda: 1, anchor=folder / "checkpoint.note")
    header = Header(time=1, kind=Kind.LOAD_DECIDED, outcome="permitted", extra={"padding": "x" * 500})
    ann = Personal(user="ann", notebook="a.ipynb")
""")
WRITE_FOR_EVER = START + "while True: print(log.append(header, ann), flush=True)\n"
WRITE_FOR_EVER_TOGETHER = START + textwrap.dedent("""
    import asyncio

    async def one():
        while True:
            print(await log.record(header, ann), flush=True)

    async def many():
        await asyncio.gather(*(one() for _ in range(8)))

    asyncio.run(many())
""")
WRITE_UNTIL_FULL = START + textwrap.dedent("""
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    written = 0
    try:
        while True:
            log.append(header, ann)
            written += 1
    except AuditUnavailableError as error:
        print(written, error.code)
""")


@pytest.fixture
def engine(tmp_path):
    engine = database.open_database(f"sqlite:///{tmp_path}/store.sqlite")
    database.create(engine)
    yield engine
    engine.dispose()


def _report(engine, tmp_path):
    note = tmp_path / "checkpoint.note"
    return verify(engine, SIGNER.public, *([note.read_text()] if note.exists() else []))


def test_a_full_disk_is_an_error_and_leaves_no_part_of_an_entry(engine, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WRITE_UNTIL_FULL, tmp_path], capture_output=True, text=True, timeout=60, check=True
    )
    written, code = done.stdout.split()
    report = _report(engine, tmp_path)
    assert code == "audit_unavailable"
    assert int(written) > 10
    assert (report.problems, report.entries) == ((), int(written))


def test_a_database_that_may_not_grow_is_an_error_and_recovers(engine, tmp_path):
    log = AuditLog(engine, SIGNER, lambda: 1, anchor=tmp_path / "checkpoint.note")
    log.append(HEADER, ANN)
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    written = 1
    with pytest.raises(AuditUnavailableError):  # noqa: PT012 - how many entries fit is SQLite's business
        while written < 1000:
            log.append(HEADER, ANN)
            written += 1
    assert _report(engine, tmp_path).entries == written
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert log.append(HEADER, ANN) == written
    log.close()
    assert _report(engine, tmp_path).problems == ()


@pytest.mark.parametrize("program", [WRITE_FOR_EVER, WRITE_FOR_EVER_TOGETHER], ids=["alone", "together"])
def test_a_writer_killed_at_any_moment_loses_no_acknowledged_entry(engine, tmp_path, program):
    acknowledged: set[int] = set()
    for round_number in range(4):
        with subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, text=True) as writer:
            for _ in range(20 + 7 * round_number):
                acknowledged.add(int(writer.stdout.readline()))
            writer.send_signal(signal.SIGKILL)
            # Every whole line that was printed before the end was acknowledged too.
            *whole, _ = writer.stdout.read().split("\n")
            acknowledged.update(map(int, whole))
        report = _report(engine, tmp_path)
        assert report.problems == ()
        assert acknowledged <= set(range(report.entries))
        assert report.signed == report.entries
