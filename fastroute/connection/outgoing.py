"""Outgoing: the messages of one connection to its client, so that every server can pass them on."""

import json
import logging
import re
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from starlette.types import Message, Scope, Send
from starlette.websockets import WebSocketState

from ..exceptions import describe
from .observing import log_refusal, logger

__all__ = [
    "INTERNAL_ERROR",
    "POLICY_VIOLATION",
    "Outgoing",
    "as_text",
    "errors_as_text",
    "is_last_of_denial",
    "possible_status",
]

#: The longest close reason in bytes of UTF-8: a control frame has 125, the code takes two (RFC 6455, section 5.5).
_LONGEST_REASON = 123
#: The close codes of a client that is at fault, and of a server that is (RFC 6455, section 7.4.1).
POLICY_VIOLATION, INTERNAL_ERROR = 1008, 1011
_CONNECTING, _CONNECTED, _RESPONSE = WebSocketState.CONNECTING, WebSocketState.CONNECTED, WebSocketState.RESPONSE
_DISCONNECTED = WebSocketState.DISCONNECTED
#: The codes that a close frame can carry (RFC 6455, section 7.4, and the registry of IANA): these, and 3000 to 4999.
_REGISTERED = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


class Outgoing:
    """The `send` of one connection. Every message after the Origin check passes here, whoever sends it.

    Close codes and reasons become such as a frame can hold: servers drop the connection for others, and the client
    reads 1006. A denial response goes out with one body: granian takes no second one.

    Args:
        scope: of the connection.
        send: of the server, or of the middleware around the route.

    Attributes:
        state: how far the connection has come, by the messages that passed.
        send_error: what the server raised instead of sending the end of the connection, or None.
        why: a handshake is refused, for the log; None if the message says all that is known.
        ending: the close, or the start of the denial response, that was sent; None before that.
    """

    state: WebSocketState = WebSocketState.CONNECTING
    send_error: Exception | None = None
    why: str | None = None
    ending: Message | None = None
    _start: Message | None = None
    _pieces: list[bytes] | None = None

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send

    # Not a coroutine of its own: it would be one more for each message.
    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message on, for `WebSocket(scope, receive, outgoing.send)`."""
        message_type = message["type"]
        if message_type == "websocket.send":
            return self._send(message)
        if message_type == "websocket.accept":
            if message.get("subprotocol"):
                self._check_subprotocol(message["subprotocol"])
            self.state = _CONNECTED
            return self._send(message)
        if message_type == "websocket.close":
            code = message.get("code")
            if message.get("reason") or type(code) is not int or code not in _REGISTERED:
                message = self._possible(message)
            if self.state is _CONNECTING and logger.isEnabledFor(logging.INFO):
                log_refusal(self._scope, self.why or f"closed with {code}")
            self.state = _DISCONNECTED
            self.ending = message
            return self._close(message)
        if message_type == "websocket.http.response.start":
            message = self._possible_start(message)
            if logger.isEnabledFor(logging.INFO):
                log_refusal(self._scope, self.why or f"denied with {message['status']}")
            self.state = _RESPONSE
        elif message_type != "websocket.http.response.body":
            return self._send(message)  # the server knows what it is
        return self._deny(message)

    def _check_subprotocol(self, subprotocol: str) -> None:
        offered = self._scope.get("subprotocols") or ()
        if subprotocol not in offered:
            raise RuntimeError(
                f"{self._route()}: accept(subprotocol={subprotocol!r}), but the client offered {list(offered)!r}; "
                'choose one of websocket.scope["subprotocols"], or none'
            )

    def _possible(self, message: Message) -> Message:
        code, reason = message.get("code", 1000), message.get("reason")
        possible = _possible_code(code)
        if possible != code or not isinstance(code, int):
            logger.warning("%s: no close frame can have the code %r; the client gets %d", self._route(), code, possible)
        possible_message = {**message, "code": possible}
        if reason:
            possible_message["reason"] = _short_text(reason)
        return possible_message

    def _possible_start(self, message: Message) -> Message:
        """A denial response that can be sent: servers drop the connection for another one."""
        status, headers = message.get("status"), message.get("headers") or ()
        possible = possible_status(status)
        if possible != status:
            logger.warning("%s: no denial can have the status %r; the client gets %d", self._route(), status, possible)
        kept = [pair for pair in headers if not any(map(_SPLITS.search, pair))]
        if len(kept) < len(headers):
            logger.warning("%s: a header of the denial has a line break or NUL, and is left out", self._route())
        elif possible == status:
            return message
        return {**message, "status": possible, "headers": kept}

    async def _close(self, message: Message) -> None:
        try:
            await self._send(message)
        except Exception as error:
            if not await self._closed_by_another_code(message, error):
                self.send_error = error
                raise

    async def _closed_by_another_code(self, message: Message, error: Exception) -> bool:
        """daphne raises for all codes but 1000 and 3000 to 4999, and then the socket stays open."""
        code = message["code"]
        if code == 1000 or code >= 3000 or isinstance(error, OSError):
            return False
        try:
            await self._send({**message, "code": code + 3000})
        except Exception:
            return False
        return True

    async def _deny(self, message: Message) -> None:
        if message["type"] == "websocket.http.response.start":
            self._start, self._pieces = message, []
            return
        pieces = self._pieces = self._pieces or []
        pieces.append(message.get("body", b""))
        if not is_last_of_denial(message):
            return
        self.state = _DISCONNECTED
        start, self._start = self._start, None
        try:
            if start is not None:
                self.ending = start
                await self._send(start)
            await self._send({**message, "body": b"".join(pieces)})
        except Exception as error:
            self.send_error = error
            raise

    def _route(self) -> str:
        route = self._scope.get("route")
        endpoint = self._scope.get("endpoint")
        named = describe(endpoint) if callable(endpoint) else "WebSocket route"
        path = getattr(route, "path", None)
        return named if path is None else f"{named} at {path}"


def is_last_of_denial(message: Message) -> bool:
    """Whether the client gets its answer with this message."""
    return message["type"] == "websocket.http.response.body" and not message.get("more_body", False)


def errors_as_text(errors: Sequence[Any]) -> str:
    """Validation errors as a close reason: `query.limit: Field required; ...`."""
    # A client can cause very many, and each of them has more than one byte.
    first = errors[:_LONGEST_REASON]
    return "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in first)


def _possible_code(code: Any) -> int:
    """The code itself if a close frame can have it; else 1008 if it is below 500 or 1006, and 1011 for all others."""
    if isinstance(code, int) and (code in _REGISTERED or 3000 <= code <= 4999):
        return int(code)
    is_number = isinstance(code, int | float) and not isinstance(code, bool)
    return POLICY_VIOLATION if is_number and (code < 500 or code == 1006) else INTERNAL_ERROR


#: In a header it would begin another one, or end them all.
_SPLITS = re.compile(rb"[\r\n\0]")


def possible_status(status: Any) -> int:
    """The status itself if a final response can have it; else 403 for a number below, and 500 for all others."""
    try:
        number = int(status)
    except (TypeError, ValueError, OverflowError):
        return 500
    if number < 200:
        return 403
    return number if number < 600 else 500


def _short_text(reason: Any) -> str:
    text = reason if isinstance(reason, str) else _text(reason)
    return text.encode("utf-8", "replace")[:_LONGEST_REASON].decode("utf-8", "ignore")


def _text(reason: Any) -> str:
    # FastAPI's handler for validation errors gives the list of errors, also if somebody has wrapped that handler.
    if isinstance(reason, list | tuple) and all(map(_is_validation_error, reason)):
        return errors_as_text(reason)
    return as_text(reason)


def as_text(value: Any) -> str:
    """A text, or JSON; or the text of what is no JSON, as a dict with tuples for keys."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, default=str)
    except Exception:  # whoever is told of an error needs no second one
        return _text_of(value)


def _text_of(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return type(value).__name__


def _is_validation_error(item: Any) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("loc"), list | tuple) and "msg" in item
