"""Requests for access on a real Hub: the magic, the interface of the sidebar, and what a token's scopes decide."""

import pytest

from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.vault import Vault
from jupyter_secure.cli import demo, demo_data
from tests.integration.demo_server import KernelSession

pytestmark = pytest.mark.slow
TERMS = "I use this data for the check alone."
RULE = f"""
[purpose.quality-check]
acknowledge = "{TERMS}"

[[rule]]
id = "engineers-on-request"
to = ["role:engineer", "role:steward"]
datasets = ["patients"]
columns = ["ssn", "cigarettes_1971"]
view = "raw"
when = {{ approval = true, purpose = ["quality-check"] }}
"""
ASK = '%secure_request patients --purpose quality-check --reason "Are the numbers plausible?" --days 3'
LOAD = "df = %secure_load patients --purpose quality-check"


@pytest.fixture(autouse=True)
def policy(hub):
    def apply(text):
        with Vault.open_locked(hub.vault) as vault:
            vault.unlock(demo.PASSPHRASE)
            Policies(vault).apply(text)

    apply(demo_data.policy_text() + RULE)
    yield
    apply(demo_data.policy_text())


def listed(browser):
    return browser.get("/jupyter_secure/requests").json()


def post(browser, name, **body):
    return browser.post(f"/jupyter_secure/{name}", json=body)


def acknowledge(browser):
    [purpose] = [it for it in listed(browser)["purposes"] if it["acknowledge"] == TERMS]
    assert post(browser, "acknowledge", purpose=purpose["name"], digest=purpose["digest"]).status_code == 200


def test_asked_from_a_notebook_approved_by_a_steward_used_and_revoked(person):
    kernel = KernelSession(person("engineer"), "request.ipynb")
    try:
        assert "acknowledge" in kernel.text(ASK)
        acknowledge(kernel.browser)
        assert "for 3 days" in kernel.text(ASK)
        steward = person("steward")
        [waiting] = listed(steward)["others"]
        assert (waiting["user"], waiting["state"], waiting["days"]) == ("engineer", "requested", 3)
        shown = "df.cigarettes_1971.notna().any()"
        assert "True" not in kernel.text(f"{LOAD}\n{shown}")
        assert post(steward, "requests/decide", request=waiting["id"], approve=True).status_code == 200
        assert "True" in kernel.text(f"{LOAD}\n{shown}")
        assert post(steward, "requests/revoke", request=waiting["id"]).status_code == 200
        assert "True" not in kernel.text(f"{LOAD}\n{shown}")
    finally:
        kernel.close()


def test_nobody_decides_his_own_and_only_scopes_decide_at_all(hub, person):
    steward, engineer = person("steward"), person("engineer")
    acknowledge(steward)
    wish = {"dataset": "patients", "purpose": "quality-check", "reason": "for myself", "days": 1}
    request = post(steward, "requests", **wish).json()["request"]["id"]
    assert "own request" in post(steward, "requests/decide", request=request, approve=True).json()["public"]
    answer = post(engineer, "requests/decide", request=request, approve=True)
    assert (answer.status_code, answer.json()["code"]) == (404, "refused")
    assert post(steward, "requests/revoke", request=request).status_code == 200
