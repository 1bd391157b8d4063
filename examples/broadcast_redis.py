"""Broadcast over Redis: a text reaches the clients of every worker.

REDIS_URL=redis://localhost uvicorn --app-dir examples --workers 2 broadcast_redis:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, Depends

URL = os.environ.get("REDIS_URL", "redis://localhost")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    async with Redis.from_url(URL) as redis:
        yield {"redis": redis}


async def connected(connection: HTTPConnection) -> Redis:
    redis: Redis = connection.state.redis
    return redis


async def news(room: str, redis: Annotated[Redis, Depends(connected)]) -> AsyncIterator[PubSub]:
    async with redis.pubsub() as subscription:
        await subscription.subscribe(f"room:{room}")
        # Redis confirms it: a text that is published from now on arrives.
        await subscription.get_message(timeout=5)
        yield subscription


async def chat(
    websocket: WebSocket,
    room: str,
    redis: Annotated[Redis, Depends(connected)],
    news: Annotated[PubSub, Depends(news)],
) -> None:
    await websocket.accept()

    async def forward() -> None:
        async for message in news.listen():
            await websocket.send_text(message["data"].decode())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(forward)
        async for text in websocket.iter_text():
            await redis.publish(f"room:{room}", text)
        tasks.cancel_scope.cancel()


app = Starlette(routes=[APIWebSocketRoute("/rooms/{room}", chat)], lifespan=lifespan)
