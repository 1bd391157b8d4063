"""A real server, each of uvicorn's WebSocket implementations: no input ends in a 1006, an error 500 or a traceback."""

import base64
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import anyio
import pytest
import uvicorn
from origin_table import ALLOWED, PASS, REFUSED
from pydantic import BaseModel, Json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import StreamingResponse
from starlette.routing import Mount
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, ConnectionPolicy, Cookie, Depends, Header, Path, Query, Security
from fastroute.security import (
    APIKeyQuery,
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
    SubprotocolBearer,
    SubprotocolCredentials,
)

pytestmark = [pytest.mark.twins, pytest.mark.slow]

# A third, "websockets", is deprecated; it answers some headers with a 500 before any application sees them.
IMPLEMENTATIONS = ["websockets-sansio", "wsproto"]
TIMEOUT = 20  # seconds; only a hang gets near it


# The application


class Filters(BaseModel):
    limit: int = 10
    tags: list[str] = []


async def accept_early(websocket: WebSocket) -> None:
    await websocket.accept()


async def everything(
    websocket: WebSocket,
    p: Annotated[int, Path(le=10**9)],
    filters: Annotated[Filters, Query()],
    q: Annotated[float | None, Query()] = None,
    data: Annotated[Json[list[int]] | None, Query()] = None,
    x_token: Annotated[str | None, Header(max_length=10)] = None,
    session: Annotated[int | None, Cookie()] = None,
) -> None:
    if websocket.application_state.name == "CONNECTING":
        await websocket.accept()
    await websocket.close(4000, "fine")


async def raises(websocket: WebSocket, kind: str, accepted: bool = False) -> None:
    if accepted:
        await websocket.accept()
    raise {
        "http": HTTPException(403, "no " + "\u20ac" * 99),
        "server": HTTPException(503, "later"),
        "websocket": WebSocketException(4001, "\u20ac" * 99),
    }[kind]


async def returns(websocket: WebSocket, accepted: bool = False) -> None:
    if accepted:
        await websocket.accept()


async def swallows(websocket: WebSocket) -> AsyncIterator[None]:
    with suppress(ValueError):
        yield


async def fails(websocket: WebSocket, a: Annotated[None, Depends(swallows)], accepted: bool = False) -> None:
    if accepted:
        await websocket.accept()
    raise ValueError("swallowed")


async def unexpected(websocket: WebSocket) -> None:
    await websocket.accept()
    raise ValueError("unexpected")


async def slow(websocket: WebSocket, end: str) -> None:
    await websocket.accept()
    await anyio.sleep(0.1)  # the client is gone by then, and nobody has received its disconnect
    if end == "http":
        raise HTTPException(403)
    if end == "websocket":
        raise WebSocketException(4000)
    if end == "send":
        while True:
            await websocket.send_text("still there?")
            await anyio.sleep(0.01)


async def refuses_late() -> AsyncIterator[None]:
    try:
        yield
    finally:
        raise WebSocketException(4001, "too late")


async def closes_at_once(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close(4000)


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


async def basic(websocket: WebSocket, user: Annotated[HTTPBasicCredentials, Depends(HTTPBasic(realm="here"))]) -> None:
    await websocket.close(4000, user.username)


async def bearer(
    websocket: WebSocket, token: Annotated[HTTPAuthorizationCredentials, Security(HTTPBearer(), scopes=["a"])]
) -> None:
    await websocket.accept()
    await websocket.close(4000, token.credentials)


async def key(websocket: WebSocket, key: Annotated[str, Depends(APIKeyQuery(name="key"))]) -> None:
    await websocket.accept()
    await websocket.close(4000, key)


async def subprotocol(
    websocket: WebSocket,
    found: Annotated[SubprotocolCredentials, Depends(SubprotocolBearer(subprotocols=["chat"]))],
) -> None:
    await websocket.accept(subprotocol=found.subprotocol)
    await websocket.close(4000, found.token)


async def closes(websocket: WebSocket, code: int, by: str) -> None:
    await websocket.accept()
    if by == "exception":
        raise WebSocketException(code, "why")
    await websocket.close(code, "why")


async def chooses(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="chat")
    await websocket.close(4000)


async def denies(websocket: WebSocket) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one, "
        yield b"two"

    await websocket.send_denial_response(StreamingResponse(pieces(), 418))


async def hands_on(websocket: WebSocket) -> None:
    other = WebSocket(websocket.scope, websocket._receive, websocket._send)
    await other.accept()
    await other.close(4000, "other")


async def leaves_late(websocket: WebSocket, _: Annotated[None, Depends(refuses_late)]) -> None:
    await websocket.accept()
    async with anyio.create_task_group() as group:
        group.start_soon(websocket.receive_text)
        group.start_soon(anyio.sleep_forever)


def application() -> Starlette:
    early = [Depends(accept_early)]
    return Starlette(
        routes=[
            APIWebSocketRoute("/late/{p}", everything),
            APIWebSocketRoute("/early/{p}", everything, dependencies=early),
            Mount("/mount", routes=[APIWebSocketRoute("/{p:int}", everything)]),
            APIWebSocketRoute("/raises/{kind}", raises),
            APIWebSocketRoute("/returns", returns),
            APIWebSocketRoute("/fails", fails),
            APIWebSocketRoute("/unexpected", unexpected),
            APIWebSocketRoute("/echo", echo),
            APIWebSocketRoute("/origins", closes_at_once, policy=ConnectionPolicy(origins=ALLOWED)),
            APIWebSocketRoute("/slow", slow),
            APIWebSocketRoute("/closes/{by}/{code:int}", closes),
            APIWebSocketRoute("/chooses", chooses),
            APIWebSocketRoute("/denies", denies),
            APIWebSocketRoute("/hands-on", hands_on),
            APIWebSocketRoute("/leaves-late", leaves_late),
            APIWebSocketRoute("/basic", basic),
            APIWebSocketRoute("/bearer", bearer),
            APIWebSocketRoute("/key", key),
            APIWebSocketRoute("/subprotocol", subprotocol),
        ]
    )


# A client that sends any bytes and sees every byte


@dataclass
class Answer:
    """The answer: an HTTP status, and after 101 the code and reason of the close frame."""

    status: int
    headers: dict[str, str]
    code: int | None = None
    reason: str = ""


class Client:
    def __init__(self, port: int, target: bytes, *headers: tuple[bytes, bytes]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        lines = [
            b"GET " + target + b" HTTP/1.1",
            b"Host: localhost",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)),
            *(name + b": " + value for name, value in headers),
        ]
        self._socket.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        self._incoming = self._socket.makefile("rb")

    def send(self, opcode: int, payload: bytes) -> None:
        assert len(payload) < 126
        self._socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload)

    def head(self) -> Answer:
        status = int(self._incoming.readline().split()[1])
        headers = {}
        while line := self._incoming.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return Answer(status, headers)

    def frame(self) -> tuple[int, bytes] | None:
        start = self._incoming.read(2)
        if len(start) < 2:
            return None
        assert start[1] < 126, "no answer here is longer"
        return start[0] & 0x0F, self._incoming.read(start[1])

    def answer(self) -> Answer:
        """To the end; without a close frame the code stays None, which a client reports as 1006."""
        answer = self.head()
        if answer.status == 101:
            while (frame := self.frame()) is not None:
                if frame[0] == 8:
                    answer.code = struct.unpack("!H", frame[1][:2])[0] if frame[1] else 1005
                    answer.reason = frame[1][2:].decode()
                    break
        self.vanish()
        return answer

    def leave(self, manner: str) -> None:
        """With a close frame, without, or with a reset of the connection."""
        if manner == "close":
            self.send(8, struct.pack("!H", 1001))
        elif manner == "reset":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.vanish()

    def vanish(self) -> None:
        self._incoming.close()
        self._socket.close()


#: Uvicorn's words about bytes that HTTP does not allow, and (websockets-sansio) of any denial response.
_OF_UVICORN = ("Invalid HTTP request", "ASGI callable returned without completing handshake")


@dataclass
class Running:
    port: int
    log: pytest.LogCaptureFixture

    def ask(self, target: str | bytes, *headers: tuple[bytes, bytes]) -> Answer:
        raw = target.encode() if isinstance(target, str) else target
        return Client(self.port, raw, *headers).answer()

    def complaints(self) -> list[str]:
        """Warnings, errors and tracebacks in the log, but for those of uvicorn's own making."""
        messages = [record.getMessage() for record in self.log.records if record.levelno >= logging.WARNING]
        return [message for message in messages if not message.startswith(_OF_UVICORN)]

    def wait_for_complaint(self) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not self.complaints() and time.monotonic() < deadline:
            time.sleep(0.005)


@pytest.fixture(params=IMPLEMENTATIONS)
def server(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[Running]:
    caplog.set_level(logging.INFO)
    config = uvicorn.Config(application(), port=0, ws=request.param, log_config=None, lifespan="off")
    config.load()
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        deadline = time.monotonic() + TIMEOUT
        while not running.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        yield Running(running.servers[0].sockets[0].getsockname()[1], caplog)
    finally:
        running.should_exit = True
        thread.join(TIMEOUT)
    assert not thread.is_alive()


BAD_QUERIES = [
    b"limit=x",
    b"limit=1&limit=",
    b"limit=" + b"9" * 6000,
    b"limit=%FF%FE",
    b"limit=%",
    b"limit=\xff\xfe",
    b"q=nan&limit=1e3",
    b"q=--1&tags=" + b"&tags=".join([b"a"] * 50) + b"&limit=",
    b"data=[1,",
    b"data=" + b"[" * 3000,
    b"data={}",
    b"q=%00",
]
BAD_HEADERS = [
    (b"x-token", b"\xff" * 50),
    (b"x-token", b"a" * 3000),
    (b"cookie", b"session=x"),
    (b"cookie", b"\xff\xfe=\xff; session=\xff"),
    (b"cookie", b'session="\\377\\0"; ;;=;'),
    (b"cookie", b"session=" + b"1" * 5000),
]
BAD_PATHS = [b"x", b"%FF", b"9" * 6000, b"%F0%9F%98%80", b"1%0a", b"-", b"1e3", b"%00"]
CASES = [
    *((b"1?" + query, ()) for query in BAD_QUERIES),
    *((b"1", (header,)) for header in BAD_HEADERS),
    *((path, ()) for path in BAD_PATHS),
]


@pytest.mark.parametrize("by", ["exception", "close"])
def test_every_code_arrives_as_one_that_a_frame_can_carry(server: Running, by: str) -> None:
    for code, arrives in [
        *((code, code) for code in (1000, 1001, 1008, 1011, 1013, 3000, 4001, 4999)),
        *((code, 1008) for code in (0, 401, 404, 1006)),
        *((code, 1011) for code in (500, 999, 1004, 1005, 1015, 1016, 2999, 5000, 70000)),
    ]:
        answer = server.ask(f"/closes/{by}/{code}")
        assert (answer.code, answer.reason) == (arrives, "why"), code
    assert len(server.complaints()) == 13
    assert all("no close frame can have the code" in complaint for complaint in server.complaints())


def test_a_subprotocol_that_was_not_offered_is_a_500_that_names_the_route(server: Running) -> None:
    assert server.ask("/chooses").status == 500
    server.wait_for_complaint()
    assert any("chooses" in str(record.exc_info) for record in server.log.records if record.exc_info)
    assert server.ask("/chooses", (b"sec-websocket-protocol", b"soap, chat")).code == 4000


def test_a_streamed_denial_and_a_connection_that_is_handed_on(server: Running) -> None:
    assert server.ask("/denies").status == 418
    answer = server.ask("/hands-on")
    assert (answer.code, answer.reason) == (4000, "other")
    assert server.complaints() == []


@pytest.mark.parametrize("manner", ["close", "vanish", "reset"])
def test_a_clean_up_that_closes_after_the_client_left_is_no_error(server: Running, manner: str) -> None:
    client = Client(server.port, b"/leaves-late")
    assert client.head().status == 101
    client.leave(manner)
    time.sleep(0.2)
    assert server.ask("/hands-on").code == 4000
    assert server.complaints() == []


def test_bad_input_before_accept_is_refused(server: Running) -> None:
    for rest, headers in CASES:
        answer = server.ask(b"/late/" + rest, *headers)
        # 400 is the server's own word for bytes that HTTP does not allow.
        assert answer.status in (400, 403) or answer.code == 4000, rest
    assert server.ask("/late/1?limit=3").code == 4000
    assert server.complaints() == []


def test_bad_input_after_accept_closes_with_1008(server: Running) -> None:
    refused = 0
    for rest, headers in CASES:
        answer = server.ask(b"/early/" + rest, *headers)
        assert answer.status == 400 or answer.code in (1008, 4000), rest
        refused += answer.code == 1008
        assert len(answer.reason.encode()) <= 123
        assert answer.code != 1008 or ": " in answer.reason
    assert refused > len(CASES) / 2
    assert server.complaints() == []


def test_bad_paths_are_no_match(server: Running) -> None:
    for path in BAD_PATHS:
        assert server.ask(b"/mount/" + path).status in (400, 403), path
    assert server.ask("/nowhere").status == 403
    assert server.ask("/mount/12").code == 4000
    assert server.complaints() == []


def test_exceptions_are_answered(server: Running) -> None:
    denied = server.ask("/raises/http")
    assert (denied.status, denied.headers["content-type"]) == (403, "text/plain; charset=utf-8")
    assert server.ask("/raises/server").status == 503
    assert server.ask("/raises/websocket").status == 403
    after = server.ask("/raises/http?accepted=1")
    assert (after.code, after.reason) == (1008, "no " + "\u20ac" * 40)
    after = server.ask("/raises/server?accepted=1")
    assert (after.code, after.reason) == (1011, "later")
    after = server.ask("/raises/websocket?accepted=1")
    assert (after.code, after.reason) == (4001, "\u20ac" * 41)
    assert server.complaints() == []


def test_what_is_left_open_is_closed(server: Running) -> None:
    for path in ("/returns", "/fails"):
        assert server.ask(path).status == 403
        assert server.ask(f"{path}?accepted=1").code == 1000
    assert server.complaints() == []


def test_an_unexpected_error_closes_with_1011_and_is_logged(server: Running) -> None:
    answer = server.ask("/unexpected")
    assert (answer.code, answer.reason) == (1011, "Internal Server Error")
    server.wait_for_complaint()
    assert server.complaints() == ["Exception in ASGI application\n"]


@pytest.mark.parametrize("manner", ["close", "vanish", "reset"])
def test_a_client_that_leaves_is_no_error(server: Running, manner: str) -> None:
    for _ in range(3):
        client = Client(server.port, b"/echo")
        assert client.head().status == 101
        client.send(1, b"hello")
        assert client.frame() == (1, b"hello")
        client.leave(manner)
    # The server is done with them once it has answered another one.
    assert server.ask("/returns").status == 403
    assert server.complaints() == []


@pytest.mark.parametrize("manner", ["close", "vanish", "reset"])
def test_a_client_that_has_left_unnoticed_is_no_error(server: Running, manner: str) -> None:
    for end in ("return", "http", "websocket", "send"):
        client = Client(server.port, f"/slow?end={end}".encode())
        assert client.head().status == 101
        client.leave(manner)
    time.sleep(0.3)
    assert server.complaints() == []


def authorization(value: bytes) -> tuple[bytes, bytes]:
    return b"Authorization", value


def test_the_table_of_origins(server: Running) -> None:
    assert server.ask("/origins").code == 4000
    for origin in filter(None, PASS):
        assert server.ask("/origins", (b"Origin", origin)).code == 4000, origin
    # A header of 60,000 bytes ends uvicorn's websockets-sansio, before any application sees it.
    for origin in (origin for origin in REFUSED if len(origin) < 8_000):
        # 400 is the server's own word for bytes that HTTP does not allow.
        answer = server.ask("/origins", (b"Origin", origin))
        assert answer.status in (400, 403), origin
        assert answer.code is None
    good = (b"Origin", b"https://app.example.org")
    assert server.ask("/origins", good, good).status in (400, 403)
    assert server.complaints() == []


def test_schemes_refuse_with_a_challenge(server: Running) -> None:
    for bad in (b"", b"Basic", b"Basic !", b"Basic \xff", b"Basic dQ==", b"Bearer x", b"Basic " + b"\xe9" * 8):
        answer = server.ask("/basic", authorization(bad))
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="here"'), bad
    assert server.ask("/basic", authorization(b"Basic dTpw")).status == 403
    for bad in (b"", b"Bearer", b"Bearer ", b"Basic dTpw", b"\xff \xff"):
        answer = server.ask("/bearer", authorization(bad))
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), bad
    assert server.ask("/bearer", authorization(b"bearer x")).reason == "x"
    for query in (b"", b"?key=", b"?KEY=a"):
        assert server.ask(b"/key" + query).status == 401
    assert server.ask(b"/key?key=%FF%C3%A9").code == 4000
    assert server.complaints() == []


def test_a_token_among_the_subprotocols(server: Running) -> None:
    def offer(*subprotocols: bytes) -> Answer:
        return server.ask("/subprotocol", (b"Sec-WebSocket-Protocol", b", ".join(subprotocols)))

    token = base64.urlsafe_b64encode(b"a/b=?").rstrip(b"=")
    for offers, selected in (
        ((b"chat", b"bearer." + token), "chat"),
        ((b"bearer." + token,), f"bearer.{token.decode()}"),
        ((b"bearer", token), "bearer"),
        ((b"other", b"bearer", token), "bearer"),
    ):
        answer = offer(*offers)
        assert (answer.headers["sec-websocket-protocol"], answer.reason) == (selected, "a/b=?")
    for offers in ((b"chat",), (b"bearer.",), (b"bearer.!",), (b"bearer", b"chat"), (b"chat", b"bearer")):
        answer = offer(*offers)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), offers
    assert server.ask("/subprotocol").status == 401
    assert server.complaints() == []
