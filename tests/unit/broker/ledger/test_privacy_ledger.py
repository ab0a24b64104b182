import hashlib
import threading

import pytest
from sqlalchemy import text

from jupyter_secure.broker.ledger.accountant import epsilon_of, units_of
from jupyter_secure.broker.ledger.balance import gauges_of
from jupyter_secure.broker.ledger.chain import Head
from jupyter_secure.broker.ledger.ledger import Ledger, Reservation, StoredAnswer
from jupyter_secure.broker.ledger.scope import Scope, notebook_scope
from jupyter_secure.broker.ledger.verify import verify
from jupyter_secure.broker.store import database
from jupyter_secure.protocol.errors import BudgetError, ConflictError, IntegrityError, InvalidRequestError

EVERYONE, ANN, BOB = (
    Scope("dataset", "patients"),
    Scope("person", "patients", "ann"),
    Scope("person", "patients", "bob"),
)


@pytest.fixture
def engine(store_engine):
    return store_engine


@pytest.fixture
def ledger(engine):
    ledger = Ledger(engine)
    ledger.set_cap(EVERYONE, 100)
    ledger.set_cap(ANN, 60)
    ledger.set_cap(BOB, 60)
    yield ledger
    verify(engine)


def question(name):
    return hashlib.sha256(name.encode()).hexdigest()


def spend(ledger, name, who=ANN, units=10):
    reservation = ledger.reserve(question(name), (EVERYONE, who), units)
    assert isinstance(reservation, Reservation)
    return reservation


def test_a_budget_that_is_spent_refuses_and_names_only_its_kind(ledger):
    for number in range(6):
        spend(ledger, str(number))
    with pytest.raises(BudgetError) as refused:
        spend(ledger, "one more")
    assert "your own" in refused.value.public
    assert not any(character.isdigit() for character in refused.value.public)


def test_the_dataset_s_budget_holds_over_all_people(ledger):
    for number in range(10):
        spend(ledger, str(number), (ANN, BOB)[number % 2])
    with pytest.raises(BudgetError, match="all people together"):
        spend(ledger, "one more", BOB, 1)


def test_a_refusal_spends_nothing_from_any_budget(ledger):
    spend(ledger, "a", ANN, 60)
    with pytest.raises(BudgetError):
        spend(ledger, "b", ANN, 1)
    spend(ledger, "c", BOB, 40)


def test_what_a_question_would_come_to_is_known_before(ledger):
    def charges(name, units=10, scopes=(EVERYONE, ANN), also=()):
        return ledger.charges(question(name), scopes, units, also=also)

    assert charges("a", 60)
    assert not charges("a", 61)
    assert not charges("a", 1, (EVERYONE, Scope("person", "patients", "eve")))
    paid = spend(ledger, "a", ANN, 50)
    assert charges("a")  # as long as it has no answer it is charged again
    assert not charges("b", 11)
    ledger.attach(paid, b"answer")
    assert not charges("a")
    assert charges("a", scopes=(EVERYONE, BOB))
    own = notebook_scope("patients", "ann", "a.ipynb")
    assert charges("b", also=(own,))
    ledger.set_cap(own, 9)
    assert not charges("b", also=(own,))


def test_a_reservation_says_how_budgets_stand_after_it(ledger):
    paid = ledger.reserve(question("a"), (EVERYONE, ANN), 10, shown=(EVERYONE, ANN, Scope("project", "patients", "p")))
    assert [(each.scope, each.cap, each.spent) for each in paid.balances] == [(EVERYONE, 100, 10), (ANN, 60, 10)]
    ledger.attach(paid, b"answer")
    known = ledger.reserve(question("a"), (EVERYONE, ANN), 10, shown=(ANN,))
    assert known.balances == ledger.balances((ANN,))
    assert known.balances[0].spent == 10


@pytest.mark.parametrize("scopes", [(EVERYONE, Scope("person", "patients", "eve")), (Scope("dataset", "other"),)])
def test_a_missing_budget_refuses(ledger, scopes):
    with pytest.raises(BudgetError, match="has been set"):
        ledger.reserve(question("a"), scopes, 1)


@pytest.mark.parametrize(("scopes", "units"), [((ANN,), 1), ((), 1), ((EVERYONE,), 0), ((EVERYONE,), -5)])
def test_a_reservation_without_cost_or_the_dataset_s_budget_is_refused(ledger, scopes, units):
    with pytest.raises(BudgetError):
        ledger.reserve(question("a"), scopes, units)


def test_the_same_question_is_answered_from_the_record_for_free(ledger):
    ledger.attach(spend(ledger, "a"), b"the answer")
    before = ledger.head()
    again = ledger.reserve(question("a"), (ANN, EVERYONE), 10)
    assert isinstance(again, StoredAnswer)
    assert again.answer == b"the answer"
    assert ledger.head() == before


def test_the_same_question_of_somebody_else_is_paid_by_them(ledger):
    ledger.attach(spend(ledger, "a"), b"the answer")
    spend(ledger, "a", BOB)


def test_a_question_without_its_answer_yet_is_paid_again(ledger):
    first, second = spend(ledger, "a"), spend(ledger, "a")
    ledger.attach(second, b"2")
    ledger.attach(first, b"1")
    again = ledger.reserve(question("a"), (EVERYONE, ANN), 10)
    assert again.answer == b"2"


def test_an_answer_needs_a_reservation_of_its_own(ledger):
    reservation = spend(ledger, "a")
    ledger.attach(reservation, b"1")
    for wrong in (reservation, Reservation(99, "x", 1), Reservation(1, reservation.key, 1)):
        with pytest.raises(ConflictError):
            ledger.attach(wrong, b"2")


def test_a_cap_below_what_is_spent_leaves_nothing(ledger, engine):
    spend(ledger, "a", ANN, 30)
    ledger.set_cap(ANN, 5)
    with pytest.raises(BudgetError):
        spend(ledger, "b", ANN, 1)
    ledger.set_cap(ANN, 31)
    spend(ledger, "b", ANN, 1)


def test_setting_the_same_cap_again_writes_nothing(ledger):
    before = ledger.head()
    ledger.set_cap(ANN, 60)
    assert ledger.head() == before


def test_gauges_show_one_s_own_spending_and_nobody_else_s(ledger):
    spend(ledger, "a", BOB)
    everyone, own = gauges_of(ledger.balances((EVERYONE, ANN)), "1e-6")
    assert (everyone.scope, everyone.spent, everyone.remaining) == ("dataset", None, None)
    assert (own.scope, own.spent) == ("person", "0")


def test_sixty_four_at_once_spend_exactly_what_there_is(ledger, engine):
    outcomes = []

    def ask(number):
        try:
            ledger.reserve(question(str(number)), (EVERYONE,), 7)
            outcomes.append(True)
        except BudgetError:
            outcomes.append(False)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 64
    assert sum(outcomes) == 100 // 7


def test_a_restart_keeps_what_was_spent(ledger, engine):
    spend(ledger, "a", ANN, 60)
    with pytest.raises(BudgetError):
        spend(Ledger(engine), "b", ANN, 1)


def refused(engine, statement):
    with pytest.raises(Exception, match=r"only grows|within_cap"), database.transaction(engine) as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET body = '{}' WHERE seq = 1",
        "DELETE FROM ledger_entries",
        "INSERT INTO ledger_entries VALUES (99, '{}', '')",
        "UPDATE ledger_caps SET spent = spent - 1 WHERE spent > 0",
        "UPDATE ledger_caps SET spent = cap + 1",
        "UPDATE ledger_caps SET subject = 'patients/eve' WHERE id = 2",
        "DELETE FROM ledger_caps",
        "UPDATE ledger_answers SET answer = '00'",
        "DELETE FROM ledger_answers",
    ],
)
def test_the_database_refuses_to_forget(ledger, engine, statement):
    ledger.attach(spend(ledger, "a"), b"1")
    refused(engine, statement)


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("ledger_entries", "INSERT OR REPLACE INTO ledger_entries VALUES (1, '{}', '')"),
        ("ledger_caps", "INSERT OR REPLACE INTO ledger_caps VALUES (2, 'person', 'patients/ann', '', 60, 0)"),
        ("ledger_answers", "INSERT OR REPLACE INTO ledger_answers SELECT entry, question, '00' FROM ledger_answers"),
    ],
)
def test_each_database_s_own_way_to_replace_is_refused_too(ledger, engine, table, statement):
    ledger.attach(spend(ledger, "a"), b"1")
    refused(engine, statement if engine.dialect.name == "sqlite" else f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_caps SET spent = spent - 1 WHERE spent > 0",
        "UPDATE ledger_caps SET cap = cap + 1",
        "UPDATE ledger_caps SET subject = 'patients/eve' WHERE id = 2",
        "DELETE FROM ledger_caps WHERE id = 3",
        "INSERT INTO ledger_caps VALUES (4, 'person', 'patients/eve', x'', 60, 0)",
        "UPDATE ledger_entries SET body = replace(body, '10', '11')",
        "DELETE FROM ledger_entries WHERE seq = 4",
        "UPDATE ledger_answers SET answer = x'00'",
        "DELETE FROM ledger_answers",
    ],
)
def test_whoever_drops_the_triggers_is_found_out(tmp_path, statement):
    engine = database.open_database(f"sqlite:///{tmp_path}/store.sqlite")
    database.create(engine)
    ledger = Ledger(engine)
    for scope in (EVERYONE, ANN, BOB):
        ledger.set_cap(scope, 100)
    ledger.attach(spend(ledger, "a"), b"1")
    verify(engine)
    with database.transaction(engine) as connection:
        connection.execute(text("PRAGMA defer_foreign_keys=ON"))
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type='trigger' AND name LIKE 'ledger%'"))
        for name in names.scalars().all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text(statement))
    with pytest.raises(IntegrityError):
        verify(engine)
    engine.dispose()


def test_an_exchanged_stored_answer_is_not_served(ledger, engine, tmp_path):
    other = database.open_database(f"sqlite:///{tmp_path}/other.sqlite")
    database.create(other)
    copy = Ledger(other)
    copy.set_cap(EVERYONE, 100)
    copy.attach(copy.reserve(question("a"), (EVERYONE,), 1), b"1")
    with database.transaction(other) as connection:
        connection.execute(text("DROP TRIGGER ledger_answers_fixed"))
        connection.execute(text("UPDATE ledger_answers SET answer = x'00'"))
    with pytest.raises(IntegrityError):
        copy.reserve(question("a"), (EVERYONE,), 1)
    other.dispose()


def test_an_erased_person_keeps_no_name_and_the_ledger_still_verifies(ledger, engine):
    spend(ledger, "a")
    with database.transaction(engine) as connection:
        connection.execute(text("UPDATE ledger_caps SET subject = NULL, salt = NULL WHERE id = 2"))
        bodies = connection.execute(text("SELECT body FROM ledger_entries")).scalars().all()
    assert "ann" not in "".join(bodies)
    verify(engine)


def test_a_head_reads_as_it_was_written(ledger):
    assert Head.parse(str(ledger.head())) == ledger.head()
    with pytest.raises(IntegrityError):
        Head.parse("nonsense")


@pytest.mark.parametrize("epsilon", ["0.1", "0.5", "1", "3", "8", "50"])
def test_epsilon_and_units_agree_both_ways(epsilon):
    units = units_of(epsilon, "0.000001")
    assert float(epsilon_of(units, "0.000001", up=False)) <= float(epsilon)
    assert float(epsilon) * (1 - 1e-6) <= float(epsilon_of(units, "0.000001")) <= float(epsilon) + 1e-6


def test_conversion_is_the_tight_one():
    # OpenDP's figures at delta 1e-6; the textbook formula gives 0.0175 and 0.147.
    assert units_of("1", "1e-6") == pytest.approx(24_355_970, rel=1e-4)
    assert units_of("3", "1e-6") == pytest.approx(185_069_840, rel=1e-4)


def test_a_whole_cap_can_be_offered_at_once(engine):
    ledger = Ledger(engine)
    ledger.set_cap(EVERYONE, units_of("1", "1e-6"))
    ledger.reserve(question("a"), (EVERYONE,), units_of("1", "1e-6"))


@pytest.mark.parametrize(
    ("epsilon", "delta"),
    [("0", "1e-6"), ("51", "1e-6"), ("1e300", "1e-6"), ("-1", "1e-6"), ("nan", "1e-6"), ("0.000000001", "1e-6"),
     ("1", "1.5"), ("1", "0"), ("1", "0.5"), ("1 ", "1e-6"), ("", "1e-6")],
)  # fmt: skip
def test_a_budget_out_of_range_is_refused(epsilon, delta):
    with pytest.raises(InvalidRequestError):
        units_of(epsilon, delta)


def test_sixty_four_requests_at_once_never_spend_more_than_a_project_has(engine):
    project = Scope("project", "patients", "study")
    first = Ledger(engine)
    for scope, cap in (
        (EVERYONE, 1000),
        (project, 100),
        *((Scope("person", "patients", f"u{n}"), 100) for n in range(8)),
    ):
        first.set_cap(scope, cap)
    answered = []

    def ask(number):
        scopes = (EVERYONE, Scope("person", "patients", f"u{number % 8}"), project)
        try:
            answered.append(Ledger(engine).reserve(question(f"p{number}"), scopes, 3))
        except BudgetError as error:
            assert "of this project" in error.public  # noqa: PT017 - one of many threads

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answered) == 33
    assert first.spent(project) == (99, 100)
    assert first.spent(EVERYONE)[0] == 99
    verify(engine)


def test_an_answer_is_the_same_whatever_project_or_notebook_pays(ledger):
    project, other = (Scope("project", "patients", name) for name in ("study", "other"))
    notebook = notebook_scope("patients", "ann", "a.ipynb")
    for scope in (project, other, notebook):
        ledger.set_cap(scope, 50)
    paid = ledger.reserve(question("q"), (EVERYONE, ANN, project), 10)
    ledger.attach(paid, b"answer")
    for scopes in ((EVERYONE, ANN, other), (EVERYONE, ANN, notebook), (EVERYONE, ANN)):
        assert ledger.reserve(question("q"), scopes, 10) == StoredAnswer(paid.seq + 1, b"answer")
    assert ledger.spent(other) == ledger.spent(notebook) == (0, 50)


def test_a_renewal_is_counted_and_nothing_is_forgotten(ledger, engine):
    spend(ledger, "a", units=60)
    assert ledger.renewals("patients") == 0
    head = ledger.renew("patients")
    assert ledger.renew("patients").size == head.size + 1
    assert (ledger.renewals("patients"), ledger.renewals("patient"), ledger.renewals("other")) == (2, 0, 0)
    ledger.set_cap(EVERYONE, 200)
    ledger.set_cap(ANN, 120)  # as policy says, once more
    spend(ledger, "b", units=60)
    assert ledger.spent(ANN) == (120, 120)
    [own] = gauges_of(ledger.balances((ANN,)), "1e-6")
    assert (own.renewed, own.remaining) == (2, "0")
    assert verify(engine) == ledger.head()


def test_a_ledger_from_before_a_renewal_is_noticed(ledger):
    before = ledger.head()
    after = ledger.renew("patients")
    ledger.check_anchor(before)
    with pytest.raises(IntegrityError):
        ledger.check_anchor(Head(after.size + 1, "0" * 64))
