"""What the operator may count. Promises: no label and no value names a person, a notebook, a dataset or an address."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from jupyter_secure.protocol.messages import FromKernel, RelayRequest

_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)


class Meters:
    """The counters of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "jupyter_secure_requests", "Requests answered.", ("message", "outcome"), registry=self.registry
        )
        self.seconds = Histogram(
            "jupyter_secure_request_seconds",
            "Time to the end of an answer.",
            ("message",),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.turned_away = Counter(
            "jupyter_secure_turned_away", "Requests refused before they were read.", ("code",), registry=self.registry
        )
        self.under_way = Gauge("jupyter_secure_requests_under_way", "Requests now.", registry=self.registry)
        self.streamed = Counter("jupyter_secure_streamed_bytes", "Sealed bytes sent.", registry=self.registry)
        self.listeners = Gauge("jupyter_secure_listeners", "Relays that listen now.", registry=self.registry)
        self.workers = Gauge("jupyter_secure_workers", "Worker processes.", ("state",), registry=self.registry)
        self.unlocked = Gauge("jupyter_secure_vault_unlocked", "1 if the keys are in memory.", registry=self.registry)
        self.log_size = Gauge("jupyter_secure_log_entries", "Entries of the audit log.", registry=self.registry)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


def label(body: RelayRequest) -> str:
    """Return the name of a request for a label: one of the closed family of messages."""
    return type(body.request if isinstance(body, FromKernel) else body).__name__
