"""A JupyterHub with jupyter-secure: a worked example that the tests start as it is.

Four parts: *who may be what* (scopes and groups), *the broker* (a service), *the servers of the users* (relays, which
nothing trusts), *what stays off*. Authenticator, spawner and certificates of the Hub itself are yours and stand in a
file of yours, which loads this one with `load_subconfig`. On Kubernetes the chart loads it (see z2jh-values.yaml).

What the broker relies on: it asks the Hub about every token that is presented to it and believes nothing else. So a
role is worth as much as the Hub's groups, and an administrator of the Hub can act as any of its users, towards the
broker too.
"""
# ruff: noqa: INP001 - a file of configuration, not a module

import os
import shlex
import sys
from pathlib import Path

c = get_config()  # noqa: F821 - JupyterHub gives it to its configuration files

# Where things are. Nothing here is secret; secrets are files that only the broker's user reads.
BROKER_URL = os.environ.get("SECURE_BROKER_URL", "https://localhost:8490")  # as the users' servers reach it
BROKER_FILES = Path(os.environ.get("SECURE_BROKER_FILES", "/srv/jupyter-secure"))
BROKER_CA = os.environ.get("SECURE_BROKER_CA", "/etc/jupyter-secure/ca.pem")  # every user may read it
BROKER_USER = os.environ.get("SECURE_BROKER_USER", "secure_broker")
HUB_ORIGIN = os.environ.get(
    "SECURE_HUB_ORIGIN", ""
)  # https://hub.example.org, as browsers see it; without: no passkeys
BROKER_MANAGED = os.environ.get("SECURE_BROKER_MANAGED", "1") == "1"  # "0": systemd or Kubernetes starts it

# 1. Who may be what.
# The broker decides by these scopes, on the very token that is presented, never by the name of a group: a token that
# was made with fewer scopes gets the views of the roles it kept.
ROLES = {
    "steward": "seals data, writes policy, approves",
    "scientist": "works with what policy gives scientists",
    "engineer": "works with what policy gives engineers",
    "officer": "reads every entry of the log, loads nothing by role alone",
}
SCOPES = {role: f"custom:jupyter-secure:role:{role}" for role in ROLES}
c.JupyterHub.custom_scopes.update({SCOPES[role]: {"description": does} for role, does in ROLES.items()})

# One group for each role. People enter a group on the admin page, through the API, or through the groups of your
# identity provider (`Authenticator.manage_groups`). Leaving it acts at the broker within seconds, on open kernels too.
c.JupyterHub.load_groups.update({f"secure-{role}s": {"users": []} for role in ROLES})
c.JupyterHub.load_roles.extend(
    {"name": f"secure-{role}", "scopes": [SCOPES[role]], "groups": [f"secure-{role}s"]} for role in ROLES
)

# The token of a user's server may carry its owner's roles: the Hub cuts this list down to what the owner has, anew at
# each request. `tokens!user` must never stand here: with it, whatever runs on the server could make itself a token that
# is worth the whole person and outlives the server.
c.JupyterHub.load_roles.append(
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", *SCOPES.values()]}
)

# 2. The broker: one process with a user, a vault and a database of its own. At the Hub it needs no right at all. The
# passphrase reaches it on its standard input, from a file of its own user: never in an argument or a variable.
# `--declared-guard` is your word for how confined kernels are, whatever their servers report; see docs/operating.md.
if BROKER_MANAGED:
    serve = [
        *(sys.executable, "-I", "-m", "jupyter_secure.cli.main", "serve"),
        *("--vault", str(BROKER_FILES / "vault")),
        *("--url", BROKER_URL),
        *("--cert", str(BROKER_FILES / "tls.crt")),
        *("--key", str(BROKER_FILES / "tls.key")),
        *("--declared-guard", os.environ.get("SECURE_DECLARED_GUARD", "G0")),
        *("--unlock", "fd"),
        *(("--passkey-origin", HUB_ORIGIN) if HUB_ORIGIN else ()),
    ]
    c.JupyterHub.services.append(
        {
            "name": "jupyter-secure",
            "user": BROKER_USER,
            "cwd": "/",
            "command": ["/bin/sh", "-c", f"exec {shlex.join(serve)} < {shlex.quote(str(BROKER_FILES / 'passphrase'))}"],
        }
    )

# 3. The servers of the users. They start no broker and hold no key; they pass ciphertext on. What stands in
# `environment` can be read by code in a kernel.
c.Spawner.cmd = ["jupyterhub-singleuser"]
c.Spawner.default_url = "/lab"
c.Spawner.environment.update({"JUPYTERHUB_SINGLEUSER_EXTENSION": "1"})
c.Spawner.args.extend([f"--SecureApp.broker={BROKER_URL}", f"--SecureApp.broker_ca={BROKER_CA}"])

# 4. What stays off. Sharing: the extension refuses every guest on a server, so nobody gets the right to share (it is no
# part of the role `user`; do not add it). Named servers: one person, one server.
c.JupyterHub.allow_named_servers = False
