"""FastAPI's WebSocket routes on plain Starlette, with compiled matching and an indexed router."""

from .acceleration import accelerate
from .connection.deadline import Deadline
from .connection.draining import draining
from .connection.messages import MessageRules, Messages
from .connection.origins import ANY_ORIGIN
from .connection.policy import ConnectionPolicy
from .exceptions import ConnectionEnded, DeclarationError, DependencyScopeError, WebSocketRequestValidationError
from .indexing.index import RouteIndex
from .matching.implementation import IMPLEMENTATION, PathMatcher
from .params import Cookie, Depends, Header, Path, Query, Security, SecurityScopes
from .router import Router
from .routing import APIWebSocketRoute

__all__ = [
    "ANY_ORIGIN",
    "IMPLEMENTATION",
    "APIWebSocketRoute",
    "ConnectionEnded",
    "ConnectionPolicy",
    "Cookie",
    "Deadline",
    "DeclarationError",
    "DependencyScopeError",
    "Depends",
    "Header",
    "MessageRules",
    "Messages",
    "Path",
    "PathMatcher",
    "Query",
    "RouteIndex",
    "Router",
    "Security",
    "SecurityScopes",
    "WebSocketRequestValidationError",
    "__version__",
    "accelerate",
    "draining",
]

__version__ = "0.1.0"
