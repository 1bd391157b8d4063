"""How a connection ends: with an answer that the client can read, never with a 1006."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from .. import _fastapi
from .._starlette import exception_handlers, is_async_callable, lookup_exception_handler
from ..exceptions import WebSocketRequestValidationError

__all__ = ["answer", "end", "readable"]

#: The longest close reason in bytes of UTF-8: a control frame has 125, the code takes two (RFC 6455, section 5.5).
_LONGEST_REASON = 123
_POLICY_VIOLATION, _INTERNAL_ERROR = 1008, 1011
_CONNECTING, _CONNECTED = WebSocketState.CONNECTING, WebSocketState.CONNECTED
_DISCONNECTED = WebSocketState.DISCONNECTED


def readable(send: Send) -> Send:
    """A `send` that cuts close reasons to what a frame can hold: servers drop the connection for a longer one."""

    # Not a coroutine of its own: it would be one more for each message.
    def send_readable(message: Message) -> Awaitable[None]:
        if message["type"] == "websocket.close" and message.get("reason"):
            message = {**message, "reason": _short_text(message["reason"])}
        return send(message)

    return send_readable


def _short_text(reason: Any) -> str:
    text = reason if isinstance(reason, str) else json.dumps(reason, default=str)
    return text.encode("utf-8", "replace")[:_LONGEST_REASON].decode("utf-8", "ignore")


async def end(websocket: WebSocket) -> None:
    """Close what the endpoint left open: servers would drop it without a close frame, or answer 500."""
    await _close(websocket, 1000, None)


def _is_open(websocket: WebSocket) -> bool:
    """Whether something can still be said."""
    state = websocket.application_state
    return (state is _CONNECTED or state is _CONNECTING) and websocket.client_state is not _DISCONNECTED


async def answer(websocket: WebSocket, error: Exception) -> bool:
    """Tell the client what went wrong; returns whether that settles it, or the server has to know as well.

    Where a handler is registered for the error (as in Starlette: by status code, or by a class of its MRO), that is
    called. Else: a validation error closes with 1008 and says what is wrong; a WebSocketException closes with its code;
    an HTTPException is a denial response before the accept, and a close with 1008 or (from 500 on) 1011 after it;
    a client that has left is no error. Anything else closes with 1011, and goes on to the server.
    """
    handler = _handler(websocket, error)
    if handler is not None:
        try:
            await _handle(handler, websocket, error)
        except WebSocketDisconnect:
            pass  # it has left meanwhile
        except Exception as raised:
            await _fail(websocket, raised)
            raise
        # An exception that is raised again and again would collect the tracebacks of all connections.
        error.__traceback__ = None
    elif isinstance(error, WebSocketRequestValidationError):
        await _close(websocket, _POLICY_VIOLATION, _validation_reason(error))
    elif isinstance(error, WebSocketException):
        await _close(websocket, error.code, error.reason)
    elif isinstance(error, HTTPException):
        await _respond(websocket, _plain_response(error), error)
    elif not _tells_of_leaving(error):
        await _fail(websocket, error)
        return False
    await end(websocket)
    return True


def _tells_of_leaving(error: Exception) -> bool:
    """Whether it is a WebSocketDisconnect, or the group that a task group makes of nothing else."""
    if isinstance(error, ExceptionGroup):
        return error.split(WebSocketDisconnect)[1] is None
    return isinstance(error, WebSocketDisconnect)


def _validation_reason(error: WebSocketRequestValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())


def _handler(websocket: WebSocket, error: Exception) -> Callable[..., Any] | None:
    by_class, by_status = exception_handlers(websocket.scope)
    handler = by_status.get(error.status_code) if isinstance(error, HTTPException) else None
    if handler is None:
        handler = lookup_exception_handler(by_class, error)
    return None if _fastapi.unhelpful_handler(handler) else handler


async def _handle(handler: Callable[..., Any], websocket: WebSocket, error: Exception) -> None:
    if is_async_callable(handler):
        response = await handler(websocket, error)
    else:
        response = await run_in_threadpool(handler, websocket, error)
    if response is not None:
        await _respond(websocket, response, error)


def _plain_response(error: HTTPException) -> Response:
    if error.status_code in (204, 304):  # they have no body
        return Response(status_code=error.status_code, headers=error.headers)
    # FastAPI's HTTPException may carry more than text.
    text = error.detail if isinstance(error.detail, str) else json.dumps(error.detail, default=str)
    return PlainTextResponse(text, error.status_code, headers=error.headers)


async def _respond(websocket: WebSocket, response: Response, error: Exception) -> None:
    """A denial response where that is possible (ASGI: `websocket.http.response`), else a close."""
    denial = "websocket.http.response" in (websocket.scope.get("extensions") or {})
    if denial and websocket.application_state is _CONNECTING:
        await response(websocket.scope, websocket.receive, websocket.send)
        return
    status = getattr(error, "status_code", response.status_code)
    code = _INTERNAL_ERROR if status >= 500 else _POLICY_VIOLATION
    await _close(websocket, code, getattr(error, "detail", ""))


async def _fail(websocket: WebSocket, error: Exception) -> None:
    """What nobody expected: the application's handler for it, then a close."""
    handlers = getattr(websocket.scope.get("app"), "exception_handlers", {})
    handler = handlers.get(Exception) or handlers.get(500)
    try:
        if handler is not None:
            await _handle(handler, websocket, error)
    finally:
        if websocket.application_state is _CONNECTED:
            await _close(websocket, _INTERNAL_ERROR, "Internal Server Error")


async def _close(websocket: WebSocket, code: int, reason: str | None) -> None:
    if _is_open(websocket):
        # The client may have left without a word; Starlette makes a WebSocketDisconnect of it after the accept.
        with suppress(WebSocketDisconnect, OSError):
            await websocket.close(code, reason)
