"""The document says what the route does: a handshake is accepted if and only if the document's schemas accept it."""

from datetime import date
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import anyio
import pytest
from asyncapi_applications import Handshake, Made, applications, handshakes
from asyncapi_reading import accepts
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.websockets import WebSocket, WebSocketDisconnect

from fastroute import APIWebSocketRoute
from fastroute.asyncapi import document
from fastroute.testing import connect


def is_accepted(made: Made, handshake: Handshake) -> bool:
    path = made.path.format(**{name: quote(text, safe="") for name, text in handshake.path.items()})
    cookie = "; ".join(map("=".join, handshake.cookies.items()))
    headers = handshake.headers + ([("Cookie", cookie)] if cookie else [])

    async def dial() -> bool:
        url = f"{path}?{urlencode(handshake.query, encoding='utf-8')}"
        try:
            async with connect(made.app, url, headers=headers, subprotocols=handshake.subprotocols, timeout=30):
                return True
        except WebSocketDisconnect:
            return False

    return anyio.run(dial)


@pytest.mark.parametrize(
    ("type_", "text"),
    [(date, "0"), (UUID, "0" * 32), (int, "1_000")],  # jsonschema knows their formats
)
def test_a_route_takes_more_texts_than_the_formats_of_its_document(type_: Any, text: str) -> None:
    async def room(websocket: WebSocket, value: Any) -> None:
        await websocket.accept()

    room.__annotations__["value"] = type_
    made = Made(Starlette(routes=[APIWebSocketRoute("/", room)]), "/")
    handshake = Handshake({}, [("value", text)], [], {}, [])
    assert is_accepted(made, handshake)
    assert not accepts(document(made.app), "room", handshake)


@pytest.mark.slow
@given(st.data())
def test_a_handshake_is_accepted_if_and_only_if_the_document_accepts_it(data: st.DataObject) -> None:
    made = data.draw(applications())
    described: Any = document(made.app)
    for _ in range(3):
        handshake = data.draw(handshakes(made.path))
        assert accepts(described, "room", handshake) == is_accepted(made, handshake), described["channels"]["room"]
