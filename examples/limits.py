"""At most a few connections for each user, and at most a few messages in a second.

    uvicorn --app-dir examples limits:app

The counts are those of one process; for several, keep them in a store that all of them reach.
"""

from collections import Counter, deque
from collections.abc import AsyncIterator
from time import monotonic
from typing import Annotated

from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, Depends, Query

CONNECTIONS = 2  # of a user
MESSAGES, SECONDS = 5, 1.0  # of a connection

connections: Counter[str] = Counter()


async def slot(user: Annotated[str, Query(min_length=1)]) -> AsyncIterator[None]:
    if connections[user] >= CONNECTIONS:
        raise HTTPException(429, "too many connections")
    connections[user] += 1
    try:
        yield
    finally:
        connections[user] -= 1
        if not connections[user]:
            del connections[user]


class Limit:
    """Counts what happened within the last seconds; one for each connection."""

    def __init__(self) -> None:
        self.times: deque[float] = deque()

    def note(self) -> None:
        now = monotonic()
        while self.times and now - self.times[0] > SECONDS:
            self.times.popleft()
        self.times.append(now)
        if len(self.times) > MESSAGES:
            raise WebSocketException(1008, "too many messages")


async def limit() -> Limit:
    return Limit()


async def echo(websocket: WebSocket, limit: Annotated[Limit, Depends(limit)]) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        limit.note()
        await websocket.send_text(text)


app = Starlette(routes=[APIWebSocketRoute("/echo", echo, dependencies=[Depends(slot)])])
