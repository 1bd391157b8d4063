"""The application that each server runs for the matrix. It notes what happens to its connections in a file."""

import json
import math
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from fastroute import ConnectionPolicy, Deadline, Depends, Query, Router, draining

_events = os.open(os.environ["FASTROUTE_EVENTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

ORIGIN = "https://app.example.org"


def note(event: str, **facts: Any) -> None:
    """One line, in one write, so that the lines of several threads do not mix."""
    os.write(_events, json.dumps({"event": event, "at": time.time(), **facts}).encode() + b"\n")


def number(scope: Any) -> str:
    """The number that the client gave to its connection: the first item of the query string."""
    return str(scope["query_string"].decode().partition("&")[0].removeprefix("id="))


def on_end(scope: Any, code: int, reason: str, seconds: float) -> None:
    note("end", id=number(scope), code=code, reason=reason)


async def noted(websocket: WebSocket) -> AsyncIterator[None]:
    """Notes each connection when it is opened, and when it is cleaned up, with the error it sees."""
    name = number(websocket.scope)
    note("opened", id=name)
    saw = ""
    try:
        yield
    except BaseException as error:
        saw = f"{type(error).__name__} {getattr(error, 'code', '')}".strip()
        raise
    finally:
        await anyio.sleep(0.001)
        note("cleaned", id=name, saw=saw)


def noted_in_threads() -> Iterator[None]:
    yield


router = Router(
    dependencies=[Depends(noted), Depends(noted_in_threads)],
    policy=ConnectionPolicy(cancel_on_disconnect=True, on_end=on_end),
)


@router.websocket("/raise/{accepts}/{kind}")
async def raises(websocket: WebSocket, accepts: int, kind: str) -> None:
    if accepts:
        await websocket.accept()
    raise {
        "http401": HTTPException(401, "who", headers={"WWW-Authenticate": "Bearer"}),
        "http503": HTTPException(503, "later"),
        "http204": HTTPException(204),
        "websocket": WebSocketException(4001, "why"),
        "bad": WebSocketException(1006, "why"),
        "error": ValueError("expected in the log"),
        "group": ExceptionGroup("several", [WebSocketException(4001, "why")]),
        "left": WebSocketDisconnect(1001),
    }[kind]


@router.websocket("/close/{accepts}")
async def closes(
    websocket: WebSocket, accepts: int, code: Annotated[int, Query()], reason: Annotated[str, Query()] = ""
) -> None:
    if accepts:
        await websocket.accept()
    await websocket.close(code, reason)


@router.websocket("/return/{accepts}")
async def returns(websocket: WebSocket, accepts: int) -> None:
    if accepts:
        await websocket.accept()


async def validates(websocket: WebSocket, n: Annotated[int, Query()]) -> None: ...


async def accept_early(websocket: WebSocket) -> None:
    await websocket.accept()


router.add_api_websocket_route("/validate/0", validates)
router.add_api_websocket_route("/validate/1", validates, dependencies=[Depends(accept_early)])


@router.websocket("/deny/{kind}")
async def denies(websocket: WebSocket, kind: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"in "
        yield b"parts"

    plain = PlainTextResponse("in one", 418, headers={"x-why": "because"})
    await websocket.send_denial_response(plain if kind == "plain" else StreamingResponse(parts(), 418))


@router.websocket("/subprotocol/{name}")
async def subprotocol(websocket: WebSocket, name: str) -> None:
    await websocket.accept(subprotocol=name)
    await websocket.close(4000, websocket.scope["subprotocols"][0])


@router.websocket("/messages")
async def messages(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("text")
    await websocket.send_bytes(b"bytes")
    await websocket.send_text("\u20ac" * 40_000)
    await websocket.close(4000, "sent")


@router.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


@router.websocket("/later")
async def later(websocket: WebSocket) -> None:
    """Reads what came in only after a while."""
    await websocket.accept()
    await anyio.sleep(0.8)
    received = [await websocket.receive_text() for _ in range(10)]
    await websocket.close(4000, ",".join(received))


@router.websocket("/push")
async def push(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_text("price")
        await anyio.sleep(0.2)


@router.websocket("/wait/{accepts}")
async def wait(websocket: WebSocket, accepts: int) -> None:
    if accepts:
        await websocket.accept()
    await anyio.sleep(math.inf)


@router.websocket("/expired")
async def expired(websocket: WebSocket, deadline: Deadline, accepts: Annotated[int, Query()]) -> None:
    deadline.after(0.2)
    if accepts:
        await websocket.accept()
    await anyio.sleep(math.inf)


async def failing() -> AsyncIterator[None]:
    yield
    raise ValueError("expected in the log")


async def waits(websocket: WebSocket) -> None:
    await wait(websocket, 1)


async def waits_unaccepted(websocket: WebSocket) -> None:
    await wait(websocket, 0)


router.add_api_websocket_route("/idle", echo, policy=ConnectionPolicy(idle_timeout=0.3))
router.add_api_websocket_route("/idle-push", waits, policy=ConnectionPolicy(idle_timeout=0.3))
router.add_api_websocket_route("/lifetime", waits, policy=ConnectionPolicy(max_lifetime=0.3))
router.add_api_websocket_route("/slow", waits_unaccepted, policy=ConnectionPolicy(accept_timeout=0.3))
router.add_api_websocket_route("/origin", echo, policy=ConnectionPolicy(origins=[ORIGIN]))


async def accepts_and_returns(websocket: WebSocket) -> None:
    await websocket.accept()


router.add_api_websocket_route("/clean-up-raises", accepts_and_returns, dependencies=[Depends(failing)])


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    note("started")
    yield
    note("stopped")


app = Starlette(routes=router.routes, lifespan=draining(lifespan))
