"""The two routes of `fastroute.asyncapi.routes`, and their page: as text, and in a real browser."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from asyncapi_applications import applications
from browser import opened_browser, started
from hypothesis import given
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, Depends, Router
from fastroute.asyncapi import document, routes
from fastroute.asyncapi.page import page
from fastroute.security import HTTPBearer

APPLICATION = """
from typing import Annotated, Literal

from fastroute import APIWebSocketRoute, MessageRules, Messages, Query
from fastroute.asyncapi import routes
from pydantic import BaseModel
from starlette.applications import Starlette


class Say(BaseModel):
    kind: Literal["say"] = "say"
    text: str


class Said(BaseModel):
    text: str


async def room(
    messages: Messages[Say, Said], room_id: int, tag: Annotated[list[str], Query()], nick: str = "you"
) -> None:
    \"""A room <script>alert(1)</script>.\"""
    await messages.accept(*messages.websocket.scope["subprotocols"][:1])
    async for message in messages:
        await messages.send(Said(text=f"{nick} in {room_id} {tag}: {message.text}"))


app = Starlette(routes=[APIWebSocketRoute("/rooms/{room_id:int}", room)])
app.routes.extend(routes(app))
"""


async def room(websocket: WebSocket) -> None:
    """One room."""


def test_a_text_that_has_no_utf_8_is_served() -> None:
    async def odd(websocket: WebSocket) -> None: ...

    odd.__doc__ = "Half of \ud800 a character."
    client = TestClient(Starlette(routes=routes(Starlette(routes=[APIWebSocketRoute("/odd", odd)]))))
    [channel] = client.get("/asyncapi.json").json()["channels"].values()
    assert channel["description"] == odd.__doc__
    assert "Half of ? a character." in client.get("/asyncapi").text


def test_both_routes() -> None:
    app = Starlette(routes=[APIWebSocketRoute("/room", room)])
    app.router.routes.extend(routes(app))
    client = TestClient(app)
    assert client.get("/asyncapi.json").json() == document(app)
    answer = client.get("/asyncapi")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert answer.text == page(document(app), "asyncapi.json")


def test_they_describe_another_application_under_another_path() -> None:
    described = Router()
    described.add_api_websocket_route("/room", room)
    client = TestClient(Starlette(routes=list(routes(described, path="/docs/sockets"))))
    assert list(client.get("/docs/sockets.json").json()["channels"]) == ["room"]
    assert 'href="sockets.json"' in client.get("/docs/sockets").text


def test_they_follow_the_routes() -> None:
    async def other(websocket: WebSocket, token: str) -> None: ...

    inner = Router()
    app = Starlette(routes=[*routes(inner), APIWebSocketRoute("/room", room, name="room")])
    client = TestClient(app)
    made = []

    def channels() -> list[str]:
        made.append(client.get("/asyncapi.json").content)
        assert made[-1] == client.get("/asyncapi.json").content
        return list(client.get("/asyncapi.json").json()["channels"])

    assert channels() == []
    inner.add_api_websocket_route("/room", room, name="a")
    inner.routes.append(Mount("/below", below := Router()))
    assert channels() == ["a"]
    below.add_api_websocket_route("/room", room, name="b")
    assert channels() == ["a", "b"]
    # A route that equals the one it replaces.
    inner.routes[0] = APIWebSocketRoute("/room", room, name="a", dependencies=[Depends(HTTPBearer())])
    assert channels() == ["a", "b"]
    del inner.routes[0]
    assert channels() == ["b"]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("path", ["asyncapi", "/", "/asyncapi/", "", "/{tenant}/asyncapi", None])
def test_a_path_that_cannot_be_is_refused(path: Any) -> None:
    with pytest.raises(ValueError, match="must start with a slash, not end with one, and have no braces"):
        routes(Starlette(), path=path)


def test_something_without_routes_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="None is no application or router: it has no routes"):
        routes(None)


class _Checker(HTMLParser):
    """Notes what a page would load, and the elements that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@given(applications())
def test_a_page_loads_nothing_and_is_whole(made: Any) -> None:
    checker = _Checker()
    checker.feed(page(document(made.app), "x.json"))
    assert checker.open == []
    assert all(address == "x.json" or address.startswith("#") for address in checker.loads)


def test_a_page_without_routes_is_small_and_has_nothing_from_elsewhere() -> None:
    text = page(document(Starlette()), "x.json")
    assert len(text.encode()) < 30_000
    assert "http" not in text.replace("/^http/", "")
    for wanted in ("prefers-color-scheme:dark", "@media print"):
        assert wanted in text


def test_texts_of_an_application_are_escaped() -> None:
    async def endpoint(websocket: WebSocket, q: str = "</script><b>") -> None:
        """<b>bold</b>"""

    app = Starlette(routes=[APIWebSocketRoute('/"><b>/{x}', endpoint, name='"><b>')])
    checker = _Checker()
    checker.feed(page(document(app, title="</title><b>"), "x.json"))
    assert "b" not in checker.tags


CHANNEL = "document.getElementById('room')"
LOG = "Array.from(document.querySelectorAll('.log li'), line => line.textContent).join('|')"


@pytest.mark.slow
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    (tmp_path / "served.py").write_text(APPLICATION, encoding="utf-8")
    server = [sys.executable, "-P", "-m", "uvicorn", "--app-dir", str(tmp_path), "--port", "0", "served:app"]
    with started(*server, says=r"running on (http://\S+)") as address, opened_browser(tmp_path / "files") as browser:
        # Without script: everything but the form can be read.
        browser.call("Emulation.setScriptExecutionDisabled", value=True)
        browser.call("Page.navigate", url=f"{address}/asyncapi")
        browser.wait_for("document.readyState + document.title", "completeWebSockets")
        assert browser.run(f"{CHANNEL}.innerText.includes('A room <script>alert(1)</script>.')")
        assert browser.run(f"{CHANNEL}.querySelector('form').offsetHeight") == 0
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
        light = browser.run("getComputedStyle(document.body).backgroundColor")
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        assert browser.run("getComputedStyle(document.body).backgroundColor") != light

        browser.call("Page.navigate", url=f"{address}/asyncapi")
        browser.wait_for("document.readyState", "complete")
        browser.wait_for(f"{CHANNEL}.querySelector('form').offsetHeight > 0", True)
        browser.run("var form = document.querySelector('form')")
        assert browser.run("form.elements.server.value") == address.replace("http", "ws")
        for name, value in {"room_id": "7", "tag": "a,b", "nick": "ann &"}.items():
            browser.run(f"form.querySelector('[data-name={name}]').value = {value!r}")
        browser.run("form.elements.subprotocols.value = 'chat, other'; form.requestSubmit()")
        browser.wait_for(LOG, "open, subprotocol chat")
        browser.run("form.querySelectorAll('button')[1].click()")
        browser.wait_for(f"{LOG}.split('|').length", 3)
        assert "\u2190 {\"text\":\"ann & in 7 ['a', 'b']: text\"}" in browser.run(LOG)
        browser.run("form.elements.message.value = '{}'; form.querySelectorAll('button')[1].click()")
        browser.wait_for(f"{LOG}.includes('closed (1007) text: Field required')", True)

        # A refused handshake can be tried again.
        browser.run("form.querySelector('[data-name=room_id]').value = 'seven'; form.requestSubmit()")
        browser.wait_for(f"{LOG}.includes('not accepted; a browser is not told why')", True)
        assert browser.run("form.querySelector('button').disabled") is False

        browser.call("Emulation.setEmulatedMedia", media="print")
        assert browser.run("form.offsetHeight") == 0
        pdf = browser.call("Page.printToPDF")
        assert len(pdf["data"]) > 1000
        assert not re.search("error", browser.run("document.body.innerText"), re.IGNORECASE)
