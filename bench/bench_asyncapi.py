"""What a document of 1,000 routes costs, beside the time in which FastAPI registers as many.

python bench/bench_asyncapi.py
"""

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, Depends, Header, Query
from fastroute.asyncapi import document

ROUTES, ROUNDS = 1_000, 5


async def user(token: Annotated[str, Query()], x_trace: Annotated[str | None, Header()] = None) -> str:
    return token


async def room(
    websocket: WebSocket,
    room_id: int,
    user: Annotated[str, Depends(user)],
    limit: Annotated[int, Query(ge=1)] = 10,
) -> None:
    """One room."""


async def room_of_fastapi(websocket: WebSocket, room_id: int, token: str, limit: int = 10) -> None:
    """The same with less to read."""


def registered() -> None:
    app = FastAPI()
    for number in range(ROUTES):
        app.add_api_websocket_route(f"/rooms{number}/{{room_id}}", room_of_fastapi)


def best(function: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    app = Starlette(routes=[APIWebSocketRoute(f"/rooms{number}/{{room_id}}", room) for number in range(ROUTES)])
    ours, theirs = best(lambda: document(app)), best(registered)
    print(f"a document of {ROUTES} routes    {ours * 1e3:7.0f} ms")
    print(f"FastAPI registers as many  {theirs * 1e3:7.0f} ms")
    print(f"ratio                      {ours / theirs:7.2f}")


if __name__ == "__main__":
    main()
