"""The answer to a handshake that is not accepted, by the Origin check or by a life."""

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from .outgoing import POLICY_VIOLATION

__all__ = ["deny"]


async def deny(scope: Scope, receive: Receive, send: Send, status: int, text: str) -> bool:
    """Answer a handshake with an HTTP status, or with a close if the server has no denial responses.

    Returns:
        Whether the status was the answer.
    """
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": text})
        return False
    await PlainTextResponse(text, status)(scope, receive, send)
    return True
