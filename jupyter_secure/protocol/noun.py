"""The base of every noun that crosses a process line, and the names such nouns may carry.

Nouns are immutable and strict: an unknown field is an error that names its path, never something ignored. Names are
bounded and plain, so that no name can be a path, a format string or a log injection.
"""

from __future__ import annotations

from typing import Annotated, dataclass_transform

import msgspec

MAX_SAFE_INTEGER = 2**53 - 1


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Noun(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An immutable, strictly decoded value."""


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
