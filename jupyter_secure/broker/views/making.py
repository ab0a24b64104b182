"""Makes one view in a worker: scan, mask, seal.

Promises: constant memory, because at most three batches exist at a time (one being fetched, one being masked, one being
sealed) and polars decodes two row groups ahead; a failure in the middle ends the stream with an authenticated mark, so
the kernel shows nothing of it.

Steps: open the scan -> check the view, where that is asked -> choose a mask for each column -> say the seal -> for each
batch that is sifted: mask it here, while one thread fetches the next batch and one seals the batch before -> trailer.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from jupyter_secure.protocol.errors import CancelledError

from .checking import check
from .delivery import LARGEST, Sealer
from .failure import code_of
from .jobs import Begun, Finished, Report
from .lending import Lending
from .mask.interface import AnyMask, field
from .masking import choose_masks, masked
from .plan import ViewPlan
from .ramp import ramped
from .scan import Scan
from .sift import Batch, sifted


def make(plan: ViewPlan, out: int, report: Report) -> Finished:
    """Make the view of the plan and write it to the descriptor.

    Raises:
        SecureError: the stream has been ended as broken off.
    """
    pipe = Lending(out, LARGEST)
    return produce(plan, Sealer(plan.recipient, plan.info, pipe.send, pipe.room), report)


def produce(plan: ViewPlan, sealer: Sealer, report: Report) -> Finished:
    """Make the view of the plan and seal it; as `make`, which see."""
    scan = Scan(plan)
    try:
        fit = check(plan, scan, report)
        masks = choose_masks(fit.plan, scan.types)
        report(Begun(seal=sealer.seal, checked=fit.checked))
        batches = fit.kept(sifted(scan.batches(fit.reads), plan, scan.types))
        rows = _stream(batches, plan.total, masks, sealer, report)
        return Finished(rows=rows, size=sealer.size, digest=sealer.finish(rows))
    except BrokenPipeError:
        raise CancelledError(detail="the kernel closed the view") from None
    except Exception as error:
        _break_off(sealer, error)
        raise
    finally:
        scan.close()


def _stream(batches: Iterator[Batch], total: int, masks: dict[str, AnyMask], sealer: Sealer, report: Report) -> int:
    schema = pa.schema([field(name, mask) for name, mask in masks.items()])
    rows = 0
    with (
        ThreadPoolExecutor(1) as reading,
        ThreadPoolExecutor(1) as sealing,
        pa.ipc.new_stream(pa.PythonFile(sealer, "w"), schema) as writer,
    ):
        before: Future[Any] | None = None
        for height, columns in ramped(_ahead(batches, reading), total):
            batch = masked(height, columns, masks, schema)
            if before:
                before.result()
            before = sealing.submit(writer.write_batch, batch)
            rows += height
            report(rows)
        if before:
            before.result()
    return rows


def _ahead(batches: Iterator[Batch], reading: ThreadPoolExecutor) -> Iterator[Batch]:
    # The next batch is fetched while the one before it is worked on.
    following = reading.submit(next, batches, None)
    while (batch := following.result()) is not None:
        following = reading.submit(next, batches, None)
        yield batch


def _break_off(sealer: Sealer, error: Exception) -> None:
    try:
        sealer.fail(code_of(error))
    except OSError:  # the kernel has gone already; it sees a cut stream
        return
