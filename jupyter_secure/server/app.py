"""The server extension: arms Jupyter, starts the broker, wires relay, sessions and handlers.

Steps, in the order of Jupyter's own start: *link* (before any manager is made) sets the armed configuration, switches
off extensions that are not trusted, keeps the vault apart from the root folder and starts the broker; *initialize*
(the server is built, its loop does not run yet) verifies that the armour holds, opens the vault and adds the handlers;
*start* watches the broker from inside the loop; *stop* ends channels, grants and the broker.

With `SecureApp.broker` this server belongs to a JupyterHub: it has no vault and starts no broker, it relays to the
Hub's.

Promise: a step that fails ends the server. Jupyter would otherwise log a warning and go on unguarded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Enum, Int, Unicode, default

from jupyter_secure.protocol.errors import SecureError

from .arming import armed_config, disable_extensions, disable_lab_parts, require_apart, verify
from .broker_process import BrokerProcess
from .changed import ChangedEvent
from .handlers import HANDLERS
from .host import KernelHost
from .https import Https, trusting
from .hub import HubPeople, here
from .identity import LocalPeople, person_asking
from .lab import judge_lab
from .remote import Remote
from .saving import Saving
from .sessions import Sessions
from .upstream import Upstream


class SecureApp(ExtensionApp):
    """jupyter-secure inside a Jupyter server."""

    name = "jupyter_secure"
    extension_url = "/lab"
    load_other_extensions = True

    broker = Unicode(help="Address of a JupyterHub's broker; empty starts one of our own.").tag(config=True)
    broker_ca = Unicode(help="PEM file of the authority of that broker's certificate; empty takes the system's.").tag(
        config=True
    )
    broker_cert = Unicode(help="PEM file of a certificate to show to that broker.").tag(config=True)
    broker_key = Unicode(help="PEM file of that certificate's private key.").tag(config=True)
    vault = Unicode(help="The vault's folder.").tag(config=True)
    unlock = Enum(
        ["terminal", "panel", "keyring", "fd"],
        default_value="terminal",
        help="Where the passphrase comes from. `terminal` without a terminal is `panel`.",
    ).tag(config=True)
    unlock_fd = Int(-1, help="For `unlock` = `fd`: an inherited descriptor, one line of which is read.").tag(
        config=True
    )

    upstream: Upstream | Remote
    people: LocalPeople | HubPeople
    sessions: Sessions
    changed: ChangedEvent
    process: BrokerProcess | None = None

    @default("vault")
    def _default_vault(self) -> str:
        return str(Path("~/.local/share/jupyter-secure/vault").expanduser())

    def _link_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        with _or_exit(serverapp):
            super()._link_jupyter_server_extension(serverapp)
            hub = bool(self.broker)
            armed = armed_config(serverapp.tornado_settings, serverapp.extra_template_paths, hub=hub)
            serverapp.update_config(armed)
            for name in disable_extensions(serverapp, hub=hub):
                serverapp.log.warning("jupyter_secure | %s runs outside the guard, so it is switched off", name)
            self.changed = ChangedEvent(serverapp.event_logger)
            if hub:
                self._wire_hub(serverapp)
            else:
                self._wire(serverapp)
            self.sessions = Sessions(self.upstream, person_asking, serverapp.log)

    def _wire_hub(self, serverapp: ServerApp) -> None:
        server = here()
        https = Https(self.broker, trusting(self.broker_ca, self.broker_cert, self.broker_key))
        self.upstream = Remote(https, server.token, self.changed.ping, serverapp.log)
        self.people = HubPeople(server.owner, self.upstream)

    def _wire(self, serverapp: ServerApp) -> None:
        self.vault = str(Path(self.vault).expanduser().resolve())
        require_apart(self.vault, serverapp.root_dir)
        self.upstream = Upstream(self.changed.ping)
        self.people = LocalPeople()
        self.process = BrokerProcess(
            self.vault,
            self.upstream,
            unlock=self.unlock,
            fd=self.unlock_fd,
            changed=self.changed.ping,
            log=serverapp.log,
        )
        self.process.spawn()

    def initialize(self) -> None:
        """Verify, open, and add the handlers."""
        assert self.serverapp is not None
        with _or_exit(self.serverapp):
            verify(self.serverapp, self.vault if self.process else None)
            disable_lab_parts(self.serverapp.web_app.settings)
            if self.process:
                self.process.open()
            super().initialize()
            self.serverapp.kernel_manager.secure_host = self._host(self.serverapp)

    def _host(self, serverapp: ServerApp) -> KernelHost:
        # The runtime folder holds the cookie secret and the connection files of other kernels.
        vault = (self.vault,) if self.process else ()
        hidden = (*vault, str(Path(serverapp.runtime_dir).resolve()))
        return KernelHost(hidden, str(Path(serverapp.contents_manager.root_dir).resolve()), self.sessions)

    def initialize_handlers(self) -> None:
        """Add what the panel asks."""
        self.handlers.extend(HANDLERS)

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        with _or_exit(serverapp):
            Saving(self.upstream, person_asking, serverapp.log).guard(serverapp.contents_manager)
            judge_lab(serverapp.web_app)  # every extension has brought its endpoints by now
        if self.process:
            self.process.watch()
        else:
            disable_lab_parts(serverapp.web_app.settings)  # again: JupyterHub has set a hook of its own since
            self.upstream.listen(self._returned)

    def _returned(self) -> None:
        self.sessions.reopen()
        self.changed.ping()

    async def stop_extension(self) -> None:
        """End grants, channels and the broker, in this order."""
        await self.sessions.close()
        if self.process:
            await self.process.stop()
        else:
            await self.upstream.close()


@contextlib.contextmanager
def _or_exit(serverapp: ServerApp) -> Iterator[None]:
    # `exit` raises SystemExit, which is the one thing that Jupyter's extension manager does not swallow.
    try:
        yield
    except SecureError as error:
        serverapp.log.critical("jupyter-secure does not start: %s", error.public)
        serverapp.exit(1)
    except Exception:
        serverapp.log.critical("jupyter-secure cannot arm itself, so the server does not start.", exc_info=True)
        serverapp.exit(1)
