"""`python -m fastroute demo`: a small chat on a real server, called with valid and invalid requests.

For each client it shows the declaration that decided, found in the same way as by `match`.
"""

import argparse
import asyncio
import contextlib
import re
import socket
import sys
import textwrap
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import uvicorn
from starlette import routing
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from .. import APIWebSocketRoute, Cookie, Depends, Header, Query, Router
from ..matching.implementation import IMPLEMENTATION, REASON
from ..security import HTTPAuthorizationCredentials, HTTPBearer, SubprotocolBearer, SubprotocolCredentials
from ..tracing.failures import explain
from ..tracing.trace import trace
from ._refusals import judge
from ._request import request_of
from ._terminal import print_lines, print_table
from .bench import lookup_costs

__all__ = ["add_arguments", "run"]

# The application, as a user of fastroute writes it.

USERS = {"ann-secret": "ann", "bob-secret": "bob"}
sessions: list[object] = []
rooms: defaultdict[int, list[WebSocket]] = defaultdict(list)


async def database() -> AsyncIterator[dict[str, str]]:
    """A stand-in for a session of a connection pool; the demo shows how long it is held."""
    sessions.append(USERS)
    try:
        yield USERS
    finally:
        sessions.remove(USERS)


# A browser cannot set the header: the page offers its token as a subprotocol.
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]
Offer = Annotated[SubprotocolCredentials | None, Depends(SubprotocolBearer(subprotocols=["chat"], auto_error=False))]


async def current_user(
    users: Annotated[dict[str, str], Depends(database, scope="handshake")], bearer: Bearer, offer: Offer
) -> str:
    token = bearer.credentials if bearer else offer.token if offer else None
    if token not in users:
        raise HTTPException(401, "unknown token", {"www-authenticate": "Bearer"})
    return users[token]


async def enter(websocket: WebSocket, room_id: int) -> AsyncIterator[list[WebSocket]]:
    rooms[room_id].append(websocket)
    try:
        yield rooms[room_id]
    finally:
        rooms[room_id].remove(websocket)


async def chat(
    websocket: WebSocket,
    room_id: int,
    user: Annotated[str, Depends(current_user)],
    members: Annotated[list[WebSocket], Depends(enter)],
    offer: Offer,
    nick: Annotated[str | None, Query(min_length=2, max_length=12)] = None,
    client_version: Annotated[int, Header(ge=1)] = 1,
    color: Annotated[Literal["black", "teal"], Cookie()] = "black",
) -> None:
    await websocket.accept(subprotocol=offer.subprotocol if offer else None)
    await websocket.send_text(
        f"welcome {nick or user} ({color}, client {client_version}) to room {room_id}: "
        f"{len(members)} here, {len(sessions)} database sessions open"
    )
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            text = await websocket.receive_text()
            for member in list(members):
                with contextlib.suppress(WebSocketDisconnect):
                    await member.send_text(f"{nick or user}: {text}")


async def accept(websocket: WebSocket) -> None:
    await websocket.accept()


async def countdown(websocket: WebSocket, start: Annotated[int, Query(le=3)]) -> None:
    for number in range(start, 0, -1):
        await websocket.send_text(str(number))
    await websocket.close()


async def page(request: Request) -> FileResponse:
    return FileResponse(Path(__file__).with_suffix(".html"))


app = Starlette(
    routes=[
        Route("/", page),
        APIWebSocketRoute("/rooms/{room_id:int}", chat),
        # Accepts before anything is validated: only an accepted client can be told why it is turned away.
        APIWebSocketRoute("/countdown", countdown, dependencies=[Depends(accept)]),
    ]
)

# Its clients.


@dataclass
class Client:
    """One connection: the request, patterns of the expected answers, and the answers."""

    title: str
    target: str
    expected: Sequence[str]
    headers: dict[str, str] = field(default_factory=dict)
    says: str | None = None
    #: Comes and goes as soon as this client has heard its own words.
    guest: "Client | None" = None
    #: The dependency that decides, if it is code of the application.
    decider: str | None = None
    heard: list[str] = field(default_factory=list)
    detail: str = ""

    @property
    def satisfied(self) -> bool:
        return len(self.heard) == len(self.expected) and all(map(fnmatchcase, self.heard, self.expected))

    async def visit(self, address: str) -> None:
        try:
            async with connect(address + self.target, additional_headers=self.headers, proxy=None) as connection:
                self.heard.append("accepted")
                await self._talk(connection, address)
        except InvalidStatus as refusal:
            response = refusal.response
            self.detail = (response.body or b"").decode()
            self.heard.append(f"HTTP {response.status_code} {response.reason_phrase}")
            self.heard += [f"www-authenticate: {value}" for value in response.headers.get_all("www-authenticate")]
        except ConnectionClosed as end:
            self.heard.append(f"closed {end.rcvd.code} {end.rcvd.reason}".rstrip() if end.rcvd else "connection lost")

    async def _talk(self, connection: ClientConnection, address: str) -> None:
        if self.says is not None:
            await connection.send(self.says)
        while len(self.heard) < len(self.expected):
            self.heard.append(str(await connection.recv()))
            if self.guest is not None and not self.guest.heard and self.heard[-1].endswith(f": {self.says}"):
                await self.guest.visit(address)

    def decision(self) -> str:
        """The declaration that decided, and the reason."""
        sent = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        arguments = argparse.Namespace(host=None, headers=sent, cookies=[])
        outcome = trace(app, request_of(arguments, self.target, only="websocket").scope)
        attempt = outcome.decisive
        if attempt is None:
            failures = [failure for failure in map(explain, outcome.attempts) if failure is not None]
            return f"decided by the path: {max(failures).reason}"
        verdict = judge(attempt.entry.route, {**attempt.scope, **attempt.child_scope})
        if verdict.refusals:
            return _OWN_NAME.sub(r"\1", f"decided by {verdict.refusals[0]}")
        if self.decider is not None:
            return f"decided by {self.decider}: {self.detail}"
        callers = _OWN_NAME.sub(r"\1", ", ".join(verdict.not_asked))
        return f"let in by valid parameters, and by {callers}"

    def cells(self) -> tuple[str, str]:
        """The cells of the table: the client with its request, and the answers with the declaration that decided."""
        sent = [self.target, *(f"{name}: {value}" for name, value in self.headers.items())]
        if self.says is not None:
            sent.append(f"> {self.says}")
        missed = [] if self.satisfied else ["WRONG, expected:", *self.expected]
        answers = [part for text in [*self.heard, self.decision(), *missed] for part in _ANSWER.wrap(text)]
        return "\n".join([self.title, *(f"  {line}" for line in sent), ""]), "\n".join([*answers, ""])


#: Both columns together have 79 characters.
_ANSWER = textwrap.TextWrapper(40, subsequent_indent="  ", break_on_hyphens=False)
_OWN_NAME = re.compile(rf"{re.escape(__name__)}\.(\w+)(?: \([^)]*\))?")


def clients() -> list[Client]:
    bob = Client(
        "bob joins them",
        "/rooms/7",
        ["accepted", "welcome bob (black, client 1) to room 7: 2 here, 0 database sessions open", "bob: hi ann"],
        {"authorization": "Bearer bob-secret"},
        says="hi ann",
    )
    ann = Client(
        "ann enters a room",
        "/rooms/7?nick=Annie",
        [
            "accepted",
            "welcome Annie (teal, client 3) to room 7: 1 here, 0 database sessions open",
            "Annie: hello",
            bob.expected[-1],
        ],
        {"authorization": "Bearer ann-secret", "client-version": "3", "cookie": "color=teal"},
        says="hello",
        guest=bob,
    )
    return [
        ann,
        bob,
        Client("bad parameter", "/rooms/7?nick=A", ["HTTP 403 Forbidden"], bob.headers),
        Client(
            "bad token",
            "/rooms/7",
            ["HTTP 401 Unauthorized", "www-authenticate: Bearer"],
            {"authorization": "Bearer guess"},
            decider="current_user",
        ),
        Client("unknown path", "/rooms/seven", ["HTTP 403 Forbidden"], bob.headers),
        Client("accepted first", "/countdown?start=2", ["accepted", "2", "1", "closed 1000"]),
        Client("and told why", "/countdown?start=9", ["accepted", "closed 1008 *start*less than or equal to 3*"]),
    ]


# The server.


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[tuple[uvicorn.Server, str]]:
    """A running uvicorn on a free port of the loopback interface, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", use_colors=False))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started and not running.done():
                await asyncio.sleep(0.01)
            yield server, "ws://{}:{}".format(*listener.getsockname())
        finally:
            server.should_exit = True
            await running


async def demonstrate(serve: bool) -> int:
    visited = clients()
    async with serving() as (server, address):
        print_lines([f"fastroute {version('fastroute')} runs {IMPLEMENTATION} ({REASON})"])
        print_lines([f"uvicorn {version('uvicorn')} serves {address}", ""])
        async with asyncio.timeout(30):
            for client in visited:
                if not client.heard:
                    await client.visit(address)
        print_table(("client and its request", "answers"), [client.cells() for client in visited])
        wrong = sum(not client.satisfied for client in visited)
        print(f"{wrong} of {len(visited)} clients got a wrong answer." if wrong else "Every answer is as expected.")
        print("After a denial uvicorn logs an error of its own; docs/servers.md says why.\n")
        print_lines(_served(address) if serve else _next())
        sys.stdout.flush()
        while serve and not server.should_exit:
            await asyncio.sleep(0.1)
    return 1 if wrong else 0


def _served(address: str) -> list[str]:
    page = address.replace("ws://", "http://")
    return [f"Open {page}/ in two windows; the tokens are `ann-secret` and `bob-secret`.", "Ctrl-C ends it."]


def _next() -> list[str]:
    """One number, and three commands."""
    size, routers = 1000, {"Starlette": routing.Router, "fastroute": Router}
    if find_spec("fastapi") is not None:
        # For its figure alone: nothing else here imports FastAPI.
        routers = {"FastAPI": import_module("fastapi").APIRouter, **routers}
    figures = zip(routers, lookup_costs(list(routers.values()), size), strict=True)
    told = ", ".join(f"{name} {seconds * 1e6:.1f}" for name, seconds in figures)
    missing = "" if "FastAPI" in routers else "; `pip install fastapi` adds FastAPI"
    return [
        f"Microseconds to find one of {size:,} routes:",
        f"  {told}{missing}",
        "",
        "Next:",
        "  fastroute demo --serve    the same chat in your browser",
        f"  fastroute match {__name__}:app '/rooms/7?nick=A'",
        "  fastroute check main:app  your own application",
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--serve", action="store_true", help="keep serving, with a page for browsers")
    parser.epilog = "examples:\n  python -m fastroute demo\n  python -m fastroute demo --serve"


def run(arguments: argparse.Namespace) -> int:
    try:
        return asyncio.run(demonstrate(arguments.serve))
    except KeyboardInterrupt:
        return 0
