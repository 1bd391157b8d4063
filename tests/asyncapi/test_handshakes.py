"""The document says what the route does: a handshake is accepted if and only if the document's schemas accept it."""

from typing import Any
from urllib.parse import quote, urlencode

import anyio
import pytest
from asyncapi_applications import Handshake, Made, applications, handshakes
from asyncapi_reading import accepts
from hypothesis import given
from hypothesis import strategies as st
from starlette.websockets import WebSocketDisconnect

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


@pytest.mark.slow
@given(st.data())
def test_a_handshake_is_accepted_if_and_only_if_the_document_accepts_it(data: st.DataObject) -> None:
    made = data.draw(applications())
    described: Any = document(made.app)
    for _ in range(3):
        handshake = data.draw(handshakes(made.path))
        assert accepts(described, "room", handshake) == is_accepted(made, handshake), described["channels"]["room"]
