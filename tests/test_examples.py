"""The examples: as applications, over a real server, and one of them in a real browser."""

import itertools
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.testclient import TestClient
from websocket_client import connect, websocket_scope
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as dial

from fastroute.commands.check import shadowed, unguarded

pytestmark = pytest.mark.install

EXAMPLES = Path(__file__).parent.parent / "examples"
TIMEOUT = 30  # seconds; only a hang gets near it


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


@contextmanager
def started(*command: str, says: str) -> Iterator[str]:
    """A process, once it has said where it listens; what is there is given."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line)
            found = re.search(says, line)
            if found is not None:
                yield found[1]
                return
        pytest.fail(f"{command[0]} ended: {''.join(told)}")
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT)


class Browser:
    """A page of a browser, driven by the Chrome DevTools Protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        session = {"sessionId": self._session} if hasattr(self, "_session") else {}
        self._connection.send(json.dumps({"id": number, "method": method, "params": params, **session}))
        while True:
            answer = json.loads(self._connection.recv(timeout=TIMEOUT))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def run(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, script: str, expected: Any) -> None:
        end = time.monotonic() + TIMEOUT
        while (found := self.run(script)) != expected:
            assert time.monotonic() < end, f"{script} is {found!r}"
            time.sleep(0.05)


LOG = "Array.from(document.querySelectorAll('#log li'), line => line.textContent).join('|')"


@pytest.fixture
def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if found is None:
        pytest.skip("no Chromium is installed here: the page of examples/starlette_chat.py was not opened in a browser")
    return found


@pytest.mark.slow
def test_the_page_in_a_browser(chromium: str, tmp_path: Path) -> None:
    server = [sys.executable, "-P", "-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", "0", "starlette_chat:app"]
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    with (
        started(*server, says=r"running on (http://\S+)") as address,
        started(chromium, *options, f"--user-data-dir={tmp_path}", says=r"listening on (ws://\S+)") as devtools,
        dial(devtools, max_size=None, proxy=None) as connection,
    ):
        browser = Browser(connection)
        browser.call("Page.navigate", url=address)
        browser.wait_for("document.readyState + document.title", "completeChat")
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
