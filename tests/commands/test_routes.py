"""`routes`: the tree of an application, for people and as JSON."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from fastroute import __main__ as command_line
from fastroute.commands import _terminal

EXAMPLE = """
from typing import Annotated

from fastapi import APIRouter, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.routing import Host, Mount, Route, WebSocketRoute

from fastroute import APIWebSocketRoute, Depends, Router, accelerate

class Session: ...
def current_user(session: Annotated[Session, Depends()]): ...
async def page(request): ...
async def room(websocket: WebSocket, user: Annotated[None, Depends(current_user)]): ...

app = Router([
    Route("/a/{b:int}", page, methods=["POST"]),
    APIWebSocketRoute("/rooms/{room_id}", room, dependencies=[Depends(Session)]),
    Mount("/m", routes=[WebSocketRoute("/ws", page)]),
    Host("{tenant}.example.org", Starlette(routes=[Route("/", page)])),
])

fast = Starlette(routes=[Route("/a", page)])
accelerate(fast)

api = FastAPI(openapi_url=None)
router = APIRouter(prefix="/v1")
router.add_api_route("/a", page, name="in a router")
api.include_router(router)

class PickyRouter(APIRouter):
    def matches(self, scope):
        return super().matches(scope)
class PickyRoute(APIRouter().route_class):
    def matches(self, scope):
        return super().matches(scope)

narrowed = FastAPI(openapi_url=None)
inner, picky, empty = APIRouter(), PickyRouter(), APIRouter()
inner.add_api_route("/{b}", page)
inner.add_api_route("/c", page, route_class_override=PickyRoute)
picky.add_api_route("/a", page)
empty.mount("/m", Starlette(routes=[Route("/x", page)]))
router = APIRouter()
router.add_api_route("/r", page)
router.include_router(picky, prefix="/picky")
narrowed.include_router(router, prefix="/v1")
narrowed.include_router(inner, prefix="/v2")
narrowed.include_router(empty, prefix="/v3")
narrowed.add_api_websocket_route("/ws", page)
narrowed.add_route("/plain/{x:path}/y", page)
narrowed.host("h", APIRouter())
accelerate(narrowed)

# It includes routers of an accelerated application, and is none itself.
other = FastAPI(openapi_url=None)
other.include_router(inner)
"""


@pytest.fixture
def told(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "routes_example", raising=False)
    (tmp_path / "routes_example.py").write_text(EXAMPLE)

    def told(app: str, *argv: str) -> str:
        assert command_line.main(["routes", f"routes_example:{app}", *argv]) == 0
        return capsys.readouterr().out

    return told


def test_a_tree(told: Any) -> None:
    assert told("app") == (
        "     kind       path                           name  endpoint                                    lookup\n"
        "1    POST       /a/{b:int}                     page  routes_example.page (routes_example.py:12)  index\n"
        "2    WebSocket  /rooms/{room_id}               room  routes_example.room (routes_example.py:13)  index\n"
        "                  needs Session, current_user\n"
        "3    mount      /m                                                                               index\n"
        "3.1  WebSocket    /m/ws                        page  routes_example.page (routes_example.py:12)  scan\n"
        "4    host       {tenant}.example.org                                                             always\n"
        "4.1  GET,HEAD     /                            page  routes_example.page (routes_example.py:12)  scan\n"
    )


def test_an_accelerated_application(told: Any) -> None:
    assert told("fast").splitlines()[1].endswith("  index")


def test_json(told: Any) -> None:
    post, room, mount, host = json.loads(told("app", "--json"))
    assert (post["kind"], post["methods"], post["path"], post["lookup"]) == ("http", ["POST"], "/a/{b:int}", "index")
    assert (room["kind"], room["name"], room["dependencies"]) == ("websocket", "room", ["Session", "current_user"])
    assert [route["path"] for route in mount["routes"]] == ["/m/ws"]
    assert (host["host"], host["lookup"]) == ("{tenant}.example.org", "always")
    assert host["routes"][0]["host"] == "{tenant}.example.org"


def test_included_routers_of_fastapi(told: Any) -> None:
    lines = told("api").splitlines()
    assert [line for line in lines if "/v1/a" in line and "in a router" in line and line.endswith("scan")]


def test_an_accelerated_fastapi_application(told: Any) -> None:
    lookups = [(line.split()[0], line.split()[-1]) for line in told("narrowed").splitlines()[1:]]
    assert lookups == [
        *(("1", "always"), ("1.1", "index"), ("1.2", "always"), ("1.2.1", "index")),
        *(("2", "always"), ("2.1", "index"), ("2.2", "always")),
        *(("3", "index"), ("3.1", "index"), ("3.1.1", "index")),
        *(("4", "index"), ("5", "index"), ("6", "always")),
    ]
    found = json.loads(told("narrowed", "--json"))
    assert [route["lookup"] for route in found] == ["always", "always", "index", "index", "index", "always"]
    assert [route["lookup"] for route in found[0]["routes"]] == ["index", "always"]


def test_a_router_of_an_accelerated_application_is_scanned_in_another(told: Any) -> None:
    assert all(line.endswith("scan") for line in told("other").splitlines()[1:])


def test_rich_on_a_terminal(told: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    shown = told("app")
    assert "─" in shown
    assert "{tenant}.example.org" in shown
    monkeypatch.setattr(_terminal, "RICH", False)
    assert "─" not in told("app")


def test_progress_is_shown_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(_terminal.track([1, 2], "counting")) == [1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(_terminal.track([1, 2], "counting")) == [1, 2]
    monkeypatch.setattr(_terminal, "RICH", False)
    capsys.readouterr()
    assert list(_terminal.track([1, 2], "counting")) == [1, 2]
    assert "\rcounting [" + "#" * 15 + "." * 15 + "] 1/2" in capsys.readouterr().err


def test_an_output_that_cannot_show_a_path_gets_its_escape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wide_paths.py").write_text(
        "from starlette.applications import Starlette\nfrom starlette.routing import Route\n"
        "app = Starlette(routes=[Route('/部屋', print)])\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    output = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", output)
    assert command_line.main(["routes", "wide_paths:app"]) == 0
    output.seek(0)
    assert r"/\u90e8\u5c4b" in output.read()
