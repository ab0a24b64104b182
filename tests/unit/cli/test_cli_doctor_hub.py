"""`jupyter secure doctor --hub`: each thing that can be wrong is made wrong, and found, with what to do about it."""

import asyncio
import json

import pyarrow as pa
import pytest

from jupyter_secure.broker.service.tls import Certificate
from jupyter_secure.broker.store import database
from jupyter_secure.cli import doctor_hub
from jupyter_secure.cli.doctor_hub import Answer
from jupyter_secure.cli.main import main
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.testing.certificates import Authority
from jupyter_secure.testing.deployment import Deployment
from jupyter_secure.testing.world import World


@pytest.fixture
async def deployment(tmp_path):
    with World(tmp_path) as world:
        world.seal(pa.table({"age": [1]}))
        async with Deployment(world, tmp_path) as made:
            yield made


@pytest.fixture
def doctor(deployment, capsys, monkeypatch, tmp_path):
    """Ask the doctor about a deployment; return its exit status and its findings by check."""
    for name in ("JUPYTERHUB_API_URL", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    async def ask(*options, url=None, token=None, vault=tmp_path / "nowhere"):
        if token is not None:
            monkeypatch.setenv("JUPYTERHUB_API_TOKEN", token)
        url = url or f"https://localhost:{deployment.port}"
        given = ["--hub", url, "--json", "--vault", str(vault), "--ca", str(deployment.authority.path), *options]
        if "--hub-api" not in options:
            given += ["--hub-api", deployment.hub.url]
        status = await asyncio.to_thread(main, ["doctor", *given])
        said = capsys.readouterr().out
        assert token is None or token not in said
        found = json.loads(said)
        assert found["good"] is (status == 0)
        assert all(finding["do"] for finding in found["findings"] if finding["state"] == "bad")
        return status, {finding["check"]: finding for finding in reversed(found["findings"])}  # the first of each

    return ask


async def test_a_broker_that_is_well(deployment, doctor):
    token = deployment.hub.token("ann", ["scientist"])
    async with deployment.service():
        status, found = await doctor(token=token)
        assert status == 0, found
        states = {check: finding["state"] for check, finding in found.items()}
        assert states.pop("rights") == "unknown"
        assert set(states.values()) == {"good"}
        assert set(states) == {"line", "health", "guard", "vault", "database", "serving", "clock", "hub", "token"}
        assert "TLSv1.3" in found["line"]["found"]
        assert "declared G2" in found["guard"]["found"]
        assert "scientist" in found["token"]["found"]
        assert "ann" not in json.dumps(found)


async def test_a_guard_that_nobody_declared_is_explained(deployment, doctor):
    async with deployment.service(declared=GuardLevel.G0):
        _, found = await doctor()
        assert "--declared-guard" in found["guard"]["do"]


async def test_a_locked_vault(deployment, doctor):
    async with deployment.service() as service:
        service.desk.vault.keychain.lock()
        status, found = await doctor()
        assert (status, found["vault"]["state"]) == (1, "bad")


async def test_a_broker_that_is_not_there(deployment, doctor):
    async with deployment.service():
        pass
    status, found = await doctor()
    assert status == 1
    assert (found["line"]["state"], found["health"]["state"], found["vault"]["state"]) == ("bad", "bad", "unknown")


async def test_a_broker_that_demands_certificates(deployment, doctor, tmp_path):
    (tmp_path / "relays").mkdir()
    authority = Authority(tmp_path / "relays", "relays")
    cert, key = map(str, authority.issue("doctor"))
    given = deployment.certificate
    async with deployment.service(certificate=Certificate(given.cert, given.key, str(authority.path))):
        status, found = await doctor("--cert", cert, "--key", key)
        assert (status, found["line"]["state"], found["health"]["state"]) == (0, "good", "good"), found
        status, found = await doctor()
        assert (status, found["health"]["state"]) == (1, "bad")


async def test_a_certificate_of_another_authority(deployment, doctor, tmp_path):
    async with deployment.service():
        other = Authority(tmp_path, "other")
        status, found = await doctor("--ca", str(other.path))
        assert (status, found["line"]["state"]) == (1, "bad")
        assert "--ca" in found["line"]["do"]


async def test_a_certificate_for_another_name(deployment, doctor):
    async with deployment.service(address="127.0.0.2"):
        _, found = await doctor(url=f"https://127.0.0.2:{deployment.port}")
        assert "another" in found["line"]["found"]


@pytest.mark.parametrize(("days", "told"), [(-1, "has ended"), (3, "ends in 2 days")])
async def test_a_certificate_that_ends(deployment, doctor, tmp_path, days, told):
    authority = Authority(tmp_path, "short", days)
    cert, key = authority.issue("broker")
    async with deployment.service(certificate=Certificate(str(cert), str(key))):
        status, found = await doctor("--ca", str(authority.path))
        assert (status, found["line"]["state"]) == (1, "bad")
        assert told in found["line"]["found"]


async def test_a_line_without_encryption_is_not_called_good(deployment, doctor):
    async with deployment.service(certificate=None):
        _, found = await doctor(url=f"http://127.0.0.1:{deployment.port}")
        assert found["line"]["state"] == "unknown"
        assert found["health"]["state"] == "good"


async def test_a_hub_that_is_gone(deployment, doctor):
    async with deployment.service():
        await deployment.hub.stop()
        status, found = await doctor()
        assert (status, found["hub"]["state"]) == (1, "bad")
        deployment.hub.start()


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"server": None, "roles": ["scientist"]}, "not of one server alone"),
        ({"roles": []}, "no role"),
        ({"scopes": ["access:servers!server=ann/", "tokens!user=ann"]}, "tokens!user=ann"),
    ],
)
async def test_a_token_that_is_worth_too_little_or_too_much(deployment, doctor, made, told):
    async with deployment.service():
        status, found = await doctor(token=deployment.hub.token("ann", **made))
        assert status == 1
        assert any(told in finding["found"] for finding in found.values()), found


async def test_a_token_that_the_hub_does_not_know(deployment, doctor):
    async with deployment.service():
        status, found = await doctor(token="f" * 32)
        assert (status, found["token"]["state"]) == (1, "bad")


async def test_a_token_of_a_service_says_whether_it_reads_metrics(deployment, doctor):
    async with deployment.service():
        token = deployment.hub.token("probe", kind="service", scopes=["read:metrics"])
        status, found = await doctor(token=token)
        assert status == 0
        assert "may read metrics" in found["token"]["found"]


async def test_a_database_in_a_file_is_no_protection_from_the_broker(deployment, doctor):
    async with deployment.service():
        status, found = await doctor(vault=deployment.world.path)
        assert (status, found["rights"]["state"]) == (1, "bad")


def test_the_broker_s_role_may_only_add_and_the_owner_is_found_out(postgres, postgres_url):
    assert "OWNER audit_entries" in doctor_hub._rights(postgres_url).found
    owner = database.open_database(postgres_url)
    postgres.sql("DROP ROLE IF EXISTS broker; CREATE ROLE broker LOGIN")
    database.grant_runtime(owner, "broker")
    url = postgres_url.replace("//owner@", "//broker@")
    assert doctor_hub._rights(url).state == "good"
    name = postgres_url.partition("@/")[2].partition("?")[0]
    postgres.sql("GRANT DELETE ON audit_entries TO broker", name)
    assert "DELETE audit_entries" in doctor_hub._rights(url).found
    postgres.sql("REVOKE DELETE ON audit_entries FROM broker; ALTER TABLE audit_entries DISABLE TRIGGER ALL", name)
    assert "protection of the log was removed" in doctor_hub._rights(url).found
    owner.dispose()
    postgres.sql("DROP OWNED BY broker", name)


@pytest.mark.parametrize(
    ("skew", "state"), [(0.0, "good"), (-4.0, "good"), (40.0, "bad"), (-40.0, "bad"), (None, "unknown")]
)
def test_clocks_that_differ_are_told(skew, state):
    finding = doctor_hub._clock("the Hub", Answer(200, {}, skew))
    assert finding.state == state
    assert (finding.do is not None) is (state == "bad")


def test_a_date_of_whole_seconds_is_no_difference(monkeypatch):
    monkeypatch.setattr(doctor_hub.time, "time", lambda: 1_790_000_000.9)
    assert doctor_hub._skew("Mon, 21 Sep 2026 14:13:20 GMT", 1_790_000_000.8) == 0.0
    assert doctor_hub._skew("Mon, 21 Sep 2026 14:14:20 GMT", 1_790_000_000.8) == pytest.approx(59.1)
    assert doctor_hub._skew(None, 0.0) is None


@pytest.mark.parametrize("url", ["broker", "ftp://broker", "https://", "https://broker:x"])
def test_what_is_no_address_is_refused(capsys, url):
    assert main(["doctor", "--hub", url]) == 1
    assert "Give the broker's address" in capsys.readouterr().err
