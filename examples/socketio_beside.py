"""socket.io and plain WebSockets in one application.

uvicorn --app-dir examples socketio_beside:app
"""

import socketio
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute

server = socketio.AsyncServer(async_mode="asgi")


@server.event
async def say(sid: str, text: str) -> None:
    await server.emit("said", text)


async def plain(websocket: WebSocket) -> None:
    """What is said here reaches the clients of socket.io."""
    await websocket.accept()
    async for text in websocket.iter_text():
        await server.emit("said", text)
        await websocket.send_text("told them")


app = Starlette(
    routes=[
        APIWebSocketRoute("/plain", plain),
        # It looks for its path at the end of `path`, below the mount too.
        Mount("/socket.io", socketio.ASGIApp(server, socketio_path="/socket.io")),
    ]
)
