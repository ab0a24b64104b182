"""Ways to a network, or to a socket of another program; judged by who heard something, or by a socket that came out."""

from __future__ import annotations

import socket

from .attempt import Attempt, Evidence, heard, holds

CONNECT = """
import socket
s = socket.socket({family}, {kind}); s.settimeout(2)
s.connect({address}); s.send(at["token"].encode())
"""


def _connects(family: str, kind: str, address: str) -> str:
    return CONNECT.format(family=f"socket.{family}", kind=f"socket.{kind}", address=address)


def _opens(*arguments: int) -> str:
    return f"import socket\ns = socket.socket({', '.join(map(str, arguments))})\ngive(s.fileno())"


def _came_out(family: int, kind: int) -> object:
    def reached(_: object, evidence: Evidence) -> bool:
        for fd in evidence.fds:
            with socket.socket(fileno=socket.dup(fd)) as found:
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) == family and found.type & 0xF == kind:
                    return True
        return False

    return reached


def _made(name: str, does: str, family: int, kind: int, protocol: int = 0) -> Attempt:
    return Attempt(name, does, _opens(family, kind, protocol), _came_out(family, kind))


def _interfaces(_: object, evidence: Evidence) -> bool:
    return bool(set(evidence.said.split()) & {name.encode() for _, name in socket.if_nameindex() if name != "lo"})


ATTEMPTS = (
    Attempt(
        "tcp", "connects to a TCP port", _connects("AF_INET", "SOCK_STREAM", '("127.0.0.1", at["tcp"])'), heard("tcp")
    ),
    Attempt(
        "udp", "sends a UDP datagram", _connects("AF_INET", "SOCK_DGRAM", '("127.0.0.1", at["udp"])'), heard("udp")
    ),
    Attempt("dns", "asks a name server", _connects("AF_INET", "SOCK_DGRAM", '("127.0.0.53", at["dns"])'), heard("dns")),
    _made("raw_icmp", "opens a raw socket", socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    _made("ping", "opens a ping socket", socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP),
    _made("packet", "opens a packet socket", socket.AF_PACKET, socket.SOCK_RAW),
    _made("vsock", "opens a socket to the machine's host", socket.AF_VSOCK, socket.SOCK_STREAM),
    _made("alg", "opens a socket to the kernel's cryptography", socket.AF_ALG, socket.SOCK_SEQPACKET),
    Attempt(
        "interfaces",
        "lists the network interfaces",
        'import socket\ntell(" ".join(name for _, name in socket.if_nameindex()).encode())',
        _interfaces,
    ),
    Attempt(
        "tcp_listen",
        "offers a TCP port",
        'import socket\ns = socket.create_server(("127.0.0.1", at["free"]))',
        lambda ground, _: ground.port_answers(),
    ),
    Attempt(
        "unix_abstract",
        "connects to an abstract Unix socket",
        _connects("AF_UNIX", "SOCK_STREAM", '"\\0" + at["abstract"]'),
        heard("abstract"),
    ),
    *(
        Attempt(
            f"unix_path_{name}",
            f"connects to {what}",
            _connects("AF_UNIX", "SOCK_STREAM", f'at["{name}"]'),
            heard(name),
        )
        for name, what in (
            ("docker", "a socket as the container engine has"),
            ("bus", "a socket as the session bus has"),
            ("kernel", "a socket of another kernel"),
        )
    ),
    Attempt(
        "unix_datagram",
        "sends to a Unix datagram socket",
        'import socket\nsocket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(at["token"].encode(), at["datagram"])',
        heard("datagram"),
    ),
    Attempt(
        "unix_datagram_pair",
        "sends to a Unix datagram socket from half of a socket pair",
        "import socket\n"
        "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        'a.sendto(at["token"].encode(), at["datagram"])',
        heard("datagram"),
    ),
    Attempt(
        "io_uring_socket",
        "sets up io_uring, which makes sockets past any filter",
        'import ctypes\nring = call("io_uring_setup", 8, ctypes.create_string_buffer(120))',
        holds("anon_inode:[io_uring]"),
    ),
)
