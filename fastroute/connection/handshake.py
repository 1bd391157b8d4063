"""What a handshake must pass before any dependency of its route runs, and how it is denied."""

import logging
from collections.abc import Awaitable
from time import monotonic

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .._starlette import header_pairs
from .observing import log_refusal, logger, report_end, shown
from .origins import origin_headers, passes, sent_origin
from .outgoing import POLICY_VIOLATION
from .policy import ConnectionPolicy

__all__ = ["deny", "guarded"]


def guarded(application: ASGIApp, policy: ConnectionPolicy) -> ASGIApp:
    """The application, for those handshakes alone that pass all `origins` of the policy."""
    lists = policy.origin_lists
    if not lists:
        return application

    # Those that nearly every handshake has: by all lists, or by the only one.
    usual = frozenset.intersection(*(origins.written for origins in lists))
    is_below = lists[0].is_below if len(lists) == 1 else None

    # Not a coroutine of its own: a handshake that passes pays for the comparison alone.
    def connect(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        origin = sent_origin(header_pairs(scope))
        if origin is None or origin in usual or (is_below is not None and is_below(origin)) or passes(lists, origin):
            return application(scope, receive, send)
        return _deny_origin(scope, receive, send, policy)

    return connect


async def _deny_origin(scope: Scope, receive: Receive, send: Send, policy: ConnectionPolicy) -> None:
    began = monotonic()
    if logger.isEnabledFor(logging.INFO):
        found = origin_headers(header_pairs(scope))
        log_refusal(scope, f"origin {', '.join(map(shown, found[:2]))}{' and others' if len(found) > 2 else ''}")
    try:
        await deny(scope, receive, send, 403, "Origin not allowed")
    finally:
        if policy.on_end is not None:
            report_end(policy.on_end, scope, 403, "Origin not allowed", began)


async def deny(scope: Scope, receive: Receive, send: Send, status: int, text: str) -> bool:
    """Refuse a handshake with an HTTP answer, or with a close if the server has no denial responses.

    Returns:
        Whether it was the answer.
    """
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": text})
        return False
    await PlainTextResponse(text, status)(scope, receive, send)
    return True
