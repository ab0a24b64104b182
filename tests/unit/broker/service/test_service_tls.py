"""The line to the broker: encrypted, proved, renewed while it is in use, and never plain beyond this computer."""

import asyncio
import shutil
import ssl

import pytest

from jupyter_secure.broker.service import tls as tls_module
from jupyter_secure.broker.service.tls import Certificate, is_loopback, require_private_line
from jupyter_secure.protocol.errors import InstallationError, UnavailableError
from jupyter_secure.protocol.messages import State
from jupyter_secure.server.https import Https, trusting
from jupyter_secure.testing.certificates import Authority


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "", "10.0.0.7", "broker.example.org", "localhost.example.org"])
def test_plain_http_is_refused_off_loopback(address):
    with pytest.raises(InstallationError, match="--cert"):
        require_private_line(address, None)
    require_private_line(address, Certificate("c", "k"))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_plain_http_is_for_this_computer(address):
    assert is_loopback(address)
    require_private_line(address, None)


async def test_a_service_without_a_certificate_does_not_start_off_loopback(deployment):
    with pytest.raises(InstallationError):
        async with deployment.service(certificate=None, address="0.0.0.0"):
            pass


async def test_a_service_without_a_certificate_serves_loopback(deployment):
    async with deployment.service(certificate=None):
        relay = deployment.relay(deployment.hub.token("ann"), scheme="http")
        assert (await relay.request(State()))[0].vault == "unlocked"


@pytest.mark.parametrize(
    "url",
    [
        "http://broker.example.org",
        "http://10.0.0.7:8490",
        "ftp://127.0.0.1",
        "127.0.0.1:8490",
        "https://a:b@h",
        "https://",
    ],
)
def test_a_relay_sends_its_token_nowhere_unsafe(url):
    with pytest.raises(InstallationError):
        Https(url)


async def test_a_relay_believes_only_the_authority_it_was_given(deployment, tmp_path):
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "stranger")
    async with deployment.service():
        token = deployment.hub.token("ann")
        for tls in (trusting(str(stranger.path)), trusting("")):
            with pytest.raises(UnavailableError):
                await deployment.relay(token, tls=tls).request(State())
        assert deployment.hub.asked == 0
        assert (await deployment.relay(token).request(State()))[0]


async def test_an_older_tls_is_refused(deployment):
    async with deployment.service():
        tls = trusting(str(deployment.authority.path))
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(UnavailableError):
            await deployment.relay(deployment.hub.token("ann"), tls=tls).request(State())


async def test_with_a_client_authority_a_relay_without_its_certificate_does_not_get_to_http(deployment, tmp_path):
    (tmp_path / "relays").mkdir()
    authority = Authority(tmp_path / "relays", "relays")
    mine = authority.issue("relay")
    (tmp_path / "others").mkdir()
    stranger = Authority(tmp_path / "others", "others").issue("stranger")
    given = deployment.certificate
    async with deployment.service(certificate=Certificate(given.cert, given.key, str(authority.path))):
        token, ca = deployment.hub.token("ann"), str(deployment.authority.path)
        for tls in (trusting(ca), trusting(ca, *map(str, stranger))):
            with pytest.raises(UnavailableError):
                await deployment.relay(token, tls=tls).request(State())
        assert deployment.hub.asked == 0
        assert (await deployment.relay(token, tls=trusting(ca, *map(str, mine))).request(State()))[0]


async def test_a_renewed_certificate_is_shown_to_new_connections_while_old_ones_go_on(deployment, monkeypatch):
    monkeypatch.setattr(tls_module, "EVERY", 0.05)
    async with deployment.service():
        old = deployment.relay(deployment.hub.token("ann"))
        await old.request(State())
        before = await serial(deployment)
        replace(deployment, "second")
        async with asyncio.timeout(60):
            while (after := await serial(deployment)) == before:  # noqa: ASYNC110 - files are watched, not heard
                await asyncio.sleep(0.05)
        assert after != before
        assert (await old.request(State()))[0].vault == "unlocked"


async def test_a_certificate_is_read_again_on_demand(deployment):
    async with deployment.service() as service:
        before = await serial(deployment)
        replace(deployment, "second")
        assert await serial(deployment) == before
        service.reload()
        assert await serial(deployment) != before


@pytest.mark.parametrize("broken", ["half", "garbage", "gone"])
async def test_files_that_do_not_fit_together_are_left_alone(deployment, tmp_path, broken):
    async with deployment.service() as service:
        before = await serial(deployment)
        cert, _ = deployment.authority.issue("second")
        if broken == "half":  # the certificate was exchanged, its key not yet
            shutil.copy(cert, deployment.certificate.cert)
        elif broken == "garbage":
            (tmp_path / "broker.crt").write_bytes(b"-----BEGIN CERTIFICATE-----\n")
        else:
            (tmp_path / "broker.key").unlink()
        service.reload()
        assert await serial(deployment) == before


def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path):
    with pytest.raises(InstallationError):
        Certificate(str(tmp_path / "none"), str(tmp_path / "none")).context()
    with pytest.raises(InstallationError):
        trusting(str(tmp_path / "none"))


def replace(deployment, name):
    cert, key = deployment.authority.issue(name)
    shutil.copy(cert, deployment.certificate.cert)
    shutil.copy(key, deployment.certificate.key)


async def serial(deployment):
    """Return the certificate that a new connection is shown."""
    tls = trusting(str(deployment.authority.path))
    _, writer = await asyncio.open_connection("127.0.0.1", deployment.port, ssl=tls)
    shown = writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]
    writer.close()
    await writer.wait_closed()
    return shown
