"""The other end of a kernel's channel: a thread that speaks the real messages over a real socket pair."""

import os
import socket
import threading

import pytest

from jupyter_secure.kernel import client as kernel_client
from jupyter_secure.kernel import completion
from jupyter_secure.protocol.errors import RefusedError
from jupyter_secure.protocol.grant import Grant, GuardLevel, GuardReport
from jupyter_secure.protocol.messages import FromRelay, Hello, ToRelay, Welcome
from jupyter_secure.protocol.wire import Codec, pair, receive_datagram

GRANT = Grant(
    id="g1",
    user="ann",
    kernel="k1",
    notebook="a/b.ipynb",
    guard=GuardReport(level=GuardLevel.G2, layers=("seccomp",), missing=("no bubblewrap on this computer",)),
    issued_at=0,
    expires_at=1,
)


class Relay(threading.Thread):
    """Answers each request by the handler of its class; a handler returns or yields (body or error, descriptor)."""

    def __init__(self, sock):
        super().__init__(daemon=True)
        self.sock = sock
        self.codec = Codec(ToRelay, spill=False)
        self.seen = []
        self.handlers = {Hello: lambda _: Welcome(grant=GRANT)}
        self.public_key = None
        self.fault = None

    def run(self):
        try:
            while True:
                data, fds = receive_datagram(self.sock)
                if not data:
                    return
                message, _ = self.codec.unpack(data, fds, 0)
                self.seen.append(message.body)
                self.answer(message)
        except OSError:
            return
        except Exception as error:  # noqa: BLE001  # shown by the test, which would otherwise wait
            self.fault = error
            self.sock.close()

    def answer(self, message):
        handler = self.handlers.get(type(message.body), lambda _: RefusedError())
        answers = handler(message.body)
        for answer in answers if isinstance(answers, list) else [answers]:
            body, fd = answer if isinstance(answer, tuple) else (answer, None)
            if body is not None:
                self.send(message.id, body, fd)

    def send(self, number, body, fd=None):
        error = body.to_wire() if isinstance(body, Exception) else None
        data, spilled = self.codec.pack(FromRelay(id=number, body=None if error else body, error=error))
        fds = [*spilled, *([] if fd is None else [fd])]
        socket.send_fds(self.sock, [data], fds)
        for each in fds:
            os.close(each)


@pytest.fixture
def relay(monkeypatch):
    ours, theirs = pair()
    client = kernel_client.Client(ours)
    monkeypatch.setattr(kernel_client.CONNECTION, "_client", client)
    completion.OFFERS.forget()
    thread = Relay(theirs)
    thread.client = client
    thread.start()
    yield thread
    client.close()
    thread.join(60)
    theirs.close()
    assert thread.fault is None, thread.fault
    assert not thread.is_alive()


@pytest.fixture
def grant():
    return GRANT
