"""Local accounts and their passwords."""

import pytest
from sqlalchemy import select

from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.authn.passwords import Cost, check, hash_password
from jupyter_secure.broker.store.tables.accounts import ACCOUNTS
from jupyter_secure.protocol.errors import ConflictError, InvalidRequestError, UnauthenticatedError

CHEAP = Cost(memory=64, passes=1, lanes=1)
PASSWORD = "correct horse battery"


@pytest.fixture
def engine(store_engine):
    return store_engine


@pytest.fixture
def accounts(engine):
    return Accounts(engine, lambda: 1_000, CHEAP)


def test_the_right_password_proves_who_one_is(accounts):
    accounts.add("ann", PASSWORD, ["engineer"], "Ann")
    principal = accounts.verify_password("ann", PASSWORD)
    assert (principal.name, principal.display_name, principal.roles) == ("ann", "Ann", ("engineer",))


def test_wrong_unknown_and_disabled_give_the_same_answer(accounts):
    accounts.add("ann", PASSWORD)
    accounts.add("bob", PASSWORD)
    accounts.disable("bob")
    sentences = set()
    for name, password in (("ann", "something else entirely"), ("nobody", PASSWORD), ("bob", PASSWORD)):
        with pytest.raises(UnauthenticatedError) as caught:
            accounts.verify_password(name, password)
        sentences.add(caught.value.public)
    assert len(sentences) == 1


def test_an_unknown_name_costs_a_whole_argon2_run(accounts, monkeypatch):
    accounts.add("ann", PASSWORD)
    spent = []

    class Counting:
        @staticmethod
        def verify_phc_encoded(password, stored):
            spent.append(stored.rsplit("$", 2)[0])
            return original.verify_phc_encoded(password, stored)

        def __new__(cls, **arguments):
            return original(**arguments)

    from jupyter_secure.broker.authn import passwords

    original = passwords.Argon2id
    monkeypatch.setattr(passwords, "Argon2id", Counting)
    for name in ("ann", "nobody"):
        with pytest.raises(UnauthenticatedError):
            accounts.verify_password(name, "not the password")
    assert len(spent) == 2
    assert spent[0] == spent[1]  # same algorithm and same parameters


def test_the_store_holds_an_argon2id_hash_and_no_password(accounts, engine):
    accounts.add("ann", PASSWORD)
    with engine.connect() as connection:
        row = connection.execute(select(ACCOUNTS)).mappings().one()
    assert row["password_hash"].startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert PASSWORD not in str(dict(row))


def test_the_default_cost_is_the_second_recommendation_of_rfc_9106():
    assert hash_password("x").startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_equal_passwords_have_different_hashes():
    assert hash_password(PASSWORD, CHEAP) != hash_password(PASSWORD, CHEAP)


def test_one_password_typed_in_two_unicode_forms_is_one():
    assert check("cafe\u0301 au lait", hash_password("caf\u00e9 au lait", CHEAP))


def test_a_lone_surrogate_is_a_wrong_password_and_no_crash():
    assert not check("\ud800", hash_password(PASSWORD, CHEAP))


@pytest.mark.parametrize("name", ["", "Ann", "../ann", "ann\n", "a" * 64, "ann smith", "-ann"])
def test_a_name_outside_the_pattern_is_refused(accounts, name):
    with pytest.raises(InvalidRequestError):
        accounts.add(name, PASSWORD)


@pytest.mark.parametrize("role", ["", "Engineer", "role:x", "a\n"])
def test_a_role_outside_the_pattern_is_refused(accounts, role):
    with pytest.raises(InvalidRequestError):
        accounts.add("ann", PASSWORD, [role])


def test_a_short_password_is_refused(accounts):
    with pytest.raises(InvalidRequestError, match="12 characters"):
        accounts.add("ann", "too short")
    assert accounts.list() == ()


def test_a_taken_name_is_refused_and_keeps_its_password(accounts):
    accounts.add("ann", PASSWORD)
    with pytest.raises(ConflictError):
        accounts.add("ann", "another password entirely")
    assert accounts.verify_password("ann", PASSWORD).name == "ann"


def test_changed_roles_hold_at_once(accounts):
    accounts.add("ann", PASSWORD, ["engineer"])
    accounts.set_roles("ann", ["steward", "officer"])
    assert accounts.get("ann").roles == ("steward", "officer")


def test_the_list_shows_everybody_and_no_hash(accounts):
    accounts.add("bob", PASSWORD)
    accounts.add("ann", PASSWORD, ["steward"])
    accounts.disable("bob")
    listed = accounts.list()
    assert [(account.name, account.disabled) for account in listed] == [("ann", False), ("bob", True)]
    assert "argon2" not in repr(listed)


def test_changing_an_account_that_is_not_there_says_so(accounts):
    for change in (lambda: accounts.disable("nobody"), lambda: accounts.set_roles("nobody", [])):
        with pytest.raises(InvalidRequestError, match="no active account"):
            change()


def test_a_new_password_replaces_the_old_one(accounts):
    accounts.add("ann", PASSWORD)
    accounts.set_password("ann", "another password entirely")
    assert accounts.verify_password("ann", "another password entirely").name == "ann"
    with pytest.raises(UnauthenticatedError):
        accounts.verify_password("ann", PASSWORD)
