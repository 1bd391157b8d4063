"""A chat on Starlette that a browser can join.

    uvicorn --app-dir examples starlette_chat:app

Then open http://127.0.0.1:8000/ in two windows; the tokens are `ann-secret` and `bob-secret`. The sockets are described
at http://127.0.0.1:8000/asyncapi, and in starlette_chat.asyncapi.yaml.
"""

import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.websockets import WebSocket, WebSocketDisconnect

from fastroute import APIWebSocketRoute, Depends, Query, Router, asyncapi
from fastroute.security import SubprotocolBearer, SubprotocolCredentials

TOKENS = {"ann": "ann-secret", "bob": "bob-secret"}
PAGE = Path(__file__).with_suffix(".html")

rooms: defaultdict[int, list[WebSocket]] = defaultdict(list)

# A browser cannot set headers on a WebSocket: the page offers its token as a subprotocol.
Bearer = Annotated[SubprotocolCredentials, Depends(SubprotocolBearer(subprotocols=["chat"]))]


async def database() -> AsyncIterator[dict[str, str]]:
    """Stands for a session of a connection pool."""
    yield TOKENS


async def current_user(
    bearer: Bearer,
    # Given back as soon as the user is known, not when the chat ends.
    tokens: Annotated[dict[str, str], Depends(database, scope="handshake")],
) -> str:
    for user, token in tokens.items():
        if secrets.compare_digest(token.encode(), bearer.token.encode()):
            return user
    raise HTTPException(403, "unknown token")


async def membership(websocket: WebSocket, room_id: int) -> AsyncIterator[list[WebSocket]]:
    rooms[room_id].append(websocket)
    try:
        yield rooms[room_id]
    finally:
        rooms[room_id].remove(websocket)


async def chat(
    websocket: WebSocket,
    bearer: Bearer,
    user: Annotated[str, Depends(current_user)],
    members: Annotated[list[WebSocket], Depends(membership)],
    nick: Annotated[str | None, Query(min_length=2, max_length=12)] = None,
) -> None:
    """One room: every text goes to all members."""
    await websocket.accept(subprotocol=bearer.subprotocol)
    await websocket.send_text(f"welcome {nick or user}, {len(members)} here")
    with suppress(WebSocketDisconnect):
        while True:
            text = await websocket.receive_text()
            for member in list(members):
                with suppress(WebSocketDisconnect):
                    await member.send_text(f"{nick or user}: {text}")


async def page(request: Request) -> FileResponse:
    return FileResponse(PAGE)


app = Starlette(
    routes=[
        Route("/", page),
        Mount("/rooms", Router([APIWebSocketRoute("/{room_id:int}", chat)])),
    ]
)
app.routes.extend(asyncapi.routes(app))
