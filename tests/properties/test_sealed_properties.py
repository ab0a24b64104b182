"""What holds of every table, every file and every manifest, not only of those we thought of."""

import base64
import csv
import io
import json

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_secure.broker.keys.signing import Signer, Verifier
from jupyter_secure.broker.sealed.lexicon import look_up
from jupyter_secure.broker.sealed.manifest import Manifest, Part, open_signed, sign
from jupyter_secure.broker.sealed.source import open_source
from jupyter_secure.broker.sealed.tags import suggest
from jupyter_secure.protocol.dataset import Column
from jupyter_secure.protocol.errors import InputFileError, IntegrityError
from jupyter_secure.testing.sealed_data import SealedData, read

ONE_FOLDER = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
KEY = base64.b64encode(bytes(60)).decode()


def tables():
    columns = st.fixed_dictionaries(
        {},
        optional={
            "text": st.just((pa.string(), st.none() | TEXT)),
            "whole": st.just((pa.int64(), st.none() | st.integers(-(2**63), 2**63 - 1))),
            "real": st.just((pa.float64(), st.none() | st.floats(allow_nan=False))),
            "flag": st.just((pa.bool_(), st.none() | st.booleans())),
            "day": st.just((pa.date32(), st.none() | st.dates())),
        },
    ).filter(bool)

    def build(chosen):
        return st.integers(0, 30).flatmap(
            lambda rows: st.fixed_dictionaries(
                {name: st.lists(values, min_size=rows, max_size=rows) for name, (_, values) in chosen.items()}
            ).map(lambda found: pa.table({name: pa.array(found[name], chosen[name][0]) for name in found}))
        )

    return columns.flatmap(build)


@pytest.fixture
def data(tmp_path):
    data = SealedData(tmp_path)
    yield data
    data.close()


@settings(ONE_FOLDER, max_examples=25)
@given(table=tables())
def test_every_table_comes_back_as_it_was_sealed(data, table):
    data.seal(table)
    assert read(data.open(table.column_names)).to_dict(as_series=False) == table.to_pydict()


@ONE_FOLDER
@given(cells=st.lists(st.tuples(TEXT, TEXT), max_size=8))
def test_every_text_that_python_writes_as_csv_is_read_as_it_was(tmp_path, cells):
    # The first row keeps both columns text, whatever else is in them.
    rows = [("not a number", "not a number"), *cells]
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    (tmp_path / "t.csv").write_bytes(out.getvalue().encode())
    source = open_source(tmp_path / "t.csv")
    found = pa.Table.from_batches(source.batches(), source.schema).to_pydict()
    assert list(zip(found["a"], found["b"], strict=True)) == rows


@ONE_FOLDER
@given(content=st.binary(max_size=200), before=st.sampled_from([b"", b"a,b\n1,2\n", b'a,b\n"']))
def test_any_bytes_are_a_table_or_a_sentence(tmp_path, content, before):
    (tmp_path / "t.csv").write_bytes(before + content)
    try:
        source = open_source(tmp_path / "t.csv")
        assert all(batch.schema == source.schema for batch in source.batches())
        sentence = "Nothing was sealed."
    except InputFileError as error:
        sentence = error.public
    assert sentence.endswith("othing was sealed.")


@ONE_FOLDER
@given(cell=st.text(st.characters(categories=["Ll"]), min_size=12, max_size=12), extra=st.integers(1, 3))
def test_no_sentence_about_a_broken_row_holds_its_cells(tmp_path, cell, extra):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n" + ",".join([cell] * (2 + extra)) + "\n")
    with pytest.raises(InputFileError) as caught:
        open_source(tmp_path / "t.csv")
    assert cell not in caught.value.public + caught.value.detail


@given(name=TEXT, values=st.lists(st.none() | TEXT, max_size=60))
def test_no_suggestion_holds_a_value(name, values):
    marked = [None if value is None else f"\N{SNOWMAN}{value}" for value in values]
    [suggestion] = suggest(pa.table({name or "x": pa.array(marked, pa.string())}))
    assert "\N{SNOWMAN}" not in suggestion.reason


@given(name=TEXT)
def test_the_lexicon_answers_for_every_name(name):
    found = look_up(name)
    assert found is None or found[0]


SIGNER = Signer(bytes(range(32)))
SIGNED, _ = sign(
    Manifest(
        vault="v",
        dataset="patients",
        version=1,
        parent=None,
        sealed_at=1,
        cipher="AES_GCM_V1",
        key_bits=256,
        rows=3,
        columns=(Column(name="age", type="int64"),),
        parts=(
            Part(
                file="part-00000.parquet",
                size=9,
                sha256="0" * 64,
                footer_sha256="1" * 64,
                rows=3,
                row_groups=1,
                footer_key=KEY,
                column_keys={"age": KEY},
            ),
        ),
    ),
    SIGNER,
)


@given(position=st.integers(0, len(SIGNED) * 8 - 1))
def test_a_manifest_with_any_bit_flipped_says_the_same_or_is_refused(position):
    changed = bytearray(SIGNED)
    changed[position // 8] ^= 1 << position % 8
    try:
        found = open_signed(bytes(changed), Verifier(SIGNER.public))
    except IntegrityError:
        return
    # Only the hint at the key, which nobody trusts, may differ.
    assert found == open_signed(SIGNED, Verifier(SIGNER.public))


@given(
    field=st.sampled_from(["rows", "version", "dataset", "vault", "parent", "sealed_at", "columns", "parts", "more"]),
    value=st.none() | st.integers(0, 99) | TEXT | st.just([]),
)
def test_a_manifest_with_any_field_changed_is_refused(field, value):
    envelope = json.loads(SIGNED)
    statement = json.loads(base64.b64decode(envelope["payload"]))
    if statement["predicate"].get(field, "absent") == value:
        return
    statement["predicate"][field] = value
    envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    with pytest.raises(IntegrityError):
        open_signed(json.dumps(envelope).encode(), Verifier(SIGNER.public))
