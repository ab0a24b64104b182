"""The kinds of job a worker does, and where each is done.

A job is a tagged noun. To add a kind: put its noun into `Job` and its function into `HANDLERS`. The function is called
in the worker as `function(job, fd, report)`: `fd` is the descriptor that came with the job, None where none did: a
kernel reads from it, a kept view is written to it, or it tells that a question is paid (`payment`). `report(rows)`
tells how far it has come and `report(begun)` that the stream has begun. It returns `Finished`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from jupyter_secure.protocol.noun import Count, Noun
from jupyter_secure.protocol.view import Checked

from .comparison import CompareJob
from .kept import KeepJob
from .plan import ViewPlan
from .question import DpJob

Job = ViewPlan | KeepJob | DpJob | CompareJob
HANDLERS: dict[type[Noun], str] = {
    ViewPlan: "jupyter_secure.broker.views.making:make",
    KeepJob: "jupyter_secure.broker.views.retaining:keep",
    DpJob: "jupyter_secure.broker.views.dp.job:answer_question",
    CompareJob: "jupyter_secure.broker.views.comparing:compare",
}


class Ready(Noun, tag_field="type"):
    """The worker is warm and waits for its next job."""


class Begun(Noun, tag_field="type"):
    """The stream has begun: `seal` (base64) opens it for the kernel; `checked` says how the view came through."""

    seal: str
    checked: Checked | None = None


class Working(Noun, tag_field="type"):
    """So many rows are done."""

    rows: Count


class Finished(Noun, tag_field="type"):
    """The job is done.

    Attributes:
        rows: of the result.
        size: bytes of the Arrow stream.
        digest: hex SHA-256 over the seal and every frame's tag; names the view in the audit log.
        result: what a job without a stream hands back to the broker, in a form of its own.
    """

    rows: Count = 0
    size: Count = 0
    digest: str = ""
    result: bytes = b""


class Failed(Noun, tag_field="type"):
    """The job failed.

    Attributes:
        code: of `protocol.errors.FAMILY`.
        kind: name of the exception's class, for the broker's own log; never its text, which may hold a value.
    """

    code: str
    kind: str = ""


WorkerReply = Ready | Begun | Working | Finished | Failed
Report = Callable[[int | Begun], None]
Handler = Callable[[Noun, int | None, Report], Finished]


def load_handlers() -> dict[type[Noun], Handler]:
    """Import every handler, so that a worker is warm before its first job."""
    handlers: dict[type[Noun], Handler] = {}
    for kind, place in HANDLERS.items():
        module, _, name = place.partition(":")
        handlers[kind] = getattr(importlib.import_module(module), name)
    return handlers
