"""The inherited socket: found once, taken out of the environment, never passed on.

Promises: after `take` no child process learns the number from the environment or inherits the socket through exec; a
forked child of the kernel is refused, because two processes that read one socket would steal each other's answers.
"""

from __future__ import annotations

import os
import socket

from jupyter_secure.protocol.errors import InstallationError

VARIABLE = "JUPYTER_SECURE_CHANNEL"
MISSING = (
    "There is no secure channel here, so no dataset can be asked for. Secure data works in notebooks of a Jupyter "
    "server that has jupyter-secure enabled: start `jupyter lab` and open the notebook there. A plain `ipython`, a "
    "script and a subprocess have no channel. `jupyter secure doctor` says what is missing."
)


def take() -> socket.socket | None:
    """Return the socket that this process inherited, None if there is none; the variable is gone afterwards.

    Raises:
        InstallationError: the variable is set and names no such socket.
    """
    text = os.environ.pop(VARIABLE, None)
    if text is None:
        return None
    try:
        fd = int(text)
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
    except (ValueError, OSError, OverflowError) as error:
        raise InstallationError(MISSING, detail=f"{VARIABLE}: {type(error).__name__}") from None
    if sock.family != socket.AF_UNIX or sock.type != socket.SOCK_SEQPACKET:
        sock.detach()  # whatever it is, it is not ours to close
        raise InstallationError(MISSING, detail=f"{VARIABLE} names another kind of socket")
    sock.setblocking(True)
    return sock
