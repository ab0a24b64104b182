"""Every endpoint of ours is authenticated and authorized, with action and resource written out."""

import ast
import inspect
from pathlib import Path

import pytest
from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_secure.server import handlers
from jupyter_secure.server.handlers import HANDLERS
from jupyter_secure.server.handlers.base import RESOURCE, SecureHandler
from jupyter_secure.server.login import LoginHandler, LogoutHandler

METHODS = {"get", "head", "post", "put", "patch", "delete", "options"}
FOLDER = Path(handlers.__file__).parent
ACTIONS = {"get": "read", "head": "read", "post": "write", "put": "write", "patch": "write", "delete": "write"}


def classes():
    found = {SecureHandler}
    waiting = [SecureHandler]
    while waiting:
        for child in waiting.pop().__subclasses__():
            found.add(child)
            waiting.append(child)
    return sorted(found, key=lambda kind: kind.__name__)


def methods():
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                for item in node.body:
                    if isinstance(item, ast.AsyncFunctionDef | ast.FunctionDef) and item.name in METHODS:
                        yield f"{path.stem}.{node.name}.{item.name}", item


def test_every_handler_class_has_an_address():
    assert {kind for kind in classes() if kind is not SecureHandler} == {kind for _, kind in HANDLERS}


def test_all_addresses_lie_under_our_name():
    assert all(pattern.startswith("/jupyter_secure/") for pattern, _ in HANDLERS)


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_no_method_of_ours_is_inherited(kind):
    # The decorator remembers its arguments per function; shared by two handlers, it would check one of them wrong.
    for base in kind.__mro__[1:]:
        if base.__module__.startswith("jupyter_secure"):
            assert not METHODS & set(vars(base))


@pytest.mark.parametrize(("name", "method"), list(methods()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_method_is_authenticated_and_authorized_with_explicit_arguments(name, method):
    decorators = [ast.unparse(decorator) for decorator in method.decorator_list]
    assert decorators == ["web.authenticated", f"authorized('{ACTIONS[method.name]}', resource=RESOURCE)"]


def test_the_walk_sees_every_method_there_is():
    seen = {name.split(".", 1)[1] for name, _ in methods()}
    there = {f"{kind.__name__}.{name}" for kind in classes() for name in METHODS & set(vars(kind))}
    assert seen == there
    assert seen


@pytest.mark.parametrize(("pattern", "kind"), HANDLERS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_class_checks_our_resource(pattern, kind):
    assert kind.auth_resource == RESOURCE == "jupyter_secure"


def test_methods_of_handlers_are_short():
    for name, method in methods():
        assert method.end_lineno - method.lineno <= 8, name


def test_the_names_in_the_decorators_mean_what_they_say():
    for module in (inspect.getmodule(kind) for _, kind in HANDLERS):
        assert module.authorized is authorized
        assert module.web is web


@pytest.mark.parametrize("kind", [LoginHandler, LogoutHandler])
def test_only_login_and_logout_are_open(kind):
    own = METHODS & set(vars(kind))
    assert all(getattr(vars(kind)[name], "__allow_unauthenticated", False) for name in own)
    for _, handler in HANDLERS:
        for name in METHODS & set(vars(handler)):
            assert not getattr(vars(handler)[name], "__allow_unauthenticated", False)
