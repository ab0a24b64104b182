"""Every endpoint that a running server has, asked by everybody: who is let in.

The server itself says which handlers it has, so an endpoint that an update brings is in the table before anybody
thought of it. *In* means that the request got past identity and roles, whatever it was answered then.
"""

import json
import re

import requests

from tests.integration.server_process import STAND_IN, Browser, Server

WATCH = """
import json, sys
from jupyter_secure.server import broker_process
from jupyter_server.serverapp import ServerApp
from tornado.web import RequestHandler
broker_process.COMMAND = (sys.executable, "-I", {stand_in!r})
METHODS = ("get", "post", "put", "patch", "delete")
start = ServerApp.start

def routes(rules):
    for rule in rules:
        if hasattr(rule.target, "rules"):
            yield from routes(rule.target.rules)
        elif getattr(rule.matcher, "regex", None) is not None:
            made = [m for m in METHODS if getattr(rule.target, m, None) is not getattr(RequestHandler, m)]
            yield rule.matcher.regex.pattern, made

def watched(self):
    with open({target!r}, "w") as file:
        json.dump(list(routes(self.web_app.default_router.rules)), file)
    start(self)

ServerApp.start = watched
"""
NOBODY = "nobody"
PEOPLE = (NOBODY, "vera", "ann", "stella")
# A value for each group of the patterns; a kernel and a session that do not exist are refused or not found.
NUMBER = "00000000-0000-0000-0000-000000000000"
GROUPS = {
    "mode": "lab", "workspace": "", "tree": "", "schema_name": "@jupyterlab/apputils-extension:themes", "locale": "en",
    "space_name": "other", "section_name": "notebook", "path": "/a.ipynb", "checkpoint_id": "none", "kernel_id": NUMBER,
    "action": "interrupt", "kernel_name": "python3", "format": "html", "session_id": NUMBER,
}  # fmt: skip
GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\??")
WORDS = {True: "in", False: "no", None: "no answer"}
LAST = ("/logout", "/api/shutdown")  # a session ends, then the server


def served(folder):
    """Start JupyterLab; return the server and its (pattern, methods)."""
    target = folder / "routes.json"
    server = Server(folder, config=WATCH.format(stand_in=str(STAND_IN), target=str(target)), program="jupyterlab")
    server.wait_until_ready()
    return server, json.loads(target.read_text())


def address(pattern):
    """Return an address that a pattern matches."""
    path = GROUP.sub(lambda found: GROUPS[found[1]], pattern.removesuffix("$"))
    path = path.replace("(robots\\.txt)", "robots.txt").replace("(favicon\\.ico)", "favicon.ico")
    path = path.replace("(robots\\.txt|favicon\\.ico)", "robots.txt").replace("/?(.*)", "/x").replace("(.*)", "x")
    made = path.replace(".*", "x").replace("/?", "").replace("\\", "") or "/"
    made = made.replace("//", "/")
    assert re.fullmatch(pattern.removesuffix("$"), made), (pattern, made)
    return made


def let_in(person, method, path):
    """Say whether a person gets past identity and roles; None if there was no answer."""
    asked = {"json": {} if method != "get" else None, "allow_redirects": False, "timeout": 8}
    try:
        answer = person.request(method, path, **asked)
    except requests.ReadTimeout:
        return None
    except requests.ConnectionError:
        return True  # it ended the server
    turned_away = answer.status_code in {401, 403}
    return not turned_away and "/login" not in answer.headers.get("Location", "")


def table(server, routes):
    """Return rows (address pattern, method, who is let in), the end of the server last."""
    people = everybody(server)
    rows = []
    for pattern, methods in sorted(routes, key=lambda route: [route[0].startswith(last) for last in LAST]):
        if pattern == "(.*)$":  # nothing is there
            continue
        if pattern.startswith(LAST[1]):
            people = everybody(server)
        for method in methods:
            who = tuple(let_in(people[name], method, address(pattern)) for name in PEOPLE)
            rows.append((pattern, method, who))
    return rows


def everybody(server):
    """Return a browser for each, logged in but for nobody's."""
    people = {name: Browser(server) if name == NOBODY else server.person(name) for name in PEOPLE}
    people[NOBODY].get("/login")
    return people


def render(rows):
    """Return the table of `docs/endpoints.md`."""
    lines = ["| address | method | nobody | no role | in a role | steward |", "|---|---|---|---|---|---|"]
    for pattern, method, who in sorted(rows, key=lambda row: row[:2]):
        shown = re.sub(r"\(\?P<(\w+)>.*?\)+\??(?=[/$]|$)", r"<\1>", pattern).removesuffix("$").replace("|", "\\|")
        cells = " | ".join(WORDS[each] for each in who)
        lines.append(f"| `{shown}` | {method.upper()} | {cells} |")
    return "\n".join(lines) + "\n"
