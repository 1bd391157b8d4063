"""`python -m fastroute demo`: a small chat on a real server, called with valid and invalid requests."""

import argparse
import asyncio
import contextlib
import logging
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.metadata import version
from itertools import zip_longest
from typing import Annotated, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from .. import APIWebSocketRoute, Cookie, Depends, Header, Query
from ..matching.implementation import IMPLEMENTATION, REASON
from ..security import HTTPAuthorizationCredentials, HTTPBearer

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


async def current_user(
    users: Annotated[dict[str, str], Depends(database, scope="handshake")],
    bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> str:
    if bearer.credentials not in users:
        raise HTTPException(401, "unknown token", {"www-authenticate": "Bearer"})
    return users[bearer.credentials]


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
    nick: Annotated[str | None, Query(min_length=2, max_length=12)] = None,
    client_version: Annotated[int, Header(ge=1)] = 1,
    color: Annotated[Literal["black", "teal"], Cookie()] = "black",
) -> None:
    await websocket.accept()
    await websocket.send_text(
        f"welcome {nick or user} ({color}, client {client_version}) to room {room_id}: "
        f"{len(members)} here, {len(sessions)} database sessions open"
    )
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            text = await websocket.receive_text()
            for member in members:
                await member.send_text(f"{nick or user}: {text}")


async def accept(websocket: WebSocket) -> None:
    await websocket.accept()


async def countdown(websocket: WebSocket, start: Annotated[int, Query(le=3)]) -> None:
    for number in range(start, 0, -1):
        await websocket.send_text(str(number))
    await websocket.close()


app = Starlette(
    routes=[
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
    heard: list[str] = field(default_factory=list)

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

    def cells(self) -> tuple[list[str], list[str], list[str]]:
        """The lines of the table's columns: the client, its request, the answers."""
        sent = [self.target, *(f"{name}: {value}" for name, value in self.headers.items())]
        if self.says is not None:
            sent.append(f"> {self.says}")
        missed = [] if self.satisfied else ["WRONG, expected:", *self.expected]
        return [self.title], sent, [*self.heard, *missed]


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
        ),
        Client("unknown path", "/rooms/seven", ["HTTP 403 Forbidden"], bob.headers),
        Client("accepted first", "/countdown?start=2", ["accepted", "2", "1", "closed 1000"]),
        Client("and told why", "/countdown?start=9", ["accepted", "closed 1008 *start*less than or equal to 3*"]),
    ]


def table(visited: Sequence[Client]) -> Iterator[str]:
    rows = [(["client"], ["request"], ["answers"]), *(client.cells() for client in visited)]
    widths = [max(len(line) for row in rows for line in row[column]) for column in range(3)]
    for row in rows:
        for lines in zip_longest(*row, fillvalue=""):
            yield "  ".join(map(str.ljust, lines, widths)).rstrip()
        yield "  ".join("-" * width for width in widths)


# The server.


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[tuple[uvicorn.Server, str]]:
    """A running uvicorn on a free port of the loopback interface, and its address."""
    # uvicorn mistakes an HTTP answer to a handshake for a forgotten handshake, and reports an error.
    logging.getLogger("uvicorn.error").addFilter(lambda record: "completing handshake" not in record.getMessage())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
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
        print(f"fastroute {version('fastroute')} runs {IMPLEMENTATION} ({REASON})")
        print(f"uvicorn {version('uvicorn')} serves {address}\n")
        async with asyncio.timeout(30):
            for client in visited:
                if not client.heard:
                    await client.visit(address)
        print("\n".join(table(visited)))
        wrong = sum(not client.satisfied for client in visited)
        print(f"{wrong} of {len(visited)} clients got a wrong answer." if wrong else "Every answer is as expected.")
        if serve:
            print(f"\nServing {address}/rooms/7 to clients with the header `authorization: Bearer ann-secret`.")
            print("Ctrl-C ends it.", flush=True)
            while not server.should_exit:
                await asyncio.sleep(0.1)
    return 1 if wrong else 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--serve", action="store_true", help="keep serving after the clients have left")
    parser.epilog = "examples:\n  python -m fastroute demo\n  python -m fastroute demo --serve"


def run(arguments: argparse.Namespace) -> int:
    try:
        return asyncio.run(demonstrate(arguments.serve))
    except KeyboardInterrupt:
        return 0
