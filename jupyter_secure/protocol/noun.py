"""The base of every noun that crosses a process line, and the names such nouns may carry.

Nouns are immutable and strict: an unknown field is an error that names its path, never something ignored. Names are
bounded and plain, so that no name can be a path, a format string or a log injection.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, dataclass_transform

import msgspec

MAX_SAFE_INTEGER = 2**53 - 1


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Noun(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An immutable, strictly decoded value."""


_settled: set[type[Noun]] = set()


def settle() -> None:
    """Let msgspec work out every noun that is loaded; to be called before there are threads.

    Otherwise it does so when a noun is first decoded, nested ones one after another, and a second thread that decodes
    the same noun meanwhile follows a pointer that is not there yet: the process dies (msgspec 0.22).
    """
    for noun in _below(Noun):
        if noun not in _settled:
            msgspec.json.Decoder(noun)
            _settled.add(noun)


def _below(noun: type[Noun]) -> Iterator[type[Noun]]:
    for each in noun.__subclasses__():
        yield each
        yield from _below(each)


DatasetName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}\Z")]
PurposeName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,62}\Z")]
RoleName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,62}\Z")]
UserName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._@-]{0,62}\Z")]
RuleId = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,62}\Z")]
# Column names come from people's files: anything printable and short, never a control character.
ColumnName = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]{1,128}\Z")]
KernelId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{1,64}\Z")]
NotebookPath = Annotated[str, msgspec.Meta(max_length=1024)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER)]
