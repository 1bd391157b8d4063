"""FastAPI's WebSocket routes on plain Starlette, with compiled matching and an indexed router."""

from ._implementation import IMPLEMENTATION, PathMatcher
from .exceptions import DeclarationError, DependencyScopeError, WebSocketRequestValidationError
from .params import Cookie, Depends, Header, Path, Query, Security, SecurityScopes
from .routing import APIWebSocketRoute

__all__ = [
    "IMPLEMENTATION",
    "APIWebSocketRoute",
    "Cookie",
    "DeclarationError",
    "DependencyScopeError",
    "Depends",
    "Header",
    "Path",
    "PathMatcher",
    "Query",
    "Security",
    "SecurityScopes",
    "WebSocketRequestValidationError",
    "__version__",
]

__version__ = "0.1.0"
