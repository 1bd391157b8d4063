"""The errors that chaos.py puts down to the servers, from uvicorn, hypercorn and Starlette alone.

    python proof/servers_alone.py

An endpoint acts in the turn of the event loop in which its client's last frame, or the end of the server, has ended the
connection: many clients hit it by chance. The exit code is 1 if a server no longer raises one of the errors: then
chaos.py must not excuse it any more.
"""

import asyncio
import logging
import socket
import sys
from typing import Any, NamedTuple

import hypercorn.asyncio
import hypercorn.config
import uvicorn
from chaos_server import ERRORS_OF_SERVERS, is_of_server
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

CLOSE = b"\x88\x82" + bytes(4) + b"\x03\xe9"
UNMASKED = b"\x81\x05hello"
HEAD = (
    b"GET /%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
server: uvicorn.Server


def the_protocol() -> Any:
    [protocol] = server.server_state.connections
    return protocol


async def until_the_client_has_left() -> None:
    async with asyncio.timeout(5):
        while not the_protocol().transport.is_closing():
            await asyncio.sleep(0)


async def sends(websocket: WebSocket) -> None:
    await websocket.accept()
    await until_the_client_has_left()
    await websocket.send_text("late")


async def accepts(websocket: WebSocket) -> None:
    await until_the_client_has_left()
    await websocket.accept()
    await websocket.send_text("late")


async def refuses(websocket: WebSocket) -> None:
    await until_the_client_has_left()
    await websocket.close(4001)


async def refuses_at_the_end(websocket: WebSocket) -> None:
    the_protocol().shutdown()  # as the server does to each
    await websocket.close(4001)


async def raises_at_the_end(websocket: WebSocket) -> None:
    raise ValueError


class Case(NamedTuple):
    """What an endpoint does, its client's last frame, and the text of the error that uvicorn raises."""

    implementation: Any
    endpoint: Any
    frame: bytes
    error: str


AFTER_CLOSE, NOT_ACCEPTED, CLOSED, SENT_ON = ERRORS_OF_SERVERS
CASES = [
    Case("websockets-sansio", sends, UNMASKED, AFTER_CLOSE),
    Case("websockets-sansio", accepts, CLOSE, NOT_ACCEPTED),
    Case("wsproto", accepts, CLOSE, NOT_ACCEPTED),
    Case("websockets-sansio", refuses, CLOSE, ""),
    Case("websockets-sansio", refuses_at_the_end, b"", ""),
    Case("wsproto", refuses_at_the_end, b"", CLOSED),
    Case("websockets-sansio", raises_at_the_end, b"", ""),
    Case("wsproto", raises_at_the_end, b"", CLOSED),
]


async def raised(case: Case) -> BaseException | None:
    """The error that uvicorn raises to the endpoint."""
    global server
    errors: list[BaseException] = []

    async def endpoint(websocket: WebSocket) -> None:
        try:
            await case.endpoint(websocket)
        except ValueError:
            # uvicorn answers 500 to it, and the server ends in that turn.
            asyncio.get_running_loop().call_soon(end, the_protocol())
            raise
        except Exception as error:
            errors.append(error)

    def end(protocol: Any) -> None:
        try:
            protocol.shutdown()
        except Exception as error:
            errors.append(error)

    app = Starlette(routes=[WebSocketRoute("/", endpoint)])
    config = uvicorn.Config(app, port=0, ws=case.implementation, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD % b"")
    if case.frame is UNMASKED:  # once it is accepted
        await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.05)
    writer.write(case.frame)
    await asyncio.sleep(0.1)
    writer.close()
    server.should_exit = True
    await serving
    return errors[0] if errors else None


async def raised_by_hypercorn() -> BaseException | None:
    """The error of its task, if a client sends on after its handshake was refused."""
    errors: list[Any] = []

    async def refuses(websocket: WebSocket) -> None:
        await websocket.close(4001)
        await asyncio.sleep(0.1)

    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))
    stop = asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listener.detach()}"]
    app = Starlette(routes=[WebSocketRoute("/", refuses)])
    serving = asyncio.create_task(hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD % b"")
    await reader.readuntil(b"\r\n\r\n")
    writer.write(CLOSE)
    await asyncio.sleep(0.2)
    writer.close()
    stop.set()
    await serving
    while errors and isinstance(errors[0], BaseExceptionGroup):
        errors = list(errors[0].exceptions)
    return errors[0] if errors else None


def main() -> int:
    logging.disable()
    found = [(f"{case.implementation:18} {case.endpoint.__name__}", case.error, raised(case)) for case in CASES]
    found.append(("hypercorn          refuses", SENT_ON, raised_by_hypercorn()))
    missing = 0
    for name, text, raising in found:
        error = asyncio.run(raising)
        as_said = error is not None and is_of_server(error) and str(error) == text
        missing += not as_said
        print(f"{name:37} {type(error).__name__}: {str(error) or 'no text'}{'' if as_said else '  NOT AS SAID'}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
