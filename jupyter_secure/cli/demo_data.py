"""The table of the demo: real people's health data, with generated names on it.

Real, from the NHEFS health follow-up (NHANES I Epidemiologic Follow-up Study, National Center for Health Statistics),
as the package `causaldata` ships it, one row for each of 1,629 persons; only renamed, with codes spelled out:
`age_1971`, `sex`, `race`, `education`, `exercise`, `height_cm`, `weight_1971_kg`, `weight_1982_kg`, `systolic_1982`,
`diastolic_1982`, `cholesterol_1971`, `cigarettes_1971`, `years_smoked`, `quit_smoking`, `died_by_1992`.

Generated here, from a fixed seed, because no public study has them: `patient_id`, `name`, `ssn`, `email`, `zip`,
`birth_date`. They belong to nobody: the numbers begin with 000, which is never issued; the addresses end in
example.org, which is reserved; the birth date agrees with the real age and with nothing else.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import InstallationError

NAME = "patients"
SEED = 1971
INTERVIEW = dt.date(1971, 7, 1)
FIRST = {
    "F": "Ada Beryl Cora Delia Edna Flora Greta Hilda Ines Josie Kay Lena Mabel Nell Opal Pearl Rita Stella Thea Vera",
    "M": "Abel Boyd Carl Dale Earl Felix Glen Hank Ivan Jonas Karl Leon Miles Ned Otis Percy Ralph Saul Ted Wade",
}
LAST = (
    "Alder Birch Cooper Dyer Elm Farrow Glover Hatter Inker Joiner Keeler Lorimer Mason Napier Ostler Piper Quill "
    "Reeve Sawyer Tanner Usher Vintner Webber Yeoman"
)
EDUCATION = (
    "school, grade 8 or less",
    "school, left early",
    "school, finished",
    "college, left early",
    "college, finished",
)
EXERCISE = ("much", "moderate", "little or none")
TAGS: Mapping[str, Tag] = {
    "patient_id": Tag.DIRECT,
    "name": Tag.DIRECT,
    "ssn": Tag.DIRECT,
    "email": Tag.DIRECT,
    "zip": Tag.QUASI,
    "birth_date": Tag.QUASI,
    "age_1971": Tag.QUASI,
    "sex": Tag.PUBLIC,
    "race": Tag.SENSITIVE,
    "education": Tag.QUASI,
    "exercise": Tag.MEASURE,
    "height_cm": Tag.MEASURE,
    "weight_1971_kg": Tag.MEASURE,
    "weight_1982_kg": Tag.MEASURE,
    "systolic_1982": Tag.MEASURE,
    "diastolic_1982": Tag.MEASURE,
    "cholesterol_1971": Tag.MEASURE,
    "cigarettes_1971": Tag.SENSITIVE,
    "years_smoked": Tag.SENSITIVE,
    "quit_smoking": Tag.MEASURE,
    "died_by_1992": Tag.MEASURE,
}


def build() -> pa.Table:
    """Return the table, its columns in the order of `TAGS`.

    Raises:
        InstallationError: `causaldata` is not installed.
    """
    real = _real()
    columns = {**_generated(real), **real}
    return pa.table({name: columns[name] for name in TAGS})


def write(path: Path) -> None:
    """Write the table as a plain Parquet file, for `jupyter secure seal`."""
    pq.write_table(build(), path)


def policy_text() -> str:
    """Return the demo's policy, in which the four roles differ."""
    return resources.files(__package__).joinpath("demo_policy.toml").read_text(encoding="utf-8")


def _real() -> dict[str, pa.Array]:
    try:
        from causaldata import nhefs
    except ImportError:
        raise InstallationError("The demo needs its data: `pip install 'jupyter-secure[demo]'`.") from None
    frame = nhefs.load_pandas().data

    def whole(column: str) -> pa.Array:
        return pa.Array.from_pandas(frame[column].astype("Int64"), type=pa.int64())

    def measured(column: str) -> pa.Array:
        return pa.Array.from_pandas(frame[column], type=pa.float64())

    def spelled(column: str, words: tuple[str, ...], first: int = 0) -> pa.Array:
        return pa.array([words[int(code) - first] for code in frame[column]], pa.string())

    return {
        "age_1971": whole("age"),
        "sex": spelled("sex", ("M", "F")),
        "race": spelled("race", ("white", "black or other")),
        "education": spelled("education", EDUCATION, first=1),
        "exercise": spelled("exercise", EXERCISE),
        "height_cm": measured("ht"),
        "weight_1971_kg": measured("wt71"),
        "weight_1982_kg": measured("wt82"),
        "systolic_1982": whole("sbp"),
        "diastolic_1982": whole("dbp"),
        "cholesterol_1971": whole("cholesterol"),
        "cigarettes_1971": whole("smokeintensity"),
        "years_smoked": whole("smokeyrs"),
        "quit_smoking": spelled("qsmk", ("no", "yes")),
        "died_by_1992": whole("death"),
    }


def _generated(real: Mapping[str, Any]) -> dict[str, pa.Array]:
    chance = random.Random(SEED)  # noqa: S311  # invented names are no secret, and must be the same everywhere
    ages, sexes = real["age_1971"].to_pylist(), real["sex"].to_pylist()
    numbers = chance.sample(range(100_000, 1_000_000), len(ages))
    rows = [_person(chance, number, age, sex) for number, age, sex in zip(numbers, ages, sexes, strict=True)]
    names = ("patient_id", "name", "ssn", "email", "zip", "birth_date")
    return {name: pa.array(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def _person(chance: random.Random, number: int, age: int, sex: str) -> tuple[str, str, str, str, str, dt.date]:
    first, last = chance.choice(FIRST[sex].split()), chance.choice(LAST.split())
    birthday = INTERVIEW.replace(year=INTERVIEW.year - age) - dt.timedelta(days=chance.randrange(365))
    return (
        f"P{number}",
        f"{first} {last}",
        f"000-{number // 10_000:02}-{number % 10_000:04}",
        f"{first}.{last}.{number}@example.org".lower(),
        f"{chance.randrange(10, 99)}{chance.randrange(1000):03}",
        birthday,
    )
