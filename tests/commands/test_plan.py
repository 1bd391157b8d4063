"""The plan of a route: what it prints, and that tracebacks show the generated code."""

import gc
import linecache
import sys
import sysconfig
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import pytest
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, Depends, Header, Query
from fastroute.__main__ import main

APPLICATION = """
from collections.abc import AsyncIterator
from typing import Annotated
from fastroute import APIWebSocketRoute, ConnectionPolicy, Deadline, Depends, Header
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket

async def session() -> AsyncIterator[str]:
    yield "session"

def settings() -> int:
    return 1

async def user(session: Annotated[str, Depends(session, scope="handshake")], x_token: Annotated[str, Header()]) -> str:
    return session

async def room(websocket: WebSocket, room_id: int, user: Annotated[str, Depends(user)], n: int = Depends(settings)):
    pass

async def plain(websocket):
    pass

async def limited(websocket: WebSocket, deadline: Deadline):
    pass

route = APIWebSocketRoute("/rooms/{room_id:int}", room)
ending = APIWebSocketRoute("/limited", limited, policy=ConnectionPolicy(idle_timeout=5))
app = Starlette(routes=[Mount("/api", routes=[route]), WebSocketRoute("/plain", plain), ending])
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "planned.py").write_text(APPLICATION)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "planned", raising=False)
    return "planned:app"


def test_calls_in_order_and_what_they_read(app: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", app, "/api/rooms/7", "--source"]) == 0
    told = capsys.readouterr().out
    lines = [line.split(" (")[0] for line in told.splitlines()]
    assert lines[:2] == ["WebSocket /api/rooms/7", "  is answered by WebSocket /rooms/{room_id:int}"]
    assert "  0  async yield" in lines
    assert "       x_token: header x-token, required" in lines
    assert "       session: the result of 0" in lines
    assert any(line.startswith("  2  thread planned.settings") for line in lines)
    assert any(line.startswith("  3  endpoint planned.room") for line in lines)
    assert "async def connect(scope, receive, send):" in told
    assert "await cleanups.finish_handshake()" in told


def test_the_source_is_the_code_that_runs_for_a_policy(app: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", app, "/limited", "--source"]) == 0
    told = capsys.readouterr().out
    connect(sys.modules["planned"].ending, websocket_scope("/limited"))
    runs = next(text for name, (_, _, text, _) in linecache.cache.items() if "planned.limited" in name)
    assert "".join(runs) in told


def test_a_legend_names_the_constants_of_the_source(app: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", app, "/api/rooms/7", "--source"]) == 0
    source, legend = capsys.readouterr().out.partition("async def connect")[2].split("and the constants:\n")
    meanings = dict(line.split(maxsplit=1) for line in legend.splitlines())
    assert meanings["call_0"].startswith("planned.session (")
    assert meanings["lifetime_0"] == "'handshake'"
    assert meanings["key_1_0"] == "b'x-token'"
    assert meanings["loc_1_0"] == "('header', 'x-token')"
    assert meanings["validate_3_0"] == "pydantic's validation of int"
    assert meanings["endpoint"].startswith("planned.room (")
    assert all(name in source for name in meanings)
    assert not any(word in source for word in ("planned", "session,", "x-token", "'handshake'"))


def test_no_plan(app: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", app, "/api/rooms/x"]) == 1
    assert capsys.readouterr().err == "WebSocket /api/rooms/x\n  is answered by no route\n"
    assert main(["plan", app, "/plain"]) == 1
    title, answer, reason = capsys.readouterr().err.splitlines()
    assert title == "WebSocket /plain"
    assert answer.startswith("  is answered by WebSocket /plain  planned.")
    assert reason == "  only an APIWebSocketRoute of fastroute has a plan"


async def fails(q: Annotated[int, Query()]) -> int:
    raise KeyError("in the dependency")


async def endpoint(
    websocket: WebSocket, value: Annotated[int, Depends(fails)], x: Annotated[str, Header()]
) -> None: ...


@pytest.mark.generated
def test_tracebacks_show_the_generated_code_and_the_users() -> None:
    with pytest.raises(KeyError) as caught:
        connect(APIWebSocketRoute("/", endpoint), websocket_scope("/?q=1"))
    frames = traceback.extract_tb(caught.value.__traceback__)
    generated = next(frame for frame in frames if frame.filename.startswith("<fastroute plan "))
    assert generated.name == "connect"
    assert "endpoint" in generated.filename
    assert generated.line == "result_0 = await call_0(q=value_0_0)"
    assert frames[-1].name == "fails"


@pytest.mark.slow
@pytest.mark.skipif(
    sysconfig.get_config_var("Py_GIL_DISABLED") == 1 and sys.version_info < (3, 14),
    reason="the free-threaded 3.13 keeps every function for ever once there is a second thread",
)
@pytest.mark.generated
def test_generated_source_goes_with_its_route() -> None:
    async def short_lived(websocket: WebSocket) -> None: ...

    def sources() -> int:
        return sum("short_lived" in name for name in linecache.cache)

    route = APIWebSocketRoute("/", short_lived)
    connect(route, websocket_scope())
    assert sources() == 1
    del route
    gc.collect()
    assert sources() == 0


def test_a_tool_may_wrap_the_endpoint_of_a_dependant() -> None:
    async def yields() -> AsyncIterator[int]:
        yield 1

    async def original(websocket: WebSocket, value: Annotated[int, Depends(yields)]) -> None:
        raise AssertionError("not reached")

    called = []

    async def wrapped(websocket: WebSocket, value: int) -> None:
        called.append(value)

    route = APIWebSocketRoute("/", original)
    route.dependant.call = wrapped
    connect(route, websocket_scope())
    assert called == [1]


def test_names_of_users_never_meet_those_of_the_generated_code() -> None:
    async def limit(q: int = 1) -> str:
        return f"limit {q}"

    def calls() -> str:
        return "calls"

    def other() -> str:
        return "other"

    seen: list[object] = []

    async def endpoint(
        websocket: WebSocket,
        limited: Annotated[str, Depends(limit, max_concurrency=1)],
        calls: Annotated[str, Depends(calls)],
        other: Annotated[str, Depends(other)],
        q: int = 1,
        default_q: int = 2,
        validate_q: int = 3,
        raw: int = 4,
        wrong: int = 5,
    ) -> None:
        seen.extend([limited, calls, other, q, default_q, validate_q, raw, wrong])

    for query in ("", "?q=1"):
        connect(APIWebSocketRoute("/", endpoint), websocket_scope(f"/{query}"))
    assert seen == ["limit 1", "calls", "other", 1, 2, 3, 4, 5] * 2
