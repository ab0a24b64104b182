"""From text to a question of the closed algebra, or a sentence that says where it leaves the algebra and what works.

Order of steps: length; JSON; depth of nesting; strict decoding (exact key sets, closed tags, no bool as a number);
bounds that no type can state (depth and number of nodes, distinct names); canonical form. Nothing here looks at data.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import get_args

import msgspec

from .canonical import canonical
from .errors import InvalidRequestError
from .query import (
    MAX_DEPTH,
    MAX_NODES,
    And,
    Asked,
    Correlation,
    Count,
    Covariance,
    Histogram,
    Key,
    Not,
    Or,
    Persons,
    Quantile,
    Question,
    Where,
)

MAX_TEXT = 32_768
MAX_JSON_DEPTH = 2 * MAX_DEPTH + 6

# What people try first, and the nearest thing that works.
NEAREST = {
    "median": "`quantile` with `q` 0.5",
    "percentile": "`quantile` with `q` between 0 and 1",
    "min": "`quantile` with a small `q`, or the public bounds",
    "max": "`quantile` with a large `q`, or the public bounds",
    "var": "`variance`",
    "stddev": "`std`",
    "cov": "`covariance`",
    "corr": "`correlation`",
    "distinct": "`persons`, which counts distinct people",
    "nunique": "`persons`, which counts distinct people",
    "count_distinct": "`persons`, which counts distinct people",
    "avg": "`mean`",
    "average": "`mean`",
    "total": "`sum`",
    "len": "`count`",
    "size": "`count`",
    "hist": "`histogram`",
    "=": "`eq`",
    "==": "`eq`",
    "!=": "`ne`",
    "<": "`lt`",
    "<=": "`le`",
    ">": "`gt`",
    ">=": "`ge`",
    "like": "`in` with the public keys written out",
    "isin": "`in`",
    "isna": "`is_null`",
    "null": "`is_null`",
    "having": "a second look at the answer, which is yours to filter",
    "order_by": "sorting the answer",
    "limit": "cutting the answer",
    "select": "`aggs`",
    "filter": "`where`",
    "groupby": "`group_by`",
    "column": "`col`",
    "lo": "`lower`",
    "hi": "`upper`",
    "bins": "`width`",
    "name": "`as`",
}
_STRUCTS = (*get_args(Where), *get_args(Asked), Key, Question)
WORDS = sorted(
    {field.encode_name for struct in _STRUCTS for field in msgspec.structs.fields(struct)}
    | {str(struct.__struct_config__.tag) for struct in _STRUCTS if struct.__struct_config__.tag}
    | {"op"}
)


def read_question(text: str) -> Question:
    """Return the question in its canonical form.

    Raises:
        InvalidRequestError: with a sentence that names the path and the nearest thing that works.
    """
    try:
        plain = plain_json(text)
        question = msgspec.convert(plain, Question)
        check_where(question.where, len(question.group_by) + len(question.aggs))
        settled = _settle(question)
        canonical(settled)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(_sentence(str(error))) from None
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise InvalidRequestError(
            "The question is not plain JSON of moderate depth. docs/spec/query-v1.md shows the form."
        ) from None
    return settled


def plain_json(text: str) -> object:
    """Return what a text holds, of bounded length and depth.

    Raises:
        InvalidRequestError: it is longer or deeper.
        msgspec.DecodeError: it is no JSON.
    """
    if len(text) > MAX_TEXT:
        raise InvalidRequestError(f"The question is longer than {MAX_TEXT:,} characters. Ask several smaller ones.")
    plain = msgspec.json.decode(text)
    _check_nesting(plain)
    return plain


def predicates(where: Where | None) -> Iterator[Where]:
    """Yield every node of a predicate, outermost first."""
    waiting = [where] if where is not None else []
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, And | Or):
            waiting.extend(reversed(node.args))
        elif isinstance(node, Not):
            waiting.append(node.arg)


def default_name(asked: Asked) -> str:
    """Return the name that a result gets when the question names none, for example `mean_cost`."""
    if isinstance(asked, Persons):
        return "persons"
    if isinstance(asked, Histogram) or asked.col is None:
        return "count"
    if isinstance(asked, Covariance | Correlation):
        return re.sub(r"[^A-Za-z0-9_]", "_", f"{type(asked).__name__.lower()}_{asked.col}_{asked.other}")[:64]
    if isinstance(asked, Quantile):
        return re.sub(r"[^A-Za-z0-9_]", "_", f"q{asked.q * 100:g}_{asked.col}")[:64]
    # A column's name may hold any printable character; the name of a result may not.
    return f"{type(asked).__name__.lower()}_{re.sub(r'[^A-Za-z0-9_]', '_', asked.col)}"[:64]


def _check_nesting(plain: object) -> None:
    level, depth = [plain], 0
    while level:
        depth += 1
        if depth > MAX_JSON_DEPTH:
            raise InvalidRequestError(f"The question nests deeper than {MAX_DEPTH} predicates. Use `in` or `between`.")
        inner: list[object] = []
        for item in level:
            inner.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
        level = inner


def _depth(where: Where | None) -> int:
    if isinstance(where, And | Or):
        return 1 + max(_depth(part) for part in where.args)
    if isinstance(where, Not):
        return 1 + _depth(where.arg)
    return int(where is not None)


def check_where(where: Where | None, others: int) -> None:
    """Refuse a predicate that is too deep or has, with `others`, too many parts.

    Raises:
        InvalidRequestError: with what to use instead.
    """
    if _depth(where) > MAX_DEPTH:
        raise InvalidRequestError(
            f"The question nests deeper than {MAX_DEPTH} predicates at `$.where`. Use `in` or `between`."
        )
    if sum(1 for _ in predicates(where)) + others > MAX_NODES:
        raise InvalidRequestError(
            f"The question has more than {MAX_NODES} parts. Use `in` with a list instead of `or`."
        )


def _settle(question: Question) -> Question:
    """Fill in defaults; write a histogram as the grouped count that it is."""
    keys, aggs = question.group_by, question.aggs
    if any(isinstance(asked, Histogram) for asked in aggs):
        if len(aggs) > 1 or len(keys) > 2:
            raise InvalidRequestError(
                "A `histogram` stands alone at `$.aggs` and adds one key to `group_by` (at most 3). Ask it alone."
            )
        only = aggs[0]
        assert isinstance(only, Histogram)
        keys = (*keys, Key(col=only.col, width=only.width))
        aggs = (Count(name=only.name),)
    aggs = tuple(asked if asked.name else msgspec.structs.replace(asked, name=default_name(asked)) for asked in aggs)
    taken = [key.col for key in keys]
    taken += [word for asked in aggs for word in (str(asked.name), f"{asked.name}_margin")]
    if len(set(taken)) != len(taken):
        raise InvalidRequestError(
            "Two columns of the answer would have one name. Give each of `$.aggs` its own `as`; use a key once."
        )
    return msgspec.structs.replace(question, group_by=keys, aggs=aggs)


def _sentence(message: str) -> str:
    """Turn msgspec's message (which speaks of the question, never of data) into ours."""
    what, _, path = message.partition(" - at ")
    where = path.strip("`")[:120] or "$"
    found = re.search(r"(?:unknown field |Invalid value )[`'\"]?(.{1,40}?)[`'\"]?\Z", what)
    sentence = f"The question leaves the closed algebra at `{where}`: {what[:160]}."
    return sentence + (_advice(found.group(1)) if found else "")


def _advice(word: str) -> str:
    close = NEAREST.get(word.lower()) or next((f"`{hit}`" for hit in difflib.get_close_matches(word, WORDS, 1)), "")
    return f" Nearest that works: {close}." if close else " docs/spec/query-v1.md lists what works."
