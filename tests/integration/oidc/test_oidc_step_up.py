"""A step up by way of a real identity provider: what counts, and what does not, from the refusal to the load."""

import asyncio
import contextlib
import shutil
from urllib.parse import urlencode

import pyarrow as pa
import pytest
import requests

from jupyter_secure.broker.authn.identity_provider import Registration
from jupyter_secure.broker.service.http import Settings, opened
from jupyter_secure.broker.vault import wall_clock
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import StepUpError
from jupyter_secure.protocol.messages import Load, MfaChallenge, MfaState, StepUp
from jupyter_secure.protocol.record import Kind
from jupyter_secure.testing.deployment import Deployment
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.world import World
from tests.integration.browser import chromium
from tests.integration.oidc.identity_provider import MFA, PASSWORD, IdentityProvider, asked, client, log_in
from tests.integration.server_process import free_port

pytestmark = pytest.mark.slow
POLICY = """
[dataset.patients]

[[rule]]
id = "stewards-verify"
to = ["role:steward"]
datasets = ["patients"]
view = "raw"
when = { mfa_max_age = "5m" }
"""
LOAD = Load(dataset="patients")
SECRET = "a secret of the tests: 100%"


class Organisation:
    """A Hub, a broker and a provider; somebody's kernel, and the browser beside it."""

    def __init__(self, deployment, provider):
        self.deployment, self.provider = deployment, provider
        self.public = f"https://localhost:{deployment.port}"
        self.browser = requests.Session()
        self.authority = str(deployment.authority.path)

    @contextlib.asynccontextmanager
    async def service(self, **registered):
        given = {"client_id": "broker", "acr": (MFA,), **registered}
        async with self.deployment.service(oidc=Registration(self.provider.issuer, public=self.public, **given)):
            self.token = self.deployment.hub.token("ann", ["steward"])
            self.kernel = await self.deployment.kernel(self.token)
            yield self

    async def refused(self):
        """Return the challenge that a load gets."""
        with pytest.raises(StepUpError) as caught:
            await self.kernel.load(LOAD)
        return caught.value.challenge

    async def ask(self, message, **fields):
        return (await self.deployment.relay(self.token).request(message(ticket="", **fields)))[0]

    async def get(self, address, **options):
        return await asyncio.to_thread(
            self.browser.get, address, allow_redirects=False, timeout=20, verify=self.authority, **options
        )

    async def begin(self, challenge):
        """Go to the provider; return the address there."""
        answer = await self.get(f"{self.public}/oidc/start?challenge={challenge}")
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    async def go(self, challenge, **form):
        """Go there, log in, and come back; return the page."""
        there = await self.begin(challenge)
        return await self.get(await asyncio.to_thread(log_in, there, **{"name": "ann", **form}))

    def entries(self, kind):
        found = self.deployment.world.vault.audit.entries(limit=100)
        return [entry for entry in found if entry.header.kind is kind]

    async def not_verified(self, page, reason, status=403):
        """Say that a page tells of a refusal, that the log gives the reason, and that nothing was permitted."""
        assert page.status_code == status
        assert "Not verified" in page.text
        [entry] = self.entries(Kind.MFA_FAILED)
        assert (entry.header.extra["method"], entry.header.extra["reason"]) == ("oidc", reason)
        assert self.entries(Kind.MFA_VERIFIED) == []
        assert (await self.ask(MfaState)).mfa_at is None
        await self.refused()


def started(port):
    """Start a provider that knows a broker at a port, and a client that is another service."""
    callback = f"https://localhost:{port}/oidc/callback"
    confidential = {"client_secret": SECRET, "token_endpoint_auth_method": "client_secret_basic"}
    return IdentityProvider(
        client("broker", callback, callback.replace("localhost", "127.0.0.1")),
        client("other", callback),
        client("secretive", callback, **confidential),
    )


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def provider(port):
    with contextlib.closing(started(port)) as provider:
        yield provider


@pytest.fixture
async def organisation(tmp_path, provider, port):
    async with organised(tmp_path, provider, port) as made:
        yield made


@contextlib.asynccontextmanager
async def organised(tmp_path, provider, port, database_url=None):
    with World(tmp_path, wall_clock, database_url) as world:
        world.seal(pa.table({"age": [1, 2]}), tags={"age": Tag.QUASI})
        world.apply(POLICY)
        async with Deployment(world, tmp_path) as deployment:
            deployment.port = port
            yield Organisation(deployment, provider)
        world.verify()


async def test_a_login_at_the_provider_permits_the_one_request_and_is_in_the_log(organisation):
    async with organisation.service() as it:
        challenge = await it.refused()
        state = await it.ask(MfaState)
        assert state.provider == f"{it.public}/oidc/start"
        page = await it.go(challenge)
        assert page.status_code == 200
        assert "You permitted patients as raw to study.ipynb." in page.text
        assert (await it.kernel.ask(StepUp(challenge=challenge))).verified
        assert (await it.kernel.load(LOAD)).num_rows == 2
        [entry] = it.entries(Kind.MFA_VERIFIED)
        assert entry.header.extra["method"] == "oidc"
        assert entry.header.extra["acr"] == MFA
        assert int(entry.header.extra["auth_time"]) == (await it.ask(MfaState)).mfa_at
        assert len(entry.header.extra["challenge"]) == 64
        assert entry.personal.user == "ann"
        assert set(entry.header.extra) == {"method", "acr", "auth_time", "challenge"}


async def test_the_provider_is_asked_for_a_new_login_with_a_second_factor_and_pkce(organisation):
    async with organisation.service() as it:
        sent = asked(await it.begin(await it.refused()))
        assert (sent["acr_values"], sent["max_age"], sent["prompt"]) == (MFA, "0", "login")
        assert (sent["response_type"], sent["code_challenge_method"], sent["scope"]) == ("code", "S256", "openid")
        assert len(sent["state"]) == len(sent["nonce"]) == len(sent["code_challenge"]) == 43
        assert len({sent["state"], sent["nonce"], sent["code_challenge"]}) == 3


async def test_a_client_with_a_secret_and_names_from_preferred_username(organisation):
    async with organisation.service(client_id="secretive", secret=SECRET, subject="preferred_username") as it:
        page = await it.go(await it.refused(), name="account-ann")
        assert page.status_code == 200, page.text


async def test_one_verifies_without_a_waiting_request_too(organisation):
    async with organisation.service() as it:
        challenge = (await it.ask(MfaChallenge, use="verify")).challenge
        assert "You proved who you are." in (await it.go(challenge)).text
        assert (await it.kernel.load(LOAD)).num_rows == 2


async def test_a_login_that_was_before_does_not_count(organisation):
    async with organisation.service() as it:
        page = await it.go(await it.refused(), age=3600)
        assert "did not ask you to log in anew" in page.text
        await it.not_verified(page, "auth_time")


async def test_a_login_without_a_second_factor_does_not_count(organisation):
    async with organisation.service() as it:
        page = await it.go(await it.refused(), acr=PASSWORD)
        assert "did not say that you used a second factor" in page.text
        await it.not_verified(page, "acr")


@pytest.mark.parametrize("name", ["mallory", "ANN", "ann "])
async def test_a_login_of_somebody_else_does_not_count(organisation, name):
    async with organisation.service() as it:
        page = await it.go(await it.refused(), name=name)
        assert "as somebody else" in page.text
        await it.not_verified(page, "subject")


async def test_who_cancels_at_the_provider_has_verified_nothing(organisation):
    async with organisation.service() as it:
        await it.not_verified(await it.go(await it.refused(), refuse="yes"), "provider")


async def test_the_way_back_is_open_once(organisation):
    async with organisation.service() as it:
        there = await it.begin(await it.refused())
        cookie = dict(it.browser.cookies)
        back = await asyncio.to_thread(log_in, there, name="ann")
        assert (await it.get(back)).status_code == 200
        assert not it.browser.cookies
        again = await it.get(back)
        assert again.status_code == 403
        stolen = await it.get(back, headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookie.items())})
        assert stolen.status_code == 403
        assert len(it.entries(Kind.MFA_VERIFIED)) == 1


async def test_another_browser_does_not_come_back(organisation):
    async with organisation.service() as it:
        back = await asyncio.to_thread(log_in, await it.begin(await it.refused()), name="ann")
        assert (await asyncio.to_thread(requests.get, back, verify=it.authority, timeout=20)).status_code == 403
        assert (await it.get(back)).status_code == 200


async def test_state_and_code_of_another_journey_are_refused(organisation):
    async with organisation.service() as it:
        first = asked(await asyncio.to_thread(log_in, await it.begin(await it.refused()), name="ann"))
        second = (await it.ask(MfaChallenge, use="verify")).challenge
        sent = asked(await it.begin(second))
        assert (await it.get(f"{it.public}/oidc/callback?{urlencode(first)}")).status_code == 403
        assert it.entries(Kind.MFA_FAILED) == []  # it ends no journey, so a link cannot either
        page = await it.get(f"{it.public}/oidc/callback?{urlencode({**first, 'state': sent['state']})}")
        await it.not_verified(page, "code")


async def test_a_code_for_another_client_is_refused(organisation):
    async with organisation.service() as it:
        there = await it.begin(await it.refused())
        other = there.replace("client_id=broker", "client_id=other")
        assert other != there
        await it.not_verified(await it.get(await asyncio.to_thread(log_in, other, name="ann")), "code")


async def test_an_answer_in_the_name_of_another_issuer_is_refused(organisation):
    async with organisation.service() as it:
        back = asked(await asyncio.to_thread(log_in, await it.begin(await it.refused()), name="ann"))
        page = await it.get(f"{it.public}/oidc/callback?{urlencode({**back, 'iss': 'https://elsewhere.example'})}")
        await it.not_verified(page, "issuer")


async def test_without_its_issuer_an_answer_is_refused_where_the_provider_names_it(organisation):
    async with organisation.service() as it:
        back = asked(await asyncio.to_thread(log_in, await it.begin(await it.refused()), name="ann"))
        del back["iss"]
        await it.not_verified(await it.get(f"{it.public}/oidc/callback?{urlencode(back)}"), "issuer")


async def test_a_provider_that_is_gone_proves_nothing_and_takes_nothing_else_along(organisation):
    organisation.provider = started(organisation.deployment.port)
    async with organisation.service() as it:
        challenge = await it.refused()
        back = await asyncio.to_thread(log_in, await it.begin(challenge), name="ann")
        it.provider.close()
        page = await it.get(back)
        assert "cannot be reached" in page.text
        await it.not_verified(page, "unavailable", status=503)
        gone = await it.get(f"{it.public}/oidc/start?challenge={challenge}")
        assert gone.status_code == 503


@pytest.mark.parametrize(
    "query", ["", "?challenge=", f"?challenge={'0' * 32}", "?challenge=a&challenge=b", "?challenge=%ff"]
)
async def test_only_a_waiting_challenge_leads_out(organisation, query):
    async with organisation.service() as it:
        answer = await it.get(f"{it.public}/oidc/start{query}")
        assert answer.status_code in {400, 403}
        assert not it.browser.cookies


async def test_no_challenge_to_change_factors_leads_out(organisation):
    async with organisation.service() as it:
        challenge = (await it.ask(MfaChallenge, use="manage")).challenge
        assert (await it.get(f"{it.public}/oidc/start?challenge={challenge}")).status_code == 403


@pytest.mark.parametrize("header", [{"Sec-Fetch-Mode": "cors"}, {"Sec-Fetch-Dest": "iframe"}])
async def test_neither_frames_nor_scripts_come_in(organisation, header):
    async with organisation.service() as it:
        address = f"{it.public}/oidc/start?challenge={await it.refused()}"
        assert (await it.get(address, headers=header)).status_code == 403


async def test_the_cookie_is_for_the_two_doors_alone(organisation):
    async with organisation.service() as it:
        answer = await it.get(f"{it.public}/oidc/start?challenge={await it.refused()}")
        name, *attributes = answer.headers["Set-Cookie"].split("; ")
        assert name.startswith("__Secure-")
        assert {"Path=/oidc", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=300"} <= set(attributes)


def browse(address, name):
    """Follow the panel's link in Chromium, log in, and return what stands on the page in the end."""
    with chromium() as browser, contextlib.closing(browser.new_context(ignore_https_errors=True)) as context:
        page = context.new_page()
        page.goto(address)
        page.get_by_label("Name").fill(name)
        page.get_by_role("button", name="Log in with a second factor").click()
        page.wait_for_url("**/oidc/callback?**")
        return page.get_by_role("heading").inner_text(), page.get_by_role("paragraph").inner_text(), context.cookies()


async def test_a_real_browser_goes_to_the_provider_of_another_site_and_comes_back(organisation):
    organisation.public = organisation.public.replace("localhost", "127.0.0.1")  # the provider is at localhost
    async with organisation.service() as it:
        challenge = await it.refused()
        link = f"{(await it.ask(MfaState)).provider}?challenge={challenge}"
        assert link.startswith("https://127.0.0.1")
        title, told, _ = await asyncio.to_thread(browse, link, "mallory")
        assert (title, "as somebody else" in told) == ("Not verified", True)
        title, told, cookies = await asyncio.to_thread(browse, link, "ann")
        assert (title, "You permitted patients as raw to study.ipynb." in told) == ("Verified", True)
        assert not [cookie for cookie in cookies if "journey" in cookie["name"]]
        assert (await it.kernel.load(LOAD)).num_rows == 2


async def test_another_broker_on_the_same_database_takes_the_way_back(tmp_path, provider, port, postgres_url):
    async with organised(tmp_path, provider, port, postgres_url) as organisation, organisation.service() as it:
        copy = shutil.copytree(it.deployment.world.path, tmp_path / "copy")
        registration = Registration(provider.issuer, "broker", (MFA,), it.public)
        settings = Settings(str(copy), it.deployment.hub.url, certificate=it.deployment.certificate, oidc=registration)
        async with opened(settings, lambda vault: vault.unlock(PASSPHRASE)) as other:
            back = await asyncio.to_thread(log_in, await it.begin(await it.refused()), name="ann")
            page = await it.get(back.replace(f":{port}/", f":{other.port}/"))
            assert page.status_code == 200, page.text
            assert (await it.get(back)).status_code == 403  # and it is over for all of them
        assert (await it.kernel.load(LOAD)).num_rows == 2


async def test_without_a_provider_there_is_no_door_and_no_link(organisation):
    async with organisation.deployment.service():
        organisation.token = organisation.deployment.hub.token("ann", ["steward"])
        assert (await organisation.ask(MfaState)).provider is None
        for path in ("/oidc/start?challenge=a", "/oidc/callback"):
            assert (await organisation.get(organisation.public + path)).status_code == 404
