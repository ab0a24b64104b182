"""The relay's line to the broker: whom it believes, and how it reads a large answer."""

import asyncio
import contextlib
import socket
import ssl
import threading

import pytest

from jupyter_secure.protocol.errors import UnavailableError
from jupyter_secure.server.https import Https, trusting
from jupyter_secure.testing.certificates import Authority

SIZE = 4 << 20


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@contextlib.contextmanager
def answering(authority, address, asked):
    """A server that answers one request with `SIZE` bytes; `asked` gets what it was sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("broker"))

    def answer():
        plain, _ = listening.accept()
        with plain, contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as line:
            asked.append(line.recv(1 << 16))
            line.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n".encode() + bytes(SIZE))

    with socket.create_server((address, 0)) as listening:
        thread = threading.Thread(target=answer)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


async def test_a_large_answer_arrives_whole_and_in_large_pieces(authority):
    pieces = []

    async def take(status, media, piece):
        del media
        assert status == 200
        pieces.append(len(piece))
        await asyncio.sleep(0.002)  # as a kernel that decrypts meanwhile

    with answering(authority, "127.0.0.1", []) as port:
        https = Https(f"https://localhost:{port}", trusting(str(authority.path)))
        await https.exchange("GET", "/", {}, b"", take)
        https.close()
    assert sum(pieces) == SIZE
    assert SIZE / len(pieces) > 2 * 16_384  # OpenSSL hands out records of 16 KiB


async def test_a_certificate_for_another_name_is_sent_no_token(authority):
    asked = []
    with answering(authority, "127.0.0.2", asked) as port:
        https = Https(f"https://127.0.0.2:{port}", trusting(str(authority.path)))
        with pytest.raises(UnavailableError):
            await https.exchange("GET", "/", {"Authorization": "token secret"}, b"", None)
        https.close()
    assert b"".join(asked) == b""


async def test_a_far_side_that_never_shakes_hands_is_given_up(monkeypatch):
    monkeypatch.setattr("jupyter_secure.server.https.CONNECT", 0.2)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        https = Https(f"https://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(UnavailableError):
            await https.exchange("GET", "/", {}, b"", None)
        https.close()
