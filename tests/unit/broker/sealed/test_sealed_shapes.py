"""Forms of values: what has check digits is believed for them alone."""

import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_secure.broker.sealed.lexicon import look_up
from jupyter_secure.broker.sealed.shapes import is_prose, look, shapes
from jupyter_secure.broker.sealed.tags import suggest
from jupyter_secure.broker.sealed.vocabulary import family
from jupyter_secure.protocol.dataset import Tag


def called(values):
    shape = look(pa.array(values, pa.string()))
    return shape.called if shape else None


@pytest.mark.parametrize(
    ("value", "wrong", "name"),
    [
        ("DE89370400440532013000", "DE89370400440532013001", "bank account numbers (IBAN)"),
        ("4111111111111111", "4111111111111112", "payment card numbers"),
        ("943 476 5919", "943 476 5918", "British NHS numbers"),
        ("111222333", "111222334", "Dutch citizen numbers"),
        ("44051401359", "44051401358", "Polish personal numbers"),
        ("54362315K", "54362315X", "Spanish identity numbers"),
        ("RCCMNL83S18D969H", "RCCMNL83S18D969I", "Italian tax codes"),
    ],
)
def test_a_number_is_known_by_its_check_digits(value, wrong, name):
    assert called([value] * 5) == name
    assert called([wrong] * 5) != name


@pytest.mark.parametrize("digits", [9, 10, 11, 13, 16])
def test_random_numbers_are_nobodys(digits):
    numbers = random.Random(digits)
    values = [str(numbers.randrange(10 ** (digits - 1), 10**digits)) for _ in range(1000)]
    assert called(values) is None


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["10.0.0.1", "192.168.7.9", "2001:db8::1"], "network addresses"),
        (["999.1.1.1", "300.300.300.300"], None),
        (["00:1b:44:11:3a:b7"], "addresses of network devices (MAC)"),
        (["+44 20 7946 0958", "(212) 555-0123", "030 1234567"], "telephone numbers"),
        (["1234567", "7654321"], None),
        (["SW1A 1AA", "M1 1AE"], "British postcodes"),
        (["1012 AB", "3511LX"], "Dutch postcodes"),
        (["1984-05-17", "2001-12-01"], "moments"),
        (["17.05.1984", "1/2/99"], "dates"),
        (["I21.4", "E11.65", "C50.911"], "codes of diagnoses (ICD-10)"),
        (["52.5200, 13.4050"], "coordinates"),
    ],
)
def test_forms(values, name):
    assert called(values) == name


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["Anna Müller", "Jürgen Groß", "Smith, John", "Nguyen Van"], "names of persons"),
        (["männlich", "weiblich"], "sexes"),
        (["Roman Catholic", "Protestant", "Muslim", "none"], "faiths"),
        (["Österreich", "France", "Italia", "Narnia"], "countries"),
        (["red", "green", "blue"], None),
        ([], None),
        (["", " "], None),
    ],
)
def test_words_in_cells(values, name):
    found = family(pa.array(values, pa.string()))
    assert (found.called if found else None) == name


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("Geburtsdatum", Tag.QUASI), ("Straße", Tag.DIRECT), ("Prénom", Tag.DIRECT), ("fecha_de_nacimiento", Tag.QUASI),
        ("apellido", Tag.DIRECT), ("codice fiscale", Tag.DIRECT), ("geslacht", Tag.QUASI), ("Krankheit", Tag.SENSITIVE),
        ("ziekte", Tag.SENSITIVE), ("Gewicht", Tag.MEASURE), ("case_number", Tag.DIRECT),
    ],
)  # fmt: skip
def test_names_of_columns_in_six_languages(name, tag):
    assert look_up(name)[1] is tag


def test_the_more_dangerous_of_name_and_values_counts():
    [it] = suggest(pa.table({"number": ["943 476 5919"] * 5}))
    assert (it.tag, it.reason) == (Tag.DIRECT, "the values look like British NHS numbers")
    [it] = suggest(pa.table({"count": ["male", "female"]}))
    assert it.tag is Tag.QUASI


def test_sentences_may_say_anything():
    said = [f"the patient number {place} came back after some days" for place in range(20)]
    assert is_prose(pa.array(said))
    [it] = suggest(pa.table({"c7": said}))
    assert it.tag is Tag.SENSITIVE
    assert not is_prose(pa.array(["a b c d e f"] * 20))  # one sentence that stands everywhere is a category


@given(st.lists(st.one_of(st.text(max_size=40), st.none()), max_size=30))
def test_no_values_are_an_error_and_none_is_in_a_reason(values):
    [it] = suggest(pa.table({"c1": pa.array(values, pa.string())}))
    assert not any(value and len(value) > 12 and value in it.reason for value in values)


def test_hostile_values_take_no_time_to_speak_of():
    for value in ("a" * 1_000_000 + "!", "0-" * 500_000, "@" * 100_000, "[](){}" * 50_000, "1" * 1_000_000):
        suggest(pa.table({"c1": [value] * 200}))
    assert len(shapes()) > 30
