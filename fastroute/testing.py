"""A client for tests: `connect` opens one WebSocket of an application, in process, on asyncio and on trio.

    async with connect(app, "/rooms/7?token=ann-secret") as socket:
        await socket.send_json({"text": "hello"})
        assert await socket.receive_json() == {"from": "ann", "text": "hello"}

It has the methods of `starlette.testclient.WebSocketTestSession`, to be awaited, and no wait is longer than `timeout`.
"""

import json
import math
import re
import string
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, cast
from urllib.parse import quote, unquote, urljoin, urlsplit

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Scope
from starlette.websockets import WebSocketDisconnect

__all__ = ["ClientSession", "HandshakeRefused", "connect"]

_HOST = "testserver"
_PORTS = {"ws": 80, "wss": 443}
_UNSENDABLE = re.compile(r"[\r\n\0]|[^\0-\xff]")


class HandshakeRefused(WebSocketDisconnect):
    """The application did not accept the connection.

    Attributes:
        status: of the HTTP answer; 403 if the application closed before it accepted, as every server then sends.
        headers: of the HTTP answer (`starlette.datastructures.Headers`); none after a close.
        body: of the HTTP answer; empty after a close.
        code: of the close; 1006 after an HTTP answer, as a browser sees it.
        reason: of the close; after an HTTP answer its body as text.
    """

    def __init__(self, status: int, headers: Headers, body: bytes, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def __str__(self) -> str:
        headers = "".join(f", {name}: {value}" for name, value in self.headers.items())
        return f"the handshake was refused: {self.status}{headers}, close code {self.code}, reason {self.reason!r}"


class ClientSession:
    """One connection of a test, from `connect` (`starlette.testclient.WebSocketTestSession`, awaited).

    Args:
        app: the application.
        scope: of the connection.
        timeout: seconds for each wait.

    Attributes:
        scope: the connection's ASGI scope.
        accepted_subprotocol: the one that the application chose, or None.
        extra_headers: pairs of bytes that the application sent with its accept.
    """

    accepted_subprotocol: str | None = None
    extra_headers: Sequence[tuple[bytes, bytes]] = ()
    _error: BaseException | None = None
    _disconnect: Message | None = None

    def __init__(self, app: ASGIApp, scope: Scope, timeout: float) -> None:
        self.scope = scope
        self._app = app
        self._timeout = timeout
        self._to_app, self._app_receives = anyio.create_memory_object_stream[Message](math.inf)
        self._app_sends, self._from_app = anyio.create_memory_object_stream[Message](math.inf)
        self._left = False
        self._ended = anyio.Event()

    async def send(self, message: Message) -> None:
        """Send an ASGI message to the application.

        Args:
            message: `{"type": "websocket.receive", ...}`.
        """
        self._to_app.send_nowait(message)

    async def send_text(self, data: str) -> None:
        """Send a text message.

        Args:
            data: the text.
        """
        await self.send({"type": "websocket.receive", "text": data})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message.

        Args:
            data: the bytes.
        """
        await self.send({"type": "websocket.receive", "bytes": data})

    async def send_json(self, data: Any, mode: Literal["text", "binary"] = "text") -> None:
        """Send data as JSON.

        Args:
            data: anything that JSON can hold.
            mode: in a text or a binary message.
        """
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
        await (self.send_text(text) if mode == "text" else self.send_bytes(text.encode()))

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Leave with a close frame.

        Args:
            code: of the frame.
            reason: of the frame.
        """
        if not self._left:
            self._left = True
            await self.send({"type": "websocket.disconnect", "code": code, "reason": reason or ""})

    async def receive(self) -> Message:
        """The next ASGI message of the application.

        Raises:
            TimeoutError: none came in time.
            WebSocketDisconnect: with 1006, the application ended without a close; a server drops the client then.
            Exception: that the application raised.
        """
        try:
            with anyio.fail_after(self._timeout):
                return await self._from_app.receive()
        except TimeoutError:
            raise TimeoutError(f"WebSocket {self.scope['path']}: no message within {self._timeout:g} s") from None
        except anyio.EndOfStream:
            pass
        if self._error is not None:
            raise self._error
        raise WebSocketDisconnect(1006, "the application ended and did not close")

    async def receive_text(self) -> str:
        """The text of the next message.

        Raises:
            WebSocketDisconnect: the application closed instead.
            AssertionError: the message is binary.
            TimeoutError: as in `receive`.
            Exception: as in `receive`.
        """
        text: str = await self._data("text")
        return text

    async def receive_bytes(self) -> bytes:
        """The bytes of the next message.

        Raises:
            AssertionError: the message is text.
            WebSocketDisconnect: as in `receive_text`.
            TimeoutError: as in `receive_text`.
            Exception: as in `receive_text`.
        """
        data: bytes = await self._data("bytes")
        return data

    async def receive_json(self, mode: Literal["text", "binary"] = "text") -> Any:
        """The data of the next message, which is JSON in a text or a binary message.

        Raises:
            AssertionError: the message is of the other mode.
            WebSocketDisconnect: as in `receive_text`.
            TimeoutError: as in `receive_text`.
            Exception: as in `receive_text`.
        """
        return json.loads(await self._data("text" if mode == "text" else "bytes"))

    async def _data(self, kind: Literal["text", "bytes"]) -> Any:
        message = await self.receive()
        if message["type"] == "websocket.close":
            raise WebSocketDisconnect(message.get("code", 1000), message.get("reason") or "")
        data = message.get(kind)
        assert data is not None, f"a message with {kind} was expected, and {message!r} came"
        return data

    async def _handshake(self) -> None:
        await self.send({"type": "websocket.connect"})
        message = await self.receive()
        if message["type"] == "websocket.close":
            code, reason = message.get("code", 1000), message.get("reason") or ""
            raise HandshakeRefused(403, Headers(), b"", code, reason)
        if message["type"] == "websocket.http.response.start":
            headers = Headers(raw=[(bytes(name), bytes(value)) for name, value in message.get("headers", ())])
            body = await self._body()
            raise HandshakeRefused(message["status"], headers, body, 1006, body.decode("utf-8", "replace"))
        assert message["type"] == "websocket.accept", f"the application sent {message!r} before it accepted"
        self.accepted_subprotocol = message.get("subprotocol")
        self.extra_headers = list(message.get("headers") or ())

    async def _body(self) -> bytes:
        body, more = b"", True
        while more:
            message = await self.receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body

    def _release(self) -> None:
        for stream in (self._to_app, self._app_receives, self._app_sends, self._from_app):
            stream.close()

    # The application's side

    async def _run(self) -> None:
        try:
            await self._app(self.scope, self._receive, self._send)
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            # Without a handler of the application, an endpoint that reads until the client has left ends like this.
            if not (self._left and isinstance(error, WebSocketDisconnect)):
                self._error = error
        finally:
            self._ended.set()
            self._app_sends.close()

    async def _receive(self) -> Message:
        if self._disconnect is not None:
            return self._disconnect
        message = await self._app_receives.receive()
        if message["type"] == "websocket.disconnect":
            self._disconnect = message
        return message

    async def _send(self, message: Message) -> None:
        if self._left:
            raise OSError("the client has left")
        self._app_sends.send_nowait(dict(message))
        if message["type"] == "websocket.close":
            await self.close(message.get("code", 1000), message.get("reason"))

    async def _leave(self) -> bool:
        """Leave, and wait for the application; False if it goes on."""
        await self.close()
        with anyio.move_on_after(self._timeout):
            await self._ended.wait()
        return self._ended.is_set()


@asynccontextmanager
async def connect(
    app: ASGIApp,
    url: str,
    *,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    subprotocols: Iterable[str] | None = None,
    timeout: float = 1.0,
) -> AsyncIterator[ClientSession]:
    """Open a connection to an application, in process; leave it at the end, and wait for the application.

    An exception of the application is raised here, also if the test was waiting for something else. The lifespan of the
    application does not run.

    Args:
        app: an ASGI application.
        url: a path with its query, or a whole `ws://` or `wss://` address.
        headers: of the handshake, besides those of every client; as pairs, a name may come twice.
        subprotocols: that the client offers, preferred first.
        timeout: seconds for each wait: for the answer to the handshake, for a message, and for the application to end
            after the client has left.

    Raises:
        HandshakeRefused: the application did not accept; it has the answer.
        TimeoutError: the application was silent, or did not end.
        ValueError: the address is none of a WebSocket, or no header can hold a value.
        TypeError: the address, headers or subprotocols are of another type.
        Exception: that the application raised.
    """
    session = ClientSession(app, _scope(url, headers, subprotocols), timeout)
    failure: BaseException | None = None
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session._run)
            # Kept from the task group, which would make an ExceptionGroup of it.
            try:
                await session._handshake()
                yield session
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:
                failure = error
            if not await session._leave():
                late = f"WebSocket {session.scope['path']}: still runs {timeout:g} s after its client has left"
                failure = failure or TimeoutError(late)
                tasks.cancel_scope.cancel()
    finally:
        session._release()
    cause = session._error or failure
    if cause is None:
        return
    if failure is not None and failure is not cause:
        cause.add_note(f"the test got {failure!r}")
    raise cause


def _scope(
    url: str, headers: Mapping[str, str] | Iterable[tuple[str, str]] | None, subprotocols: Iterable[str] | None
) -> Scope:
    if not isinstance(url, str):
        raise TypeError(f"{url!r} is no address of a WebSocket; write a path, or ws://host/path")
    parts = urlsplit(urljoin(f"ws://{_HOST}/", url))
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in _PORTS or parts.hostname is None:
        raise ValueError(f"{url!r} is no address of a WebSocket; write a path, or ws://host/path")
    path = quote(parts.path or "/", safe=string.punctuation)
    # A cast, since to a type checker a mapping may be an iterable of pairs as well.
    given = list(cast("Iterable[tuple[str, str]]", headers.items() if isinstance(headers, Mapping) else headers or ()))
    if isinstance(subprotocols, str):  # each letter would be one
        raise TypeError(f"subprotocols={subprotocols!r}: write a list of texts")
    if subprotocols:
        given.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    for pair in given:
        _check_header(pair)
    lines = [(name.lower(), value) for name, value in given]
    names = {name for name, _ in lines}
    lines = [line for line in _handshake_headers(parts.netloc.rpartition("@")[2]) if line[0] not in names] + lines
    offered = ",".join(value for name, value in lines if name == "sec-websocket-protocol")
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": scheme,
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": quote(parts.query, safe=string.punctuation).encode(),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines],
        "client": ("testclient", 50000),
        "server": (parts.hostname, parts.port or _PORTS[scheme]),
        "subprotocols": [offer.strip() for offer in offered.split(",") if offer.strip()],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }


def _check_header(pair: object) -> None:
    """Check that a client can send a header; the application would get any other all the same."""
    if not (isinstance(pair, tuple | list) and list(map(type, pair)) == [str, str]):
        raise TypeError(f"{pair!r} is no header; write {{'name': 'value'}} or [('name', 'value')]")
    if _UNSENDABLE.search("".join(pair)):
        raise ValueError(f"no header can be {': '.join(pair)!r}")


def _handshake_headers(host: str) -> list[tuple[str, str]]:
    """The headers that every client sends."""
    return [
        ("host", host),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "testserver=="),
        ("sec-websocket-version", "13"),
    ]
