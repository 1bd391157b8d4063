"""One declaration under FastAPI, the oracle, and under fastroute: what connections show is compared.

A case is a function of an `Api`, the names of one framework: it declares an endpoint and returns it. The
endpoint is mounted in a plain Starlette application and driven through ASGI, without a server. Everything to be
seen is recorded: values received, order of calls and clean-ups, messages, validation errors, what is raised.

`tests/parity/BEHAVIOUR.md` lists the behaviour that the cases cover, and FastAPI's source of each.
"""

import asyncio
import functools
import linecache
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import fastapi
import fastapi.exceptions
import fastapi.routing
import fastapi.security
import pytest
import trio
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.websockets import WebSocket

import fastroute
import fastroute.security

BACKENDS = ["asyncio", "trio"]
CANCELLED = (asyncio.CancelledError, trio.Cancelled)
TIME_LIMIT = 20  # seconds for one connection; only a hang gets near it

FASTAPI = {
    "Depends": fastapi.Depends,
    "Security": fastapi.Security,
    "SecurityScopes": fastapi.security.SecurityScopes,
    "Path": fastapi.Path,
    "Query": fastapi.Query,
    "Header": fastapi.Header,
    "Cookie": fastapi.Cookie,
    "security": fastapi.security,
    "APIWebSocketRoute": fastapi.routing.APIWebSocketRoute,
    "ValidationError": fastapi.exceptions.WebSocketRequestValidationError,
    "DependencyScopeError": fastapi.exceptions.DependencyScopeError,
}

FASTROUTE = {
    "Depends": fastroute.Depends,
    "Security": fastroute.Security,
    "SecurityScopes": fastroute.SecurityScopes,
    "Path": fastroute.Path,
    "Query": fastroute.Query,
    "Header": fastroute.Header,
    "Cookie": fastroute.Cookie,
    "security": fastroute.security,
    "APIWebSocketRoute": fastroute.APIWebSocketRoute,
    "ValidationError": fastroute.WebSocketRequestValidationError,
    "DependencyScopeError": fastroute.DependencyScopeError,
}

#: An endpoint written for FastAPI, moved by changing nothing but the route's import.
MOVED = {
    **FASTAPI,
    **{name: FASTROUTE[name] for name in ("APIWebSocketRoute", "ValidationError", "DependencyScopeError")},
}

OURS = {"fastroute": FASTROUTE, "moved": MOVED}


@dataclass(frozen=True)
class Connection:
    """What a client sends: the handshake, then text messages, then a disconnect."""

    path: str = "/"
    query: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    messages: tuple[str, ...] = ()
    root_path: str = ""
    denial: bool = True  # the server can answer a handshake with a response
    subprotocols: tuple[str, ...] = ()

    def scope(self) -> dict[str, Any]:
        return {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": self.path,
            "raw_path": self.path.encode(),
            "root_path": self.root_path,
            "query_string": self.query,
            "headers": list(self.headers),
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 80),
            "subprotocols": list(self.subprotocols),
            "state": {},
            "extensions": {"websocket.http.response": {}} if self.denial else {},
        }

    def __str__(self) -> str:
        headers = "".join(f" {name.decode('latin-1')}:{value.decode('latin-1')}" for name, value in self.headers)
        return f"{self.root_path}{self.path}?{self.query.decode('latin-1')}{headers}"


def handshake(target: str = "/", *headers: tuple[str, str], **options: Any) -> Connection:
    """A connection written short: `handshake("/items/3?q=1", ("x-token", "a"))`."""
    path, _, query = target.partition("?")
    raw = tuple((name.lower().encode(), value.encode("latin-1")) for name, value in headers)
    return Connection(path, query.encode("latin-1"), raw, **options)


@dataclass
class Record:
    """Everything a connection showed."""

    events: list[Any] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    error: Any = None


@dataclass
class Declared:
    """An endpoint with more than its signature."""

    endpoint: Any
    dependencies: Sequence[Any] | None = None
    overrides: Mapping[Any, Any] | None = None
    handlers: Mapping[Any, Any] = field(default_factory=dict)


class Provider:
    def __init__(self, overrides: Mapping[Any, Any] | None) -> None:
        self.dependency_overrides = overrides


class Api:
    """The names of one framework, and the log of one declaration."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names = names
        self.events: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        try:
            return self.names[name]
        except KeyError:
            raise AttributeError(name) from None

    def log(self, *event: Any) -> None:
        self.events.append(tuple(map(shown, event)))

    async def end(self, websocket: WebSocket, *values: Any) -> None:
        """What most endpoints do: accept, say what they received, close."""
        await websocket.accept()
        self.log("endpoint", *values)
        await websocket.close()

    def resource(self, name: str, *, sync: bool = False) -> Callable[..., Any]:
        """A yield dependency that says when it is entered, what reaches it and when it is left."""

        async def asynchronous() -> AsyncIterator[str]:
            self.log(name, "enter")
            try:
                yield name
            except BaseException as error:
                self.log(name, "sees", error)
                raise
            finally:
                await anyio.lowlevel.checkpoint()
                self.log(name, "exit")

        def synchronous() -> Iterator[str]:
            self.log(name, "enter")
            try:
                yield name
            except BaseException as error:
                self.log(name, "sees", error)
                raise
            finally:
                self.log(name, "exit")

        return synchronous if sync else asynchronous

    def run(self, source: str, **names: Any) -> dict[str, Any]:
        """Executes source text with postponed annotations (PEP 563), as a module of its own."""
        source = "from __future__ import annotations\n" + source
        namespace = {"api": self, "WebSocket": WebSocket, "__name__": "case", **self.names, **names}
        # Known to linecache, the source can be inspected as that of any module.
        file = f"<case {hash(source)}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        exec(compile(source, file, "exec"), namespace)
        return namespace

    def route(self, declared: Any, path: str, **options: Any) -> Any:
        if not isinstance(declared, Declared):
            declared = Declared(declared)
        if declared.overrides is not None:
            options["dependency_overrides_provider"] = Provider(declared.overrides)
        return self.APIWebSocketRoute(path, declared.endpoint, dependencies=declared.dependencies, **options)

    async def invalid(self, websocket: WebSocket, error: Any) -> None:
        """The exception handler for validation errors."""
        file = error.endpoint_file and os.path.basename(error.endpoint_file)
        where = (error.endpoint_function, error.endpoint_path, file, error.endpoint_line)
        self.log("invalid", where, *error.errors())
        await websocket.close(1008)


def shown(value: Any) -> Any:
    """`value` in a form that compares over two frameworks: its type and what can be read in it."""
    if isinstance(value, str):
        return value
    if isinstance(value, WebSocket):
        return "the WebSocket"
    if isinstance(value, BaseException):
        return type(value).__name__, shown(value.args)
    if isinstance(value, dict):
        return type(value).__name__, [(shown(key), shown(each)) for key, each in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [shown(each) for each in value]
    if type(value).__name__ == "SecurityScopes":
        return "SecurityScopes", value.scopes, value.scope_str
    return type(value).__name__, repr(value)


def raised(error: BaseException | None) -> Any:
    """An exception with its arguments and what it came from."""
    if error is None:
        return None
    # The text of a cancellation holds the address of its cancel scope.
    text = "" if isinstance(error, CANCELLED) else str(error)
    return type(error).__name__, text, raised(error.__cause__ or error.__context__)


class Server:
    """The other side of ASGI, as strict as a real server: what would end as 1006 raises here."""

    def __init__(self, connection: Connection) -> None:
        self.scope = connection.scope()
        self.messages: list[Any] = []
        self._state = "connecting"
        self._incoming = iter(
            [{"type": "websocket.connect"}]
            + [{"type": "websocket.receive", "text": text} for text in connection.messages]
        )

    async def receive(self) -> dict[str, Any]:
        await anyio.lowlevel.checkpoint()
        gone = {"type": "websocket.disconnect", "code": 1000, "reason": ""}
        return next(self._incoming, gone)

    async def send(self, message: Mapping[str, Any]) -> None:
        await anyio.lowlevel.checkpoint()
        allowed = {
            "connecting": ("websocket.accept", "websocket.close", "websocket.http.response.start"),
            "open": ("websocket.send", "websocket.close"),
            "response": ("websocket.http.response.body",),
            "closed": (),
        }
        kind = message["type"]
        if kind not in allowed[self._state]:
            raise RuntimeError(f"{kind} while {self._state}")
        if kind == "websocket.http.response.start" and not self.scope["extensions"]:
            raise RuntimeError("no denial response was offered")
        if kind == "websocket.close" and len((message.get("reason") or "").encode()) > 123:
            raise RuntimeError("the close reason is too long")
        self._state = {
            "websocket.accept": "open",
            "websocket.close": "closed",
            "websocket.http.response.start": "response",
            "websocket.http.response.body": "response" if message.get("more_body") else "closed",
        }.get(kind, self._state)
        self.messages.append({key: shown(value) for key, value in message.items()})


class Mounted:
    """A case under one framework, ready for connections."""

    def __init__(
        self,
        names: Mapping[str, Any],
        declare: Callable[[Api], Any],
        path: str,
        host: Callable[[BaseRoute, dict[Any, Any]], Any],
    ) -> None:
        self.api = Api(names)
        declared = declare(self.api)
        # FastAPI remembers the place of a function by its `id()`, which another may have had that is gone.
        fastapi.routing._endpoint_context_cache.clear()
        self.route = self.api.route(declared, path)
        handlers = dict(declared.handlers) if isinstance(declared, Declared) else {}
        self.app = host(self.route, {self.api.ValidationError: self.api.invalid, **handlers})

    async def connect(self, connection: Connection) -> Record:
        server = Server(connection)
        self.api.events.clear()
        error = None
        with anyio.fail_after(TIME_LIMIT):
            try:
                await self.app(server.scope, server.receive, server.send)
            except Exception as caught:
                error = raised(caught)
        return Record(list(self.api.events), server.messages, error)

    def run(self, connection: Connection, backend: str) -> Record:
        return anyio.run(self.connect, connection, backend=backend)


def starlette(route: BaseRoute, handlers: dict[Any, Any]) -> Any:
    return Starlette(routes=[route], exception_handlers=handlers)


def alone(route: BaseRoute, handlers: dict[Any, Any]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await route(scope, receive, send)

    return app


def mounted(route: BaseRoute, handlers: dict[Any, Any]) -> Any:
    return Starlette(routes=[Mount("/mount", routes=[route])], exception_handlers=handlers)


def without_repeated_errors(record: Record) -> Record:
    """The record without repeated validation errors, for cases in which FastAPI repeats them."""
    record.events = [tuple(dict.fromkeys(map(repr, event))) for event in record.events]
    return record


def parity(
    *connections: Connection,
    path: str = "/",
    host: Callable[..., Any] = starlette,
    backends: Sequence[str] = BACKENDS,
    errors_once: bool = False,
) -> Callable[[Callable[[Api], Any]], Callable[..., None]]:
    """Turns a case into a test: fastroute shows what FastAPI shows, for every connection.

    Args:
        connections: one test for each.
        path: the template of the route.
        host: makes the application that holds the route.
        backends: of anyio; those of `BACKENDS` on which the case could show something else.
        errors_once: FastAPI repeats the errors of a dependency that is used twice, a difference with a test of its own.
    """

    def decorate(declare: Callable[[Api], Any]) -> Callable[..., None]:
        @functools.cache
        def oracle(connection: Connection, backend: str) -> Record:
            return record(FASTAPI, connection, backend)

        def record(names: Mapping[str, Any], connection: Connection, backend: str) -> Record:
            found = Mounted(names, declare, path, host).run(connection, backend)
            return without_repeated_errors(found) if errors_once else found

        @pytest.mark.parametrize("backend", backends)
        @pytest.mark.parametrize("ours", OURS)
        @pytest.mark.parametrize("connection", connections or [handshake()], ids=str)
        def test(connection: Connection, ours: str, backend: str) -> None:
            expected = oracle(connection, backend)
            assert expected.events or expected.messages or expected.error, "the case shows nothing"
            assert record(OURS[ours], connection, backend) == expected

        test.__name__ = test.__qualname__ = declare.__name__
        test.__doc__ = declare.__doc__
        test.__module__ = declare.__module__
        return test

    return decorate


def both_refuse(path: str = "/") -> Callable[[Callable[[Api], Any]], Callable[..., None]]:
    """Turns a case into a test: both frameworks refuse the declaration when the route is made."""

    def decorate(declare: Callable[[Api], Any]) -> Callable[..., None]:
        @pytest.mark.parametrize("names", [FASTAPI, FASTROUTE, MOVED], ids=["fastapi", "fastroute", "moved"])
        def test(names: dict[str, Any]) -> None:
            api = Api(names)
            declared = declare(api)
            with pytest.raises(Exception) as caught:  # noqa: PT011 (which error differs, and is tested elsewhere)
                api.route(declared, path)
            assert str(caught.value)

        test.__name__ = test.__qualname__ = declare.__name__
        test.__doc__ = declare.__doc__
        test.__module__ = declare.__module__
        return test

    return decorate
