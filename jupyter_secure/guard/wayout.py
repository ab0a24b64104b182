"""The parts of a kernel's way out put together: the proxy outside the walls, the forwarder inside, the environment.

The socket lies in the folder of the connection file, which the kernel cannot write and no other kernel sees.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from .confinement import python
from .plan import Runtime
from .proxy import Ask, EgressProxy

FORWARDER = str(Path(os.path.realpath(__file__)).parent / "wall" / "forwarder.py")
PORT = 3128  # of the kernel's own loopback, where nothing else is
Review = Callable[[], Awaitable[None]]


async def open_proxy(
    kernel: str, host: Callable[[str, Review], Awaitable[Ask | None]], runtime: Runtime
) -> EgressProxy | None:
    """Return a proxy that listens, or None where policy gives no host."""
    made: list[EgressProxy] = []

    async def review() -> None:
        for proxy in made:
            await proxy.review()

    ask = await host(kernel, review)
    if ask is None:
        return None
    made.append(EgressProxy(ask))
    await made[0].listen(_free(_socket(runtime)))
    return made[0]


def through_proxy(
    command: Sequence[str], variables: dict[str, str], runtime: Runtime
) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of a kernel that has a way out."""
    address = f"http://127.0.0.1:{PORT}"
    names = ("HTTP_PROXY", "HTTPS_PROXY")
    own = {spelled: address for name in names for spelled in (name, name.lower())}
    near = dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1,::1")
    words = [python(), "-I", "-S", FORWARDER, _socket(runtime), str(PORT), "--", *command]
    return words, {name: value for name, value in variables.items() if name != "PIP_NO_INDEX"} | own | near


def _free(path: str) -> str:
    Path(path).unlink(missing_ok=True)  # of the process before a restart
    return path


def _socket(runtime: Runtime) -> str:
    return f"{runtime.readable}/net"
