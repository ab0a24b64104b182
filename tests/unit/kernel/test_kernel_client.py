"""The client on its socket: turns, interrupts, late answers, faults."""

import base64
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pyarrow as pa
import pytest

from jupyter_secure.kernel import channel
from jupyter_secure.kernel.client import Client, _Connection
from jupyter_secure.protocol.errors import (
    BudgetError,
    CancelledError,
    InstallationError,
    IntegrityError,
    InvalidRequestError,
    UnavailableError,
)
from jupyter_secure.protocol.messages import (
    Budget,
    BudgetReply,
    Cancel,
    Catalog,
    CatalogReply,
    Delivery,
    Hello,
    Load,
    Progress,
    Status,
)
from jupyter_secure.protocol.view import Rung
from jupyter_secure.protocol.wire import pair
from jupyter_secure.testing.sealed_data import seal_table

TABLE = pa.table({"a": [1, 2, 3]})


def delivery(seal, info="i"):
    return Delivery(
        dataset="patients",
        version=1,
        rung=Rung.MASKED,
        columns=(),
        left_out=(),
        purpose=None,
        rows=3,
        seal=seal,
        info=info,
        seq=4,
    )


def deliver(relay, *, info="i"):
    def handler(_):
        hello = next(message for message in relay.seen if isinstance(message, Hello))
        fd, seal = seal_table(TABLE, base64.b64decode(hello.public_key), b"i")
        return [Progress(rows=1, total=3), (delivery(seal, info), fd)]

    relay.handlers[Load] = handler


def test_a_view_is_opened_with_the_key_that_was_said_hello_with(relay):
    deliver(relay)
    steps = []
    reply, fd = relay.client.request(Load(dataset="patients"), lambda *step: steps.append(step))
    assert relay.client.open(reply, fd).equals(TABLE)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)
    assert steps == [(1, 3)]
    relay.client.request(Load(dataset="patients"))
    assert [type(message) for message in relay.seen] == [Hello, Load, Load]


def test_a_view_bound_to_something_else_is_not_opened(relay):
    deliver(relay, info="another")
    reply, fd = relay.client.request(Load(dataset="patients"))
    with pytest.raises(IntegrityError):
        relay.client.open(reply, fd)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


def test_a_key_is_made_only_for_views(relay):
    relay.handlers[Catalog] = lambda _: CatalogReply(offers=())
    assert relay.client.request(Catalog()) == (CatalogReply(offers=()), None)
    assert [type(message) for message in relay.seen] == [Catalog]


def test_an_error_arrives_as_its_class_with_its_sentence(relay):
    relay.handlers[Budget] = lambda _: BudgetError("Spent.")
    with pytest.raises(BudgetError, match=r"Spent\."):
        relay.client.request(Budget())


def test_a_broker_that_was_restarted_hears_hello_again(relay):
    deliver(relay)
    relay.client.request(Load(dataset="patients"))
    relay.handlers[Load] = lambda _: UnavailableError()
    with pytest.raises(UnavailableError):
        relay.client.request(Load(dataset="patients"))
    deliver(relay)
    relay.client.request(Load(dataset="patients"))
    assert [type(message) for message in relay.seen] == [Hello, Load, Load, Hello, Load]


@pytest.fixture
def restarting():
    """Let SIGINT restart blocking reads, as it does once polars has been imported."""
    # Whoever runs the tests in the background may have told them to ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.siginterrupt(signal.SIGINT, False)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("restarting")
def test_a_stalled_view_can_be_interrupted_and_its_descriptor_is_closed(relay):
    deliver(relay)
    reply, fd = relay.client.request(Load(dataset="patients"))
    os.close(fd)
    end, stalled = os.pipe()
    threading.Timer(0.05, lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        relay.client.open(reply, end)
    with pytest.raises(BrokenPipeError):
        os.write(stalled, b"x")
    os.close(stalled)


@pytest.mark.usefixtures("restarting")
def test_an_interrupt_cancels_at_the_broker_and_the_late_answer_is_thrown_away(relay):
    late = []

    def hold(_):
        late.append(relay.client._number)
        threading.Timer(0.05, lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)).start()

    relay.handlers[Budget] = hold
    with pytest.raises(KeyboardInterrupt):
        relay.client.request(Budget())
    spare = os.open("/dev/null", os.O_RDONLY)
    relay.send(late[0], CancelledError(), spare)
    relay.handlers[Catalog] = lambda _: CatalogReply(offers=())
    assert relay.client.request(Catalog())[0] == CatalogReply(offers=())
    assert relay.seen[1] == Cancel(request=late[0])


def test_threads_take_turns_and_each_gets_its_own_answer(relay):
    def slowly(message):
        time.sleep(0.01)
        return BudgetError(message.dataset)

    relay.handlers[Budget] = slowly
    answers = {}

    def ask(name):
        try:
            relay.client.request(Budget(dataset=name))
        except BudgetError as error:
            answers[name] = str(error)

    threads = [threading.Thread(target=ask, args=(f"d{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {f"d{number}": f"d{number}" for number in range(8)}


def test_a_timeout_leaves_the_channel_usable(relay):
    relay.handlers[Status] = lambda _: None
    with pytest.raises(UnavailableError):
        relay.client.request(Status(), timeout=0.05)
    relay.send(1, CatalogReply(offers=()))
    relay.handlers[Budget] = lambda _: BudgetReply(gauges=())
    assert relay.client.request(Budget())[0] == BudgetReply(gauges=())


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (Load(dataset="Not A Name"), "not the name of a dataset"),
        (Load(dataset="x", columns=("a\nb",)), "not well formed at `columns`"),
        (Load(dataset="x", columns=tuple(f"{n:0100}" for n in range(900))), "too long"),
    ],
)
def test_a_malformed_request_never_leaves_the_kernel(relay, message, sentence):
    relay.client._greeted = True
    with pytest.raises(InvalidRequestError, match=sentence):
        relay.client.request(message)
    assert relay.seen == []


def test_a_closed_channel_is_said_plainly():
    ours, theirs = pair()
    client = Client(ours)
    theirs.close()
    with pytest.raises(UnavailableError, match="restart the kernel"):
        client.request(Catalog())
    client.close()


def test_a_forked_child_is_refused(relay):
    relay.client._pid += 1
    with pytest.raises(InstallationError, match="forked"):
        relay.client.request(Catalog())


def test_the_channel_is_taken_out_of_the_environment_and_closed_to_children(monkeypatch):
    ours, theirs = pair()
    fd = ours.detach()
    os.set_inheritable(fd, True)
    monkeypatch.setenv(channel.VARIABLE, str(fd))
    connection = _Connection()
    client = connection.client()
    assert channel.VARIABLE not in os.environ
    assert fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    assert connection.client() is client
    client.close()
    theirs.close()


@pytest.mark.parametrize("value", ["", "x", "-1", "999999", "99999999999999999999"])
def test_a_variable_that_names_no_socket_is_a_missing_channel(monkeypatch, value):
    monkeypatch.setenv(channel.VARIABLE, value)
    with pytest.raises(InstallationError, match="no secure channel"):
        _Connection().client()


def test_another_kind_of_socket_is_left_alone(monkeypatch):
    one, other = socket.socketpair()
    monkeypatch.setenv(channel.VARIABLE, str(one.fileno()))
    with pytest.raises(InstallationError):
        channel.take()
    one.send(b"alive")
    assert other.recv(5) == b"alive"
    one.close()
    other.close()


def test_a_process_that_inherited_nothing_is_told_what_to_do():
    code = "import jupyter_secure\ntry: jupyter_secure.load('x')\nexcept Exception as e: print(type(e).__name__, e)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.startswith("InstallationError There is no secure channel here")
    assert "jupyter lab" in out


def test_loading_the_extension_imports_nothing_heavy_and_nothing_of_other_zones():
    code = (
        "import sys, jupyter_secure.kernel.extension\n"
        "print(*sorted({m for m in sys.modules if m.startswith('jupyter_secure.')}))\n"
        "heavy = ('pyarrow', 'pandas', 'numpy', 'cryptography', 'polars', 'ipywidgets')\n"
        "print(*[m for m in heavy if m in sys.modules])"
    )
    ours, heavy = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {name.split(".")[1] for name in ours.split()} == {"_version", "kernel", "protocol"}
    assert heavy == ""


def test_a_greeting_ahead_spares_the_first_view_its_hello(relay):
    relay.client.greet()
    relay.client.greet()
    deliver(relay)
    reply, fd = relay.client.request(Load(dataset="patients"))
    assert relay.client.open(reply, fd).num_rows > 0
    assert [type(message).__name__ for message in relay.seen] == ["Hello", "Load"]
