"""Makes a view once more and keeps it, in a worker that has nothing else to do."""

from __future__ import annotations

from jupyter_secure.protocol.errors import IntegrityError
from jupyter_secure.protocol.view import Checked

from .delivery import Sealer
from .jobs import Begun, Finished, Report
from .kept import Frames, KeepJob
from .making import produce


def keep(job: KeepJob, out: int | None, report: Report) -> Finished:
    """Write the entry to the descriptor; it counts only once the broker has given it its name.

    Raises:
        SecureError: the view could not be made; the file is of no use.
    """
    if out is None:
        raise IntegrityError(detail="nowhere to keep a view")
    frames = Frames(out)
    sealer = Sealer.keyed(frames.send)
    came: list[Checked | None] = []

    def listen(what: int | Begun) -> None:
        if isinstance(what, Begun):
            came.append(what.checked)
        else:
            report(what)

    finished = produce(job.plan, sealer, listen)
    frames.finish(job.key, job.name, sealer.content_key, finished.rows, finished.size, came[0])
    return finished
