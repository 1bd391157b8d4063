"""Whether narrowing knows the FastAPI that is loaded: a small application is asked with and without, once."""

from collections.abc import Coroutine, Iterator
from functools import cache
from typing import Any

from starlette.types import Receive, Scope, Send

from .. import _fastapi
from .routers import narrow

__all__ = ["reason_against_narrowing"]


@cache
def reason_against_narrowing() -> str | None:
    """Why FastAPI's routers must be left alone; None if they can be narrowed."""
    fastapi = _fastapi.routing()
    release = f"FastAPI {_fastapi.version()}"
    if missing := fastapi.missing():
        return f"{release} is not known: it has no {', '.join(missing)}"
    try:
        plain, narrowed = _Application(fastapi), _Application(fastapi)
        reason = narrow(narrowed.root)
        differing = None if reason else _first_difference(plain, narrowed)
    except Exception as error:
        return f"{release} is not known: it fails when it is tried: {error!r}"
    if differing is not None:
        return f"{release} is not known: with an index it answers differently, as for {differing}"
    return reason


async def _endpoint() -> None: ...


class _Answer:
    """An application. Starlette takes a function for an endpoint that takes a request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "answer", "path": scope["path"]})


class _Application:
    """Three routers, each in the other, with a route of every sort."""

    def __init__(self, fastapi: _fastapi.Routing) -> None:
        class Answering(fastapi.route):  # type: ignore[name-defined,misc]  # FastAPI's class is found at run time
            async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
                await _Answer()(scope, receive, send)

        self.root, self.inner, self.nested = self.routers = [fastapi.router(route_class=Answering) for _ in range(3)]
        self.root.add_api_route("/before/{x}", _endpoint, methods=["POST"])
        self.nested.add_api_route("/{x:int}", _endpoint)
        self.nested.add_route("/plain", _Answer())
        self.inner.add_api_route("/{x}", _endpoint)
        self.inner.add_websocket_route("/talk", _Answer())
        self.inner.mount("/mounted", _Answer())
        self.inner.include_router(self.nested, prefix="/nested/{y}")
        self.root.include_router(self.inner, prefix="/inner")
        self.root.include_router(self.nested, prefix="/again")
        self.root.add_api_route("/after/{x}/", _endpoint)
        self.root.add_api_route("/after/{x}/more", _endpoint)
        for router in self.routers:
            if hasattr(router, "_low_priority_routes"):
                router._low_priority_routes.append(Answering("/files/{path:path}", _endpoint))

    def change(self) -> None:
        self.nested.add_api_route("/new", _endpoint)
        del self.root.routes[0]

    def answer(self, kind: str, method: str, path: str) -> list[Any]:
        """The messages, the error and the scope afterwards."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": f"{kind}.disconnect"}

        scope = {"type": kind, "method": method, "path": path, "root_path": "", "headers": [], "query_string": b""}
        if kind == "websocket":
            del scope["method"]
        error = None
        coroutine: Coroutine[Any, Any, None] = self.root.app(scope, receive, send)
        try:
            coroutine.send(None)  # inside or outside of an event loop
        except StopIteration:
            pass
        except Exception as raised:
            error = repr(raised)
        else:
            coroutine.close()
            raise RuntimeError("it waits for something")
        return [sent, error, self._in_words(scope)]

    def _in_words(self, thing: Any) -> Any:
        for number, router in enumerate(self.routers):
            if thing is router:  # routers with equal routes are equal
                return number
        if isinstance(thing, dict):
            return {key: self._in_words(value) for key, value in thing.items()}
        if isinstance(thing, str | bytes | int | list):
            return thing
        return type(thing).__name__, getattr(thing, "path", None)


def _first_difference(plain: _Application, narrowed: _Application) -> str | None:
    for _ in range(2):
        for kind, method, path in _asked():
            if plain.answer(kind, method, path) != narrowed.answer(kind, method, path):
                return f"{kind} {method} {path}"
        plain.change()
        narrowed.change()
    return None if narrowed.root._fastroute_index is not None else "no request, as it was never used"


def _asked() -> Iterator[tuple[str, str, str]]:
    paths = [
        "/before/1",
        "/after/1/",
        "/inner/1",
        "/inner/nested/b/1",
        "/inner/nested/b/plain",
        "/again/new",
        "/again/1",
    ]
    for path in [*paths, "/inner/mounted/a", "/inner/talk", "/files/a", "/inner/nested/b/files/a", "/nowhere"]:
        yield "http", "GET", path
        yield "http", "POST", path
        yield "http", "GET", path.rstrip("/") if path.endswith("/") else f"{path}/"
        yield "websocket", "", path
