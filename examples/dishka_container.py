"""Values from a container of dishka, beside dependencies.

uvicorn --app-dir examples dishka_container:app
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from dishka import Provider, Scope, make_async_container, provide
from dishka.integrations.starlette import setup_dishka
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, Depends, Query


class Pool:
    """Lives as long as the application."""

    open = 0


class Connection:
    """Lives as long as the WebSocket: dishka's scope SESSION."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool


class Values(Provider):
    pool = provide(Pool, scope=Scope.APP)

    @provide(scope=Scope.SESSION)
    async def connection(self, pool: Pool) -> AsyncIterator[Connection]:
        pool.open += 1
        yield Connection(pool)
        pool.open -= 1


def from_dishka(cls: type[Any]) -> Any:
    """A dependency whose value the container makes."""

    async def value(connection: HTTPConnection) -> Any:
        return await connection.state.dishka_container.get(cls)

    return Depends(value)


async def room(
    websocket: WebSocket,
    connection: Annotated[Connection, from_dishka(Connection)],
    user: Annotated[str, Query()],
) -> None:
    await websocket.accept()
    await websocket.send_text(f"{user}: {connection.pool.open} open")
    await websocket.receive_text()


app = Starlette(routes=[APIWebSocketRoute("/room", room)])
setup_dishka(make_async_container(Values()), app)
