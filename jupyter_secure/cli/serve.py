"""`jupyter secure serve`: the broker as a service of JupyterHub.

Promises: the passphrase comes from the system's keyring, an inherited descriptor or the terminal, never from an
argument or the environment; without a certificate nothing but loopback is bound; the process ends with status 1 if it
cannot open its vault, so that whoever supervises it knows.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jupyter_secure.broker.store.folder import vault_path
from jupyter_secure.protocol.errors import InstallationError, InvalidRequestError
from jupyter_secure.protocol.grant import GuardLevel

from .asking import read_secret
from .vault import acting_person

if TYPE_CHECKING:
    from jupyter_secure.broker.authn.identity_provider import Registration
    from jupyter_secure.broker.authn.passkeys import RelyingParty

PORT = 8490
SUBJECTS = ("sub", "preferred_username")
LONGEST = 4096  # bytes of the line with the passphrase
_NO_HUB = "Name the Hub with --hub-api, for example http://127.0.0.1:8081/hub/api."
_HALF = "A certificate needs its key and the other way round: give both --cert and --key."
_NOT_REMEMBERED = (
    "The system's keyring does not hold the passphrase of this vault. `jupyter secure init` can put it there."
)
_EMPTY = "The descriptor of --unlock-fd holds no line with the passphrase."
_HALF_PROVIDER = (
    "An identity provider needs --oidc-issuer, --oidc-client-id, --oidc-acr, and --url or --oidc-public-url."
)
_NO_ORIGIN = (
    "A passkey's origin is the https:// address of the Hub without a path, for example https://hub.example.org; "
    "plain http:// is for localhost alone."
)
_OPEN_FILE = "The file of --oidc-secret-file must be the broker's own, and nobody else may read it (mode 0600)."
_NO_LINE = "The file of --oidc-secret-file holds no line with the secret, or cannot be read."
_OTHERWISE = "An https:// address needs --cert and --key, and an http:// address has neither."
_STRANGE = "That is not an address to serve at. Write it as https://127.0.0.1:8490, perhaps with a path behind it."


def add_parser(subparsers: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = subparsers.add_parser("serve", parents=[common], help="serve a JupyterHub over HTTPS")
    where = parser.add_argument_group("where it listens")
    where.add_argument("--url", help="address and path in one, instead of --bind and --port")
    where.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="default: 127.0.0.1")
    where.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}")
    where.add_argument("--cert", metavar="PEM", help="certificate; needed for any address beyond this computer")
    where.add_argument("--key", metavar="PEM", help="its private key")
    where.add_argument("--client-ca", metavar="PEM", help="demand from relays a certificate of this authority")
    hub = parser.add_argument_group("the Hub")
    hub.add_argument("--hub-api", metavar="URL", help="its API (default: JUPYTERHUB_API_URL, as the Hub sets it)")
    hub.add_argument("--hub-ca", metavar="PEM", help="authority of the Hub's certificate")
    hub.add_argument(
        "--declared-guard",
        choices=[level.value for level in GuardLevel],
        default=GuardLevel.G0.value,
        help="the confinement of kernels that you vouch for; what servers measure counts up to it (default: G0)",
    )
    hub.add_argument(
        "--passkey-origin",
        metavar="URL",
        help="the Hub as browsers reach it, such as https://hub.example.org: its pages may ask for passkeys",
    )
    oidc = parser.add_argument_group("an identity provider, whose logins count as a second factor")
    oidc.add_argument("--oidc-issuer", metavar="URL", help="its issuer, exactly as it writes it")
    oidc.add_argument("--oidc-client-id", metavar="ID", help="as what the broker is registered there")
    oidc.add_argument("--oidc-secret-file", metavar="PATH", help="the client's secret; none for a public client")
    oidc.add_argument("--oidc-acr", action="append", default=[], metavar="URN", help="a class that counts; may repeat")
    oidc.add_argument("--oidc-subject", choices=SUBJECTS, default=SUBJECTS[0], help="the claim that is a user's name")
    oidc.add_argument("--oidc-public-url", metavar="URL", help="the broker as browsers reach it (default: --url)")
    oidc.add_argument("--oidc-ca", metavar="PEM", help="authority of the provider's certificate")
    unlocking = parser.add_argument_group("where the passphrase comes from")
    unlocking.add_argument("--unlock", choices=["keyring", "fd", "prompt"], default="prompt")
    unlocking.add_argument("--unlock-fd", type=int, default=0, metavar="N", help="descriptor for `fd` (default: 0)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal."""
    from jupyter_secure.broker.service.http import Settings, main
    from jupyter_secure.broker.service.tls import Certificate, require_private_line

    if bool(args.cert) != bool(args.key):
        raise InvalidRequestError(_HALF)
    certificate = Certificate(args.cert, args.key, args.client_ca) if args.cert else None
    address, port, base = _place(args, certificate is not None)
    require_private_line(address, certificate)
    hub_api = args.hub_api or os.environ.get("JUPYTERHUB_API_URL", "")
    if urlsplit(hub_api).scheme not in {"http", "https"}:
        raise InvalidRequestError(_NO_HUB)
    settings = Settings(
        vault=str(vault_path(args.vault)),
        hub_api=hub_api,
        address=address,
        port=port,
        base=base,
        certificate=certificate,
        hub_ca=args.hub_ca,
        declared=GuardLevel(args.declared_guard),
        oidc=_registration(args),
        party=_relying_party(args.passkey_origin),
    )
    return main(settings, lambda vault: _passphrase(args, vault), acting_person())


def _place(args: argparse.Namespace, tls: bool) -> tuple[str, int, str]:
    if args.url is None:
        return args.bind, args.port, ""
    try:
        found = urlsplit(args.url)
        port = found.port
    except ValueError:
        raise InvalidRequestError(_STRANGE) from None
    if found.scheme not in {"http", "https"} or not found.hostname or found.query:
        raise InvalidRequestError(_STRANGE)
    if (found.scheme == "https") is not tls:
        raise InvalidRequestError(_OTHERWISE)
    return found.hostname, port or PORT, found.path.rstrip("/")


def _relying_party(origin: str | None) -> RelyingParty | None:
    from jupyter_secure.broker.authn.passkeys import RelyingParty

    if origin is None:
        return None
    found = urlsplit(origin)
    secure = found.scheme == "https" or (found.scheme == "http" and found.hostname == "localhost")  # as browsers see it
    if not secure or not found.hostname or found.path.strip("/") or found.query:
        raise InvalidRequestError(_NO_ORIGIN)
    return RelyingParty(found.hostname, (f"{found.scheme}://{found.netloc}",))


def _registration(args: argparse.Namespace) -> Registration | None:
    public = args.oidc_public_url or args.url
    if not args.oidc_issuer:
        if args.oidc_client_id or args.oidc_acr or args.oidc_secret_file:
            raise InvalidRequestError(_HALF_PROVIDER)
        return None
    if not args.oidc_client_id or not public:
        raise InvalidRequestError(_HALF_PROVIDER)
    from jupyter_secure.broker.authn.identity_provider import Registration

    return Registration(
        issuer=args.oidc_issuer,
        client_id=args.oidc_client_id,
        acr=tuple(args.oidc_acr),
        public=public,
        subject=args.oidc_subject,
        secret=_secret(args.oidc_secret_file) if args.oidc_secret_file else "",
        ca=args.oidc_ca,
    )


def _secret(path: str) -> str:
    """Return the one line of a file that nobody but its owner, who serves, can read."""
    try:
        with open(path, "rb") as source:  # noqa: PTH123 - asked about after it is open, so it cannot be exchanged between
            status = os.fstat(source.fileno())
            if status.st_mode & 0o077 or status.st_uid != os.geteuid():
                raise InstallationError(_OPEN_FILE)
            line = source.readline(LONGEST).strip().decode()
    except (OSError, UnicodeDecodeError):
        line = ""
    if not line:
        raise InvalidRequestError(_NO_LINE)
    return line


def _passphrase(args: argparse.Namespace, vault: str) -> str:
    if args.unlock == "keyring":
        from jupyter_secure.broker.keys import keyring

        found = keyring.recall(vault)
        if found is None:
            raise InstallationError(_NOT_REMEMBERED)
        return found
    if args.unlock == "fd":
        return _line(args.unlock_fd)
    return read_secret(args, "passphrase")


def _line(fd: int) -> str:
    try:
        with os.fdopen(fd, "rb", closefd=fd != 0) as source:
            line = source.readline(LONGEST).rstrip(b"\r\n").decode("utf-8", "replace")
    except OSError:
        line = ""
    if not line:
        raise InvalidRequestError(_EMPTY)
    return line
