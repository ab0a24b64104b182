"""What turns a Jupyter server into ours: the settings, and the check that they hold.

`armed_config` is a pure list of settings that outrank the command line and the person's configuration. `verify` looks
at the server as it was built in the end, because another extension may have configured it after us. Whatever is missing
is a reason not to start.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from traitlets.config import Config

from jupyter_secure.protocol.errors import InstallationError

HERE = Path(__file__).parent
# Jupyter extensions that run inside the server beside ours; each other one could do there what no wall sees.
TRUSTED_EXTENSIONS = ("jupyter_secure", "jupyterlab", "notebook", "notebook_shim")
# Scripts and styles: JupyterLab compiles validators (unsafe-eval) and styles its parts inline. Everything that fetches
# or sends is bound to this server, so that an output cannot call out. Top-level navigation is outside CSP.
CSP = "; ".join(  # noqa: FLY002 - one directive a line
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "connect-src 'self'",
        "frame-src 'self' blob:",
        "form-action 'self'",
        "frame-ancestors 'self'",
        "base-uri 'self'",
        "object-src 'none'",
    )
)
# Parts of JupyterLab that stay away: scripts in outputs would act with the person's rights on this very server, the
# language client would look for servers that are switched off, and news would ask whether to fetch them.
LAB_PARTS_OFF = (
    "@jupyterlab/javascript-extension",
    "@jupyterlab/lsp-extension",
    "@jupyterlab/apputils-extension:announcements",
)
_OWN = "jupyter_secure.server"
PROVIDER = "jupyterhub.singleuser.extension.JupyterHubIdentityProvider"
HUB_EXTENSION = "jupyterhub"
_INSIDE = (
    "The vault lies inside the folder that notebooks can reach, or the other way round. "
    "Start in a project folder, or move the vault, and name it with --SecureApp.vault."
)


def armed_config(tornado_settings: dict[str, Any], template_paths: Iterable[str], *, hub: bool = False) -> Config:
    """Return the settings that must hold; `tornado_settings` and `template_paths` are what was configured before.

    On a `hub` JupyterHub says who comes, and the authorizer lets the owner of the server in.
    """
    headers = {
        **tornado_settings.get("headers", {}),
        "Content-Security-Policy": CSP,
        "Referrer-Policy": "same-origin",
    }
    return Config(
        {
            "ServerApp": {
                "identity_provider_class": PROVIDER if hub else f"{_OWN}.identity.SecureIdentityProvider",
                "authorizer_class": f"{_OWN}.{'hub.HubAuthorizer' if hub else 'authorizer.SecureAuthorizer'}",
                "kernel_manager_class": f"{_OWN}.ownership.OwnedKernelManager",
                "kernel_spec_manager_class": f"{_OWN}.kernels.GuardedKernelSpecManager",
                "session_manager_class": f"{_OWN}.ownership.OwnedSessionManager",
                "kernel_websocket_connection_class": f"{_OWN}.ownership.OwnedWebsocketConnection",
                "allow_unauthenticated_access": False,
                "allow_external_kernels": False,
                "allow_credentials": False,
                "allow_origin": "",
                "allow_origin_pat": "",
                "disable_check_xsrf": False,
                "terminals_enabled": False,
                "extra_template_paths": [str(HERE / "templates"), *template_paths],
                "tornado_settings": {"headers": headers},
            },
            "ContentsManager": {"allow_hidden": False},
            # nbconvert would otherwise run templates that a notebook planted in the working folder.
            "TemplateExporter": {"extra_template_basedirs": ["/nonexistent"]},
            # Nothing is installed from the browser, and the server asks no other computer for news or versions.
            "LabApp": {
                "extension_manager": "readonly",
                "news_url": None,
                "check_for_updates_class": "jupyterlab.handlers.announcements.NeverCheckForUpdate",
            },
        }
    )


def disable_extensions(serverapp: ServerApp, *, hub: bool = False) -> list[str]:
    """Switch off, before they are linked, the extensions that are not trusted; return their names."""
    extensions = serverapp.extension_manager.extensions
    trusted = (*TRUSTED_EXTENSIONS, HUB_EXTENSION) if hub else TRUSTED_EXTENSIONS
    off = [name for name, package in extensions.items() if package.enabled and name not in trusted]
    for name in off:
        extensions[name].enabled = False
    return sorted(off)


def disable_lab_parts(web_settings: dict[str, Any]) -> None:
    """Take parts out of JupyterLab's page, whatever a `page_config.json` says."""
    earlier = web_settings.get("page_config_hook")

    def hook(handler: Any, page_config: dict[str, Any]) -> dict[str, Any]:
        page = earlier(handler, page_config) if earlier else page_config
        page["disabledExtensions"] = sorted({*page.get("disabledExtensions", ()), *LAB_PARTS_OFF})
        return page

    web_settings["page_config_hook"] = hook


def require_apart(vault: str, root: str) -> None:
    """Refuse a vault that notebooks could reach through the file browser, or a root folder inside the vault.

    Raises:
        InstallationError: as said.
    """
    inner, outer = Path(vault).expanduser().resolve(), Path(root).expanduser().resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise InstallationError(_INSIDE)


def verify(serverapp: ServerApp, vault: str | None) -> None:
    """Look at the finished server; without a vault of its own it is a Hub's.

    Raises:
        InstallationError: something replaced a part of ours after we had set it.
    """
    from .kernels import GuardedKernelSpecManager
    from .ownership import OwnedKernelManager, OwnedSessionManager, OwnedWebsocketConnection

    settings = serverapp.web_app.settings
    exporter = serverapp.config.TemplateExporter.get("extra_template_basedirs")
    holds = _people_hold(settings, hub=vault is None) | {
        "kernel manager": isinstance(settings["kernel_manager"], OwnedKernelManager),
        "kernel specifications": isinstance(settings["kernel_spec_manager"], GuardedKernelSpecManager),
        "session manager": isinstance(settings["session_manager"], OwnedSessionManager),
        "websocket": issubclass(settings["kernel_websocket_connection_class"], OwnedWebsocketConnection),
        "authentication": settings["allow_unauthenticated_access"] is False,
        "content security policy": settings["headers"].get("Content-Security-Policy") == CSP,
        "terminals": not settings.get("terminals_available"),
        "nbconvert templates": exporter == ["/nonexistent"],
    }
    broken = [name for name, good in holds.items() if not good]
    if broken:
        raise InstallationError(
            f"The server's configuration replaces a part of jupyter-secure: {', '.join(broken)}. "
            "Take it out of the configuration and start again."
        )
    if vault is not None:
        require_apart(vault, serverapp.contents_manager.root_dir)
        require_private_line(serverapp)


def _people_hold(settings: dict[str, Any], *, hub: bool) -> dict[str, bool]:
    from .authorizer import SecureAuthorizer
    from .identity import SecureIdentityProvider

    asked = settings["disable_check_xsrf"] is False
    if hub:
        from jupyterhub.singleuser.extension import JupyterHubIdentityProvider

        from .hub import HubAuthorizer

        # JupyterHub switches Tornado's early check off; the one in Jupyter's handlers stays and knows the Hub's cookie.
        return {
            "identity provider": type(settings["identity_provider"]) is JupyterHubIdentityProvider,
            "authorizer": type(settings["authorizer"]) is HubAuthorizer,
            "cross-site check": asked,
        }
    return {
        "identity provider": type(settings["identity_provider"]) is SecureIdentityProvider,
        "authorizer": type(settings["authorizer"]) is SecureAuthorizer,
        "cross-site check": asked and settings["xsrf_cookies"] is True,
    }


def require_private_line(serverapp: ServerApp) -> None:
    """Refuse to listen beyond this computer without encryption: the login form would carry passwords in the clear.

    Raises:
        InstallationError: as said.
    """
    local = serverapp.sock or serverapp.ip == "localhost" or _is_loopback(serverapp.ip)
    if not local and not serverapp.certfile:
        raise InstallationError(
            "The server would listen beyond this computer without encryption, and passwords would travel in the clear. "
            "Leave ServerApp.ip alone, or name a certificate with ServerApp.certfile and ServerApp.keyfile."
        )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
