"""Drives one connection of an ASGI application while a test looks on: a server and a client in memory."""

import functools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from engines import engine
from websocket_client import websocket_scope

from fastroute import APIWebSocketRoute, ConnectionPolicy, Depends
from fastroute.connection import interrupting, sweeper

__all__ = ["WAYS", "Connection", "Seen", "clock", "connected", "on"]


class Connection:
    """A connection, from the client's side.

    Attributes:
        sent: the messages of the application.
        unread: the messages of the client that the application has not received.
        error: raised by the application.
        over: set when the application has returned.
        blocked: whether the client takes no message, so that a `send` waits.
        on_send: called with each message that is sent.
        lost: whether the server has lost the client, so that a `send` fails.
    """

    def __init__(self, *, echo: bool = True) -> None:
        self._echo = echo
        self._put = anyio.Event()
        self.unread: deque[dict[str, Any]] = deque()
        self.sent: list[dict[str, Any]] = []
        self.error: BaseException | None = None
        self.over = anyio.Event()
        self.blocked = self.lost = False
        self.on_send: Callable[[], object] = lambda: None
        self.put({"type": "websocket.connect"})

    def put(self, message: dict[str, Any]) -> None:
        self.unread.append(message)
        self._put.set()

    def text(self, text: str) -> None:
        self.put({"type": "websocket.receive", "text": text})

    def leave(self, code: int = 1005, reason: str = "") -> None:
        self.put({"type": "websocket.disconnect", "code": code, "reason": reason})

    async def receive(self) -> dict[str, Any]:
        await anyio.lowlevel.checkpoint()
        while not self.unread:
            self._put = anyio.Event()
            await self._put.wait()
        return self.unread.popleft()

    async def send(self, message: dict[str, Any]) -> None:
        if self.lost:
            raise OSError
        self.sent.append(message)
        self.on_send()
        while self.blocked:
            await anyio.sleep(0.01)
        if message["type"] == "websocket.close" and self._echo:
            # Servers tell of the close of their own application as of the client's.
            self.leave(message.get("code", 1000), "echo")
        await anyio.lowlevel.checkpoint()

    @property
    def types(self) -> list[str]:
        return [message["type"].removeprefix("websocket.") for message in self.sent]

    @property
    def end(self) -> tuple[int, str]:
        """The code and reason of the close, or the status of the denial and its text."""
        last = self.sent[-1]
        if last["type"] == "websocket.http.response.body":
            return self.sent[-2]["status"], last["body"].decode()
        assert last["type"] == "websocket.close", self.sent
        return last["code"], last.get("reason") or ""

    async def until(self, condition: Callable[[], Any]) -> None:
        with anyio.fail_after(5):
            while not condition():
                await anyio.sleep(0.005)


@asynccontextmanager
async def connected(app: Any, path: str = "/", *, echo: bool = True, **items: Any) -> AsyncIterator[Connection]:
    """A connection that is over when the block is left; otherwise that is an error."""
    connection = Connection(echo=echo)
    scope = websocket_scope(path, **items)

    async def run() -> None:
        try:
            await app(scope, connection.receive, connection.send)
        except Exception as error:
            connection.error = error
        finally:
            connection.over.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield connection
        with anyio.fail_after(5):
            await connection.over.wait()


#: The event loop, and the engine. The third has an anyio whose shields cannot be seen.
WAYS = ["asyncio generated", "trio generated", "asyncio generated scopes", "asyncio interpreter"]


class Clock:
    """The clock of the connections; a test puts it forward, so that no limit is reached early on a busy machine."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead

    def forward(self, seconds: float) -> None:
        self.ahead += seconds


clock = Clock()


@contextmanager
def on(way: str, *, period: float) -> Iterator[Callable[..., Any]]:
    """What runs a test in one of the `WAYS`; the connections are looked at in this period, by the clock here."""
    backend, name, *scopes = way.split()
    with pytest.MonkeyPatch.context() as patch, engine(name):
        if scopes:
            patch.setattr(interrupting, "_states", lambda: None)
        patch.setattr(sweeper, "PERIOD", period)
        for module in ("deadline", "life", "sweeper"):
            patch.setattr(f"fastroute.connection.{module}.monotonic", clock)
        yield functools.partial(anyio.run, backend=backend)


class Seen:
    """Yield dependencies that note what they see, and whether their clean-up ran to its end."""

    def __init__(self) -> None:
        self.errors: list[BaseException | None] = []
        self.cleaned: list[str] = []
        self.ends: list[tuple[int, str, float]] = []

    async def dependency(self) -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            self.errors.append(error)
            raise
        else:
            self.errors.append(None)
        finally:
            await anyio.sleep(0.01)
            self.cleaned.append("first")

    def second(self) -> Any:
        try:
            yield
        finally:
            time.sleep(0.01)
            self.cleaned.append("second")

    def on_end(self, scope: Any, code: int, reason: str, seconds: float) -> None:
        assert scope["type"] == "websocket"
        self.ends.append((code, reason, seconds))

    def route(self, endpoint: Any, *dependencies: Any, **policy: Any) -> APIWebSocketRoute:
        return APIWebSocketRoute(
            "/",
            endpoint,
            dependencies=[Depends(self.dependency), Depends(self.second), *map(Depends, dependencies)],
            policy=ConnectionPolicy(on_end=self.on_end, **policy),
        )

    def check(self, kind: type[BaseException], code: int, reason: str) -> None:
        [error] = self.errors
        assert (type(error), error.code, error.reason) == (kind, code, reason)  # type: ignore[union-attr]
        assert self.cleaned == ["second", "first"]
