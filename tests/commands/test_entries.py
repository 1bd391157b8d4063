"""`module:app` on the command line: what is found, and what is said where nothing is."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute

from fastroute.commands._entries import Entry, entries, routes_of, walk
from fastroute.commands._loading import application

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into the current folder, and forgets it afterwards."""
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)

    def write(name: str, source: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        return file

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def test_found_in_the_current_folder(write: Write) -> None:
    write("shop_1.py", "from starlette.applications import Starlette\nclass api:\n    app = Starlette()\n")
    assert isinstance(application("shop_1:api.app"), Starlette)


def test_found_in_a_package(write: Write) -> None:
    write("shop_2/__init__.py", "")
    write("shop_2/main.py", "from starlette.routing import Router\napp = Router()\n")
    assert isinstance(application("shop_2.main:app"), Router)


def _refusal(target: str) -> str:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        application(target)
    return str(refused.value)


@pytest.mark.parametrize(
    ("target", "example"),
    [("shop.py", "shop:app"), ("./pkg/shop.py", "pkg.shop:app"), ("shop:", "shop:app"), (":app", "main:app")],
)
def test_not_a_target(target: str, example: str) -> None:
    assert _refusal(target) == f"{target!r} does not name an application; write module:app, as {example}"


def test_no_such_module(write: Write, tmp_path: Path) -> None:
    expected = f"there is no module 'shop_3' in {tmp_path} nor elsewhere on the import path"
    write("other.py", "")
    assert _refusal("shop_3:app") == expected
    assert _refusal("shop_3.main:app") == expected


def test_a_module_that_misses_another(write: Write) -> None:
    file = write("shop_4.py", "import json\nimport not_installed\n")
    assert _refusal("shop_4:app") == (
        f"importing 'shop_4' failed: {file}:2: ModuleNotFoundError: No module named 'not_installed'"
    )


def test_a_module_that_fails(write: Write) -> None:
    file = write("shop_5.py", "def f():\n    raise ValueError('no DATABASE_URL')\nf()\n")
    assert _refusal("shop_5:app") == f"importing 'shop_5' failed: {file}:2: ValueError: no DATABASE_URL"


def test_a_module_that_does_not_parse(write: Write) -> None:
    file = write("shop_6.py", "x = 1\ny = = 2\n")
    assert _refusal("shop_6:app") == f"importing 'shop_6' failed: {file}:2: invalid syntax"


def test_no_such_attribute(write: Write) -> None:
    file = write("shop_7.py", "from starlette.applications import Starlette\nweb = Starlette()\n")
    assert _refusal("shop_7:app") == f"shop_7 ({file}) was imported and has no 'app'; did you mean shop_7:web?"


def test_not_an_application(write: Write) -> None:
    file = write("shop_8.py", "def app(): ...\nversion = 1\n")
    assert (
        _refusal("shop_8:app")
        == f"'app' in shop_8 ({file}) is a function, and has no routes; there is no application in it"
    )
    assert "'version' in shop_8" in _refusal("shop_8:version")
    assert "is of type int, and has no routes" in _refusal("shop_8:version")


async def _endpoint(connection: Any) -> None: ...


def _outline(tree: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.kind, entry.path) for entry in walk(tree)]


def test_routes_below_middleware() -> None:
    routes: list[BaseRoute] = [Route("/a", _endpoint)]
    wrapped = GZipMiddleware(GZipMiddleware(Starlette(routes=routes)))
    assert routes_of(wrapped) == routes
    assert routes_of(GZipMiddleware(_endpoint)) is None
    assert _outline(entries(Starlette(routes=[Mount("/m", wrapped)]))) == [("mount", "/m"), ("http", "/a")]


def test_a_tree_of_starlette_routes() -> None:
    class Custom(BaseRoute): ...

    inner = Starlette(routes=[WebSocketRoute("/ws", _endpoint)])
    tree = entries(
        Starlette(
            routes=[
                Route("/a/{b:int}", _endpoint, methods=["POST", "GET"], name="first"),
                Mount("/m", inner),
                Host("{tenant}.example.org", inner),
                Custom(),
            ]
        )
    )
    assert _outline(tree) == [
        ("http", "/a/{b:int}"),
        ("mount", "/m"),
        ("websocket", "/ws"),
        ("host", "{tenant}.example.org"),
        ("websocket", "/ws"),
        ("other", ""),
    ]
    assert (tree[0].name, tree[0].methods, tree[0].endpoint) == ("first", ["GET", "HEAD", "POST"], _endpoint)


def test_an_application_mounted_in_itself() -> None:
    app = Starlette(routes=[Route("/a", _endpoint)])
    app.mount("/self", app)
    assert _outline(entries(app)) == [("http", "/a"), ("mount", "/self")]


def test_included_routers_of_fastapi(tmp_path: Path) -> None:
    app, outer, inner = FastAPI(openapi_url=None), APIRouter(prefix="/outer"), APIRouter()
    inner.add_api_route("/http/{x}", _endpoint, name="deep", methods=["PUT"])
    inner.add_api_websocket_route("/ws", _endpoint)
    inner.mount("/files", Starlette())
    outer.include_router(inner, prefix="/inner")
    app.include_router(outer, prefix="/v1")
    app.frontend("/", directory=str(tmp_path))
    tree = entries(app)
    # What FastAPI does with an included router differs between its releases; what is reachable where does not.
    assert [line for line in _outline(tree) if line[0] != "included"] == [
        ("http", "/v1/outer/inner/http/{x}"),
        ("websocket", "/v1/outer/inner/ws"),
        ("mount", "/v1/outer/inner/files"),
        ("frontend", ""),
    ]
    deep = next(entry for entry in walk(tree) if entry.kind == "http")
    assert (deep.name, deep.methods, deep.endpoint) == ("deep", ["PUT"], _endpoint)
