"""What values look like: forms of identifiers, checked by their check digits where they have some.

Promises: an expression is RE2, so its time is linear in a value's length; only the first values of a sample are looked
at, and of long ones the beginning; a value is never part of an answer. Numbers that only look alike fail their check
digits: of random ones a tenth or fewer pass, far below the share that is asked for.

Sources: check digits by python-stdnum, telephone numbers by phonenumbers (the data of libphonenumber).
"""

from __future__ import annotations

import importlib
import ipaddress
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc

from jupyter_secure.protocol.dataset import Tag

MATCHING = 0.8  # of the values
MOST = 1000  # values that are looked at
LONGEST = 256  # characters of a value
REGIONS = ("US", "GB", "DE", "FR", "ES", "NL", "IT", "AT", "CH", "PL", "SE")  # where a number without + may be from
# Numbers of persons: what they are called, and the module of python-stdnum that checks them.
NUMBERS = (
    ("German tax numbers of persons", "de.idnr"),
    ("British NHS numbers", "gb.nhs"),
    ("French social security numbers", "fr.nir"),
    ("Spanish identity numbers", "es.dni"),
    ("Spanish numbers of foreigners", "es.nie"),
    ("Dutch citizen numbers", "nl.bsn"),
    ("Italian tax codes", "it.codicefiscale"),
    ("Belgian national numbers", "be.nn"),
    ("Swiss social security numbers", "ch.ssn"),
    ("Swedish personal numbers", "se.personnummer"),
    ("Norwegian birth numbers", "no.fodselsnummer"),
    ("Danish personal numbers", "dk.cpr"),
    ("Finnish personal codes", "fi.hetu"),
    ("Polish personal numbers", "pl.pesel"),
    ("Brazilian taxpayer numbers", "br.cpf"),
    ("Canadian social insurance numbers", "ca.sin"),
)
GROUPED = re.compile(r"[2-9][0-9]{2}[ .-][0-9]{3}[ .-][0-9]{4}(x[0-9]+)?$")  # as North Americans write it
NUMBER = r"^[A-Z0-9][A-Z0-9 ./-]{5,22}[A-Z0-9]$"


class Shape(NamedTuple):
    """One form.

    Attributes:
        called: as the end of a sentence, in the plural.
        form: an expression that every such value fits.
        check: says of a value that fits whether it is one; None where the form is enough.
    """

    called: str
    tag: Tag
    form: str
    check: Callable[[str], bool] | None = None


def look(values: Any) -> Shape | None:
    """Return the form of nearly all values of a text column, None where there is none."""
    looked = values.slice(0, MOST)
    if len(looked) == 0:
        return None
    texts = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(looked, 0, LONGEST))
    return next((shape for shape in shapes() if _fits(shape, texts)), None)


def _fits(shape: Shape, texts: Any) -> bool:
    needed = MATCHING * len(texts)
    fitting = texts.filter(pc.match_substring_regex(texts, shape.form))
    if len(fitting) < needed:
        return False
    return shape.check is None or sum(map(shape.check, fitting.to_pylist())) >= needed


@cache
def shapes() -> tuple[Shape, ...]:
    """Return all forms, the surest first."""
    direct, quasi, sensitive = Tag.DIRECT, Tag.QUASI, Tag.SENSITIVE
    numbers = tuple(Shape(called, direct, NUMBER, _checker(module)) for called, module in NUMBERS)
    return (
        Shape("e-mail addresses", direct, r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$"),
        Shape("addresses on the web", direct, r"^(https?://|www\.)\S+$"),
        Shape("universal identifiers (UUID)", direct, r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
        Shape("addresses of network devices (MAC)", direct, r"^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$"),
        Shape("network addresses", direct, r"^[0-9a-fA-F:.]{3,45}$", _network),
        Shape("bank account numbers (IBAN)", direct, r"^[A-Z]{2}[0-9]{2}[A-Z0-9 ]{10,36}$", _checker("iban")),
        Shape("payment card numbers", direct, r"^[2-6][0-9]{3}[ -]?([0-9]{4}[ -]?){2}[0-9]{1,7}$", _checker("luhn")),
        *numbers,
        Shape("device numbers (IMEI)", direct, r"^[0-9]{15}$", _checker("imei")),
        Shape("social security numbers", direct, r"^[0-9]{3}-[0-9]{2}-[0-9]{4}$"),
        Shape("moments", quasi, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?$"),
        Shape(
            "dates",
            quasi,
            r"^([0-9]{1,2}[./-][0-9]{1,2}[./-]([0-9]{2}|[0-9]{4})|[0-9]{4}[./][0-9]{1,2}[./][0-9]{1,2})$",
        ),
        Shape("telephone numbers", direct, r"^[+(0-9][0-9 ()/.x+-]{5,24}$", _telephone),
        Shape("coordinates", quasi, r"^-?[0-9]{1,2}\.[0-9]{3,}[,; ] ?-?[0-9]{1,3}\.[0-9]{3,}$"),
        Shape("British postcodes", quasi, r"^[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}$"),
        Shape("Dutch postcodes", quasi, r"^[1-9][0-9]{3} ?[A-Z]{2}$"),
        Shape("Canadian postcodes", quasi, r"^[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]$"),
        Shape("postcodes", quasi, r"^[0-9]{5}(-[0-9]{4})?$"),
        Shape("codes of diagnoses (ICD-10)", sensitive, r"^[A-TV-Z][0-9][0-9AB]\.[0-9A-Z]{1,4}$"),
    )


def _checker(module: str) -> Callable[[str], bool]:
    valid = importlib.import_module(f"stdnum.{module}").is_valid
    if module != "luhn":
        return lambda text: bool(valid(text))
    return lambda text: bool(valid(text.replace(" ", "").replace("-", "")))


def _network(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _telephone(text: str) -> bool:
    # Digits alone, or in groups of any size, are any number.
    if not text.startswith(("+", "0", "(")) and not GROUPED.match(text):
        return False
    regions = (None,) if text.startswith("+") else REGIONS
    return any(_possible(text, region) for region in regions)


def _possible(text: str, region: str | None) -> bool:
    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(text, region)))
    except phonenumbers.NumberParseException:
        return False


def is_prose(values: Any) -> bool:
    """Say whether values are sentences: many words, nearly all different."""
    if not pa.types.is_string(values.type) or len(values) == 0:
        return False
    words = pc.add(pc.count_substring(pc.utf8_trim_whitespace(values), " "), 1)
    return bool(pc.mean(words).as_py() >= 5 and pc.count_distinct(values).as_py() >= len(values) / 2)
