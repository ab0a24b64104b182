"""What the tests change in the worked example: who logs in and how, where servers run, and the ports. Nothing else."""

import json
import os
import secrets
import sys
from pathlib import Path

from jupyterhub.auth import Authenticator

c = get_config()  # noqa: F821 - JupyterHub gives it to its configuration files
load_subconfig(os.environ["HUB_EXAMPLE"])  # noqa: F821 - the same

FOLDER = Path(os.environ["HUB_FOLDER"])
SETTINGS = json.loads((FOLDER / "settings.json").read_text())


class People(Authenticator):
    """A password for each person, from the settings."""

    async def authenticate(self, handler, data):
        """Return the name if the password is that person's."""
        expected = SETTINGS["people"].get(data["username"], "")
        good = bool(expected) and secrets.compare_digest(expected, data["password"])
        return data["username"] if good else None


c.JupyterHub.authenticator_class = People
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {"steward"}
c.JupyterHub.load_groups.update({f"secure-{name}s": {"users": [name]} for name in SETTINGS["people"]})

c.JupyterHub.bind_url = SETTINGS["url"]
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{SETTINGS['hub_port']}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{SETTINGS['proxy_port']}"
c.ConfigurableHTTPProxy.command = SETTINGS["proxy"]
c.JupyterHub.db_url = f"sqlite:///{FOLDER}/hub.sqlite"
c.JupyterHub.cookie_secret_file = str(FOLDER / "cookie_secret")
c.JupyterHub.cleanup_servers = True

c.JupyterHub.spawner_class = "jupyterhub.spawner.SimpleLocalProcessSpawner"
c.SimpleLocalProcessSpawner.home_dir_template = str(FOLDER / "home" / "{username}")
c.Spawner.cmd = [str(Path(sys.executable).parent / "jupyterhub-singleuser")]
c.Spawner.args.append("--allow-root")
c.Spawner.notebook_dir = "~/work"
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
c.Spawner.poll_interval = 5

# Whoever looks at the Hub from outside: groups, tokens, shares.
c.JupyterHub.services.append({"name": "operator", "api_token": SETTINGS["operator"]})
c.JupyterHub.load_roles.append(
    {
        "name": "operator",
        "scopes": [
            "admin:users",
            "admin:groups",
            "admin:servers",
            "tokens",
            "shares",
            "list:services",
            "access:servers",
        ],
        "services": ["operator"],
    }
)
