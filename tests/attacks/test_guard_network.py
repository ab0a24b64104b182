"""A guarded kernel reaches no network and no socket of other programs. Verdicts come from the listening side."""

import contextlib
import os
import socket

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def listener(request, tmp_path_factory, ground):
    """A listening socket of the family asked for, and code that tries to reach it."""
    kind = request.param
    place = ground.place / f"sock-{os.urandom(4).hex()}"
    family, style, address = {
        "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        "tcp6": (socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)),
        "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        "dns": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.53", 0)),
        "path": (socket.AF_UNIX, socket.SOCK_STREAM, str(place)),
        "datagram path": (socket.AF_UNIX, socket.SOCK_DGRAM, str(place)),
        "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, f"\0attack-{os.urandom(8).hex()}"),
    }[kind]
    with socket.socket(family, style) as sock:
        sock.bind(address)
        if family == socket.AF_UNIX and place.exists():
            place.chmod(0o777)
        if style == socket.SOCK_STREAM:
            sock.listen(5)
        sock.settimeout(0.2)
        target = sock.getsockname()
        target = target.decode() if isinstance(target, bytes) else target
        code = (
            "import socket\n"
            f"s = socket.socket({int(family)}, {int(style)}); s.settimeout(2)\n"
            f"s.connect({target!r}); s.send(b'out'); print('sent')"
        )
        yield sock, code


def heard(sock):
    with contextlib.suppress(TimeoutError):
        if sock.type == socket.SOCK_DGRAM:
            return sock.recv(10)
        connection, _ = sock.accept()
        with connection:
            return connection.recv(10)
    return b""


@pytest.mark.parametrize("listener", ["tcp", "tcp6", "udp", "dns", "path", "datagram path", "abstract"], indirect=True)
def test_no_socket_outside_is_reached(ground, listener):
    sock, code = listener
    assert "sent" in ground.outside(code), "the attack itself does not work"
    assert heard(sock) == b"out"
    said = ground.inside(code)
    assert heard(sock) == b"", said


def test_no_packet_leaves_by_a_raw_or_strange_socket(ground):
    code = """
import socket
for family, style in ((16, 3), (17, 3), (38, 5), (40, 1), (2, 3), (10, 3)):
    try:
        with socket.socket(family, style) as s:
            print("made", family, style)
            if family == 16:
                s.bind((0, 0))
    except OSError:
        pass
"""
    made = [line for line in ground.inside(code).splitlines() if line.startswith("made")]
    # A routing socket (16) of a network namespace of one's own shows only that namespace.
    assert made == (["made 16 3"] if ground.level == "G3" else [])


def test_the_only_network_is_an_empty_one(ground):
    said = ground.inside(
        "import os; print(sorted(os.listdir('/sys/class/net')) if os.path.isdir('/sys/class/net') else [])"
    )
    seen = ground.inside(
        "print(open('/proc/net/route').read().count('\\n') if __import__('os').path.exists('/proc/net/route') else 0)"
    )
    assert "eth" not in said
    if ground.level == "G3":
        assert seen.strip() in {"0", "1"}  # the heading alone


def test_a_descriptor_made_by_io_uring_is_no_way_out(ground):
    code = """
import ctypes
print(ctypes.CDLL(None, use_errno=True).syscall(425, 8, ctypes.create_string_buffer(120)), ctypes.get_errno())
"""
    assert ground.inside(code).strip() == "-1 38"


def test_name_resolution_fails_at_once(ground):
    said = ground.inside("import socket; socket.getaddrinfo('example.org', 443)")
    assert "gaierror" in said or "Error" in said
