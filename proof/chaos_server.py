"""The server of chaos.py: one application that keeps a ledger of all that was entered, and a report when it has ended.

    python proof/chaos_server.py IMPLEMENTATION

It prints its port, serves until SIGTERM, and then prints the report as JSON.
"""

import asyncio
import json
import logging
import signal
import socket
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import anyio
import anyio.to_thread
import hypercorn.asyncio
import hypercorn.config
import hypercorn.protocol.ws_stream
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.routing import Mount
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, ConnectionPolicy, Cookie, Depends, Header, Path, Query, Router
from fastroute.dependencies.cleanups import semaphore_of

SETTLED = 10  # seconds within which all must be over after the server has ended
SLOTS = 3


class Planned(Exception):
    """Raised on purpose, so its traceback may be in the log."""


class Ledger:
    """What was entered and left, by connection and dependency, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.entered: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.crossed: list[str] = []
        self.ended = 0

    def enter(self, token: str, name: str) -> None:
        with self._lock:
            self.entered[f"{token} {name}"] += 1

    def leave(self, token: str, name: str) -> None:
        with self._lock:
            self.left[f"{token} {name}"] += 1

    def expect(self, token: str, *others: str) -> None:
        if any(other != token for other in others):
            with self._lock:
                self.crossed.append(f"{token}: {others}")


ledger = Ledger()
Token = Annotated[str, Query()]
Fail = Annotated[str, Query()]


def fail_if(fail: str, name: str, point: str) -> None:
    """Raises if the client asked for a failure of this dependency at this point: `slow.before`."""
    if fail == f"{name}.{point}":
        raise Planned(fail)
    if fail == f"{name}.{point}.http":
        raise HTTPException(403, fail)
    if fail == f"{name}.{point}.close":
        raise WebSocketException(4005, fail)


async def of_endpoint(token: Token) -> AsyncIterator[str]:
    ledger.enter(token, "function")
    try:
        yield token
    finally:
        ledger.leave(token, "function")


async def in_loop(token: Token, fail: Fail = "") -> AsyncIterator[str]:
    fail_if(fail, "loop", "before")
    ledger.enter(token, "loop")
    try:
        await anyio.sleep(0)
        yield token
        fail_if(fail, "loop", "after")
    finally:
        await anyio.sleep(0.001)
        ledger.leave(token, "loop")
        fail_if(fail, "loop", "cleanup")


def in_thread(token: Token, before: Annotated[str, Depends(in_loop)], fail: Fail = "") -> Iterator[str]:
    fail_if(fail, "thread", "before")
    ledger.enter(token, "thread")
    try:
        time.sleep(0.001)
        yield before
        fail_if(fail, "thread", "after")
    except Planned:
        if fail.endswith("swallow"):
            return
        raise
    finally:
        ledger.leave(token, "thread")
        fail_if(fail, "thread", "cleanup")


async def short(token: Token, fail: Fail = "") -> AsyncIterator[str]:
    fail_if(fail, "short", "before")
    ledger.enter(token, "short")
    try:
        yield token
        fail_if(fail, "short", "after")
    finally:
        ledger.leave(token, "short")
        fail_if(fail, "short", "cleanup")


async def limited(token: Token, fail: Fail = "") -> AsyncIterator[str]:
    fail_if(fail, "limited", "before")
    ledger.enter(token, "limited")
    try:
        await anyio.sleep(0.001)
        yield token
    finally:
        ledger.leave(token, "limited")
        fail_if(fail, "limited", "cleanup")


def plain(token: Token) -> str:
    return token


LIMITED = Depends(limited, scope="handshake", max_concurrency=SLOTS)
LIMITED_PLAIN = Depends(plain, max_concurrency=SLOTS)


async def everything(
    websocket: WebSocket,
    room: Annotated[str, Path()],
    token: Token,
    thread: Annotated[str, Depends(in_thread)],
    function: Annotated[str, Depends(of_endpoint, scope="function")],
    slot: Annotated[str, LIMITED_PLAIN],
    x_token: Annotated[str, Header()],
    session: Annotated[str, Cookie()],
    does: Annotated[str, Query()] = "echo",
    fail: Fail = "",
) -> None:
    ledger.expect(token, room, thread, function, slot, x_token, session)
    ledger.enter(token, "endpoint")
    try:
        fail_if(fail, "endpoint", "before")
        if does == "refuses":
            await websocket.close(4001, token)
            return
        await websocket.accept()
        await websocket.send_text(token)
        fail_if(fail, "endpoint", "accepted")
        if does == "returns":
            return
        if does == "sends":
            for _ in range(50):
                await websocket.send_text(token + "x" * 20_000)
                await anyio.sleep(0.001)
            return
        if does == "sleeps":
            await anyio.sleep(0.3)
            return
        if does == "group":
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, 0.2)
                group.start_soon(echo, websocket, token)
            return
        await echo(websocket, token)
    finally:
        ledger.leave(token, "endpoint")


async def echo(websocket: WebSocket, token: str) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        await websocket.send_text(f"{token} {message.get('text') or ''}")


def ended(scope: Any, code: int, reason: str, seconds: float) -> None:
    ledger.ended += 1


def application() -> Starlette:
    policy = ConnectionPolicy(cancel_on_disconnect=True, accept_timeout=5, idle_timeout=3, max_lifetime=6, on_end=ended)
    guarded = Router(policy=policy, dependencies=[LIMITED])
    for prefix in ("/a", "/b"):
        inner = Router(prefix=prefix, dependencies=[Depends(short)])
        inner.add_api_websocket_route("/{room}", everything)
        guarded.include_router(inner)
    open_routes = [APIWebSocketRoute("/{room}", everything, dependencies=[LIMITED, Depends(short)])]
    return Starlette(routes=[Mount("/policy", guarded), Mount("/plain", routes=open_routes)])


class Complaints(logging.Handler):
    """Warnings and errors that nobody asked for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and is_asked_for(error):
            return
        text = record.getMessage().strip()
        if text.startswith(OF_SERVERS):
            return
        trace = "".join(traceback.format_exception(error)[-12:]) if error else ""
        self.found[f"{record.name}: {text[:300]}\n{trace}"] += 1


#: Of uvicorn about bytes that HTTP or WebSocket does not allow, and (websockets-sansio) of a denial response; of
#: asyncio about the task in which hypercorn serves a connection, if that is cancelled at the end.
OF_SERVERS = (
    "Invalid HTTP request",
    "ASGI callable returned without completing handshake",
    "Invalid UTF-8 sequence received from client",
    "Fatal error: protocol.data_received() call failed.\nprotocol: <uvicorn.protocols",
    "Exception in callback StreamReaderProtocol.connection_made",
)


#: To an application that sends while its client leaves: websockets-sansio after a frame that is none, both after an
#: accept that did not go out any more. `servers_alone.py` gets each of these from uvicorn without us.
ERRORS_OF_SERVERS = (
    "Unexpected ASGI message 'websocket.send', after sending 'websocket.close'.",
    "Expected ASGI message 'websocket.accept', 'websocket.close' or 'websocket.http.response.start' but got "
    "'websocket.send'.",
    # wsproto, to one that refuses a handshake whose client has left.
    "Connection cannot be rejected in state ConnectionState.CLOSED",
    # hypercorn's own, if a client that was refused sends on before the application is at its end.
    "can't handle event type Response when role=SERVER and state=MUST_CLOSE",
)


def is_of_server(error: BaseException) -> bool:
    """Whether a server raises it with any application whose client leaves or sends at that moment."""
    [*_, (frame, _)] = traceback.walk_tb(error.__traceback__)
    # What wsproto says of a late refusal, websockets-sansio asserts without a text.
    place = frame.f_globals["__name__"], frame.f_code.co_name
    refused_too_late = isinstance(error, AssertionError) and place == ("websockets.protocol", "send_eof")
    return refused_too_late or str(error) in ERRORS_OF_SERVERS


def is_asked_for(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_asked_for, error.exceptions))
    # A WebSocketException after the endpoint's own close: Starlette's handler closes again, which fails, as in FastAPI.
    late = isinstance(error.__context__, WebSocketException)
    return late or isinstance(error, Planned) or is_of_server(error)


def unsettled(first_tasks: set[Any]) -> list[str]:
    """What is still there."""
    found = [f"task: {task!r:.300}" for task in asyncio.all_tasks() - first_tasks]
    borrowed = anyio.to_thread.current_default_thread_limiter().borrowed_tokens
    if borrowed:
        found.append(f"threads: {borrowed} of the pool are borrowed")
    for limit in (LIMITED, LIMITED_PLAIN):
        semaphore = semaphore_of(limit.concurrency)
        if semaphore.value != SLOTS:
            found.append(f"slots: {semaphore.value} of {SLOTS}")
    return found


def go_on_at_shutdown(protocol: Any) -> None:
    """Let the shutdown of uvicorn go on after a handshake without an answer whose client leaves in that turn.

    Its 500 is an error then, and ends `shutdown` before the others are told. No application can prevent it.
    """
    answer = protocol.send_500_response

    def send_500_response(self: Any) -> None:
        try:
            answer(self)
        except Exception as error:
            if not is_of_server(error):
                raise

    protocol.send_500_response = send_500_response


async def with_uvicorn(app: Any, implementation: str) -> None:
    """Serve until SIGTERM."""
    config = uvicorn.Config(
        app, port=0, ws=implementation, log_config=None, lifespan="off", timeout_graceful_shutdown=SETTLED
    )
    server = uvicorn.Server(config)
    config.load()
    go_on_at_shutdown(config.ws_protocol_class)
    # As `server.serve()` does, but for the signal, which that raises again in the end: nobody would write the report.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.handle_exit, signal.SIGTERM, None)
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.005)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await serving


def go_on_after_a_refusal(stream: Any) -> None:
    """Let a connection of hypercorn go on if a client that was refused sends on.

    Its 400 is an error then, and ends the task of the application in the middle of a clean-up. No application can
    prevent it.
    """
    answer = stream._send_error_response

    async def send_error_response(self: Any, status: int) -> None:
        try:
            await answer(self, status)
        except Exception as error:
            if not is_of_server(error):
                raise

    stream._send_error_response = send_error_response


async def with_hypercorn(app: Any) -> None:
    """Serve until SIGTERM."""
    go_on_after_a_refusal(hypercorn.protocol.ws_stream.WSStream)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = SETTLED
    config.errorlog = logging.getLogger("hypercorn.error")
    print(port, flush=True)
    await hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait)


async def serve(implementation: str) -> dict[str, Any]:
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    first_tasks = asyncio.all_tasks()
    if implementation == "hypercorn":
        await with_hypercorn(application())
    else:
        await with_uvicorn(application(), implementation)
    deadline = time.monotonic() + SETTLED
    while (left := unsettled(first_tasks)) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    keys = ledger.entered.keys() | ledger.left.keys()
    return {
        "entered": sum(ledger.entered.values()),
        "connections": len({key.partition(" ")[0] for key in keys}),
        "reached the endpoint": sum(count for key, count in ledger.entered.items() if key.endswith(" endpoint")),
        "on_end": ledger.ended,
        "not once": [key for key in keys if not ledger.entered[key] == ledger.left[key] == 1],
        "crossed": ledger.crossed,
        "left over": left,
        "complaints": [f"{count} x {text}" for text, count in complaints.found.items()],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(serve(sys.argv[1]))), flush=True)
