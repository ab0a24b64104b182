"""What the panel asks, one noun each. Every answer is the JSON of a protocol message."""

from .budget import BudgetHandler
from .datasets import DatasetsHandler
from .lineage import LineageHandler
from .log import LogHandler
from .mfa import MfaHandler
from .requests import AcknowledgeHandler, DecideHandler, RequestsHandler, RevokeHandler
from .session import SessionHandler
from .unlock import UnlockHandler
from .why import WhyHandler

HANDLERS = [
    (r"/jupyter_secure/session", SessionHandler),
    (r"/jupyter_secure/datasets", DatasetsHandler),
    (r"/jupyter_secure/why", WhyHandler),
    (r"/jupyter_secure/budget", BudgetHandler),
    (r"/jupyter_secure/log", LogHandler),
    (r"/jupyter_secure/lineage", LineageHandler),
    (r"/jupyter_secure/requests", RequestsHandler),
    (r"/jupyter_secure/requests/decide", DecideHandler),
    (r"/jupyter_secure/requests/revoke", RevokeHandler),
    (r"/jupyter_secure/acknowledge", AcknowledgeHandler),
    (r"/jupyter_secure/mfa", MfaHandler),
    (r"/jupyter_secure/unlock", UnlockHandler),
]

__all__ = ["HANDLERS"]
