"""What a message costs: `Messages` beside an endpoint that does the same by hand with pydantic-core, and beside chanx.

    python bench/bench_messages.py

All answer each message of a union with one of another class, on one connection in process. chanx is measured if it is
installed: `pip install 'chanx[fast-channels]'`.
"""

import asyncio
import logging
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


def chanx_application() -> Any:
    """A consumer that does the same; None without chanx."""
    try:
        import structlog
        from chanx.core.decorators import ws_handler
        from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer
        from chanx.messages.base import BaseMessage
    except ModuleNotFoundError:
        return None

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))

    class Said(BaseMessage):
        action: Literal["chat"] = "chat"
        payload: str

    class Pinged(BaseMessage):
        action: Literal["ping"] = "ping"
        payload: None = None

    class Told(BaseMessage):
        action: Literal["news"] = "news"
        payload: str

    class Consumer(AsyncJsonWebsocketConsumer):
        @ws_handler(output_type=Told)
        async def handle_chat(self, message: Said) -> Told:
            return Told(payload=message.payload)

        @ws_handler
        async def handle_ping(self, message: Pinged) -> None: ...

    return Consumer.as_asgi()


async def seconds(app: Any, text: str) -> float:
    """The time of one connection, per message."""
    incoming = [{"type": "websocket.connect"}, *[{"type": "websocket.receive", "text": text}] * MESSAGES]
    pop, sent = iter(incoming).__next__, []

    async def receive() -> Any:
        try:
            return pop()
        except StopIteration:
            while len(sent) < MESSAGES:  # chanx answers in tasks
                await asyncio.sleep(0)
            return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            sent.append(message)

    scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [], "path_params": {}}
    began = time.perf_counter()
    await app(scope, receive, send)
    took = (time.perf_counter() - began) / MESSAGES
    assert all('"news"' in message["text"] and "hello to all of you" in message["text"] for message in sent)
    return took


def main() -> None:
    ours = '{"type":"chat","text":"hello to all of you"}'
    measured = {
        "by hand": (APIWebSocketRoute("/", by_hand).app, ours),
        "Messages": (APIWebSocketRoute("/", with_messages).app, ours),
        "chanx": (chanx_application(), '{"action":"chat","payload":"hello to all of you"}'),
    }
    best = {name: float("inf") for name, (app, _) in measured.items() if app is not None}
    for _ in range(ROUNDS):
        for name in best:
            best[name] = min(best[name], asyncio.run(seconds(*measured[name])))
    for name, least in best.items():
        print(f"{name:<10} {least * 1e6:6.2f} us a message, {least / best['by hand']:5.2f} of by hand")


if __name__ == "__main__":
    main()
