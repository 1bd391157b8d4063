"""A FastAPI application whose WebSocket routes are fastroute's; its endpoints and dependencies are FastAPI's own.

    uvicorn --app-dir examples fastapi_prices:app

What changed: the class of the WebSocket routes, and where they are registered; see the end of this file.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query, WebSocket, WebSocketDisconnect
from fastapi.security import APIKeyQuery
from pydantic import BaseModel, Field

from fastroute import APIWebSocketRoute, Router

KEYS = {"ann-key": "ann"}
PRICES = {"apple": 120, "pear": 95}


async def current_user(key: Annotated[str, Depends(APIKeyQuery(name="key"))]) -> str:
    """Shared by the HTTP and the WebSocket routes."""
    if key not in KEYS:
        raise HTTPException(403, "unknown key")
    return KEYS[key]


User = Annotated[str, Depends(current_user)]


class Options(BaseModel):
    every: float = Field(1, gt=0, le=60, description="seconds between two prices")
    count: int = Field(10, ge=1)
    key: str = ""


async def quotes(fruit: str) -> AsyncIterator[AsyncIterator[int]]:
    """Stands for a subscription that has to be given back."""

    async def prices() -> AsyncIterator[int]:
        while True:
            yield PRICES[fruit]

    stream = prices()
    yield stream
    await stream.aclose()


async def watch(
    websocket: WebSocket,
    fruit: str,
    user: User,
    options: Annotated[Options, Query()],
    prices: Annotated[AsyncIterator[int], Depends(quotes)],
) -> None:
    if fruit not in PRICES:
        raise HTTPException(404, f"no prices for {fruit}")
    await websocket.accept()
    with suppress(WebSocketDisconnect):
        for _ in range(options.count):
            await websocket.send_json({"user": user, fruit: await anext(prices)})
            await asyncio.sleep(options.every)


app = FastAPI(title="Prices")


@app.get("/prices/{fruit}")
async def price(fruit: str, user: User) -> dict[str, int]:
    return {fruit: PRICES[fruit]}


# `@app.websocket("/prices/{fruit}/live")` became this. `app` is where overrides are looked up in tests.
app.router.routes.append(APIWebSocketRoute("/prices/{fruit}/live", watch, dependency_overrides_provider=app))

# Many WebSocket routes go into a router of fastroute's, which is mounted.
live = Router(dependency_overrides_provider=app)


@live.websocket("/{fruit}", dependencies=[Depends(current_user)])
async def last(websocket: WebSocket, fruit: str) -> None:
    await websocket.accept()
    await websocket.send_json(PRICES.get(fruit))


app.mount("/last", live)
