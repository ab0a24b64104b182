"""JupyterLab's own endpoints, by role.

They ask who somebody is and not what he may do, and what they change is changed for everybody on this server. So each
is put behind the authorizer: settings and layouts are for whoever works in notebooks, everything else that changes
something (building JupyterLab, installing, switching parts on and off) is for nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jupyter_server.auth.utils import HTTP_METHOD_TO_AUTH_ACTION
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.routing import Rule, RuleRouter

PACKAGES = ("jupyterlab", "jupyterlab_server", "notebook", "notebook_shim")
SETTINGS = ("/settings", "/workspaces")


def judge_lab(application: web.Application) -> None:
    """Put every interface that JupyterLab brought behind the authorizer; doing so twice is the same as once."""
    for rule in _rules(application.default_router):
        target = rule.target
        if isinstance(target, type) and issubclass(target, APIHandler) and _of_lab(target):
            rule.target = _judged(target, _resource(rule))


def _rules(router: RuleRouter) -> Iterator[Rule]:
    for rule in router.rules:
        if isinstance(rule.target, RuleRouter):
            yield from _rules(rule.target)
        else:
            yield rule


def _of_lab(target: type[Any]) -> bool:
    return target.__module__.partition(".")[0] in PACKAGES


def _resource(rule: Rule) -> str:
    pattern = rule.matcher.regex.pattern
    return "lab_settings" if any(word in pattern for word in SETTINGS) else "lab_packages"


def _judged(target: type[APIHandler], resource: str) -> type[APIHandler]:
    class Judged(target):  # type: ignore[misc, valid-type]  # the class is known when the server is built
        auth_resource = resource

        async def prepare(self, *arguments: Any, **options: Any) -> None:
            await super().prepare(*arguments, **options)
            action = HTTP_METHOD_TO_AUTH_ACTION.get(str(self.request.method), "unknown")
            permitted = self.authorizer.is_authorized(self, self.current_user, action, resource)
            if not permitted and self.request.method != "OPTIONS":
                raise web.HTTPError(403)

    return Judged
