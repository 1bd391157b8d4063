"""FastAPI's own objects, recognised where FastAPI happens to be loaded; it is never imported from here."""

import sys
from functools import cache
from typing import Any

from pydantic.fields import FieldInfo

from .exceptions import WebSocketRequestValidationError
from .params import Dependency, SecurityScopes, UsesScopes

__all__ = [
    "adopt",
    "is_body",
    "is_marker",
    "is_security_scheme",
    "reader_is_fastapi",
    "security_scopes_types",
    "unhelpful_handler",
    "validation_error",
]


def _loaded(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, None)


def _is_a(thing: object, module: str, name: str) -> bool:
    kind = _loaded(module, name)
    return kind is not None and isinstance(thing, kind)


def adopt(marker: Any) -> Any:
    """FastAPI's `Depends()` and `Security()` as ours; every other marker as it is."""
    if not _is_a(marker, "fastapi.params", "Depends"):
        return marker
    return Dependency(
        marker.dependency,
        marker.use_cache,
        getattr(marker, "scope", None),
        getattr(marker, "_concurrency", None),
        tuple(getattr(marker, "scopes", None) or ()),
    )


def is_marker(thing: object) -> bool:
    """Whether it is `Depends()`, `Query()` or another of those, ours or FastAPI's."""
    return isinstance(adopt(thing), Dependency) or (
        isinstance(thing, FieldInfo) and (hasattr(thing, "in_") or is_body(thing))
    )


def is_body(marker: object) -> bool:
    """Whether it is FastAPI's `Body()`, `Form()` or `File()`."""
    return _is_a(marker, "fastapi.params", "Body")


def is_security_scheme(call: object) -> bool:
    """Whether it is a security scheme, ours or FastAPI's."""
    return isinstance(call, UsesScopes) or _is_a(call, "fastapi.security.base", "SecurityBase")


def security_scopes_types() -> tuple[type[Any], ...]:
    """The classes that ask for the scopes when they annotate a parameter."""
    theirs = _loaded("fastapi.security", "SecurityScopes")
    return (SecurityScopes,) if theirs is None else (SecurityScopes, theirs)


def validation_error(errors: list[Any], context: dict[str, Any]) -> WebSocketRequestValidationError:
    """The error to raise: also FastAPI's own where that is loaded, so that handlers registered for it run."""
    theirs = _loaded("fastapi.exceptions", "WebSocketRequestValidationError")
    if theirs is None:
        return WebSocketRequestValidationError(errors, endpoint_ctx=context)
    return _both_errors(theirs)(errors, endpoint_ctx=context)


@cache
def _both_errors(theirs: type[Any]) -> type[WebSocketRequestValidationError]:
    ours = WebSocketRequestValidationError
    return type(ours.__name__, (ours, theirs), {"__module__": ours.__module__, "__doc__": ours.__doc__})


def unhelpful_handler(handler: object) -> bool:
    """Whether it is FastAPI's default for validation errors: its `reason` is a list, which kills the socket."""
    theirs = _loaded("fastapi.exception_handlers", "websocket_request_validation_exception_handler")
    return theirs is not None and handler is theirs


def reader_is_fastapi(depth: int) -> bool:
    """Whether the frame that many calls above the caller belongs to FastAPI's routing."""
    if "fastapi.routing" not in sys.modules:
        return False
    return sys._getframe(depth + 1).f_globals.get("__name__") == "fastapi.routing"
