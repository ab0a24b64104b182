"""Kernels, as the relay reports them to the broker, and what their guards ask on their behalf."""

from __future__ import annotations

from typing import Annotated

import msgspec

from jupyter_secure.protocol.grant import GuardReport
from jupyter_secure.protocol.noun import KernelId, NotebookPath

from .asked import KernelRequest
from .message import Confidential, Message, Text


class OpenKernel(Confidential):
    """Mint a grant for a kernel that was just started. Answered by `Welcome`."""

    ticket: Text
    kernel: KernelId
    notebook: NotebookPath
    guard: GuardReport


class MoveKernel(Message):
    """The notebook of a kernel was renamed. Answered by `Welcome`."""

    grant: Text
    notebook: NotebookPath


class CloseKernel(Message):
    """A kernel has ended. Answered by `Done`."""

    grant: Text


class Network(Confidential):
    """Ask what a kernel reaches, without a grant what a new one would. Answered by `NetworkReply`."""

    ticket: Text
    grant: Text | None = None


class Connect(Message):
    """The guard's proxy is about to connect for a kernel. Answered by `Done`, after it is in the log.

    Attributes:
        again: the connection stands already; nothing is recorded.
    """

    grant: Text
    host: Text
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    again: bool = False


class FromKernel(Message):
    """A kernel request, with the grant of the channel it came from. Answered by a kernel reply."""

    grant: Text
    request: KernelRequest


class NetworkReply(Message):
    """The hosts that are open now, and a sentence for people."""

    hosts: tuple[str, ...]
    sentence: Text
