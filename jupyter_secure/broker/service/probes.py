"""`/health`, `/ready` and `/metrics`: what orchestrators and operators ask.

Health says that the process answers; ready that it can serve: the vault is open, the database takes a write, nobody is
stopping it. Metrics are for tokens to which the Hub gives `read:metrics`, because even counts tell what colleagues do.
"""

from __future__ import annotations

import msgspec

from jupyter_secure.protocol.errors import UnauthenticatedError

from .doors import Door, ProvedDoor, TurnedAwayError

_METRICS = "Metrics are for tokens with the Hub's scope read:metrics."


class HealthHandler(Door):
    """Alive."""

    def get(self) -> None:
        """Answer with the guard level that the operator declared, which `jupyter secure doctor --hub` explains."""
        self.set_header("Content-Type", "application/json")
        _ = self.finish(msgspec.json.encode({"declared_guard": self.service.declared}))


class ReadyHandler(Door):
    """Able to serve."""

    async def get(self) -> None:
        """Answer 200 or 503, and which of the three holds."""
        holds = await self.service.readiness()
        self.set_status(200 if all(holds.values()) else 503)
        self.set_header("Content-Type", "application/json")
        await self.finish(msgspec.json.encode(holds))


class MetricsHandler(ProvedDoor):
    """Counts."""

    async def get(self) -> None:
        """Answer in Prometheus' text format."""
        if not self.proved.metrics:
            raise TurnedAwayError(UnauthenticatedError(_METRICS), 403)
        self.service.measure()
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        await self.finish(self.service.meters.text())
