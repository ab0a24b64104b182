"""The process that is like a kernel: `python -m benchmarks.far_kernel FD PLAIN`.

It imports what a kernel imports and nothing of the broker, so that its memory is a kernel's. Asked for `plain`, it
reads the plain file with pandas; asked for `load`, it opens the view whose descriptor it is sent. It answers with the
seconds that took and the rows, and keeps the frame until it is asked again.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from functools import partial

INFO = "benchmark"


def serve(fd: int, plain: str) -> None:
    """Answer until the far side closes."""
    import ipykernel.kernelapp  # noqa: F401 - part of every kernel's memory
    import pandas as pd

    from jupyter_secure.kernel.frames import gatherer
    from jupyter_secure.kernel.opener import KernelKey, open_view

    sock, key = socket.socket(fileno=fd), KernelKey()
    sock.send(json.dumps(key.public_bytes.hex()).encode())
    frame = pd.DataFrame()
    while question := sock.recv(1 << 16):
        del frame
        began = time.perf_counter()
        if json.loads(question)["do"] == "plain":
            frame = pd.read_parquet(plain)
        else:
            sock.send(b"0")
            data, fds, _, _ = socket.recv_fds(sock, 1 << 16, 1)
            reply = json.loads(data)
            gathers = partial(gatherer, "pandas", rows=reply["rows"])
            frame = open_view(fds[0], reply["seal"], INFO, key, gathers=gathers)
            os.close(fds[0])
        seconds = time.perf_counter() - began
        sock.send(json.dumps([seconds, len(frame)]).encode())


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
