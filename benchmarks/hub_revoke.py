"""`hub.revoke`: how long after something was taken away a kernel on the Hub still gets a view.

Taken away are, in turn: the rule in the policy, the role of the token, the token itself, the grant of the kernel, an
approved request for access. A kernel loads again and again; counted is the time from the moment at which the change was
asked for to the first refusal. The broker is a process of its own over PostgreSQL. Baseline: one load.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import SecureError
from jupyter_secure.protocol.messages import AskAccess, CloseKernel, Decide, Load, Revoke
from jupyter_secure.server.https import Https
from jupyter_secure.server.remote import Remote
from jupyter_secure.testing.deployment import LOG, RemoteKernel
from jupyter_secure.testing.postgres import PostgresServer
from jupyter_secure.testing.sealed_data import TableSource
from jupyter_secure.testing.served import Served

ROUNDS = 20
LIMIT = 2.0  # seconds
RULE = """
[[rule]]
id = "{name}"
to = ["role:scientist"]
datasets = ["{name}"]
view = "raw"
"""
POLICY = (
    "[dataset.open]\n[dataset.asked]\n"
    + RULE.format(name="asked")
    + "when = { approval = true }\n"
    + RULE.format(name="open")
)


def measure(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """Return an entry for each kind and `hub.revoke`, the p99 over all; seconds."""
    with (
        tempfile.TemporaryDirectory() as place,
        PostgresServer() as postgres,
        postgres.database() as url,
        Served(Path(place), url) as served,
    ):
        for name in ("open", "asked"):
            served.vault.seal(TableSource(pa.table({"x": range(100)})), name, {"x": Tag.MEASURE})
        served.apply(POLICY)
        served.start()
        found, single = asyncio.run(_measure(served, rounds))
    found["revoke"] = [seconds for each in found.values() for seconds in each]
    print(f"hub.revoke: load of the machine {os.getloadavg()[0]:.1f}")
    return [_figure(name, times, single) for name, times in found.items()]


async def _measure(served: Served, rounds: int) -> tuple[dict[str, list[float]], float]:
    taking: dict[str, Callable[[Served], Awaitable[float]]] = {
        "revoke_policy": _policy,
        "revoke_role": _role,
        "revoke_token": _token,
        "revoke_grant": _grant,
        "revoke_approval": _approval,
    }
    _, kernel = await _open(served, "one")
    times = [await _seconds(kernel, "open") for _ in range(20)]
    found = {name: [await take(served) for _ in range(rounds)] for name, take in taking.items()}
    return found, statistics.median(times[5:])


async def _policy(served: Served) -> float:
    _, kernel = await _open(served, "ann")
    less = POLICY.removesuffix(RULE.format(name="open"))
    seconds = await _until_refused(kernel, "open", lambda: asyncio.to_thread(served.apply, less))
    await asyncio.to_thread(served.apply, POLICY)
    return seconds


async def _role(served: Served) -> float:
    token, kernel = await _open(served, "ann")
    return await _until_refused(kernel, "open", lambda: asyncio.to_thread(served.hub.scopes, token, []))


async def _token(served: Served) -> float:
    token, kernel = await _open(served, "ann")
    return await _until_refused(kernel, "open", lambda: asyncio.to_thread(served.hub.revoke, token))


async def _grant(served: Served) -> float:
    token, kernel = await _open(served, "ann")
    other = _relay(served, token)
    return await _until_refused(kernel, "open", lambda: other.request(CloseKernel(grant=kernel.grant.id)))


async def _approval(served: Served) -> float:
    _, kernel = await _open(served, "ann")
    steward = _relay(served, served.hub.token("sue", ["steward"]))
    asked = (await kernel.ask(AskAccess(dataset="asked", reason="to measure", days=1))).request
    await steward.request(Decide(ticket="", request=asked.id, approve=True))
    return await _until_refused(kernel, "asked", lambda: steward.request(Revoke(ticket="", request=asked.id)))


async def _until_refused(kernel: RemoteKernel, dataset: str, take: Callable[[], Awaitable[Any]]) -> float:
    for _ in range(3):
        await _seconds(kernel, dataset)
    began = time.perf_counter()
    taking = asyncio.ensure_future(take())
    with contextlib.suppress(SecureError):
        while time.perf_counter() - began < 10 * LIMIT:
            await _seconds(kernel, dataset)
    seconds = time.perf_counter() - began
    await taking
    await kernel.relay.close()
    return seconds


async def _open(served: Served, name: str) -> tuple[str, RemoteKernel]:
    token = served.hub.token(name, ["scientist"])
    kernel = RemoteKernel(_relay(served, token), f"kernel-of-{name}")
    await kernel.open()
    return token, kernel


def _relay(served: Served, token: str) -> Remote:
    return Remote(Https(served.url, served.tls), token, lambda: None, LOG)


async def _seconds(kernel: RemoteKernel, dataset: str) -> float:
    began = time.perf_counter()
    await kernel.load(Load(dataset=dataset))
    return time.perf_counter() - began


def _figure(name: str, times: list[float], single: float) -> dict[str, object]:
    late = float(np.quantile(times, 0.99))
    return {
        "name": f"hub.{name}",
        "value": round(late, 3),
        "unit": "s",
        "baseline": round(single, 4),
        "ratio": round(late / single, 1),
        "limit": LIMIT,
        "over": late > LIMIT,
    }


if __name__ == "__main__":
    for entry in measure():
        print(entry)
