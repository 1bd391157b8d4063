"""The request that `match` and `plan` are asked about, and why its handshake would be refused."""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState
from websocket_client import connect, websocket_scope

from fastroute import __main__ as command_line
from fastroute.commands._request import request_of

APPLICATION = """
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, FastAPI
from fastapi import Depends as TheirDepends
from fastapi import WebSocket as Socket
from fastapi.security import APIKeyHeader as TheirKey
from pydantic import AfterValidator
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, ConnectionPolicy, Cookie, Depends, Header, Query
from fastroute.security import HTTPBearer, SecurityBase, SubprotocolBearer

called = []

class Own(HTTPBearer):
    def credentials(self, connection):
        called.append("scheme")

async def user(bearer: Annotated[object, Depends(HTTPBearer())], page: Annotated[int, Query(ge=1)] = 1):
    called.append("user")

async def room(
    websocket: WebSocket,
    room_id: int,
    user: Annotated[None, Depends(user)],
    nick: Annotated[str | None, Query(min_length=2)] = None,
    color: Annotated[int, Cookie()] = 1,
    x_rate: Annotated[list[int], Header()] = [],
):
    await websocket.accept()

async def offered(websocket: WebSocket, token: Annotated[object, Depends(SubprotocolBearer(base64url=False))]):
    await websocket.accept()

async def own(websocket: WebSocket, token: Annotated[object, Depends(Own())]): ...
async def plain(websocket): ...
async def page(request): ...

policy = ConnectionPolicy(origins=["https://chat.example.org"])
app = Starlette(routes=[
    APIWebSocketRoute("/rooms/{room_id}", room, policy=policy),
    APIWebSocketRoute("/offered", offered),
    APIWebSocketRoute("/own", own),
    WebSocketRoute("/plain", plain),
    Route("/pages/{name}", page),
    Host("other.example.org", Router([WebSocketRoute("/there", plain)])),
])

router = APIRouter(dependencies=[TheirDepends(TheirKey(name="x-key"))])

@router.websocket("/{number}")
async def theirs(websocket: Socket, number: int, limit: int = 3):
    await websocket.accept()

def broken(value):
    raise RuntimeError("broken")

async def fails(websocket: WebSocket, n: Annotated[str, AfterValidator(broken), Query()]): ...

async def unfinished(websocket: WebSocket, token: Annotated[object, Depends(SecurityBase())]): ...

app.routes.extend([APIWebSocketRoute("/fails", fails), APIWebSocketRoute("/unfinished", unfinished)])

@router.websocket("/only/theirs")
async def only_theirs(socket: Socket, tasks: BackgroundTasks): ...

fast = FastAPI()
fast.include_router(router, prefix="/api")
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "asked", raising=False)
    (tmp_path / "asked.py").write_text(APPLICATION)

    def told(*argv: str, app: str = "asked:app", command: str = "match") -> tuple[int, list[str]]:
        try:
            code = command_line.main([command, app, *argv])
        except SystemExit as end:
            code = int(str(end.code))
        captured = capsys.readouterr()
        return code, (captured.out if code < 2 else captured.err).splitlines()

    return told


BEARER = ("--header", "authorization: Bearer x")


@pytest.mark.parametrize(
    ("argv", "title"),
    [
        (["/pages/a"], "GET /pages/a"),
        (["/pages/a%20b", "--method", "put"], "PUT /pages/a b"),
        (["/pages/a", "--host", "b.org"], "GET http://b.org/pages/a"),
        (["/pages/a?x=1", "--method", "GET"], "GET http://localhost/pages/a?x=1"),
        (["https://b.org:8443/pages/a?x=1#top"], "GET https://b.org:8443/pages/a?x=1"),
        (["HTTP://b.org?x"], "GET http://b.org/?x"),
        (["http://ann:secret@b.org/pages/a"], "GET http://b.org/pages/a"),
        (["http://[::1]:80/pages/a"], "GET http://[::1]:80/pages/a"),
        (["http://bücher.example/pages/ü"], "GET http://xn--bcher-kva.example/pages/ü"),
        (["http://b.org/pages/a", "--header", "Host: c.org"], "GET http://c.org/pages/a"),
        (["http://b.org/pages/a", "-H", "Host: c.org", "-b", "a=b"], "GET http://c.org/pages/a"),
        (["/rooms/7", "--websocket"], "WebSocket /rooms/7"),
        (["/rooms/7?nick=Ann"], "WebSocket ws://localhost/rooms/7?nick=Ann"),
        (["/rooms/7", "--cookie", "color=1"], "WebSocket ws://localhost/rooms/7"),
        (["wss://b.org/rooms/7"], "WebSocket wss://b.org/rooms/7"),
    ],
)
def test_the_first_line_repeats_the_question(told: Any, argv: list[str], title: str) -> None:
    code, lines = told(*argv)
    assert code < 2
    assert lines[0] == title


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["rooms/7"], "'rooms/7' must start with a slash, or be a URL as ws://localhost/rooms/7"),
        (["ftp://b.org/"], "'ftp://b.org/' has the scheme 'ftp'; write one of http, https, ws, wss"),
        (["ws://"], "'ws://' is no URL; write scheme://host:port/path?query"),
        (["ws://b.org:x/"], "'ws://b.org:x/' is no URL; write scheme://host:port/path?query"),
        (["ws://b.org:65536/"], "'ws://b.org:65536/': there is no port 65536"),
        (["ws://ü..org/"], "'ws://ü..org/': 'ü..org' is no host name"),
        (["ws://b.org/", "--host", "c.org"], "--host and 'ws://b.org/' both name a host; leave out one of them"),
        (["ws://b.org/", "--method", "PUT"], "'ws://b.org/' is no URL of an HTTP request (PUT); write http://"),
        (["http://b.org/", "--websocket"], "'http://b.org/' is no URL of a WebSocket; write ws://"),
        (["/", "--header", "x"], "argument --header/-H: 'x' is not 'name: value'"),
        (["/", "--header", "x y: 1"], "argument --header/-H: 'x y: 1' is not 'name: value'"),
        (["/", "--header", "x: 1\r\ny: 2"], "argument --header/-H: 'x: 1\\r\\ny: 2' is not 'name: value'"),
        (["/", "--cookie", "a=1; b"], "argument --cookie/-b: 'a=1; b' is not 'name=value'"),
        (["/", "--cookie", "=1"], "argument --cookie/-b: '=1' is not 'name=value'"),
    ],
)
def test_malformed(told: Any, argv: list[str], problem: str) -> None:
    code, lines = told(*argv)
    assert (code, lines[-1]) == (2, f"python -m fastroute match: error: {problem}")


def test_a_path_alone_is_only_matched(told: Any) -> None:
    code, lines = told("/rooms/x", "--websocket")
    assert (code, len(lines)) == (0, 3)


@pytest.mark.parametrize(
    ("argv", "refusals"),
    [
        (["ws://b.org/rooms/7", *BEARER], []),
        (["ws://b.org/rooms/7", *BEARER, "--header", "origin: https://chat.example.org"], []),
        (["ws://b.org/rooms/7"], ["HTTPBearer: Not authenticated (401)"]),
        (
            ["/rooms/7?page=0&nick=A", *BEARER, "--header", "Origin: https://evil.example"],
            [
                "its policy: the origin 'https://evil.example' is not among its origins (403)",
                "a parameter of asked.user (asked.py:23): query.page: Input should be greater than or equal to 1",
                "a parameter of asked.room (asked.py:26): query.nick: String should have at least 2 characters",
            ],
        ),
        (["/rooms/7", *BEARER, "--header", "x-rate: 1", "--header", "X-Rate: 2", "--cookie", "color=1; a=b"], []),
        (
            ["/rooms/x", *BEARER, "--cookie", "a=b", "--cookie", "color=red"],
            [
                "a parameter of asked.room (asked.py:26): path.room_id: Input should be a valid integer, unable to "
                "parse string as an integer",
                "a parameter of asked.room (asked.py:26): cookie.color: Input should be a valid integer, unable to "
                "parse string as an integer",
            ],
        ),
        (["/offered", "--header", "sec-websocket-protocol: bearer, abc"], []),
        (["ws://b.org/offered", *BEARER], ["SubprotocolBearer: Not authenticated (401)"]),
    ],
)
def test_refusals_are_those_of_the_application(told: Any, argv: list[str], refusals: list[str]) -> None:
    code, lines = told(*argv)
    found = [line.partition("would refuse it, by ")[2] for line in lines if "would refuse it" in line]
    assert found == refusals
    assert code == (1 if refusals else 0)
    assert sys.modules["asked"].called == []
    assert _refused(argv) == bool(refusals)


def _refused(argv: list[str]) -> bool:
    """What the application itself does with the same handshake."""
    url = argv[0].removeprefix("ws://b.org")
    sent = list(zip(argv[1::2], argv[2::2], strict=True))
    headers = [tuple(value.split(": ")) for option, value in sent if option == "--header"]
    cookies = "; ".join(value for option, value in sent if option == "--cookie")
    protocols = [value for name, value in headers if name.lower() == "sec-websocket-protocol"]
    offers = [offer for value in protocols for offer in value.split(", ")]
    scope = websocket_scope(url, headers=[*headers, ("host", "b.org"), ("cookie", cookies)], subprotocols=offers)
    return connect(sys.modules["asked"].app, scope)[0]["type"] != "websocket.accept"


def test_code_of_the_user_is_not_asked(told: Any) -> None:
    code, lines = told("ws://b.org/own")
    assert code == 0
    assert lines[2].startswith("  would not refuse it")
    assert lines[3] == "  was not asked, as it is your code: asked.Own"
    assert sys.modules["asked"].called == []


def test_a_route_that_does_not_declare_its_parameters(told: Any) -> None:
    code, lines = told("ws://b.org/plain")
    assert code == 0
    assert lines[2].startswith("  may refuse it: a WebSocketRoute does not declare its parameters")
    assert told("ws://other.example.org/there")[0] == 0
    assert told("ws://b.org/there")[0] == 1


def test_a_route_of_fastapi(told: Any) -> None:
    code, lines = told("ws://b.org/api/x?limit=y", app="asked:fast")
    assert code == 1
    assert [line.partition(", by ")[2].partition(":")[0] for line in lines[3:6]] == [
        "APIKeyHeader",
        "a parameter of asked.theirs (asked.py",
        "a parameter of asked.theirs (asked.py",
    ]
    assert told("ws://b.org/api/7", "--header", "x-key: k", app="asked:fast")[0] == 0


def test_a_validator_that_fails_is_a_refusal(told: Any) -> None:
    code, lines = told("/fails?n=x")
    assert code == 1
    assert lines[2].endswith(": the validation of 'n' raises RuntimeError: broken")
    code, lines = told("ws://b.org/unfinished")
    assert code == 1
    assert lines[2].startswith("  would refuse it, by SecurityBase: raises NotImplementedError: ")


def test_a_route_of_fastapi_that_cannot_be_asked(told: Any) -> None:
    code, lines = told("ws://b.org/api/only/theirs", app="asked:fast")
    assert code == 0
    assert lines[2].startswith("  may refuse it: asked.only_theirs (")


def test_json(told: Any) -> None:
    code, lines = told("ws://b.org/rooms/7", "--json")
    answer = json.loads("\n".join(lines))
    assert code == 1
    assert answer["asked"] == "WebSocket ws://b.org/rooms/7"
    assert answer["handshake"]["refusals"] == ["HTTPBearer: Not authenticated (401)"]
    assert answer["handshake"]["not_asked"] == ["asked.user (asked.py:23)"]


def test_json_never_lists_hundreds(told: Any, tmp_path: Path) -> None:
    (tmp_path / "asked.py").write_text(
        "from starlette.routing import Route, Router\n"
        "def page(request): ...\n"
        "app = Router([Route(f'/items/{i}', page) for i in range(1000)])\n"
    )
    answer = json.loads("\n".join(told("/items/x", "--json")[1]))
    assert answer["tried"] == 1000
    assert len(answer["nearest"]) == 5


def test_plan_takes_the_same(told: Any) -> None:
    argv = ["ws://b.org/rooms/7?nick=A", *BEARER, "--cookie", "a=b"]
    code, lines = told(*argv, command="plan")
    assert code == 0
    assert lines[:2] == ["WebSocket ws://b.org/rooms/7?nick=A", "  is answered by WebSocket /rooms/{room_id}"]
    assert told("http://b.org/rooms/7", command="plan")[0] == 2
    assert told("/rooms/7", "--header", "x", command="plan")[0] == 2


@pytest.mark.parametrize("url", ["/a%20b/%C3%BC?x=%20&y=ü#z", "/p?", "/%ff"])
def test_the_scope_is_that_of_a_server(url: str) -> None:
    """httptools and h11 give the path and the query as they were sent; uvicorn decodes the path."""
    options = argparse.Namespace(host=None, headers=[], cookies=[])
    scope = request_of(options, f"http://b.org{url}").scope
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)

    _serve(app, scope["raw_path"] + b"?" + scope["query_string"])
    for key in ("type", "path", "raw_path", "query_string", "root_path"):
        assert scope[key] == seen[key]


def _serve(app: Any, target: bytes) -> None:
    """One request, through uvicorn's own protocol on h11."""

    async def talk() -> None:
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        config.load()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: H11Protocol(config, ServerState(), {}), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"GET " + target + b" HTTP/1.1\r\nhost: b.org\r\nconnection: close\r\n\r\n")
            await reader.read()
            writer.close()

    asyncio.run(talk())
