"""What a message costs: `Messages` beside an endpoint that does the same by hand with pydantic-core.

    python bench/bench_messages.py

Both answer each message of a union with one of another class, on one connection in process.
"""

import asyncio
import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter
from starlette.websockets import WebSocket, WebSocketDisconnect

from fastroute import APIWebSocketRoute, Messages

MESSAGES, ROUNDS = 200, 500


class Chat(BaseModel):
    type: Literal["chat"] = "chat"
    text: str


class Ping(BaseModel):
    type: Literal["ping"] = "ping"


class News(BaseModel):
    type: Literal["news"] = "news"
    text: str


Incoming = Annotated[Chat | Ping, Field(discriminator="type")]
READ = TypeAdapter(Incoming).validator.validate_json
WRITE = TypeAdapter(News).serializer.to_json


async def by_hand(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            message = READ(await websocket.receive_text())
            await websocket.send_text(WRITE(News(text=message.text)).decode())
    except WebSocketDisconnect:
        pass


async def with_messages(messages: Messages[Incoming, News]) -> None:
    await messages.accept()
    async for message in messages:
        await messages.send(News(text=message.text))


async def seconds(endpoint: Any) -> float:
    """The time of one connection, per message."""
    app = APIWebSocketRoute("/", endpoint).app
    text = '{"type":"chat","text":"hello to all of you"}'
    incoming = [{"type": "websocket.connect"}, *[{"type": "websocket.receive", "text": text}] * MESSAGES]
    incoming.append({"type": "websocket.disconnect", "code": 1000})
    pop = iter(incoming).__next__

    async def receive() -> Any:
        return pop()

    async def send(message: Any) -> None: ...

    scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [], "path_params": {}}
    began = time.perf_counter()
    await app(scope, receive, send)
    return (time.perf_counter() - began) / MESSAGES


def main() -> None:
    best = {by_hand: float("inf"), with_messages: float("inf")}
    for _ in range(ROUNDS):
        for endpoint, least in best.items():
            best[endpoint] = min(least, asyncio.run(seconds(endpoint)))
    for endpoint, least in best.items():
        print(f"{endpoint.__name__:<14} {least * 1e6:6.2f} us a message")
    print(f"ratio          {best[with_messages] / best[by_hand]:6.2f}")


if __name__ == "__main__":
    main()
