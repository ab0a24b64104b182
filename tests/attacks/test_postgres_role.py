"""Whoever takes over a broker has its database role, and the server refuses that role to rewrite what only grows."""

import subprocess

import pytest

from jupyter_secure.broker.audit.log import AuditLog
from jupyter_secure.broker.audit.verify import verify
from jupyter_secure.broker.keys.signing import Signer
from jupyter_secure.broker.ledger.ledger import Ledger
from jupyter_secure.broker.ledger.scope import Scope
from jupyter_secure.broker.store import database
from jupyter_secure.protocol.record import Header, Kind, Personal

SIGNER = Signer(b"s" * 32)
HEADER = Header(time=1, kind=Kind.LOAD_DECIDED, outcome="permitted", dataset="patients")
ANN = Personal(user="ann", notebook="a.ipynb")
REPLACED = """
    CREATE OR REPLACE FUNCTION audit_entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$
"""


@pytest.fixture
def broker(postgres, postgres_url):
    """The database as the broker's own role sees it."""
    owner = database.open_database(postgres_url)
    postgres.sql("DROP ROLE IF EXISTS broker; CREATE ROLE broker LOGIN")
    database.grant_runtime(owner, "broker")
    owner.dispose()
    engine = database.open_database(postgres_url.replace("//owner@", "//broker@"))
    yield engine
    engine.dispose()
    postgres.sql("DROP OWNED BY broker", postgres_url.partition("@/")[2].partition("?")[0])


def test_the_broker_s_role_can_do_all_its_work(broker):
    database.create(broker)
    log = AuditLog(broker, SIGNER, lambda: 1)
    log.append(HEADER, ANN)
    log.erase(0)
    log.close()
    ledger = Ledger(broker)
    ledger.set_cap(Scope("dataset", "d"), 10)
    ledger.attach(ledger.reserve("q", (Scope("dataset", "d"),), 1), b"answer")
    assert verify(broker, SIGNER.public).problems == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET header = '{}'",
        "UPDATE audit_entries SET leaf = '', salt = NULL",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "UPDATE audit_checkpoints SET note = ''",
        "DELETE FROM audit_checkpoints",
        "DELETE FROM audit_head",
        "DELETE FROM ledger_entries",
        "UPDATE ledger_entries SET body = ''",
        "TRUNCATE ledger_entries CASCADE",
        "UPDATE ledger_answers SET answer = ''",
        "DELETE FROM ledger_caps",
        "UPDATE policies SET envelope = ''",
        "DELETE FROM sealed_versions",
        "DELETE FROM keys",
        "DROP TABLE audit_entries",
        "ALTER TABLE audit_entries DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_entries_stay ON audit_entries",
        REPLACED,
        "SET session_replication_role = replica",
        "UPDATE alembic_version SET version_num = '0000'",
    ],
)
def test_the_broker_s_role_cannot_rewrite_what_only_grows(broker, postgres, statement):
    with pytest.raises(subprocess.CalledProcessError) as refused:
        postgres.sql(statement, broker.url.database, "broker")
    assert "permission denied" in refused.value.stderr or "must be owner" in refused.value.stderr


def test_a_person_s_part_is_all_that_the_broker_s_role_may_change_of_an_entry(broker, postgres):
    log = AuditLog(broker, SIGNER, lambda: 1)
    log.append(HEADER, ANN)
    with pytest.raises(subprocess.CalledProcessError, match="returned non-zero") as refused:
        postgres.sql("""UPDATE audit_entries SET "user" = 'eve'""", broker.url.database, "broker")
    assert "only grows" in refused.value.stderr
    log.close()
