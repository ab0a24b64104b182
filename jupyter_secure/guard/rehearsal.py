"""A start without a kernel: the same walls around a program that does nothing, measured the same way.

What `jupyter secure doctor` shows is therefore what a kernel would get, not what is written somewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile

from jupyter_secure.protocol.errors import GuardError
from jupyter_secure.protocol.grant import GuardReport

from . import plan, survey, temporary
from .confinement import Confinement
from .kernelprocess import KernelProcess
from .probe import Host
from .runtime import RuntimeFolder

COMMAND = ("/bin/true",)
LIMITS = plan.Limits(processes=256)


def rehearse(stack: plan.Stack, host: Host) -> GuardReport:
    """Return the measurement of a process behind these walls.

    Raises:
        GuardError: the walls could not be raised; `detail` holds what the launcher said.
    """
    with tempfile.TemporaryDirectory(prefix="jsec-work-", dir=temporary.folder()) as work:
        return asyncio.run(_start(stack, host, work))


async def _start(stack: plan.Stack, host: Host, work: str) -> GuardReport:
    folder = RuntimeFolder()
    facts = survey.gather(root=work, notebook=work, command=COMMAND, spec_folder="", hidden=())
    made = plan.make(stack, COMMAND, {}, facts, folder.runtime, LIMITS)
    with contextlib.closing(Confinement(made, host, hidden=facts.hidden)) as walls:
        process = walls.launch(folder.open_log())
        running = KernelProcess(process, walls.hand_over_leash())
        try:
            report = await walls.settle(process.pid)
            walls.release()
        except GuardError as error:
            error.detail = folder.last_words()
            raise
        finally:
            running.end()
            await asyncio.to_thread(process.wait)
            running.close()
            folder.remove()
    return report
