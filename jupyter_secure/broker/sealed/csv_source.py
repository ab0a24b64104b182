"""Strict CSV (RFC 4180, UTF-8, first row is the header), with types that hold for the whole file.

Passes over the file: Python's parser checks every row and knows physical lines, so a broken row is named exactly; Arrow
reads every cell as text and each column's type is narrowed by every value; a last pass converts without surprises.
Text that only looks like a number is kept as text: a leading zero (postcodes, account numbers) or digits beyond what
the type holds. An empty cell is null; `NA` and its kin are null only in columns that otherwise are numbers or dates.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from jupyter_secure.protocol.errors import InputFileError

from .columns import check_names

BLOCK = 4 << 20
MISSING = pa.array(["NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null"])
# In the order of preference; each later one is tried only for what is left.
CANDIDATES: tuple[pa.DataType, ...] = (pa.int64(), pa.float64(), pa.date32(), pa.timestamp("us"), pa.bool_())
SEMICOLONS = "The columns seem to be separated by semicolons. Save the file with commas; nothing was sealed."
# A leading zero, or more digits than a double keeps: to convert would lose them.
LITERAL_TEXT = r"^[-+]?(0[0-9]|[0-9]{19,})"
EXACT_DIGITS = r"^[-+]?[0-9]{16,}$"


class CsvSource:
    """A CSV file.

    Args:
        expected: columns whose values must have these types; by default each type is the narrowest that fits.

    Raises:
        InputFileError: a row is broken, the header is unusable, or a value does not have the type expected.
    """

    def __init__(self, path: Path, delimiter: str = ",", expected: pa.Schema | None = None) -> None:
        self._path = path
        self._delimiter = delimiter
        self._names = self._check_rows()
        known = {field.name: field.type for field in expected or ()}
        self._schema = self._narrow({name: [known[name]] for name in self._names if name in known})

    @property
    def schema(self) -> pa.Schema:
        """Return names, and types that every value of the file has."""
        return self._schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read from the beginning; see `Source.batches`."""
        for batch in self._texts():
            columns = [_convert(column, field.type) for column, field in zip(batch.columns, self._schema, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _narrow(self, known: dict[str, list[pa.DataType]]) -> pa.Schema:
        left = {name: known.get(name) or list(CANDIDATES) for name in self._names}
        filled = dict.fromkeys(self._names, False)
        for batch in self._texts():
            for name, column in zip(self._names, batch.columns, strict=True):
                present = _without_missing(column).drop_null()
                left[name] = [kind for kind in left[name] if _fits(present, kind)]
                filled[name] = filled[name] or len(present) > 0
        for name, kinds in known.items():
            if left[name] != kinds:
                raise InputFileError(
                    f"Column `{name}` has a value that is no `{kinds[0]}`, as the dataset has it. Nothing was sealed."
                )
            filled[name] = True
        return pa.schema(
            [(name, left[name][0] if left[name] and filled[name] else pa.string()) for name in self._names]
        )

    def _texts(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from arrow_csv.open_csv(
                self._path,
                arrow_csv.ReadOptions(
                    use_threads=False, block_size=BLOCK, column_names=self._names, skip_rows_after_names=1
                ),
                arrow_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(self._names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except (pa.ArrowException, OSError):
            raise InputFileError("The file cannot be read as a strict CSV. Nothing was sealed.") from None

    def _check_rows(self) -> list[str]:
        """Return the header of a file whose every row has as many columns."""
        line, names = 1, []
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, delimiter=self._delimiter, strict=True)
                names = next(reader, [])
                if len(names) == 1 and ";" in names[0]:
                    raise InputFileError(SEMICOLONS)
                check_names(names)
                for row in reader:
                    line = reader.line_num
                    if row and len(row) != len(names):
                        raise InputFileError(_count_fault(line, len(row), len(names)))
        except UnicodeDecodeError:
            raise InputFileError(
                f"The file is not UTF-8, at or after row {line}. Save it as UTF-8; nothing was sealed."
            ) from None
        except csv.Error:
            raise InputFileError(
                f"After row {line} a quotation mark is not closed or not doubled, or a field is longer than 131,072 "
                "characters. Correct it; nothing was sealed."
            ) from None
        return names


def _count_fault(line: int, found: int, expected: int) -> str:
    columns = "column" if found == 1 else "columns"
    return f"Row {line} has {found} {columns} instead of {expected}. Correct it; nothing was sealed."


def _fits(present: Any, kind: pa.DataType) -> bool:
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        pattern = LITERAL_TEXT if pa.types.is_integer(kind) else f"{LITERAL_TEXT}|{EXACT_DIGITS}"
        if pc.any(pc.match_substring_regex(present, pattern)).as_py():
            return False
    try:
        present.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _convert(texts: Any, kind: pa.DataType) -> Any:
    return texts if pa.types.is_string(kind) else _without_missing(texts).cast(kind)


def _without_missing(texts: Any) -> Any:
    return pc.if_else(pc.is_in(texts, MISSING), pa.scalar(None, pa.string()), texts)
