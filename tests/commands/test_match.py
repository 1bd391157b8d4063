"""`python -m fastroute match`: the lines and the JSON that it prints."""

import json
import sys
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.testclient import TestClient

from fastroute import __main__ as command_line
from fastroute.tracing.trace import scope_of, trace

pytestmark = pytest.mark.twins


@pytest.fixture
def told(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "match_example", raising=False)
    (tmp_path / "match_example.py").write_text(EXAMPLE)

    def told(*argv: str) -> tuple[int, str]:
        code = command_line.main(["match", "match_example:app", *argv])
        return code, capsys.readouterr().out

    return told


EXAMPLE = """
from starlette.applications import Starlette
from starlette.routing import Mount, Route, WebSocketRoute

async def room(websocket): ...
async def item(request): ...
async def late(request): ...

app = Starlette(routes=[
    Route("/items/{item_id:int}", item),
    WebSocketRoute("/rooms/{room_id:int}", room),
    Mount("/m", routes=[Route("/{number:float}", item)]),
    Route("/m/late", late),
])
"""


def test_a_hit(told: Any) -> None:
    assert told("/rooms/7", "--websocket") == (
        0,
        "WebSocket /rooms/7\n"
        "  is answered by WebSocket /rooms/{room_id:int}  match_example.room (match_example.py:5)\n"
        "    room_id = 7\n",
    )
    assert told("/m/1%2E5")[1] == (
        "GET /m/1.5\n"
        "  is answered by GET,HEAD /m/{number:float}  match_example.item (match_example.py:6)\n"
        "    number = 1.5\n"
    )


def test_a_miss(told: Any) -> None:
    assert told("/rooms/abc", "--websocket") == (
        1,
        "WebSocket /rooms/abc\n"
        "  is answered by no route\n"
        "  4 routes were tried; the closest:\n"
        "    WebSocket /rooms/{room_id:int}  match_example.room (match_example.py:5)\n"
        "      `room_id`: expected digits at position 7, found 'abc'\n",
    )


def test_a_path_that_a_mount_keeps(told: Any) -> None:
    assert told("/m/late") == (
        1,
        "GET /m/late\n"
        "  is taken by Mount /m, and no route below it matches\n"
        "  would match if it came earlier:\n"
        "    GET,HEAD /m/late  match_example.late (match_example.py:7)\n"
        "  3 routes were tried; the closest:\n"
        "    GET,HEAD /m/{number:float}  match_example.item (match_example.py:6)\n"
        "      `number`: expected a number such as 1 or 1.5 at position 3, found 'late'\n",
    )


def test_a_redirect_and_a_wrong_method(told: Any) -> None:
    for path in ("/items/1/", "/items/1//"):
        assert told(path)[1].startswith(f"GET {path}\n  is answered by a redirect to /items/1\n")
    assert told("/items/1", "--method", "put") == (
        1,
        "PUT /items/1\n"
        "  is answered by 405 Method Not Allowed: GET,HEAD /items/{item_id:int}  "
        "match_example.item (match_example.py:6)\n"
        "    answers GET, HEAD and not PUT\n",
    )
    assert told("/items/" + "1" * 5000)[1].splitlines()[1].startswith("  is answered by 500 Internal Server Error")


def test_json(told: Any) -> None:
    code, out = told("/rooms/7", "--websocket", "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["match"] == "full"
    assert answer["path_params"] == {"room_id": 7}
    assert answer["answer"]["endpoint"] == "match_example.room (match_example.py:5)"
    assert (answer["asked"], answer["tried"], answer["nearest"]) == ("WebSocket /rooms/7", 1, [])
    missed = json.loads(told("/items/x", "--json")[1])
    assert (missed["match"], missed["tried"]) == ("none", 4)
    assert [near["reason"] for near in missed["nearest"]] == ["`item_id`: expected digits at position 7, found 'x'"]


def test_a_path_without_a_slash(told: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        told("rooms/7")
    assert end.value.code == 2
    assert "'rooms/7' must start with a slash" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "method", "decided_by", "status"),
    [
        ("/api", "GET", "api", 200),
        ("/api", "POST", "api", 405),  # and not the frontend after it
        ("/api/", "GET", "redirect", 307),
        ("/about", "GET", "frontend", 200),
        ("/deep/about", "GET", "frontend", 200),
        ("/about", "POST", "frontend", 405),
        ("/nothing", "POST", "frontend", 404),
        ("/inner/page", "GET", "page", 200),
        ("/inner/", "GET", "frontend", 200),
    ],
)
def test_a_frontend_comes_after_all_routes_and_redirects(
    path: str, method: str, decided_by: str, status: int, tmp_path: Any
) -> None:
    async def api() -> str:
        return "api"

    app, router = FastAPI(openapi_url=None), APIRouter()
    router.frontend("/deep", directory=str(_site(tmp_path / "deep", "deep")))
    router.frontend("/", directory=str(_site(tmp_path / "top", "top")))
    app.frontend("/inner", directory=str(_site(tmp_path / "inner", "inner")))
    app.include_router(router)
    app.add_api_route("/api", api, name="api")
    app.add_api_route("/inner/page", api, name="page")

    outcome = trace(app, scope_of("http", method, path, "testserver"))
    decisive = outcome.decisive
    told = "redirect" if decisive is None else decisive.entry.name or decisive.entry.kind
    assert told == decided_by
    assert (outcome.redirect is not None) == (decided_by == "redirect")
    response = TestClient(app, follow_redirects=False).request(method, path)
    assert response.status_code == status
    if decided_by == "frontend" and decisive is not None and status == 200:
        site = {0: "top", len("/deep"): "deep", len("/inner"): "inner"}
        assert response.text == site[decisive.child_scope["fastapi"]["frontend_specificity"]]


def _site(folder: Any, text: str) -> Any:
    folder.mkdir()
    for name in ("index.html", "about"):
        (folder / name).write_text(text)
    return folder


def test_a_frontend_is_no_405(told: Any, tmp_path: Any) -> None:
    (tmp_path / "index.html").write_text("")
    (tmp_path / "match_example.py").write_text(FRONTEND)
    code, text = told("/page")
    assert (code, text.splitlines()[1]) == (0, "  is handed to a frontend, whose files decide")
    code, text = told("/page", "--method", "POST")
    assert (code, text.splitlines()[1]) == (1, "  is handed to a frontend, whose files decide between 404 and 405")
    code, text = told("/api", "--method", "POST")
    assert (code, text.splitlines()[1].partition(":")[0]) == (1, "  is answered by 405 Method Not Allowed")


FRONTEND = """
from fastapi import FastAPI

app = FastAPI(openapi_url=None)
app.frontend("/", directory=".")

@app.get("/api")
async def api(): ...
"""
