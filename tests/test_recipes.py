"""The recipes of the cookbook: each file in examples/ as an application, with the library that it is about."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from browser import started
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as dial

pytestmark = [
    pytest.mark.install,
    # Of the libraries, and not of the recipes.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

EXAMPLES = Path(__file__).parent.parent / "examples"
RECIPES = (EXAMPLES.parent / "docs" / "cookbook.md").read_text(encoding="utf-8")
TIMEOUT = 30  # seconds; only a hang gets near it


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    def loaded(name: str, library: str | None = None, **variables: str) -> ModuleType:
        if library is not None:
            pytest.importorskip(library, reason="the extra `examples` is not installed: pip install '.[examples]'")
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        spec = spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return loaded


#: All files but the two applications of tests/test_examples.py.
FILES = {*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.conf")} - {
    EXAMPLES / "starlette_chat.py",
    EXAMPLES / "fastapi_prices.py",
}


@pytest.mark.parametrize("file", sorted(FILES), ids=lambda file: file.name)
def test_the_page_shows_the_file_as_it_is(file: Path) -> None:
    [shown] = re.findall(rf"^`{re.escape(file.name)}`:\n\n```\w+\n(.*?)^```$", RECIPES, re.MULTILINE | re.DOTALL)
    assert shown == file.read_text(encoding="utf-8")


# --- JWT ---------------------------------------------------------------------------------------------------------


def token(key: str, **claims: Any) -> str:
    import jwt

    now = int(time.time())
    return jwt.encode({"sub": "ann", "aud": "chat", "exp": now + 60, **claims}, key, algorithm="HS256")


KEY = "a key of at least thirty-two bytes"
WRONG: list[dict[str, Any]] = [{"exp": 1}, {"aud": "mail"}, {"sub": None}]


def status_of(client: TestClient, path: str, **options: Any) -> int:
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect(path, **options):
        pass
    return denied.value.status_code


def test_jwt(recipe: Any) -> None:
    client = TestClient(recipe("jwt_tokens", "jwt", JWT_KEY=KEY).app)
    good, wrong = token(KEY), [token(KEY, **claims) for claims in WRONG] + [token(KEY[::-1]), "x.y.z"]

    def bearer(text: str) -> dict[str, Any]:
        return {"headers": {"authorization": f"Bearer {text}"}}

    def offers(text: str) -> dict[str, Any]:
        return {"subprotocols": ["chat", f"bearer.{text}"]}

    with client.websocket_connect("/header", **bearer(good)) as socket:
        assert socket.receive_text() == "hello ann"
    with client.websocket_connect("/subprotocol", **offers(good)) as socket:
        assert socket.accepted_subprotocol == "chat"
        assert socket.receive_text() == "hello ann"
    with client.websocket_connect("/first-message") as socket:
        socket.send_text(good)
        assert socket.receive_text() == "hello ann"
    for text in wrong:
        assert status_of(client, "/header", **bearer(text)) == 401
        assert status_of(client, "/subprotocol", **offers(text)) == 401
        with client.websocket_connect("/first-message") as socket:
            socket.send_text(text)
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_text()
            assert (closed.value.code, closed.value.reason) == (1008, "invalid token")
    assert status_of(client, "/header") == status_of(client, "/subprotocol") == 401


def test_jwt_does_not_wait_for_ever(recipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = recipe("jwt_tokens", "jwt", JWT_KEY=KEY)
    monkeypatch.setattr(module, "SECONDS", 0.05)
    with TestClient(module.app).websocket_connect("/first-message") as socket:
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        assert (closed.value.code, closed.value.reason) == (1008, "the first message must be a token")


# --- broadcast ---------------------------------------------------------------------------------------------------


def test_broadcast(recipe: Any) -> None:
    module = recipe("broadcast")
    with TestClient(module.app) as client, client.websocket_connect("/chat") as ann:
        with client.websocket_connect("/chat") as bob:
            ann.send_text("hello")
            assert ann.receive_text() == bob.receive_text() == "hello"
        ann.send_text("still there")
        assert ann.receive_text() == "still there"
    assert module.members == set()


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A server of Redis, on a port of its own."""
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server is installed here: the recipe ran on fakeredis only")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=TIMEOUT)


def wait_for(port: int) -> None:
    end = time.monotonic() + TIMEOUT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < end, f"nobody listens on {port}"
            time.sleep(0.05)


def check_broadcast(first: ClientConnection, *others: ClientConnection) -> None:
    first.send("hello")
    for each in (first, *others):
        assert each.recv(timeout=TIMEOUT) == "hello"


def served(*options: str) -> Any:
    command = [sys.executable, "-P", "-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", "0", *options]
    return started(*command, says=r"running on http://(\S+)")


@pytest.mark.slow
def test_broadcast_over_redis_reaches_another_process(
    recipe: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe("broadcast_redis", "redis", REDIS_URL=redis_url)
    with (
        served("broadcast_redis:app") as one,
        served("broadcast_redis:app") as two,
        dial(f"ws://{one}/rooms/a", proxy=None) as ann,
        dial(f"ws://{two}/rooms/a", proxy=None) as bob,
        dial(f"ws://{two}/rooms/b", proxy=None) as eve,
    ):
        check_broadcast(ann, bob)
        check_broadcast(bob, ann)
        with pytest.raises(TimeoutError):
            eve.recv(timeout=0.2)


def test_broadcast_over_redis_with_fakeredis(recipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = recipe("broadcast_redis", "fakeredis")
    monkeypatch.setattr(module, "Redis", sys.modules["fakeredis"].FakeAsyncRedis)
    with (
        TestClient(module.app) as client,
        client.websocket_connect("/rooms/a") as ann,
        client.websocket_connect("/rooms/a") as bob,
    ):
        ann.send_text("hello")
        assert ann.receive_text() == bob.receive_text() == "hello"


@pytest.mark.slow
def test_several_workers_behind_nginx(recipe: Any, redis_url: str, tmp_path: Path) -> None:
    if shutil.which("nginx") is None:
        pytest.skip("no nginx is installed here: examples/nginx.conf was not tried")
    recipe("broadcast_redis", "redis", REDIS_URL=redis_url)
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as other:
        behind, port = free.getsockname()[1], other.getsockname()[1]
    text = (EXAMPLES / "nginx.conf").read_text().replace(":8000", f":{behind}").replace("listen 8080", f"listen {port}")
    (tmp_path / "nginx.conf").write_text(f"daemon off; pid {tmp_path}/pid; error_log stderr;\n{text}")
    # -P: the installed package, and not a checkout in the current folder.
    workers = [
        sys.executable,
        "-P",
        "-m",
        "uvicorn",
        "--app-dir",
        str(EXAMPLES),
        "--workers",
        "2",
        "--port",
        str(behind),
    ]
    command = ["nginx", "-p", str(tmp_path), "-c", "nginx.conf"]
    with (
        subprocess.Popen([*workers, "broadcast_redis:app"], stderr=subprocess.DEVNULL) as application,
        subprocess.Popen(command, stderr=subprocess.DEVNULL) as nginx,
    ):
        try:
            wait_for(behind)
            wait_for(port)
            clients = [joined(f"ws://127.0.0.1:{port}/rooms/a") for _ in range(8)]
            check_broadcast(*clients)
            for client in clients:
                client.close()
        finally:
            nginx.terminate()
            application.terminate()
            application.wait(timeout=TIMEOUT)


def joined(url: str) -> ClientConnection:
    """A connection, as soon as the workers serve."""
    end = time.monotonic() + TIMEOUT
    while True:
        try:
            return dial(url, proxy=None)
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


# --- the others --------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_database_session(recipe: Any, tmp_path: Path) -> None:
    pytest.importorskip("aiosqlite", reason="the extra `examples` is not installed: pip install '.[examples]'")
    module = recipe("database_session", "sqlalchemy", DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path / 'chat.db'}")
    pool = module.engine.pool

    async def add_user() -> None:
        async with module.sessions.begin() as session:
            session.add(module.User(name="ann", greeting="hello Ann"))

    async def texts() -> list[str]:
        from sqlalchemy import select

        async with module.sessions() as session:
            return [text.text for text in await session.scalars(select(module.Text))]

    with TestClient(module.app) as client:
        assert client.portal is not None
        client.portal.call(add_user)
        with client.websocket_connect("/chat?name=ann") as socket:
            assert socket.receive_text() == "hello Ann"
            assert pool.checkedout() == 0
            socket.send_text("hi")
            assert socket.receive_text() == "saved hi"
            assert pool.checkedout() == 0
        assert status_of(client, "/chat?name=eve") == 403
        assert client.portal.call(texts) == ["hi"]


def test_limits(recipe: Any) -> None:
    module = recipe("limits")
    ann = "/echo?user=ann"
    with TestClient(module.app) as client, client.websocket_connect(ann), client.websocket_connect(ann) as second:
        assert status_of(client, ann) == 429
        with client.websocket_connect("/echo?user=bob"):
            pass
        for number in range(module.MESSAGES):
            second.send_text(str(number))
            assert second.receive_text() == str(number)
        second.send_text("one more")
        with pytest.raises(WebSocketDisconnect) as closed:
            second.receive_text()
        assert (closed.value.code, closed.value.reason) == (1008, "too many messages")
    assert module.connections == {}


TELEMETRY = """
import pytest
import sentry_sdk
import telemetry
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.transport import Transport
from starlette.testclient import TestClient

events = []

class Kept(Transport):
    def capture_envelope(self, envelope):
        events.append(envelope.get_event())

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
sentry_sdk.init("https://key@sentry.example/1", transport=Kept)
with TestClient(telemetry.app) as client:
    with client.websocket_connect("/rooms/7") as socket:
        socket.send_text("2")
        assert socket.receive_text() == "0.5"
        assert 'websocket_open{route="/rooms/{room}"} 1.0' in client.get("/metrics").text
    with pytest.raises(ZeroDivisionError), client.websocket_connect("/rooms/7") as socket:
        socket.send_text("0")
    told = client.get("/metrics").text
assert 'websocket_open{route="/rooms/{room}"} 0.0' in told
assert 'websocket_seconds_count{route="/rooms/{room}"} 2.0' in told
finished = spans.get_finished_spans()
assert [span.name for span in finished] == ["message", "WebSocket /rooms/{room}"] * 2
assert finished[0].parent.span_id == finished[1].context.span_id
assert [event["exception"]["values"][-1]["type"] for event in events] == ["ZeroDivisionError"]
sentry_sdk.init(None)  # nothing is sent at the end
"""


@pytest.mark.slow
def test_telemetry() -> None:
    for library in ("sentry_sdk", "prometheus_client", "opentelemetry.sdk"):
        pytest.importorskip(library, reason="the extra `examples` is not installed: pip install '.[examples]'")
    # In a Python of its own: Sentry patches Starlette when the recipe is imported, and does not undo it.
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES)}
    subprocess.run([sys.executable, "-P", "-c", TELEMETRY], env=environment, timeout=2 * TIMEOUT, check=True)


def test_dishka(recipe: Any) -> None:
    module = recipe("dishka_container", "dishka")
    with TestClient(module.app) as client, client.websocket_connect("/room?user=ann") as ann:
        assert ann.receive_text() == "ann: 1 open"
        with client.websocket_connect("/room?user=bob") as bob:
            assert bob.receive_text() == "bob: 2 open"
            bob.send_text("bye")
        with client.websocket_connect("/room?user=eve") as eve:
            assert eve.receive_text() == "eve: 2 open"


def test_socketio_beside(recipe: Any) -> None:
    module = recipe("socketio_beside", "socketio")
    with (
        TestClient(module.app) as client,
        client.websocket_connect("/socket.io/?EIO=4&transport=websocket", headers={"upgrade": "websocket"}) as theirs,
        client.websocket_connect("/plain") as ours,
    ):
        assert theirs.receive_text().startswith('0{"sid":')  # Engine.IO: open
        theirs.send_text("40")  # Socket.IO: connect
        assert theirs.receive_text().startswith('40{"sid":')
        theirs.send_text('42["say","hello"]')
        assert theirs.receive_text() == '42["said","hello"]'
        ours.send_text("hi")
        assert theirs.receive_text() == '42["said","hi"]'
        assert ours.receive_text() == "told them"
