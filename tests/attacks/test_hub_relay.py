"""A user owns his server: he edits the relay, talks to the broker directly, and steals grants. None of it helps."""

import asyncio
import base64
import http.client
import json
import os

import msgspec
import pyarrow as pa
import pytest

from jupyter_secure.broker.authn import hub as hub_module
from jupyter_secure.guard.environment import kernel_environment
from jupyter_secure.guard.plan import Runtime
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import (
    ConflictError,
    IntegrityError,
    InvalidRequestError,
    RefusedError,
    SecureError,
    UnauthenticatedError,
    UnavailableError,
)
from jupyter_secure.protocol.grant import GuardLevel, GuardReport
from jupyter_secure.protocol.messages import (
    Cancel,
    CloseKernel,
    FromKernel,
    Hello,
    Load,
    MoveKernel,
    OpenKernel,
    PanelCatalog,
    PanelLog,
    State,
    Status,
    ToBroker,
    WhoAmI,
)
from jupyter_secure.server.https import trusting
from jupyter_secure.testing.deployment import Deployment
from jupyter_secure.testing.world import World
from tests.waiting import queued, until

POLICY = """
[dataset.patients]

[[rule]]
id = "scientists-see-raw"
to = ["role:scientist"]
datasets = ["patients"]
view = "raw"
"""
LOAD = Load(dataset="patients")
ASK = msgspec.json.encode(ToBroker(id=1, body=State()))


@pytest.fixture
async def deployment(tmp_path):
    with World(tmp_path) as world:
        world.seal(pa.table({"age": list(range(5000))}), tags={"age": Tag.QUASI})
        world.apply(POLICY)
        async with Deployment(world, tmp_path) as deployment, deployment.service() as service:
            deployment.running = service
            yield deployment
        world.verify()


@pytest.fixture
def at_once(monkeypatch):
    """The Hub is asked at each request, so that a test need not wait for a second to pass."""
    monkeypatch.setattr(hub_module, "FRESH", 0.0)


async def raw(deployment, headers, method="POST", path="/v1/ask", body=ASK):
    """Speak HTTP as anybody can; return status, headers and body."""

    def talk():
        tls = trusting(str(deployment.authority.path))
        connection = http.client.HTTPSConnection("127.0.0.1", deployment.port, context=tls, timeout=20)
        try:
            connection.putrequest(method, path)
            for name, value in headers:
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    return await asyncio.to_thread(talk)


def shown(token, *more):
    return [("Authorization", f"token {token}"), ("Content-Type", "application/json"), *more]


# Tokens.


async def test_a_revoked_or_expired_token_ends_open_kernels(deployment, at_once):
    token = deployment.hub.token("ann", ["scientist"])
    kernel = await deployment.kernel(token)
    await kernel.load(LOAD)
    deployment.hub.revoke(token)
    for request in (LOAD, Status()):
        with pytest.raises(UnauthenticatedError):
            await kernel.ask(request)


async def test_a_revocation_counts_within_the_moment_that_an_answer_is_remembered(deployment):
    token = deployment.hub.token("ann", ["scientist"])
    kernel = await deployment.kernel(token)
    deployment.hub.revoke(token)
    await asyncio.sleep(hub_module.FRESH)
    with pytest.raises(UnauthenticatedError):
        await kernel.load(LOAD)


async def test_a_load_that_waited_is_asked_about_again(deployment, at_once):
    token = deployment.hub.token("ann", ["scientist"])
    kernel = await deployment.kernel(token)
    async with deployment.running.desk._counter._gate.turns["ann"]:
        waiting = asyncio.create_task(kernel.load(LOAD))
        await queued(deployment.running.desk._counter._gate.turns["ann"])
        deployment.hub.revoke(token)
    with pytest.raises(SecureError) as caught:
        await waiting
    assert isinstance(caught.value, UnauthenticatedError)


@pytest.mark.parametrize("token", ["0" * 32, "null", "undefined", "Bearer", "*"])
async def test_a_forged_token_opens_nothing(deployment, token):
    relay = deployment.relay(token)
    for body in (State(), WhoAmI(ticket=""), PanelLog(ticket="")):
        with pytest.raises(UnauthenticatedError):
            await relay.request(body)


async def test_a_down_scoped_token_has_the_roles_it_kept_whatever_groups_its_owner_is_in(deployment, at_once):
    full = deployment.hub.token("ann", ["scientist"], groups=["secure-scientists"])
    less = deployment.hub.token("ann", [], groups=["secure-scientists"], admin=True)
    kernel = await deployment.kernel(full)
    await kernel.load(LOAD)
    kernel.relay._token = less
    with pytest.raises(RefusedError):
        await kernel.load(LOAD)


async def test_a_role_taken_away_holds_on_an_open_kernel(deployment, at_once):
    token = deployment.hub.token("ann", ["scientist"])
    kernel = await deployment.kernel(token)
    await kernel.load(LOAD)
    deployment.hub.scopes(token, [])
    with pytest.raises(RefusedError):
        await kernel.load(LOAD)


async def test_a_token_of_a_person_without_a_server_opens_no_kernel(deployment):
    for server, fields in ((None, {}), ("", {"kind": "service"})):
        token = deployment.hub.token("ann", ["scientist"], server=server, **fields)
        with pytest.raises(UnauthenticatedError):
            await deployment.kernel(token)


# Grants.


@pytest.mark.parametrize(("user", "server"), [("bob", ""), ("ann", "other"), ("ann", None)])
async def test_a_stolen_grant_is_useless_under_another_token(deployment, user, server):
    ann = await deployment.kernel(deployment.hub.token("ann", ["scientist"]))
    thief = deployment.relay(deployment.hub.token(user, ["scientist", "steward", "officer"], server=server))
    grant = ann.grant.id
    for body in (
        FromKernel(grant=grant, request=LOAD),
        FromKernel(grant=grant, request=Status()),
        FromKernel(grant=grant, request=Hello(public_key=base64.b64encode(bytes(range(32))).decode())),
        MoveKernel(grant=grant, notebook="mine.ipynb"),
        CloseKernel(grant=grant),
    ):
        with pytest.raises(UnauthenticatedError):
            await thief.request(body)
    with pytest.raises((UnauthenticatedError, InvalidRequestError)):
        await thief.request(PanelCatalog(ticket="", grant=grant))
    assert (await ann.load(LOAD)).num_rows == 5000  # and the owner's kernel has not noticed


async def test_another_persons_kernel_of_the_same_id_leaves_the_first_ones_grant(deployment):
    ann = await deployment.kernel(deployment.hub.token("ann", ["scientist"]), "k-1")
    bob = await deployment.kernel(deployment.hub.token("bob", ["scientist"]), "k-1")
    assert ann.grant.id != bob.grant.id
    assert (await ann.load(LOAD)).num_rows == (await bob.load(LOAD)).num_rows == 5000


async def test_the_same_grant_with_another_key_opens_nothing(deployment):
    kernel = await deployment.kernel(deployment.hub.token("ann", ["scientist"]))
    twin = await deployment.kernel(deployment.hub.token("ann", ["scientist"]), "k-2")
    twin.grant = kernel.grant
    with pytest.raises(ConflictError):
        await twin.hello()
    with pytest.raises(IntegrityError):  # the view is sealed to the key that was shown first
        await twin.load(LOAD)


async def test_a_relay_cannot_raise_the_guard_level_that_is_declared(deployment):
    relay = deployment.relay(deployment.hub.token("ann", ["scientist"]))
    report = GuardReport(level=GuardLevel.G4, canaries={"everything": True})
    welcome, _ = await relay.request(OpenKernel(ticket="", kernel="k", notebook="", guard=report))
    assert welcome.grant.guard.level is GuardLevel.G2
    header = deployment.running.desk.vault.audit.entries(limit=1)[0].header
    assert (header.guard, header.extra["measured"]) == ("G2", "G4")


# What else a request may hold.


SPOOFED = [
    ("X-Forwarded-User", "steward"),
    ("Remote-User", "steward"),
    ("X-Remote-User", "steward"),
    ("X-JupyterHub-User", "steward"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Real-Ip", "127.0.0.1"),
    ("X-Forwarded-Proto", "https"),
    ("X-SSL-Client-S-DN", "CN=steward"),
    ("Forwarded", "for=127.0.0.1"),
]


async def test_who_a_header_says_one_is_counts_for_nothing(deployment):
    body = msgspec.json.encode(ToBroker(id=1, body=WhoAmI(ticket="")))
    nobody = [("Content-Type", "application/json"), *SPOOFED]
    assert (await raw(deployment, nobody, body=body))[0] == 401
    token = deployment.hub.token("ann", ["scientist"])
    status, _, told = await raw(deployment, shown(token, *SPOOFED), body=body)
    assert status == 200
    assert b'"name":"ann"' in told
    assert b"steward" not in told


@pytest.mark.parametrize(
    "header",
    [
        ("Cookie", "jupyterhub-session-id=1"),
        ("Origin", "https://hub.example.org"),
        ("Origin", "null"),
        ("Referer", "https://hub.example.org/x"),
        ("Sec-Fetch-Site", "same-origin"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/ask"), ("GET", "/v1/changes"), ("GET", "/metrics")])
async def test_what_a_browser_could_be_made_to_send_is_refused(deployment, header, method, path):
    token = deployment.hub.token("ann", ["scientist"], server="")
    status, headers, told = await raw(deployment, shown(token, header), method, path)
    assert status == 403
    assert json.loads(told)["code"] == "invalid"
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_a_preflight_and_other_methods_are_not_answered(deployment, method):
    token = deployment.hub.token("ann", ["scientist"])
    status, headers, _ = await raw(deployment, shown(token), method)
    assert status == 405
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "token ")],
        [("Authorization", "Basic YTpi")],
        [("Authorization", "token {token}"), ("Authorization", "token {token}")],
    ],
)
async def test_a_token_counts_in_one_header_only(deployment, headers):
    token = deployment.hub.token("ann", ["scientist"])
    sent = [("Content-Type", "application/json"), *((name, value.format(token=token)) for name, value in headers)]
    status, _, told = await raw(deployment, sent, path=f"/v1/ask?token={token}&access_token={token}")
    assert (status, json.loads(told)["code"]) == (401, "unauthenticated")
    assert token.encode() not in told


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "application/json;charset=x", ""])
async def test_another_kind_of_body_is_refused(deployment, media):
    token = deployment.hub.token("ann", ["scientist"])
    status, _, _ = await raw(deployment, [("Authorization", f"token {token}"), ("Content-Type", media)])
    assert status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{" * 100_000,
        b'{"id":1,"body":{"type":"State","user":"steward"}}',
        b'{"id":1,"body":{"type":"Changed"}}',
        msgspec.json.encode(ToBroker(id=1, body=FromKernel(grant="g", request=Cancel(request=1)))),
    ],
    ids=["nothing", "a list", "deep", "a further field", "a reply", "a cancel"],
)
async def test_what_is_no_request_is_refused(deployment, body):
    token = deployment.hub.token("ann", ["scientist"])
    status, _, told = await raw(deployment, shown(token), body=body)
    assert (status, json.loads(told)["code"]) == (400, "invalid")


async def test_a_body_without_end_is_not_read(deployment):
    token = deployment.hub.token("ann", ["scientist"])
    try:
        status = (await raw(deployment, shown(token), body=b" " * (1 << 20) + ASK))[0]
    except (OSError, http.client.HTTPException):  # cut off while it was still sending
        status = None
    assert status in {None, 400, 413}


async def test_every_answer_has_the_same_safe_headers_and_names_no_software(deployment):
    token = deployment.hub.token("ann", ["scientist"])
    for headers, method, path in (
        (shown(token), "POST", "/v1/ask"),
        ([], "GET", "/health"),
        ([], "GET", "/nowhere"),
        ([], "POST", "/v1/ask"),
    ):
        _, answered, _ = await raw(deployment, headers, method, path)
        assert answered["Cache-Control"] == "no-store"
        assert answered["X-Content-Type-Options"] == "nosniff"
        assert answered["Content-Security-Policy"].startswith("default-src 'none'")
        assert "Server" not in answered
        assert "Set-Cookie" not in answered


async def test_metrics_are_for_those_to_whom_the_hub_gives_them_and_name_nobody(deployment):
    ann = deployment.hub.token("ann", ["scientist", "officer"])
    kernel = await deployment.kernel(ann)
    await kernel.load(LOAD)
    assert (await raw(deployment, shown(ann), "GET", "/metrics"))[0] == 403
    assert (await raw(deployment, [], "GET", "/metrics"))[0] == 401
    meter = deployment.hub.token("prometheus", kind="service")
    deployment.hub.model(meter)["scopes"].append("read:metrics")
    status, _, told = await raw(deployment, shown(meter), "GET", "/metrics")
    assert status == 200
    assert b'jupyter_secure_requests_total{message="Load",outcome="ok"} 1.0' in told
    for word in (b"ann", b"patients", b"study", b"127.0.0.1", ann.encode()):
        assert word not in told


# The Hub and the broker come and go.


async def test_a_hub_that_is_gone_for_a_moment_refuses_and_loses_nothing(deployment, at_once):
    kernel = await deployment.kernel(deployment.hub.token("ann", ["scientist"]))
    await deployment.hub.stop()
    with pytest.raises(UnavailableError, match="Hub"):
        await kernel.load(LOAD)
    deployment.hub.start()
    assert (await kernel.load(LOAD)).num_rows == 5000


async def test_one_person_holds_so_many_requests_and_no_more(deployment, monkeypatch):
    monkeypatch.setattr("jupyter_secure.broker.service.asking.AT_ONCE", 3)
    kernel = await deployment.kernel(deployment.hub.token("ann", ["scientist"]))
    async with deployment.running.desk._counter._gate.turns["ann"]:
        loads = [asyncio.create_task(kernel.load(LOAD)) for _ in range(3)]
        await queued(deployment.running.desk._counter._gate.turns["ann"], 3)
        with pytest.raises(InvalidRequestError, match="too many"):
            await kernel.ask(Status())
        bob = await deployment.kernel(deployment.hub.token("bob", ["scientist"]))
        assert (await bob.load(LOAD)).num_rows == 5000
    assert [table.num_rows for table in await asyncio.gather(*loads)] == [5000] * 3


async def test_a_reader_that_takes_nothing_holds_one_worker_and_only_for_a_while(tmp_path, monkeypatch):
    # Long enough that who reads takes something within it, on a busy computer too.
    monkeypatch.setattr("jupyter_secure.broker.service.asking.STALL", 5.0)
    with World(tmp_path) as world:
        world.seal(_large(), tags={"n": Tag.QUASI})
        world.apply(POLICY)
        async with Deployment(world, tmp_path) as deployment, deployment.service() as service:
            slow = await deployment.kernel(deployment.hub.token("ann", ["scientist"]))
            _, fd = await slow.start(LOAD)
            bob = await deployment.kernel(deployment.hub.token("bob", ["scientist"]))
            assert (await bob.load(LOAD)).num_rows == _large().num_rows
            await until(lambda: not service.under_way)
            os.close(fd)
        world.verify()


def _large():
    return pa.table({"n": pa.array(range(6_000_000), pa.int64())})


# The server's token stays where it is.


def test_no_kernel_is_given_the_servers_token():
    environment = {"JUPYTERHUB_API_TOKEN": "secret-token", "JPY_API_TOKEN": "secret-token", "PATH": "/bin"}
    stanza = {"MINE": "${JUPYTERHUB_API_TOKEN}", "ALSO": "$JUPYTERHUB_API_TOKEN"}
    given = kernel_environment(environment, stanza, Runtime(folder="/run/x"), 5)
    assert "secret-token" not in str(given)


async def test_a_relay_shows_its_token_in_no_repr_and_no_error(deployment):
    token = deployment.hub.token("ann")
    relay = deployment.relay(token)
    with pytest.raises(SecureError) as caught:
        await relay.request(PanelCatalog(ticket="x"))
    assert token not in f"{relay!r} {caught.value!r} {caught.value.detail}"
