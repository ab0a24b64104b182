"""Envelopes and content in one response."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_secure.protocol.errors import InvalidRequestError, RefusedError
from jupyter_secure.protocol.messages import Answer, Changed, Delivery, Done, FromBroker, Progress
from jupyter_secure.protocol.stream import LARGEST, Unframer, brings_data, frame, is_last
from jupyter_secure.protocol.view import Rung

DELIVERY = Delivery(
    dataset="patients",
    version=1,
    rung=Rung.RAW,
    columns=(),
    left_out=(),
    purpose=None,
    rows=3,
    seal="c2VhbA==",
    info="i",
    seq=9,
)
ENVELOPES = [FromBroker(id=7, body=Progress(rows=n, total=3)) for n in (1, 2)] + [FromBroker(id=7, body=DELIVERY)]


@given(st.integers(1, 400), st.binary(max_size=200))
def test_however_a_response_is_cut_the_same_comes_out(size, content):
    response = b"".join(map(frame, ENVELOPES)) + content
    unframer, seen, rest = Unframer(), [], b""
    for start in range(0, len(response), size):
        seen += unframer.feed(response[start : start + size]) if not unframer.last else []
        rest += unframer.rest() if unframer.last and seen else b""
        if unframer.last and start + size < len(response):
            rest += response[start + size :]
            break
    assert seen == ENVELOPES
    assert rest == content


def test_content_follows_a_view_and_a_paid_answer_and_nothing_else():
    answer = Answer(dataset="patients", version=1, cost="1", errors={}, repeated=False, gauges=())
    for body, follows in ((DELIVERY, True), (answer, False), (Done(), False), (Progress(rows=1, total=1), False)):
        assert brings_data(FromBroker(id=1, body=body)) is follows
    assert brings_data(FromBroker(id=1, body=Answer(**{**answer_fields(answer), "seal": "s"})))
    refused = FromBroker(id=1, error=RefusedError().to_wire())
    assert is_last(refused)
    assert not brings_data(refused)


def answer_fields(answer):
    return {name: getattr(answer, name) for name in answer.__struct_fields__}


def test_a_response_without_end_goes_on_after_every_envelope():
    unframer = Unframer(endless=True)
    said = [FromBroker(id=0, body=body) for body in (Done(), Changed(), Done())]
    assert list(unframer.feed(b"".join(map(frame, said)))) == said
    assert not unframer.last


@pytest.mark.parametrize(
    "response",
    [
        (LARGEST + 1).to_bytes(4, "big"),
        b"\0\0\0\2[]",
        b"\0\0\0\1{",
        b"\0\0\0\0",
        b"\0\0\0\4\xff\xff\xff\xff",
        b"HTTP/1.1 200 OK\r\n",
    ],
)
def test_what_is_no_response_is_refused(response):
    with pytest.raises(InvalidRequestError):
        list(Unframer().feed(response + bytes(10)))


def test_a_text_without_utf8_is_refused():
    with pytest.raises(InvalidRequestError):
        frame(FromBroker(id=1, body=Changed(notebook="\ud800")))
