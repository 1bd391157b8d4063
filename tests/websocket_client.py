"""Drives an ASGI application through one WebSocket connection, without a server."""

from collections.abc import Iterable, MutableMapping
from typing import Any

import anyio

__all__ = ["connect", "websocket_scope"]


def websocket_scope(path: str = "/", **items: Any) -> dict[str, Any]:
    """A scope as a server makes it; `headers` as pairs of str."""
    path, _, query = path.partition("?")
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in items.pop("headers", [])]
    return {
        "type": "websocket",
        "path": path,
        "query_string": query.encode(),
        "headers": headers,
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
        **items,
    }


def connect(
    app: Any, scope: MutableMapping[str, Any], texts: Iterable[str] = (), *, backend: str = "asyncio"
) -> list[dict[str, Any]]:
    """The messages that the application sends to a client that sends `texts` and then leaves."""
    incoming: list[dict[str, Any]] = [
        {"type": "websocket.connect"},
        *({"type": "websocket.receive", "text": text} for text in texts),
        {"type": "websocket.disconnect", "code": 1001, "reason": "gone"},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return incoming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    anyio.run(app, scope, receive, send, backend=backend)
    return sent
