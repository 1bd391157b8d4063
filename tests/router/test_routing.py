"""APIWebSocketRoute: its attributes, its matches, and how a connection ends."""

import functools
import re
import sys
from typing import Annotated, Any
from uuid import UUID

import anyio
import pytest
from starlette.applications import Starlette
from starlette.convertors import CONVERTOR_TYPES, Convertor, register_url_convertor
from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import JSONResponse
from starlette.routing import Match, Mount, NoMatchFound, Router, WebSocketRoute
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, DeclarationError, Depends, Header, Query, WebSocketRequestValidationError

pytestmark = pytest.mark.twins


async def room(websocket: WebSocket, room_id: int) -> None:
    await websocket.accept()
    await websocket.send_json(room_id)


async def plain(websocket: WebSocket) -> None:
    await websocket.accept()


class AsyncCallable:
    async def __call__(self, websocket: WebSocket) -> None:
        await websocket.accept()

    async def method(self, websocket: WebSocket) -> None:
        await websocket.accept()


def short(messages: list[dict[str, Any]]) -> list[Any]:
    """The important part of messages: text that was sent, and the code and reason of a close."""
    words = {
        "websocket.accept": lambda message: "accept",
        "websocket.send": lambda message: message["text"],
        "websocket.close": lambda message: (message["code"], message["reason"]),
        "websocket.http.response.start": lambda message: message["status"],
        "websocket.http.response.body": lambda message: message["body"],
    }
    return [words[message["type"]](message) for message in messages]


class TestAttributes:
    def test_all(self) -> None:
        marker = Depends(plain)
        route = APIWebSocketRoute("/rooms/{room_id:int}", room, dependencies=(marker,))
        assert isinstance(route, WebSocketRoute)
        assert route.path == "/rooms/{room_id:int}"
        assert route.endpoint is room
        assert route.name == "room"
        assert route.dependencies == [marker]
        assert isinstance(route.path_regex, re.Pattern)
        assert route.path_regex.pattern == WebSocketRoute(route.path, room).path_regex.pattern
        assert route.path_format == "/rooms/{room_id}"
        assert route.param_convertors == {"room_id": CONVERTOR_TYPES["int"]}
        assert route.dependant.call is room
        assert [field.name for field in route.dependant.path_params] == ["room_id"]
        assert callable(route.app)
        assert repr(route) == "APIWebSocketRoute(path='/rooms/{room_id:int}', name='room')"

    def test_the_endpoint_without_fastapi(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "fastapi.routing", raising=False)
        assert APIWebSocketRoute("/{room_id:int}", room).endpoint is room

    def test_every_argument_by_position_and_by_keyword(self) -> None:
        provider = Starlette()
        arguments = {
            "path": "/x",
            "endpoint": plain,
            "name": "n",
            "dependencies": [Depends(plain)],
            "dependency_overrides_provider": provider,
        }
        for route in (APIWebSocketRoute(*arguments.values()), APIWebSocketRoute(**arguments)):
            assert {name: getattr(route, name) for name in arguments} == arguments

    def test_lists_of_dependencies_are_not_shared(self) -> None:
        given = [Depends(plain)]
        route = APIWebSocketRoute("/", plain, dependencies=given)
        given.clear()
        assert len(route.dependencies) == 1
        assert APIWebSocketRoute("/", plain).dependencies == []

    @pytest.mark.parametrize(
        ("endpoint", "name"),
        [
            (plain, "plain"),
            (functools.partial(room, room_id=1), "partial"),
            (AsyncCallable(), "AsyncCallable"),
        ],
    )
    def test_name_is_starlettes(self, endpoint: Any, name: str) -> None:
        assert APIWebSocketRoute("/", endpoint).name == name == WebSocketRoute("/", endpoint).name

    def test_equality_is_starlettes(self) -> None:
        route = APIWebSocketRoute("/x", plain)
        assert route == APIWebSocketRoute("/x", plain) == WebSocketRoute("/x", plain)
        assert route != APIWebSocketRoute("/y", plain)

    def test_url_path_for(self) -> None:
        route = APIWebSocketRoute("/rooms/{room_id:int}", room)
        url = route.url_path_for("room", room_id=5)
        assert (url, url.protocol) == ("/rooms/5", "websocket")
        with pytest.raises(NoMatchFound):
            route.url_path_for("room", other=5)


class TestMatches:
    ROUTE = "/t/{tenant}/rooms/{room_id:int}"

    async def endpoint(self, websocket: WebSocket, tenant: str, room_id: int) -> None: ...

    def test_child_scope(self) -> None:
        route = APIWebSocketRoute(self.ROUTE, self.endpoint)
        scope = websocket_scope("/t/a/rooms/7", path_params={"outer": 1, "tenant": "old"})
        before = {**scope, "path_params": dict(scope["path_params"])}
        match, child = route.matches(scope)
        assert match is Match.FULL
        assert child == {
            "endpoint": self.endpoint,
            "path_params": {"outer": 1, "tenant": "a", "room_id": 7},
            "route": route,
        }
        assert scope == before
        assert child["path_params"] is not scope["path_params"]

    def test_dicts_are_never_shared(self) -> None:
        route = APIWebSocketRoute("/x", plain)
        first, second = (route.matches(websocket_scope("/x"))[1] for _ in range(2))
        first["path_params"]["dirt"] = 1
        first["more"] = 2
        assert second == {"endpoint": plain, "path_params": {}, "route": route}
        none = route.matches(websocket_scope("/y"))[1]
        none["dirt"] = 1
        assert route.matches(websocket_scope("/y")) == (Match.NONE, {})

    @pytest.mark.parametrize("path", ["/t/a/rooms/x", "/t/a/rooms/-7", "/t//rooms/7", "/t/a/rooms/7/", ""])
    def test_no_match(self, path: str) -> None:
        assert APIWebSocketRoute(self.ROUTE, self.endpoint).matches(websocket_scope(path)) == (Match.NONE, {})

    @pytest.mark.parametrize("kind", ["http", "lifespan"])
    def test_other_scope_types(self, kind: str) -> None:
        assert APIWebSocketRoute("/", plain).matches({"type": kind, "path": "/"}) == (Match.NONE, {})

    @pytest.mark.parametrize("root_path", ["", "/app", "/app/", "/ap"])
    def test_root_path_is_starlettes(self, root_path: str) -> None:
        ours, theirs = APIWebSocketRoute("/x", plain), WebSocketRoute("/x", plain)
        for path in ("/x", "/app/x", "/app", "/appx"):
            scope = websocket_scope(path, root_path=root_path)
            assert ours.matches(scope)[0] is theirs.matches(scope)[0]

    def test_convertors(self) -> None:
        async def all_five(websocket: WebSocket, i: int, f: float, u: UUID, s: str, p: str) -> None:
            await websocket.accept()
            await websocket.send_json([i, f, str(u), s, p])

        route = APIWebSocketRoute("/{i:int}/{f:float}/{u:uuid}/{s}/{p:path}", all_five)
        path = "/007/1.5/00000000-0000-0000-0000-00000000000a/é/x/y"
        sent = short(connect(route, websocket_scope(path)))
        assert sent[1] == '[7,1.5,"00000000-0000-0000-0000-00000000000a","\xe9","x/y"]'

    def test_custom_convertor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Hex(Convertor[int]):
            regex = "[0-9a-f]+"

            def convert(self, value: str) -> int:
                return int(value, 16)

            def to_string(self, value: int) -> str:
                return f"{value:x}"

        monkeypatch.setitem(CONVERTOR_TYPES, "hex", Hex())
        register_url_convertor("hex", Hex())
        route = APIWebSocketRoute("/{room_id:hex}", room)
        assert short(connect(route, websocket_scope("/ff")))[1] == "255"
        assert route.url_path_for("room", room_id=255) == "/ff"


class TestWhereItWorks:
    def apps(self) -> list[tuple[Any, str]]:
        route = APIWebSocketRoute("/rooms/{room_id:int}", room)
        return [
            (route, "/rooms/5"),
            (Starlette(routes=[route]), "/rooms/5"),
            (Router(routes=[route]), "/rooms/5"),
            (Starlette(routes=[Mount("/api", routes=[route])]), "/api/rooms/5"),
            (Mount("/api", app=route), "/api/rooms/5"),
        ]

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_everywhere(self, backend: str) -> None:
        for app, path in self.apps():
            sent = connect(app, websocket_scope(path), backend=backend)
            assert short(sent) == ["accept", "5", (1000, "")]

    def test_wrong_path_is_refused(self) -> None:
        for app, path in self.apps():
            assert short(connect(app, websocket_scope(path + "x"))) == [(1000, "")]

    def test_scope_of_the_connection(self) -> None:
        route = APIWebSocketRoute("/rooms/{room_id:int}", room)
        scope = websocket_scope("/rooms/5")
        connect(Starlette(routes=[route]), scope)
        assert scope["route"] is route
        assert scope["endpoint"] is room
        assert scope["path_params"] == {"room_id": 5}

    @pytest.mark.parametrize("endpoint", [AsyncCallable(), AsyncCallable().method, functools.partial(plain)])
    def test_kinds_of_endpoints(self, endpoint: Any) -> None:
        assert short(connect(APIWebSocketRoute("/", endpoint), websocket_scope())) == ["accept", (1000, "")]


async def accepts(websocket: WebSocket) -> None:
    await websocket.accept()


class TestRefusals:
    """How a connection ends that gets no endpoint, in a plain Starlette with no handler registered."""

    async def endpoint(
        self,
        websocket: WebSocket,
        room_id: str,
        q: Annotated[str, Query(min_length=3)],
        x_token: Annotated[int, Header()],
    ) -> None:
        raise AssertionError("not reached")

    def app(self, *dependencies: Any, **starlette: Any) -> Starlette:
        route = APIWebSocketRoute("/{room_id}", self.endpoint, dependencies=[Depends(d) for d in dependencies])
        return Starlette(routes=[route], **starlette)

    @pytest.mark.parametrize("dependencies", [(), (accepts,)], ids=["before accept", "after accept"])
    def test_validation_error_names_place_parameter_and_problem(self, dependencies: Any) -> None:
        *before, close = short(connect(self.app(*dependencies), websocket_scope("/r?q=ab", headers=[("x-token", "1")])))
        assert before == ["accept"] * len(dependencies)
        assert close == (1008, "query.q: String should have at least 3 characters")

    def test_stand_alone(self) -> None:
        route = APIWebSocketRoute("/{room_id}", self.endpoint)
        [(code, reason)] = short(connect(route, websocket_scope("/r")))
        assert code == 1008
        assert reason == "query.q: Field required; header.x-token: Field required"

    def test_reason_is_cut_at_a_character(self) -> None:
        async def endpoint(websocket: WebSocket, a: Annotated[int, Query(alias="é" * 60)]) -> None: ...

        [(code, reason)] = short(connect(APIWebSocketRoute("/", endpoint), websocket_scope()))
        assert code == 1008
        assert reason == "query." + "é" * 58
        assert len(reason.encode()) == 122

    def test_registered_handler_wins(self) -> None:
        seen = []

        async def handler(websocket: WebSocket, error: WebSocketRequestValidationError) -> None:
            seen.append([found["loc"] for found in error.errors()])
            await websocket.close(4000, "mine")

        app = self.app(exception_handlers={WebSocketRequestValidationError: handler})
        assert short(connect(app, websocket_scope("/r"))) == [(4000, "mine")]
        assert seen == [[("query", "q"), ("header", "x-token")]]

    def test_error_tells_where_the_endpoint_is(self) -> None:
        seen = []

        def handler(websocket: WebSocket, error: WebSocketRequestValidationError) -> None:
            seen.append(error)

        route = APIWebSocketRoute("/{room_id}", self.endpoint)
        app = Starlette(
            routes=[Mount("/api", routes=[route])], exception_handlers={WebSocketRequestValidationError: handler}
        )
        connect(app, websocket_scope("/api/r"))
        [error] = seen
        assert error.endpoint_path == "WS /api/{room_id}"
        assert error.endpoint_function == "endpoint"
        assert error.endpoint_file == __file__
        assert error.endpoint_line == type(self).endpoint.__code__.co_firstlineno
        assert str(error).startswith("2 validation errors:\n  {'type': 'missing'")
        assert str(error).endswith(
            f'File "{__file__}", line {error.endpoint_line}, in endpoint\n    WS /api/{{room_id}}'
        )


def raising(error: Exception, *, accept: bool = False) -> Any:
    async def endpoint(websocket: WebSocket) -> None:
        if accept:
            await websocket.accept()
        raise error

    return APIWebSocketRoute("/", endpoint)


@pytest.mark.parametrize("wrap", [lambda route: route, lambda route: Starlette(routes=[route])], ids=["alone", "app"])
class TestErrors:
    def test_http_exception_before_accept_is_a_denial_response(self, wrap: Any) -> None:
        error = HTTPException(401, "who?", headers={"www-authenticate": "Bearer"})
        start, body = connect(wrap(raising(error)), websocket_scope())
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
        assert (b"www-authenticate", b"Bearer") in start["headers"]
        assert body["body"] == b"who?"

    def test_http_exception_without_the_extension_is_a_close(self, wrap: Any) -> None:
        app = wrap(raising(HTTPException(403, "no")))
        assert short(connect(app, websocket_scope(extensions={}))) == [(1008, "no")]
        scope = websocket_scope()
        del scope["extensions"]
        assert short(connect(app, scope)) == [(1008, "no")]

    @pytest.mark.parametrize(("status", "code"), [(401, 1008), (404, 1008), (503, 1011)])
    def test_http_exception_after_accept_is_a_close(self, wrap: Any, status: int, code: int) -> None:
        app = wrap(raising(HTTPException(status, "detail"), accept=True))
        assert short(connect(app, websocket_scope())) == ["accept", (code, "detail")]

    @pytest.mark.parametrize("accept", [False, True])
    def test_websocket_exception(self, wrap: Any, accept: bool) -> None:
        app = wrap(raising(WebSocketException(4001, "é" * 100), accept=accept))
        assert short(connect(app, websocket_scope()))[-1] == (4001, "é" * 61)

    def test_unexpected_error_reaches_the_server_after_a_close(self, wrap: Any) -> None:
        sent: list[Any] = []
        app = wrap(raising(KeyError("boom"), accept=True))

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        with pytest.raises(KeyError, match="boom"):
            anyio.run(app, websocket_scope(), receive, send)
        assert short(sent) == ["accept", (1011, "Internal Server Error")]

    def test_client_that_leaves_is_a_normal_end(self, wrap: Any) -> None:
        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text(await websocket.receive_text())
            await websocket.receive_text()

        app = wrap(APIWebSocketRoute("/", endpoint))
        assert short(connect(app, websocket_scope(), ["hello"])) == ["accept", "hello"]

    @pytest.mark.parametrize("accept", [False, True])
    def test_end_without_close_is_closed(self, wrap: Any, accept: bool) -> None:
        async def endpoint(websocket: WebSocket) -> None:
            if accept:
                await websocket.accept()

        sent = short(connect(wrap(APIWebSocketRoute("/", endpoint)), websocket_scope()))
        assert sent == ["accept"] * accept + [(1000, "")]

    def test_own_close_is_the_last_word(self, wrap: Any) -> None:
        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.close(4010, "x" * 200)

        assert short(connect(wrap(APIWebSocketRoute("/", endpoint)), websocket_scope())) == [
            "accept",
            (4010, "x" * 123),
        ]


class TestHandlers:
    def test_response_of_a_handler(self) -> None:
        def handler(websocket: WebSocket, error: Exception) -> JSONResponse:
            return JSONResponse({"oops": str(error)}, 418)

        for accept, expected in ((False, [418, b'{"oops":"bad"}']), (True, ["accept", (1008, "")])):
            app = Starlette(
                routes=[raising(ValueError("bad"), accept=accept)], exception_handlers={ValueError: handler}
            )
            assert short(connect(app, websocket_scope())) == expected

    def test_handler_by_status(self) -> None:
        async def handler(websocket: WebSocket, error: HTTPException) -> None:
            await websocket.close(4404)

        app = Starlette(routes=[raising(HTTPException(404))], exception_handlers={404: handler})
        assert short(connect(app, websocket_scope())) == [(4404, "")]

    @pytest.mark.parametrize("key", [Exception, 500])
    def test_handler_of_everything_else_is_told(self, key: Any) -> None:
        seen = []

        async def handler(websocket: WebSocket, error: Exception) -> None:
            seen.append(error)
            await websocket.send_text("sorry")

        error = KeyError("boom")
        app = Starlette(routes=[raising(error, accept=True)], exception_handlers={key: handler})
        sent: list[Any] = []
        with pytest.raises(KeyError):
            sent += connect(app, websocket_scope())
        assert seen == [error]

    def test_handler_that_fails_still_ends_in_a_close(self) -> None:
        def handler(websocket: WebSocket, error: Exception) -> None:
            raise RuntimeError("in the handler")

        app = Starlette(routes=[raising(ValueError(), accept=True)], exception_handlers={ValueError: handler})
        with pytest.raises(RuntimeError, match="in the handler"):
            connect(app, websocket_scope())


class TestDeclaration:
    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("rooms", ["'rooms'", "start with '/'"]),
            ("/{a:integer}", ["integer", "int"]),
            ("/{a}/{a}", ["a"]),
        ],
    )
    def test_path(self, path: str, words: list[str]) -> None:
        with pytest.raises(ValueError, match="(?s)" + ".*".join(map(re.escape, words))):
            APIWebSocketRoute(path, plain)

    def test_endpoint(self) -> None:
        def sync(websocket: WebSocket) -> None: ...

        async def generator(websocket: WebSocket) -> Any:
            yield

        for endpoint, fix in ((sync, "async def"), (generator, "cannot yield"), (AsyncCallable, "is a class")):
            with pytest.raises(ValueError, match=fix) as caught:
                APIWebSocketRoute("/", endpoint)
            assert __name__.rpartition(".")[2] in str(caught.value)

    def test_a_mistake_in_a_dependency_names_it_and_the_endpoint(self) -> None:
        async def dependency(body: dict[str, int]) -> None: ...

        async def endpoint(websocket: WebSocket, value: Annotated[None, Depends(dependency)]) -> None: ...

        with pytest.raises(DeclarationError) as caught:
            APIWebSocketRoute("/", endpoint)
        assert caught.value.call is dependency
        assert caught.value.endpoint is endpoint
        assert re.search(r"dependency .*'body'.*a dependency of the endpoint .*endpoint", str(caught.value))

    def test_a_marker_that_is_not_called(self) -> None:
        async def endpoint(websocket: WebSocket, value: Annotated[str, Depends]) -> None: ...

        with pytest.raises(DeclarationError, match=r"Depends in Annotated is not called; write Depends\(function\)"):
            APIWebSocketRoute("/", endpoint)
