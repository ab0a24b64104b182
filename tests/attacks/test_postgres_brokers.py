"""Several brokers on one PostgreSQL database: one log, ledger and policy, whatever is killed, stopped or restored."""

import asyncio
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest
from sqlalchemy import event, text

from jupyter_secure.broker.audit.log import AuditLog
from jupyter_secure.broker.audit.verify import verify as verify_log
from jupyter_secure.broker.keys.signing import Signer
from jupyter_secure.broker.ledger.ledger import Ledger
from jupyter_secure.broker.ledger.scope import Scope
from jupyter_secure.broker.ledger.verify import verify as verify_ledger
from jupyter_secure.broker.service.desk import Desk
from jupyter_secure.broker.store import database
from jupyter_secure.broker.store.policy_rows import PolicyRows
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import (
    AuditUnavailableError,
    IntegrityError,
    RefusedError,
    SecureError,
    UnavailableError,
)
from jupyter_secure.protocol.messages import Load, Query
from jupyter_secure.protocol.record import Header, Kind, Personal
from jupyter_secure.protocol.view import Rung
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.world import Front, World

SIGNER = Signer(b"s" * 32)
HEADER = Header(time=1, kind=Kind.LOAD_DECIDED, outcome="permitted", dataset="patients")
ANN = Personal(user="ann", notebook="a.ipynb")
CAP = 200
BROKER = """
import hashlib, os, sys, threading
from pathlib import Path
from jupyter_secure.broker.audit.log import AuditLog
from jupyter_secure.broker.keys.signing import Signer
from jupyter_secure.broker.ledger.ledger import Ledger
from jupyter_secure.broker.ledger.scope import Scope
from jupyter_secure.broker.store import database
from jupyter_secure.broker.store.policy_rows import PolicyRows
from jupyter_secure.protocol.errors import BudgetError
from jupyter_secure.protocol.record import Header, Kind, Personal

engine = database.open_database(sys.argv[1])
log = AuditLog(engine, Signer(b"s" * 32), lambda: 1, anchor=Path(sys.argv[2]))
ledger = Ledger(engine)
header = Header(time=1, kind=Kind.QUERY_DECIDED, outcome="permitted", dataset="d")
while True:
    os.write(1, f"log {log.append(header, Personal(user='ann'))}\\n".encode())
    question = hashlib.sha256(os.urandom(16)).hexdigest()
    try:
        reservation = ledger.reserve(question, (Scope("dataset", "d"),), 1)
    except BudgetError:
        break
    ledger.attach(reservation, question.encode())
    os.write(1, f"answer {reservation.key}\\n".encode())  # only now does anything leave
log.close()
"""
POLICY = """
[dataset.patients]
privacy_unit = "id"
bounds = { cost = [0, 100] }

[dataset.patients.budget]
epsilon = "3.0"
person = "2.0"
default_query = "0.1"

[[rule]]
id = "scientists"
to = ["role:scientist"]
datasets = ["patients"]
view = "VIEW"
"""
QUESTION = json.dumps({"v": 1, "dataset": "patients", "aggs": [{"op": "count", "as": "n"}]})


@pytest.fixture
def durable_url(durable_postgres):
    with durable_postgres.database() as url:
        engine = database.open_database(url)
        database.create(engine)
        engine.dispose()
        yield url


@pytest.fixture
def world(tmp_path, postgres_url):
    with World(tmp_path, database_url=postgres_url) as world:
        world.person("ann", "scientist")
        world.seal(
            pa.table({"id": [f"P{n}" for n in range(200)], "cost": [float(n % 100) for n in range(200)]}),
            tags={"id": Tag.DIRECT, "cost": Tag.MEASURE},
        )
        world.apply(POLICY.replace("VIEW", "dp"))
        yield world


def lines_of(broker):
    """Return the whole lines that a broker has written, as (kind, value)."""
    return [tuple(line.split()) for line in broker.communicate(timeout=120)[0].decode().split("\n")[:-1]]


def test_brokers_killed_at_random_fork_no_log_and_spend_nothing_twice(durable_url, tmp_path):
    engine = database.open_database(durable_url)
    Ledger(engine).set_cap(Scope("dataset", "d"), CAP)
    said = []
    for round_ in range(3):
        brokers = [
            subprocess.Popen(
                [sys.executable, "-c", BROKER, durable_url, tmp_path / f"{number}.note"], stdout=subprocess.PIPE
            )
            for number in range(4)
        ]
        for broker in brokers if round_ < 2 else ():
            said.append(tuple(broker.stdout.readline().decode().split()))
            time.sleep(random.uniform(0, 0.1))
            broker.kill()
        for broker in brokers:
            said += lines_of(broker)
    notes = [(tmp_path / f"{number}.note").read_text() for number in range(4)]
    report = verify_log(engine, SIGNER.public, *notes)
    verify_ledger(engine)
    with engine.connect() as connection:
        bodies = [json.loads(body) for body in connection.execute(text("SELECT body FROM ledger_entries")).scalars()]
        spent = connection.execute(text("SELECT spent FROM ledger_caps")).scalar()
    engine.dispose()
    assert report.problems == ()
    numbers = [int(line[1]) for line in said if line[0] == "log"]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) < report.entries
    debits = [body["question"] for body in bodies if body["kind"] == "debit"]
    assert spent == CAP == len(debits)
    answered = [line[1] for line in said if line[0] == "answer"]
    assert len(set(answered)) == len(answered)
    assert set(answered) <= set(debits)


def test_a_log_reads_only_what_others_wrote_since_its_own_last_entry(postgres_url, tmp_path):
    engines = [database.open_database(postgres_url) for _ in range(2)]
    one, two = (AuditLog(it, SIGNER, lambda: 1, anchor=tmp_path / "note") for it in engines)
    for _ in range(100):
        one.append(HEADER, ANN)
    two.append(HEADER, ANN)
    replayed = []

    @event.listens_for(engines[1], "before_cursor_execute")
    def see(_connection, _cursor, statement, parameters, _context, _many):
        if statement.startswith("SELECT audit_entries.leaf"):
            replayed.append(parameters["seq_2"] - parameters["seq_1"])

    for _ in range(10):
        one.append(HEADER, ANN)
        two.append(HEADER, ANN)
        two.append(HEADER, ANN)
    assert replayed == [1] * 10
    one.close()
    two.close()
    assert verify_log(engines[0], SIGNER.public, (tmp_path / "note").read_text()).problems == ()
    for engine in engines:
        engine.dispose()


async def test_a_policy_that_one_broker_applies_counts_at_the_other_s_next_request(world, tmp_path):
    shutil.copytree(world.path, tmp_path / "other")

    async def changed(*_):
        pass

    async with Desk.open(str(tmp_path / "other"), changed, now=world.clock) as desk:
        desk.vault.unlock(PASSPHRASE)
        kernel = await Front(desk).kernel("ann")
        await kernel.ask(Load(dataset="patients", rung=Rung.DP))
        world.apply(POLICY.replace("VIEW", "deny"))
        with pytest.raises(RefusedError):
            await kernel.ask(Load(dataset="patients", rung=Rung.DP))
        world.accounts.disable("ann")
        with pytest.raises(SecureError):
            await kernel.ask(Load(dataset="patients", rung=Rung.DP))
    world.verify()


def dumped(postgres, url, place):
    postgres.run("pg_dump", "--format=custom", "--dbname", url, "--file", place)


def put_back(postgres, url, place):
    """Do what an administrator does: restore a dump over what there is."""
    name = url.partition("@/")[2].partition("?")[0]
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")
    postgres.sql(f"CREATE DATABASE {name} TEMPLATE template0")
    postgres.run("pg_restore", "--exit-on-error", "--dbname", url, place)


def test_an_older_dump_is_not_continued(world, postgres, postgres_url):
    world.vault.audit.append(HEADER, ANN)
    world.vault.audit.checkpoint()
    dump = str(postgres.folder / f"{time.monotonic_ns()}.dump")
    dumped(postgres, postgres_url, dump)
    put_back(postgres, postgres_url, dump)
    world.vault.audit.append(HEADER, ANN)  # the newest dump is as good as what was lost
    world.vault.audit.checkpoint()
    world.verify()
    put_back(postgres, postgres_url, dump)
    with pytest.raises(AuditUnavailableError, match="older"):
        world.vault.audit.append(HEADER, ANN)
    with Vault.open_locked(world.path) as restarted, pytest.raises(AuditUnavailableError, match="older"):
        restarted.unlock(PASSPHRASE)


async def test_an_older_ledger_beside_the_newest_log_answers_nothing(world, postgres, postgres_url):
    async with world.desk() as front:
        await (await front.kernel("ann")).fetch(Query(question=QUESTION, epsilon="0.1"))
    dump = str(postgres.folder / f"{time.monotonic_ns()}.dump")
    dumped(postgres, postgres_url, dump)
    ledger = Ledger(world.vault.engine)
    older = ledger.head()
    async with world.desk() as front:
        await (await front.kernel("ann")).fetch(Query(question=QUESTION, epsilon="0.2"))
    # Another broker, which was slower, anchors the head that it had read before.
    late = Header(time=1, kind=Kind.LEDGER_ANCHORED, outcome="done", extra={"head": str(older)})
    world.vault.audit.append(late)
    name = postgres_url.partition("@/")[2].partition("?")[0]
    postgres.sql("DROP TABLE ledger_answers, ledger_entries, ledger_caps", name)
    tables = [part for it in ("answers", "entries", "caps") for part in ("--table", f"ledger_{it}")]
    postgres.run("pg_restore", "--exit-on-error", "--dbname", postgres_url, *tables, dump)
    assert verify_ledger(world.vault.engine) == older
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        with pytest.raises(IntegrityError):
            await kernel.fetch(Query(question=QUESTION, epsilon="0.3"))


async def test_a_database_that_stops_for_a_moment_is_found_again(tmp_path, durable_postgres, durable_url):
    with World(tmp_path, database_url=durable_url) as world:
        world.person("ann", "scientist")
        world.seal(pa.table({"id": ["P1", "P2"], "cost": [1.0, 2.0]}), tags={"cost": Tag.MEASURE})
        world.apply(POLICY.replace("VIEW", "raw"))
        wish = Load(dataset="patients", columns=("cost",), rung=Rung.RAW)
        async with world.desk() as front:
            kernel = await front.kernel("ann")
            _, before = await kernel.fetch(wish)
            durable_postgres.stop()
            try:
                with pytest.raises(UnavailableError, match="database"):
                    await kernel.fetch(wish)
                waiting = (front.desk.vault.audit.record(HEADER, ANN) for _ in range(4))
                results = await asyncio.gather(*waiting, return_exceptions=True)
                assert [type(result) for result in results] == [AuditUnavailableError] * 4
                with pytest.raises(UnavailableError):
                    PolicyRows(world.vault.engine).newest()
                with pytest.raises(UnavailableError):
                    Ledger(world.vault.engine).set_cap(Scope("dataset", "d"), 1)
            finally:
                durable_postgres.start()
            _, after = await kernel.fetch(wish)
        assert after.equals(before)
        world.verify()


def test_a_connection_that_dies_under_a_transaction_leaves_no_part_of_it(durable_url, durable_postgres, tmp_path):
    engine = database.open_database(durable_url)
    log = AuditLog(engine, SIGNER, lambda: 1, anchor=tmp_path / "note")
    ledger = Ledger(engine)
    ledger.set_cap(Scope("dataset", "d"), 10)
    log.append(HEADER, ANN)

    @event.listens_for(engine, "before_cursor_execute")
    def cut(_connection, _cursor, statement, _parameters, _context, _many):
        if statement.startswith(("INSERT INTO audit_entries", "INSERT INTO ledger_entries")):
            durable_postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state LIKE 'idle in%'")

    with pytest.raises(AuditUnavailableError):
        log.append(HEADER, ANN)
    with pytest.raises(UnavailableError):
        ledger.reserve(hashlib.sha256(b"q").hexdigest(), (Scope("dataset", "d"),), 4)
    event.remove(engine, "before_cursor_execute", cut)
    assert log.append(HEADER, ANN) == 1
    ledger.reserve(hashlib.sha256(b"q").hexdigest(), (Scope("dataset", "d"),), 10)
    verify_ledger(engine)
    log.close()
    assert verify_log(engine, SIGNER.public, (tmp_path / "note").read_text()).problems == ()
    engine.dispose()


def test_a_server_that_crashes_loses_no_acknowledged_entry(durable_url, durable_postgres, tmp_path):
    engine = database.open_database(durable_url)
    log = AuditLog(engine, SIGNER, lambda: 1, anchor=tmp_path / "note")
    acknowledged = []
    for _ in range(2):
        acknowledged += [log.append(HEADER, ANN) for _ in range(50)]
        durable_postgres.stop(signal.SIGQUIT)
        with pytest.raises(AuditUnavailableError):
            log.append(HEADER, ANN)
        durable_postgres.start()
    acknowledged.append(log.append(HEADER, ANN))
    log.close()
    report = verify_log(engine, SIGNER.public, (tmp_path / "note").read_text())
    assert report.problems == ()
    assert acknowledged == list(range(report.entries))
    engine.dispose()
