"""Broadcast in one process. A slow client misses texts, and holds nobody up.

uvicorn --app-dir examples broadcast:app
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from starlette.applications import Starlette
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, Depends

QUEUE = 100  # texts that wait for a slow client
members: set[MemoryObjectSendStream[str]] = set()


async def news() -> AsyncIterator[MemoryObjectReceiveStream[str]]:
    send, receive = anyio.create_memory_object_stream[str](QUEUE)
    with send, receive:
        members.add(send)
        try:
            yield receive
        finally:
            members.discard(send)


async def chat(websocket: WebSocket, news: Annotated[MemoryObjectReceiveStream[str], Depends(news)]) -> None:
    await websocket.accept()

    async def forward() -> None:
        async for text in news:
            await websocket.send_text(text)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(forward)
        async for text in websocket.iter_text():
            for member in list(members):
                with suppress(anyio.WouldBlock):  # its queue is full
                    member.send_nowait(text)
        tasks.cancel_scope.cancel()


app = Starlette(routes=[APIWebSocketRoute("/chat", chat)])
