"""`bench`: where the table comes from, what is refused, and what is printed and drawn; not how fast it is."""

import argparse
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter
from starlette.convertors import CONVERTOR_TYPES
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.testclient import TestClient

from fastroute import __main__ as command_line
from fastroute.commands import _accelerated, bench
from fastroute.commands.bench import BenchRoute, routing_cost
from fastroute.narrowing import tables


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "bench_example", raising=False)
    (tmp_path / "bench_fastapi_example.py").write_text(FASTAPI)
    monkeypatch.delitem(sys.modules, "bench_fastapi_example", raising=False)
    monkeypatch.setattr(bench, "_ROUNDS", 1)
    monkeypatch.setattr(bench, "_MOST_PATHS", 4)
    monkeypatch.setattr(_accelerated, "_ROUNDS", 1)
    (tmp_path / "table.txt").write_text(TABLE)

    def told(*argv: str) -> str:
        assert command_line.main(["bench", *argv]) == 0
        return capsys.readouterr().out

    return told


TABLE = """
/users                      # a comment
POST /users/{user_id:int}
WEBSOCKET /rooms/{room}/{file:path}
GET /users/{user_id:int}
"""


def test_a_table_of_lines(told: Any, tmp_path: Path) -> None:
    assert bench._of_file("table.txt") == [
        BenchRoute("http", "/users", ["GET"]),
        BenchRoute("http", "/users/{user_id:int}", ["POST"]),
        BenchRoute("websocket", "/rooms/{room}/{file:path}", ["WEBSOCKET"]),
        BenchRoute("http", "/users/{user_id:int}", ["GET"]),
    ]
    lines = told("--table", "table.txt").splitlines()
    assert [line.split()[0] for line in lines if line.strip().endswith(tuple("0123456789"))] == [
        *("1", "2", "4"),
        *("hit", "miss"),
    ]


def test_an_application() -> None:
    assert bench._of_application(APPLICATION) == [
        BenchRoute("http", "/a", ["POST"]),
        BenchRoute("http", "/m/{n}/b", ["GET", "HEAD"]),
        BenchRoute("websocket", "/c", None),
    ]


async def page(request: Any) -> Any: ...


APPLICATION = Router(
    [
        Route("/a", page, methods=["POST"]),
        Mount("/m/{n}", routes=[Route("/b", page)]),
        Host("a.org", Router([WebSocketRoute("/c", page)])),
    ]
)


def test_an_openapi_document(told: Any, tmp_path: Path) -> None:
    document = {"paths": {"/a/{b}": {"get": {}, "post": {}, "parameters": []}, "/c": {"delete": {}}}}
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    assert bench._of_openapi("openapi.json") == [
        BenchRoute("http", "/a/{b}", ["GET"]),
        BenchRoute("http", "/a/{b}", ["POST"]),
        BenchRoute("http", "/c", ["DELETE"]),
    ]


def test_json(told: Any) -> None:
    found = json.loads(told("--table", "table.txt", "--json"))
    assert [cost["routes"] for cost in found["routing"]] == [1, 2, 4]
    assert all(seconds > 0 for cost in found["routing"] for seconds in cost.values())
    assert all(seconds > 0 for seconds in found["matching"]["hit"] + found["matching"]["miss"])


def test_a_table_that_misses_nothing(told: Any, tmp_path: Path) -> None:
    (tmp_path / "table.txt").write_text("/{everything:path}\n")
    [line] = [line for line in told("--table", "table.txt").splitlines() if line.strip().startswith("1 ")]
    assert line.split()[-3:] == ["-", "-", "-"]


@pytest.mark.slow
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="matplotlib is built for CPython")
@pytest.mark.parametrize(("name", "start"), [("plot.svg", b"<?xml"), ("plot.png", b"\x89PNG")])
def test_a_plot(told: Any, tmp_path: Path, name: str, start: bytes) -> None:
    assert told("--table", "table.txt", "--plot", name).endswith(f"drawn: {name}\n")
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="matplotlib is built for CPython")
def test_a_plot_of_an_unknown_kind(told: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["bench", "--table", "table.txt", "--plot", "plot.nope"]) == 2
    assert "fastroute bench: plot.nope cannot be drawn: Format 'nope' is not supported" in capsys.readouterr().err


def test_a_plot_without_matplotlib(
    told: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "fastroute.commands._plot", raising=False)
    assert command_line.main(["bench", "--table", "table.txt", "--plot", "plot.svg"]) == 2
    assert capsys.readouterr().err == "fastroute bench: --plot needs matplotlib: pip install 'fastroute[plot]'\n"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.txt", "users", "t.txt:1: 'users' is not a template, with or without a method before it"),
        ("t.txt", "/a\nGET POST /b", "t.txt:2: 'GET POST /b' is not a template, with or without a method before it"),
        ("t.txt", "/a/{b:c}", "t.txt: '/a/{b:c}' is not a template of Starlette's: Unknown path convertor 'c'"),
        (
            "t.txt",
            "/{a}/{a}",
            "t.txt: '/{a}/{a}' is not a template of Starlette's: Duplicated param name a at path /{a}/{a}",
        ),
        ("t.txt", "# none", "there is no route in t.txt with only Starlette's own convertors"),
        ("o.json", "paths: {}", "o.json is not an OpenAPI document in JSON: it has no object 'paths'"),
        ("o.json", "[]", "o.json is not an OpenAPI document in JSON: it has no object 'paths'"),
        ("o.json", "{}", "o.json is not an OpenAPI document in JSON: it has no object 'paths'"),
    ],
)
def test_what_is_no_table(
    name: str, content: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(content)
    read = bench._of_openapi if name.endswith("json") else bench._of_file
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        read(name)
    assert str(refused.value) == expected


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"nowhere\.txt cannot be read: "):
        bench._of_file("nowhere.txt")


def test_a_wrong_answer_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(Router):
        async def app(self, scope: Any, receive: Any, send: Any) -> None:
            await self.default(scope, receive, send)

    monkeypatch.setattr(bench, "Router", Wrong)
    with pytest.raises(AssertionError, match="they differ about '/a'"):
        routing_cost([BenchRoute("http", "/a", ["GET"])], 1)


@pytest.mark.parametrize(
    "table",
    [
        [BenchRoute("http", "/x/y", ["GET"]), BenchRoute("http", "/{p:path}", ["POST"])],
        [BenchRoute("http", "/x", ["PUT"]), BenchRoute("http", "/x/{p:path}/", ["GET"])],
    ],
)
def test_a_miss_that_is_a_405_or_a_redirect_is_no_miss(table: list[BenchRoute]) -> None:
    cost = routing_cost(table, len(table))
    assert cost.starlette_hit > 0 < cost.fastroute_hit


def test_an_interrupt_prints_the_figures_so_far(
    told: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = bench.routing_cost

    def interrupted(table: list[BenchRoute], size: int) -> bench.Cost:
        if size == 4:
            raise KeyboardInterrupt
        return measured(table, size)

    monkeypatch.setattr(bench, "routing_cost", interrupted)
    assert command_line.main(["bench", "--table", "table.txt"]) == 130
    sizes = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line[:6].strip().isdigit()]
    assert sizes == ["1", "2"]


def test_an_application_of_the_command_line(told: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bench_example.py").write_text(EXAMPLE)
    told("bench_example:make", "--factory")
    (tmp_path / "pyproject.toml").write_text("[tool.fastroute]\napp = 'bench_example:app'\n")
    told()
    assert command_line.main(["bench", "bench_example:empty"]) == 2
    told_of_it = "fastroute bench: there is no route in the application with only Starlette's own convertors\n"
    assert capsys.readouterr().err == told_of_it
    with pytest.raises(SystemExit) as end:
        told("bench_example:app", "--table", "table.txt")
    assert end.value.code == 2
    assert "module:app: not allowed with argument --table" in capsys.readouterr().err


EXAMPLE = """
from starlette.applications import Starlette
from starlette.routing import Route

async def page(request): ...
def make():
    return app
app = Starlette(routes=[Route("/x/y", page), Route("/{p:path}", page, methods=["POST"])])
empty = Starlette()
"""


FASTAPI = """
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match, Route

class OwnRouter(APIRouter):
    async def app(self, scope, receive, send):
        await super().app(scope, receive, send)

class Refuse:
    def __init__(self, app):
        self.app = app
    async def __call__(self, scope, receive, send):
        refused = scope["path"].endswith("/3")
        await (PlainTextResponse("no", 403) if refused else self.app)(scope, receive, send)

called = []
def page():
    called.append("page")
def make(**options):
    app = FastAPI(dependencies=[Depends(lambda: called.append("dependency"))], **options)
    for number in range(3):
        router = APIRouter()
        for item in range(8):
            router.add_api_route(f"/{{name}}/{item}", page, methods=["POST"])
        app.include_router(router, prefix=f"/r{number}")
    return app

app = make()
everything = make()
everything.add_api_route("/{path:path}", page)
refusing = make()
refusing.add_api_route("/3", page)
refusing.add_middleware(Refuse)
async def talk(websocket: WebSocket): ...
class Year(Convertor):
    regex = "[0-9]{4}"
    def convert(self, value): return value
    def to_string(self, value): return value
class OwnRoute(BaseRoute):
    def matches(self, scope):
        return Match.NONE, {}
def mixed():
    mixed = make()
    register_url_convertor("year", Year())
    mixed.add_api_websocket_route("/talk", talk)
    mixed.mount("/below", Starlette(routes=[Route("/x", page), Route("/y", page)]))
    mixed.router.routes.append(OwnRoute())
    mixed.add_api_route("/{year:year}", page)
    return mixed
class Fail(Refuse):
    async def __call__(self, scope, receive, send):
        if scope["path"].endswith("/3"):
            raise RuntimeError("the lifespan was not run")
        await self.app(scope, receive, send)
failing = make()
failing.add_api_route("/3", page)
failing.add_middleware(Fail)
class Read(Refuse):
    async def __call__(self, scope, receive, send):
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        await self.app(scope, receive, send)
reading = make()
reading.add_middleware(Read)
around = FastAPI(openapi_url=None)
around.add_api_route("/x", page)
around.router.middleware_stack = Read(around.router.middleware_stack)
left = FastAPI(openapi_url=None)
left.router = OwnRouter()
left.router.add_api_route("/x", page)
none = FastAPI()
"""


def rows(shown: str) -> dict[str, list[str]]:
    """The figures of the table by the name of the row."""
    lines = [line for line in shown.splitlines() if line.startswith(("first", "average", "last", "no route"))]
    return {line[:9].strip(): line[9:].split() for line in lines}


def test_a_fastapi_application_before_and_after(told: Any) -> None:
    shown = told("bench_fastapi_example:app")
    assert "FastAPI: 28 routes with those of 3 included routers" in shown
    assert "whole request: FastAPI  accelerated  ratio  router alone: FastAPI  accelerated  ratio" in shown
    figures = rows(shown)
    assert list(figures) == ["first", "average", "last", "no route"]
    assert all(float(figure) > 0 for row in figures.values() for figure in row)
    assert {len(row) for row in figures.values()} == {6}


def test_routes_that_are_not_measured_are_counted(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONVERTOR_TYPES, "year", None)  # the example sets another one, which goes as well
    last = told("bench_fastapi_example:mixed", "--factory").splitlines()[-1]
    assert last == "routes that are not measured: 1 WebSocket, 2 mounted, 1 of another class, 1 with other convertors"
    assert json.loads(told("bench_fastapi_example:mixed", "--factory", "--json"))["not_measured"]["mounted"] == 2
    assert "not measured" not in told("bench_fastapi_example:app")


def test_endpoints_and_dependencies_are_not_called_while_it_is_measured(told: Any) -> None:
    told("bench_fastapi_example:app")
    example = sys.modules["bench_fastapi_example"]
    assert example.called == []
    assert TestClient(example.app).post("/r2/x/7").status_code == 200
    assert example.called == ["dependency", "page"]


def test_a_fastapi_application_as_json(told: Any) -> None:
    found = json.loads(told("bench_fastapi_example:app", "--json"))
    assert found["fastapi"].startswith("FastAPI ")
    for figures in (found["whole request"], found["router alone"]):
        assert list(figures) == ["first", "average", "last", "no_route"]
        assert all(seconds > 0 for pair in figures.values() for seconds in pair)


@pytest.mark.parametrize("app", ["refusing", "failing"])
def test_a_request_that_middleware_answers_or_fails_has_no_figure(told: Any, app: str) -> None:
    figures = rows(told(f"bench_fastapi_example:{app}"))
    assert figures["last"][:3] == ["-", "-", "-"]
    assert min(map(float, figures["last"][3:] + figures["average"] + figures["first"] + figures["no route"])) > 0


def test_middleware_may_read_the_request(told: Any) -> None:
    assert all(float(figure) > 0 for row in rows(told("bench_fastapi_example:reading")).values() for figure in row)


def test_no_route_has_no_figure_if_a_route_takes_every_path(told: Any) -> None:
    assert rows(told("bench_fastapi_example:everything"))["no route"] == ["-"] * 6


def test_a_plot_of_a_fastapi_application_has_plain_routers(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(bench, "_plot", lambda: SimpleNamespace(draw=lambda *arguments: drawn.append(arguments)))
    assert "Routing, from a scope to its endpoint" in told("bench_fastapi_example:app", "--plot", "plot.svg")
    assert [cost.routes for cost in drawn[0][1]][-1] >= 24


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        ("left", "accelerate changes nothing: bench_fastapi_example.OwnRouter has `app` of its own"),
        ("none", "there is no HTTP route in the application with only Starlette's own convertors"),
        ("around", "its router has middleware, below which FastAPI's own cannot be put back"),
    ],
)
def test_a_fastapi_application_that_cannot_be_compared(
    told: Any, app: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["bench", f"bench_fastapi_example:{app}"]) == 2
    assert capsys.readouterr() == ("", f"{reason}\n")


def test_fastapis_own_classes_scan_and_the_accelerated_ones_do_not(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told("bench_fastapi_example:app")
    app = sys.modules["bench_fastapi_example"].app
    client, accelerated = TestClient(app), type(app.router)

    def lookup(path: str) -> Any:
        raise LookupError(path)

    monkeypatch.setattr("fastroute.narrowing.routers.route_path", lookup)
    with _accelerated._fastapis_own(app.router):
        assert type(app.router) is APIRouter
        assert client.post("/r2/x/7").status_code == 200
    assert type(app.router) is accelerated
    with pytest.raises(LookupError):
        client.post("/r2/x/7")


def test_a_route_that_narrowing_loses_has_no_figure(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables.Index, "routes", lambda self, scope, places: [])
    figures = rows(told("bench_fastapi_example:app"))
    assert figures["last"] == ["-"] * 6
    assert figures["average"] == ["-"] * 6
