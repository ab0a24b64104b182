"""A broker killed at any instruction spends at least what it answered, and never more than there was."""

import json
import random
import subprocess
import sys
import time

from sqlalchemy import text

from jupyter_secure.broker.ledger.ledger import Ledger
from jupyter_secure.broker.ledger.scope import Scope
from jupyter_secure.broker.ledger.verify import verify
from jupyter_secure.broker.store import database

CAP = 300
SPENDER = """
import hashlib, os, sys
from jupyter_secure.broker.ledger.ledger import Ledger
from jupyter_secure.broker.ledger.scope import Scope
from jupyter_secure.broker.store import database
from jupyter_secure.protocol.errors import BudgetError
ledger = Ledger(database.open_database(f"sqlite:///{sys.argv[1]}"))
while True:
    question = hashlib.sha256(os.urandom(16)).hexdigest()
    try:
        reservation = ledger.reserve(question, (Scope("dataset", "d"),), 1)
    except BudgetError:
        break
    ledger.attach(reservation, question.encode())
    os.write(1, f"{reservation.key}\\n".encode())  # only now does anything leave
"""


def test_processes_killed_at_random_never_answer_without_paying_or_overspend(tmp_path):
    path = tmp_path / "store.sqlite"
    engine = database.open_database(f"sqlite:///{path}")
    database.create(engine)
    Ledger(engine).set_cap(Scope("dataset", "d"), CAP)
    answered = []
    for round_ in range(4):
        spenders = [
            subprocess.Popen([sys.executable, "-c", SPENDER, str(path)], stdout=subprocess.PIPE) for _ in range(2)
        ]
        if round_ < 3:
            for spender in spenders:
                spender.stdout.readline()  # at work
                time.sleep(random.uniform(0, 0.05))
                spender.kill()
        for spender in spenders:
            answered += [line for line in spender.communicate(timeout=60)[0].decode().splitlines() if len(line) == 64]
    verify(engine)
    with engine.connect() as connection:
        bodies = [json.loads(body) for body in connection.execute(text("SELECT body FROM ledger_entries")).scalars()]
        spent = connection.execute(text("SELECT spent FROM ledger_caps")).scalar()
    engine.dispose()
    assert spent == CAP == sum(body["kind"] == "debit" for body in bodies)
    paid = {body["question"] for body in bodies if body["kind"] == "debit"}
    assert set(answered) <= paid
    assert len(answered) <= CAP
