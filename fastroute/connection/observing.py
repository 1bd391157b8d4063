"""What an application hears of its connections: the logger `fastroute`, and `on_end` of a policy.

No value that a client sent is logged, but for an Origin or a path: escaped, and cut.
"""

import logging
from collections.abc import Callable
from inspect import iscoroutine
from time import monotonic
from typing import Any

from starlette.exceptions import HTTPException, WebSocketException
from starlette.types import Scope

from ..exceptions import WebSocketRequestValidationError

__all__ = ["OnEnd", "log_refusal", "logger", "reason_of", "report_end", "route_of", "shown"]

logger = logging.getLogger("fastroute")

#: Scope, code, reason and seconds; see `ConnectionPolicy`.
OnEnd = Callable[[Scope, int, str, float], object]

_LONGEST = 200  # characters of a text that a client sent


def shown(text: str) -> str:
    """A text that a client sent, as it may stand in a log."""
    return ascii(text[:_LONGEST])[:_LONGEST]


def route_of(scope: Scope) -> str:
    """The template of the route that a connection goes to."""
    return getattr(scope.get("route"), "path", "?")


def log_refusal(scope: Scope, reason: str) -> None:
    """Note a handshake that was refused, at INFO."""
    logger.info("WebSocket %s: handshake refused: %s", route_of(scope), reason)


def reason_of(error: Exception) -> str | None:
    """Why an error refuses a handshake, without the values of the client; None for an error of another sort."""
    if isinstance(error, WebSocketRequestValidationError):
        return "; ".join(map(_place_and_type, error.errors()))
    if isinstance(error, HTTPException):
        return f"{type(error).__name__} {error.status_code}"
    if isinstance(error, WebSocketException):
        return f"{type(error).__name__} {error.code}"
    return None


def _place_and_type(error: Any) -> str:
    # What lies deeper may be a key that the client sent, as the name of a parameter that nobody declares.
    depth = 1 if error["type"] == "extra_forbidden" else 2
    return f"{'.'.join(map(str, error['loc'][:depth]))}: {error['type']}"


def report_end(on_end: OnEnd, scope: Scope, code: int, reason: str, began: float) -> None:
    """Call `on_end` of a policy; `began` is the time of the handshake by the monotonic clock."""
    try:
        result = on_end(scope, code, reason, monotonic() - began)
    except Exception:
        logger.exception("WebSocket %s: on_end raised", route_of(scope))
        return
    if iscoroutine(result):
        result.close()
        logger.error("WebSocket %s: on_end returned a coroutine, which nobody awaits", route_of(scope))
