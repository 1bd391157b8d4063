"""Asks an ASGI application for a page, or runs its lifespan, without a server."""

from collections.abc import Callable, Mapping
from typing import Any

import anyio

__all__ = ["http_scope", "request", "with_lifespan"]


def http_scope(
    path: str, method: str = "GET", headers: Mapping[str, str] | None = None, **items: Any
) -> dict[str, Any]:
    """A scope as a server makes it."""
    return {
        "type": "http",
        "method": method,
        "path": path,
        "scheme": "http",
        "server": ("testserver", 80),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        **items,
    }


def request(app: Any, path: str, **items: Any) -> tuple[int, str]:
    """Status and body of the answer; the location in place of the body for a redirect."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    anyio.run(app, http_scope(path, **items), receive, send)
    start, *bodies = sent
    location = dict(start["headers"]).get(b"location", b"").decode()
    return start["status"], location or b"".join(message["body"] for message in bodies).decode()


def with_lifespan(app: Any, inside: Callable[[dict[str, Any]], Any]) -> Any:
    """Starts the application, calls `inside` with the state, and shuts the application down."""

    async def run() -> Any:
        state: dict[str, Any] = {}
        results: list[Any] = []
        messages = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> Any:
            kind = next(messages)
            if kind == "lifespan.shutdown":
                results.append(inside(state))
            return {"type": kind}

        async def send(message: Any) -> None:
            assert message["type"].endswith(".complete"), message

        await app({"type": "lifespan", "state": state}, receive, send)
        return results[0]

    return anyio.run(run)
