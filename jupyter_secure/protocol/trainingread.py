"""From text to a training or a question: the one way in for everything that is asked of a private dataset.

Order of steps for a training: length, JSON and depth, strict decoding, bounds that no type can state, canonical form.
"""

from __future__ import annotations

import re

import msgspec

from .canonical import canonical
from .errors import InvalidRequestError
from .query import Question
from .queryread import check_where, plain_json, read_question
from .training import Training, check_training

Asked = Question | Training


def read_asked(text: str) -> Asked:
    """Return what is asked, in its canonical form.

    Raises:
        InvalidRequestError: with a sentence that names the path and what to do.
    """
    return read_training(text) if '"train"' in text else read_question(text)


def read_training(text: str) -> Training:
    """Return the training in its canonical form, defaults filled in.

    Raises:
        InvalidRequestError: with a sentence that names the path and what to do.
    """
    try:
        training = msgspec.convert(plain_json(text), Training)
        check_where(training.where, len(training.features))
        check_training(training)
        canonical(training)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(_sentence(str(error))) from None
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise InvalidRequestError(
            "The training is not plain JSON of moderate depth. docs/spec/training-v1.md shows the form."
        ) from None
    return training


def _sentence(message: str) -> str:
    """Turn msgspec's message (which speaks of the training, never of data) into ours."""
    what, _, path = message.partition(" - at ")
    where = re.sub(r"[^\w.$\[\]-]", "", path)[:120] or "$"
    return (
        f"The training leaves the closed family at `{where}`: {what[:160]}. docs/spec/training-v1.md lists what works."
    )
