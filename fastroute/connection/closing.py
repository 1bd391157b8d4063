"""How a connection ends: with an answer that the client can read, never with a 1006."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from .._starlette import exception_handlers, is_async_callable, lookup_exception_handler
from ..exceptions import WebSocketRequestValidationError
from .observing import logger, reason_of
from .outgoing import INTERNAL_ERROR, POLICY_VIOLATION, Outgoing, as_text, errors_as_text, possible_status

__all__ = ["answer", "end"]

_CONNECTING, _CONNECTED = WebSocketState.CONNECTING, WebSocketState.CONNECTED
_DISCONNECTED = WebSocketState.DISCONNECTED

_SENDING = WebSocket.send.__code__


async def end(websocket: WebSocket, outgoing: Outgoing) -> None:
    """Close a connection that the endpoint left open: servers would drop it without a close frame, or answer 500."""
    _note_what_passed(websocket, outgoing)
    await _close(websocket, 1000, None)


async def answer(websocket: WebSocket, outgoing: Outgoing, error: Exception) -> bool:
    """Tell the client what went wrong.

    If a handler is registered for the error (as in Starlette: by status code, or by a class of its MRO), it is called.
    Else: a validation error closes with 1008 and says what is wrong; a WebSocketException closes with its code; an
    HTTPException is a denial response before the accept, and a close with 1008 or (from 500 on) 1011 after it; a client
    that has left is no error. Anything else closes with 1011, and goes on to the server. An answer that is alone in a
    group counts as itself.

    Args:
        websocket: the connection.
        outgoing: the messages that it sent so far.
        error: raised by the endpoint, a dependency, or a clean-up.

    Returns:
        True if the client got an answer; False if it must go on to the server.
    """
    _note_what_passed(websocket, outgoing)
    handler = _handler(websocket, error)
    if handler is None and isinstance(error, ExceptionGroup):
        error = _alone(error)
        handler = _handler(websocket, error)
    if logger.isEnabledFor(logging.INFO):
        outgoing.why = reason_of(error)
    if handler is not None:
        try:
            await _handle(handler, websocket, outgoing, error)
        except Exception as raised:
            await _fail(websocket, outgoing, raised)
            raise
        # An exception that is raised again and again would collect the tracebacks of all connections.
        error.__traceback__ = None
    elif isinstance(error, WebSocketRequestValidationError):
        await _close(websocket, POLICY_VIOLATION, errors_as_text(error.errors()))
    elif isinstance(error, WebSocketException):
        await _close(websocket, error.code, error.reason)
    elif isinstance(error, HTTPException):
        await _handle(_plain_response, websocket, outgoing, error)
    elif not _tells_of_leaving(error):
        await _fail(websocket, outgoing, error)
        return False
    await end(websocket, outgoing)
    return True


def _note_what_passed(websocket: WebSocket, outgoing: Outgoing) -> None:
    """Bring the state of a WebSocket up to date with messages that were sent without it.

    An endpoint may hand `scope`, `receive` and `send` on to another application, or Starlette counts a message that was
    not sent after all. Only if the client was lost while something was sent the WebSocket knows more.
    """
    if websocket.application_state is not _DISCONNECTED:
        websocket.application_state = outgoing.state


def _is_open(websocket: WebSocket) -> bool:
    """Whether the client can still be told something."""
    state = websocket.application_state
    return (state is _CONNECTED or state is _CONNECTING) and websocket.client_state is not _DISCONNECTED


def _has_left(websocket: WebSocket, outgoing: Outgoing) -> bool:
    """Whether the client has left: it said so, or the server lost it while something was sent."""
    lost = websocket.application_state is _DISCONNECTED and outgoing.state is not _DISCONNECTED
    return lost or websocket.client_state is _DISCONNECTED or isinstance(outgoing.send_error, OSError)


def _leaves(error: Exception) -> Iterator[Exception]:
    """The errors in a group of groups; of another error itself."""
    if not isinstance(error, ExceptionGroup):
        yield error
        return
    for member in error.exceptions:
        yield from _leaves(member)


def _alone(group: ExceptionGroup[Exception]) -> Exception:
    """The answer in a group of nothing else, but for errors that tell of a client that has left; else the group."""
    match [error for error in _leaves(group) if not _tells_of_leaving(error)]:
        case [HTTPException() | WebSocketException() | WebSocketRequestValidationError() as answer]:
            return answer
    return group


def _tells_of_leaving(error: Exception) -> bool:
    """Whether it was raised because the client has left, or is the group that a task group makes of such errors."""
    leaves = list(_leaves(error))
    disconnected = any(isinstance(leaf, WebSocketDisconnect) for leaf in leaves)
    return all(
        isinstance(leaf, WebSocketDisconnect)
        or (isinstance(leaf, OSError) and (disconnected or _is_from_sending(leaf.__traceback__)))
        for leaf in leaves
    )


def _is_from_sending(traceback: TracebackType | None) -> bool:
    """Whether an error came out of `WebSocket.send`: an OSError does if the server has lost the client."""
    while traceback is not None:
        if traceback.tb_frame.f_code is _SENDING:
            return True
        traceback = traceback.tb_next
    return False


def _handler(websocket: WebSocket, error: Exception) -> Callable[..., Any] | None:
    by_class, by_status = exception_handlers(websocket.scope)
    handler = by_status.get(error.status_code) if isinstance(error, HTTPException) else None
    return handler or lookup_exception_handler(by_class, error)


async def _handle(handler: Callable[..., Any], websocket: WebSocket, outgoing: Outgoing, error: Exception) -> None:
    """Call a handler; only its own errors come out, not those of a client that has left or cannot be told."""
    audience = _nobody(websocket) if _has_left(websocket, outgoing) else websocket
    try:
        if is_async_callable(handler):
            response = await handler(audience, error)
        else:
            response = await run_in_threadpool(handler, audience, error)
        if response is not None:
            await _respond(audience, response, error)
    except Exception as raised:
        if raised is not outgoing.send_error and not _tells_of_leaving(raised):
            raise
    finally:
        _note_what_passed(websocket, outgoing)


def _nobody(websocket: WebSocket) -> WebSocket:
    """The same connection for a handler that comes too late: it may send and close as ever, and nothing goes out."""

    async def send(message: Message) -> None: ...

    nobody = WebSocket(websocket.scope, websocket.receive, send)
    nobody.client_state, nobody.application_state = _DISCONNECTED, _CONNECTED
    return nobody


async def _plain_response(websocket: WebSocket, error: HTTPException) -> Response:
    status, headers = possible_status(error.status_code), _possible_headers(error.headers)
    if status in (204, 304):  # they have no body
        return Response(status_code=status, headers=headers)
    # FastAPI's HTTPException may carry more than text.
    return PlainTextResponse(as_text(error.detail).encode("utf-8", "replace"), status, headers=headers)


def _possible_headers(headers: Any) -> dict[str, str] | None:
    """The headers of an exception as texts, without those that no response can carry."""
    if not headers:
        return None
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    possible = {}
    for name, value in pairs:
        text = value if isinstance(value, str) else str(value)
        if _is_latin(name) and _is_latin(text):
            possible[name] = text
        else:
            logger.warning("the header %r of an HTTPException cannot be sent: it is not Latin-1", name)
    return possible


def _is_latin(text: str) -> bool:
    return all(ord(character) < 256 for character in text)


async def _respond(websocket: WebSocket, response: Response, error: Exception) -> None:
    """A denial response if that is possible (ASGI: `websocket.http.response`), else a close."""
    denial = "websocket.http.response" in (websocket.scope.get("extensions") or {})
    if denial and websocket.application_state is _CONNECTING:
        await response(websocket.scope, websocket.receive, websocket.send)
        return
    status = possible_status(getattr(error, "status_code", response.status_code))
    code = INTERNAL_ERROR if status >= 500 else POLICY_VIOLATION
    await _close(websocket, code, getattr(error, "detail", ""))


async def _fail(websocket: WebSocket, outgoing: Outgoing, error: Exception) -> None:
    """Answer an error that nobody expected: by the application's handler for it, then by a close."""
    handlers = getattr(websocket.scope.get("app"), "exception_handlers", {})
    handler = handlers.get(Exception) or handlers.get(500)
    try:
        if handler is not None:
            await _handle(handler, websocket, outgoing, error)
    finally:
        if websocket.application_state is _CONNECTED:
            await _close(websocket, INTERNAL_ERROR, "Internal Server Error")


async def _close(websocket: WebSocket, code: int, reason: str | None) -> None:
    """Close if that can still be told. A server that raises knows better; the client may have left without a word."""
    if _is_open(websocket):
        with suppress(Exception):
            await websocket.close(code, reason)
