import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_secure.broker.ledger.ledger import Ledger, Reservation
from jupyter_secure.broker.ledger.scope import Scope
from jupyter_secure.broker.ledger.verify import verify
from jupyter_secure.broker.store import database
from jupyter_secure.protocol.errors import BudgetError

PEOPLE = ("ann", "bob", "eve")
EVERYONE = Scope("dataset", "d")
asks = st.lists(st.tuples(st.sampled_from(PEOPLE), st.integers(0, 5), st.integers(1, 30)), max_size=15)


def replay(wanted, caps):
    """Ask in order; return what each person spent."""
    engine = database.open_database("sqlite://")
    database.create(engine)
    ledger = Ledger(engine)
    ledger.set_cap(EVERYONE, caps[0])
    for person in PEOPLE:
        ledger.set_cap(Scope("person", "d", person), caps[1])
    spent = dict.fromkeys(PEOPLE, 0)
    for person, number, units in wanted:
        question = hashlib.sha256(f"{number}/{units}".encode()).hexdigest()
        try:
            found = ledger.reserve(question, (EVERYONE, Scope("person", "d", person)), units)
        except BudgetError:
            continue
        if isinstance(found, Reservation):
            spent[person] += units
            ledger.attach(found, question.encode())
        else:
            assert found.answer == question.encode()
    verify(engine)
    engine.dispose()
    return spent


@settings(max_examples=25)
@given(asks, st.tuples(st.integers(0, 120), st.integers(0, 60)))
def test_no_order_of_questions_spends_more_than_a_cap(wanted, caps):
    spent = replay(wanted, caps)
    assert sum(spent.values()) <= caps[0]
    assert all(each <= caps[1] for each in spent.values())


@settings(max_examples=15)
@given(asks, st.randoms(use_true_random=False))
def test_the_order_of_questions_does_not_change_what_they_cost(wanted, random):
    shuffled = list(wanted)
    random.shuffle(shuffled)
    assert replay(wanted, (10_000, 10_000)) == replay(shuffled, (10_000, 10_000))
