"""What a worker needs to answer one question or training with differential privacy, and what comes back."""

from __future__ import annotations

from jupyter_secure.protocol.dpdomain import DpDomain
from jupyter_secure.protocol.noun import Count, Noun
from jupyter_secure.protocol.query import Question
from jupyter_secure.protocol.training import Training

from .plan import Key, Part, PersonList


class DpQuestion(Noun):
    """A question with everything public that it is bound to.

    Attributes:
        question: what is asked, or None where `training` is.
        version: digest of the dataset version.
        units: the whole reserved budget in 1e-9 rho.
        bounding_key: secret of the dataset that picks which rows of a person are used.
    """

    question: Question | None
    domain: DpDomain
    version: str
    units: Count
    bounding_key: Key
    training: Training | None = None

    @property
    def asked(self) -> Question | Training:
        """Return what is asked."""
        found = self.training or self.question
        assert found is not None
        return found

    def __repr__(self) -> str:
        return f"DpQuestion(version={self.version!r}, units={self.units})"


class DpJob(Noun, tag_field="job", tag="dp"):
    """One question to a worker; the parts hold keys of only the columns that it needs (`dpdomain.needed_columns`)."""

    parts: tuple[Part, ...]
    asked: DpQuestion
    lists: tuple[PersonList, ...] = ()


class DpResult(Noun):
    """What leaves the worker: an Arrow stream, its rows, and for each aggregate its largest margin."""

    stream: bytes
    rows: Count
    errors: dict[str, float]
