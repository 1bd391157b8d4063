"""The examples: as applications, over a real server, and one of them in a real browser."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from browser import LOG, TIMEOUT, browsing, started
from starlette.testclient import TestClient
from websocket_client import connect, websocket_scope
from websockets.sync.client import connect as dial

from fastroute.commands.check import shadowed, unguarded

pytestmark = pytest.mark.install

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return loaded("starlette_chat", monkeypatch)


@pytest.fixture
def prices(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return loaded("fastapi_prices", monkeypatch)


def loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    # Where annotations are looked up.
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def joined(app: Any, path: str, *offers: str, **texts: Any) -> list[dict[str, Any]]:
    return connect(app, websocket_scope(path, subprotocols=list(offers)), **texts)


ANN, BOB, NOBODY = "bearer.YW5uLXNlY3JldA", "bearer.Ym9iLXNlY3JldA", "bearer.bm9ib2R5"


def test_chat(chat: ModuleType) -> None:
    sent = joined(chat.app, "/rooms/7?nick=Annie", "chat", ANN, texts=["hello"])
    assert sent[0]["subprotocol"] == "chat"
    assert [message["text"] for message in sent[1:3]] == ["welcome Annie, 1 here", "Annie: hello"]
    assert chat.rooms == {7: []}


@pytest.mark.parametrize(
    ("path", "offers", "expected"),
    [
        ("/rooms/7", ["chat"], 401),
        ("/rooms/7", ["chat", NOBODY], 403),
        ("/rooms/7?nick=A", ["chat", ANN], 1008),
        ("/rooms/seven", ["chat", ANN], 1000),
    ],
)
def test_chat_refuses(chat: ModuleType, path: str, offers: list[str], expected: int) -> None:
    first = joined(chat.app, path, *offers)[0]
    assert first.get("status", first.get("code")) == expected


def test_page(chat: ModuleType) -> None:
    assert "new WebSocket" in TestClient(chat.app).get("/").text


def test_check_finds_nothing(chat: ModuleType, prices: ModuleType) -> None:
    for app in (chat.app, prices.app):
        assert shadowed(app) == []
        assert unguarded(app) == []


def test_prices(prices: ModuleType) -> None:
    with TestClient(prices.app) as client:
        assert client.get("/prices/apple?key=ann-key").json() == {"apple": 120}
        with client.websocket_connect("/prices/apple/live?key=ann-key&every=0.01&count=2") as socket:
            assert [socket.receive_json(), socket.receive_json()] == [{"user": "ann", "apple": 120}] * 2
        with client.websocket_connect("/last/pear?key=ann-key") as socket:
            assert socket.receive_json() == 95


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/prices/apple/live", 401),
        ("/prices/apple/live?key=x", 403),
        ("/prices/plum/live?key=ann-key", 404),
        ("/prices/apple/live?key=ann-key&count=0", 1008),
        ("/last/apple", 401),
    ],
)
def test_prices_refuses(prices: ModuleType, path: str, expected: int) -> None:
    first = connect(prices.app, websocket_scope(path))[0]
    assert first.get("status", first.get("code")) == expected


def test_prices_with_an_override(prices: ModuleType) -> None:
    prices.app.dependency_overrides[prices.current_user] = lambda: "tester"
    with (
        TestClient(prices.app) as client,
        client.websocket_connect("/prices/apple/live?every=0.01&count=1") as socket,
    ):
        assert socket.receive_json() == {"user": "tester", "apple": 120}


# --- in a browser ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    server = [sys.executable, "-P", "-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", "0", "starlette_chat:app"]
    with started(*server, says=r"running on (http://\S+)") as address, browsing(tmp_path, address) as browser:
        browser.run("join.requestSubmit()")
        browser.wait_for(LOG, "welcome ann, 1 here")
        browser.run("say.text.value = 'hello'; say.requestSubmit()")
        browser.wait_for(LOG, "welcome ann, 1 here|ann: hello")

        with dial(f"{address.replace('http', 'ws')}/rooms/7", subprotocols=["chat", BOB], proxy=None) as bob:
            assert bob.recv(timeout=TIMEOUT) == "welcome bob, 2 here"
            bob.send("hi ann")
            browser.wait_for(LOG, "welcome ann, 1 here|ann: hello|bob: hi ann")

        browser.run(
            "document.getElementById('log').replaceChildren(); join.token.value = 'wrong'; join.requestSubmit()"
        )
        # A browser says no more of a refused handshake.
        browser.wait_for(f"{LOG}.includes('closed (1006)')", True)
