"""The route object, and what a signature says: as in FastAPI."""

import dataclasses
import functools
import inspect
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar, Union

import fastapi
import fastapi.routing
import oracle
import pytest
import starlette.routing
from oracle import (
    FASTAPI,
    FASTROUTE,
    OURS,
    Api,
    Declared,
    Mounted,
    alone,
    both_refuse,
    handshake,
    mounted,
)
from oracle import (
    starlette as in_starlette,
)
from pydantic import BaseModel, Field
from starlette.background import BackgroundTasks
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from typing_extensions import TypeAliasType

import fastroute

ROUTES = [fastapi.routing.APIWebSocketRoute, fastroute.APIWebSocketRoute]
#: A signature is read before anything runs, so that one backend shows everything.
parity = functools.partial(oracle.parity, backends=["asyncio"])

SIDES = pytest.mark.parametrize("route_class", ROUTES, ids=["fastapi", "fastroute"])


async def nothing(websocket: WebSocket) -> None:
    """An endpoint for what needs no connection."""


# The route object


def test_constructor_of_the_route() -> None:
    theirs, ours = (inspect.signature(each).parameters for each in ROUTES)
    shared = [(name, each.default) for name, each in ours.items() if name in theirs]
    assert [(name, each.default) for name, each in theirs.items()] == shared
    only_ours = [each for name, each in ours.items() if name not in theirs]
    assert all(each.default is not each.empty for each in only_ours), "an endpoint must move without them"


@SIDES
def test_it_is_a_starlette_route(route_class: Any) -> None:
    assert issubclass(route_class, starlette.routing.WebSocketRoute)


@SIDES
def test_name_of_the_route(route_class: Any) -> None:
    class Endpoint:
        async def __call__(self, websocket: WebSocket) -> None: ...

        async def method(self, websocket: WebSocket) -> None: ...

    assert route_class("/", nothing).name == "nothing"
    assert route_class("/", Endpoint()).name == "Endpoint"
    assert route_class("/", Endpoint().method).name == "method"
    assert route_class("/", functools.partial(nothing)).name == "partial"
    assert route_class("/", nothing, name="mine").name == "mine"
    assert route_class("/", nothing, name="").name == ""


@pytest.mark.parametrize("path", ["/", "/a/{b}", "/{a:int}/{b:path}", "/{c:float}-{d:uuid}"])
def test_attributes_of_the_route(path: str) -> None:
    async def endpoint(websocket: WebSocket) -> None: ...

    theirs = fastapi.routing.APIWebSocketRoute(path, endpoint)
    ours = fastroute.APIWebSocketRoute(path, endpoint)
    for name in ("path", "endpoint", "name", "dependencies", "path_regex", "path_format"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert {key: type(each) for key, each in ours.param_convertors.items()} == {
        key: type(each) for key, each in theirs.param_convertors.items()
    }
    assert ours.dependant.call is endpoint
    assert callable(ours.app)


@SIDES
def test_dependencies_are_a_list_of_its_own(route_class: Any) -> None:
    depends = (FASTAPI if route_class is ROUTES[0] else FASTROUTE)["Depends"]
    given = (depends(lambda: None),)
    route = route_class("/", nothing, dependencies=given)
    assert route.dependencies == list(given)
    assert isinstance(route.dependencies, list)


@SIDES
def test_equality_of_routes(route_class: Any) -> None:
    route = route_class("/a", nothing)
    assert route == route_class("/a", nothing, name="other")
    assert route == starlette.routing.WebSocketRoute("/a", nothing)
    assert route != route_class("/b", nothing)
    assert route != starlette.routing.Route("/a", nothing)
    with pytest.raises(TypeError, match="unhashable"):
        hash(route)


@pytest.mark.parametrize("kind", ["websocket", "http", "lifespan"])
@pytest.mark.parametrize("path_params", [None, {}, {"outer": 1, "a": "old"}])
@pytest.mark.parametrize(
    ("path", "root_path"),
    [("/3/x", ""), ("/x/x", ""), ("/3", ""), ("/proxy/3/x", "/proxy"), ("/3/x", "/proxy"), ("/3/x\n", "")],
)
def test_matches_of_the_route(path: str, root_path: str, path_params: Any, kind: str) -> None:
    answers = []
    for route_class in ROUTES:
        route = route_class("/{a:int}/{b}", nothing)
        scope: dict[str, Any] = {"type": kind, "path": path, "root_path": root_path, "headers": []}
        if path_params is not None:
            scope["path_params"] = dict(path_params)
        match, child = route.matches(scope)
        if match is not starlette.routing.Match.NONE:
            assert child.pop("route") is route
        answers.append((match, child))
        assert scope.get("path_params") == path_params
    assert answers[0] == answers[1]


@parity(handshake("/3?q=1"), handshake("/x"), handshake("/3/4"), handshake("/3?q=x"), path="/{p:int}", host=alone)
def test_it_is_an_application_by_itself(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, p: int) -> None:
        await api.end(websocket, p, websocket.path_params, websocket.scope["path_params"])

    return endpoint


@pytest.mark.parametrize("names", [FASTAPI, *OURS.values()])
def test_no_match_closes_with_1000(names: dict[str, Any]) -> None:
    record = Mounted(names, lambda api: nothing, "/a", alone).run(handshake("/b"), "asyncio")
    assert record.messages == [{"type": "websocket.close", "code": ("int", "1000"), "reason": ""}]


@pytest.mark.twins
@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize(
    ("convertor", "values"),
    [
        ("", ["3", "x", "a b", "\xe9", "%2F"]),
        (":str", ["3", "x"]),
        (":int", ["3", "-3", "x", "007"]),
        (":float", ["3", "3.5", "x"]),
        (":path", ["a", "a/b", ""]),
        (":uuid", ["12345678-1234-5678-1234-567812345678", "x"]),
    ],
)
@pytest.mark.parametrize(
    "annotation", [str, int, float, uuid.UUID, Any, Annotated[int, Field(gt=5)], bytes, Literal["x"]]
)
def test_convertors_feed_parameters(convertor: str, values: list[str], annotation: Any, ours: str) -> None:
    def declare(api: Api) -> Any:
        async def endpoint(websocket: WebSocket, p: annotation) -> None:
            await api.end(websocket, p)

        return endpoint

    for value in values:
        records = [
            Mounted(names, declare, f"/{{p{convertor}}}", in_starlette).run(handshake(f"/{value}"), "asyncio")
            for names in (FASTAPI, OURS[ours])
        ]
        assert records[0].messages
        assert records[0] == records[1]


@parity(handshake("/a/3/b"), handshake("/a/-3/b"), handshake("/a/3/b/c"), path="/{x}/{p:int}/{rest:path}")
def test_several_path_parameters(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, rest: str, p: Annotated[int, api.Path(ge=0)], x: str) -> None:
        await api.end(websocket, x, p, rest, websocket.path_params)

    return endpoint


# Endpoints


@parity(handshake("/?q=1"), handshake("/?q=x"))
def test_endpoint_as_bound_method(api: Api) -> Any:
    class Chat:
        async def join(self, websocket: WebSocket, q: int) -> None:
            await api.end(websocket, q)

    return Chat().join


@parity(handshake("/?q=1"), handshake("/?q=x"))
def test_endpoint_as_callable_instance(api: Api) -> Any:
    class Chat:
        async def __call__(self, websocket: WebSocket, q: int) -> None:
            await api.end(websocket, q)

    return Chat()


@parity(handshake("/?q=1"))
def test_endpoint_as_partial(api: Api) -> Any:
    async def endpoint(label: str, websocket: WebSocket, q: int) -> None:
        await api.end(websocket, label, q)

    return functools.partial(endpoint, "label")


@parity(handshake("/?q=1"))
def test_return_value_is_ignored(api: Api) -> Any:
    async def endpoint(websocket: WebSocket) -> str:
        await api.end(websocket)
        return "value"

    return endpoint


# Where an error says it came from


@parity(handshake("/mount/3?q=x"), handshake("/proxy/mount/3?q=x", root_path="/proxy"), path="/{p}", host=mounted)
def test_path_of_an_error_in_a_mount(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, p: int, q: int) -> None:
        await api.end(websocket, p, q)

    return endpoint


# Dependencies of the route and of the application


@parity(handshake("/?q=1"), handshake("/?q=x"), handshake(), errors_once=True)
def test_dependencies_of_the_route_run_first(api: Api) -> Any:
    async def first(q: int) -> str:
        api.log("first", q)
        return "first"

    async def second(value: Annotated[str, api.Depends(first)]) -> None:
        api.log("second", value)

    async def own(q: int) -> None:
        api.log("own", q)

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[None, api.Depends(own)],
        b: Annotated[str, api.Depends(first)],
    ) -> None:
        await api.end(websocket, a, b)

    return Declared(endpoint, [api.Depends(second), api.Depends(first), api.Depends(second)])


def in_fastapi(route: Any, handlers: Any) -> Any:
    events = handlers.pop("events")

    async def of_the_application() -> None:
        events.append("dependency of the application")

    application = fastapi.FastAPI(exception_handlers=handlers, dependencies=[fastapi.Depends(of_the_application)])
    application.router.routes.append(route)
    return application


def in_a_fastapi_constructor(route: Any, handlers: Any) -> Any:
    return fastapi.FastAPI(exception_handlers=handlers, routes=[route])


def mounted_in_fastapi(route: Any, handlers: Any) -> Any:
    application = fastapi.FastAPI(exception_handlers=handlers)
    application.mount("/mount", in_starlette(route, handlers))
    return application


@parity(handshake("/3?q=1"), handshake("/3?q=x"), path="/{p}", host=in_fastapi)
def test_appended_to_a_fastapi_application(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, p: int, q: int) -> None:
        route = websocket.scope["route"]
        await api.end(websocket, p, q, websocket.path_params, route.path, websocket.scope["endpoint"].__name__)

    return Declared(endpoint, handlers={"events": api.events})


@parity(handshake("/3?q=1"), handshake("/3?q=x"), path="/{p}", host=in_a_fastapi_constructor)
def test_given_to_a_fastapi_application(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, p: int, q: int) -> None:
        await api.end(websocket, p, q)

    return endpoint


@parity(handshake("/mount/3?q=1"), handshake("/mount/3?q=x"), path="/{p}", host=mounted_in_fastapi)
def test_mounted_in_a_fastapi_application(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, p: int, q: int) -> None:
        await api.end(websocket, p, q)

    return endpoint


# Annotations


@parity(handshake("/?q=1"), handshake("/?q=x"), handshake())
def test_postponed_annotations(api: Api) -> Any:
    return api.run(
        """
async def dependency(q: Annotated[int, Query()]) -> Missing:
    return q + 1

async def endpoint(websocket: WebSocket, q: int | None, v: Annotated[int, Depends(dependency)]) -> Missing:
    await api.end(websocket, q, v)
""",
        Annotated=Annotated,
    )["endpoint"]


@parity(handshake("/?a=2"), handshake("/?a=9"), handshake(), errors_once=True)
def test_postponed_annotations_of_classes(api: Api) -> Any:
    return api.run(
        """
class ByInit:
    def __init__(self, a: Annotated[int, Query(lt=9)]):
        self.a = a

class Inherited(ByInit):
    pass

class ByNew:
    def __new__(cls, a: Annotated[int, Query(lt=9)]):
        self = super().__new__(cls)
        self.a = a
        return self

class NewOverInit(ByInit):
    def __new__(cls, a: Annotated[int, Query(lt=5)]):
        return super().__new__(cls)

class Instance:
    async def __call__(self, a: Annotated[int, Query()], b: Annotated[ByInit, Depends()]):
        return a + b.a

async def endpoint(
    websocket: WebSocket,
    a: Annotated[ByInit, Depends()],
    b: Annotated[Inherited, Depends()],
    c: Annotated[ByNew, Depends()],
    d: Annotated[int, Depends(Instance())],
    e: Annotated[NewOverInit, Depends()],
):
    await api.end(websocket, a.a, b.a, c.a, d, e.a)
""",
        Annotated=Annotated,
    )["endpoint"]


@parity(handshake("/?q=1&r=2"), handshake("/?q=x&r=x"), handshake())
def test_annotations_as_text(api: Api) -> Any:
    return api.run(
        """
async def endpoint(websocket: "WebSocket", q: "int", r: "Annotated[int, Query(gt=1)]" = 3) -> "Missing":
    await api.end(websocket, q, r)
""",
        Annotated=Annotated,
    )["endpoint"]


@parity(handshake("/?q=1"), handshake())
def test_none_as_annotation(api: Api) -> Any:
    return api.run("async def endpoint(websocket: WebSocket, q: None = None): await api.end(websocket, q)")["endpoint"]


@parity(handshake("/?a=1&b=2&c=3&d=1.5"), handshake("/?a=1&b=2&c=3&d=x"), handshake("/?a=x&b=x&c=x&d=1"), handshake())
def test_unions_old_and_new(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        a: int | None,
        b: Union[int, None],  # noqa: UP007 (the old spelling is the case)
        c: "int | str",
        d: Annotated[int | float | None, api.Query()] = None,
    ) -> None:
        await api.end(websocket, a, b, c, d)

    return endpoint


@parity(handshake("/?a=7&b=2&c=3&d=4&e=5"), handshake("/?a=1&b=x&c=1&d=x&e=1"), handshake())
def test_type_aliases(api: Api) -> Any:
    Big = TypeAliasType("Big", Annotated[int, Field(gt=5)])
    Plain = TypeAliasType("Plain", int)
    Alias = TypeAliasType("Alias", Plain)
    AnyT = TypeVar("AnyT")
    Itself = TypeAliasType("Itself", AnyT, type_params=(AnyT,))
    Bounded = TypeAliasType("Bounded", Annotated[AnyT, Field(gt=2)], type_params=(AnyT,))

    async def endpoint(
        websocket: WebSocket, a: Big, b: Alias, c: Annotated[Plain, api.Query(gt=2)], d: Itself[int], e: Bounded[int]
    ) -> None:
        await api.end(websocket, a, b, c, d, e)

    return endpoint


@parity(handshake("/?q=7"), handshake("/?q=x"))
def test_type_alias_of_a_dependency(api: Api) -> Any:
    async def dependency(q: int) -> int:
        return q + 1

    Dependency = TypeAliasType("Dependency", Annotated[int, api.Depends(dependency)])
    Marked = TypeAliasType("Marked", Annotated[int, api.Query(alias="q")])

    async def endpoint(websocket: WebSocket, value: Dependency, other: Marked) -> None:
        await api.end(websocket, value, other)

    return endpoint


# Markers


@parity(handshake("/?q=7", ("q", "8")), handshake("/?q=1", ("q", "1")))
def test_the_last_marker_wins(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        q: Annotated[Annotated[int, api.Header(alias="r"), Field(gt=5)], "text", api.Header()],
        r: Annotated[int, api.Query(alias="other"), api.Query(alias="q")],
    ) -> None:
        await api.end(websocket, q, r)

    return endpoint


@parity(handshake("/", ("x-token", "1")), handshake("/", ("x_token", "2")), handshake())
def test_the_last_of_two_header_markers_decides_on_underscores(api: Api) -> Any:
    Token = Annotated[str, api.Header(convert_underscores=False)]

    async def endpoint(websocket: WebSocket, x_token: Annotated[Token, api.Header()]) -> None:
        await api.end(websocket, x_token)

    return endpoint


@parity(handshake("/?q=7"), handshake("/?q=x"), handshake())
def test_default_beside_an_annotated_marker(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: Annotated[int, api.Query()] = 3) -> None:
        await api.end(websocket, q)

    return endpoint


@both_refuse()
def test_default_inside_an_annotated_marker_is_refused(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: Annotated[int, api.Query(default=3)]) -> None: ...

    return endpoint


@both_refuse()
def test_annotated_marker_and_default_marker_are_refused(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: Annotated[int, api.Query()] = api.Query()) -> None: ...

    return endpoint


@both_refuse()
def test_annotated_depends_and_default_depends_are_refused(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket, q: Annotated[int, api.Depends(nothing)] = api.Depends(nothing)
    ) -> None: ...

    return endpoint


@both_refuse()
def test_annotated_marker_and_default_depends_are_refused(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: Annotated[int, api.Query()] = api.Depends(int)) -> None: ...

    return endpoint


@parity(handshake("/?q=7"), handshake("/?q=1"), handshake())
def test_default_style(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: int = api.Query(gt=5), r: int = api.Query(3, lt=5)) -> None:
        await api.end(websocket, q, r)

    return endpoint


@parity(handshake("/?a=7&b=8"), handshake("/?a=1&b=x"), handshake())
def test_an_annotated_marker_may_be_shared(api: Api) -> Any:
    marker = api.Query(gt=5)

    async def endpoint(websocket: WebSocket, a: Annotated[int, marker], b: Annotated[float, marker] = 9) -> None:
        await api.end(websocket, a, b)

    return endpoint


# No marker


@parity(handshake("/3?q=a&r=b&s=1"), handshake("/x"), path="/{p}")
def test_no_marker(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, p: int, q, r: Any = 5, s: int | str = "") -> None:  # type: ignore[no-untyped-def]  # the case
        await api.end(websocket, p, q, r, s)

    return endpoint


@parity(handshake("/3"), handshake("/x"), path="/{p}")
def test_default_of_a_path_parameter_is_ignored(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, p: int = 7) -> None:
        await api.end(websocket, p)

    return endpoint


@parity(handshake("/?q=7"), handshake("/?q=1"), handshake())
def test_field_without_marker(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        q: Annotated[int, Field(gt=3)],
        r: Annotated[int, Field(default_factory=lambda: 42)],
        s: Annotated[str, Field(max_length=2)] = "abc",
    ) -> None:
        await api.end(websocket, q, r, s)

    return endpoint


# Special types


@parity()
def test_special_types_by_any_name(api: Api) -> Any:
    async def dependency(anything: HTTPConnection, scopes: api.SecurityScopes) -> Any:
        api.log("dependency", anything, scopes)
        return anything

    async def endpoint(
        ws: WebSocket,
        connection: HTTPConnection,
        scopes: api.SecurityScopes,
        same: Any = api.Depends(dependency),
    ) -> None:
        await api.end(ws, connection, scopes, same is ws, connection is ws)

    return endpoint


@parity()
def test_special_type_in_annotated(api: Api) -> Any:
    async def endpoint(websocket: Annotated[WebSocket, "x"], c: Annotated[HTTPConnection, "y"]) -> None:
        await api.end(websocket, c)

    return endpoint


@parity()
def test_a_subclass_gets_the_plain_websocket(api: Api) -> Any:
    class Mine(WebSocket):
        pass

    async def endpoint(websocket: Mine) -> None:
        await api.end(websocket, type(websocket).__name__)

    return endpoint


@parity()
def test_with_depends_a_special_type_is_plain(api: Api) -> Any:
    async def dependency(connection: HTTPConnection) -> Any:
        return connection.url.path

    async def endpoint(websocket: WebSocket, c: Annotated[HTTPConnection, api.Depends(dependency)]) -> None:
        await api.end(websocket, c)

    return endpoint


@both_refuse()
def test_marker_on_a_special_type_is_refused(api: Api) -> Any:
    async def endpoint(websocket: Annotated[WebSocket, api.Query()]) -> None: ...

    return endpoint


# Callables


@parity(handshake("/?q=1"), handshake("/?q=x"), handshake())
def test_a_wrapped_function_shows_its_signature(api: Api) -> Any:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            api.log("wrapper", args, sorted(kwargs))
            return await function(*args, **kwargs)

        return wrapper

    @logged
    async def dependency(q: int) -> int:
        return q + 1

    @logged
    async def endpoint(websocket: WebSocket, value: Annotated[int, api.Depends(dependency)]) -> None:
        await api.end(websocket, value)

    return endpoint


@parity(handshake("/?q=1"), handshake("/?q=x"))
def test_a_sync_wrapper_of_an_async_function_is_awaited(api: Api) -> Any:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            api.log("wrapper")
            return function(*args, **kwargs)

        return wrapper

    @logged
    async def dependency(q: int) -> int:
        return q + 1

    @logged
    async def endpoint(websocket: WebSocket, value: Annotated[int, api.Depends(dependency)]) -> None:
        await api.end(websocket, value)

    return endpoint


@parity(handshake("/?q=1"), handshake("/?q=x"), handshake())
def test_all_kinds_of_callables(api: Api) -> Any:
    class Instance:
        def __call__(self, q: int) -> str:
            return f"instance {q}"

    class Asynchronous:
        async def __call__(self, q: int) -> str:
            return f"asynchronous instance {q}"

        async def method(self, q: int) -> str:
            return f"method {q}"

        @classmethod
        async def of_class(cls, q: int) -> str:
            return f"{cls.__name__} {q}"

        @staticmethod
        def static(q: int) -> str:
            return f"static {q}"

    class Constructed:
        def __init__(self, q: int) -> None:
            self.q = q

        def __repr__(self) -> str:
            return f"Constructed({self.q})"

    async def two(label: str, q: int) -> str:
        return f"{label} {q}"

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[Any, api.Depends(Instance())],
        b: Annotated[Any, api.Depends(Asynchronous())],
        c: Annotated[Any, api.Depends(Asynchronous().method)],
        d: Annotated[Any, api.Depends(Asynchronous.of_class)],
        e: Annotated[Any, api.Depends(Asynchronous.static)],
        f: Annotated[Any, api.Depends(Constructed)],
        g: Annotated[Any, api.Depends(functools.partial(two, "partial"))],
        h: Annotated[Any, api.Depends(lambda q: f"lambda {q}")],
    ) -> None:
        await api.end(websocket, a, b, c, d, e, f, g, h)

    return endpoint


@pytest.mark.parametrize("names", [FASTAPI, *OURS.values()])
def test_a_text_or_type_is_no_dependency(names: dict[str, Any]) -> None:
    api = Api(names)

    async def text(websocket: WebSocket, q: Any = api.Depends("x")) -> None: ...

    async def builtin(websocket: WebSocket, q: Any = api.Depends(type)) -> None: ...

    for endpoint in (text, builtin):
        with pytest.raises((TypeError, ValueError)):
            api.route(endpoint, "/")


@parity(handshake("/?a=1&b=2"), handshake("/?a=x"), handshake(), errors_once=True)
def test_models_and_dataclasses_as_dependencies(api: Api) -> Any:
    class Model(BaseModel):
        a: int
        b: int = 5

    @dataclasses.dataclass
    class Data:
        a: int
        b: int = 6

    async def endpoint(
        websocket: WebSocket,
        model: Annotated[Model, api.Depends()],
        data: Annotated[Data, api.Depends()],
        other: Model = api.Depends(),
    ) -> None:
        await api.end(websocket, model, dataclasses.astuple(data), other)

    return endpoint


# Refused by both


@both_refuse()
def test_a_model_of_pydantic_1_is_refused(api: Api) -> Any:
    v1 = pytest.importorskip("pydantic.v1", reason="pydantic has no v1 on this Python")

    class Old(v1.BaseModel):
        a: int = 1

    async def endpoint(websocket: WebSocket, q: Annotated[Old, api.Query()]) -> None: ...

    return endpoint


@both_refuse()
def test_an_unusable_type_is_refused(api: Api) -> Any:
    class Unusable:
        pass

    async def endpoint(websocket: WebSocket, q: Annotated[Unusable, api.Query()]) -> None: ...

    return endpoint


@both_refuse(path="/{q}")
def test_query_on_the_name_of_a_path_parameter_is_refused(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: Annotated[int, api.Query()]) -> None: ...

    return endpoint


@both_refuse(path="/{q}")
def test_list_as_path_parameter_is_refused(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: list[int]) -> None: ...

    return endpoint


@both_refuse()
def test_dict_as_query_is_refused(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, q: Annotated[dict[str, int], api.Query()]) -> None: ...

    return endpoint


@both_refuse()
def test_dataclass_as_query_is_refused(api: Api) -> Any:
    @dataclasses.dataclass
    class Data:
        a: int

    async def endpoint(websocket: WebSocket, q: Annotated[Data, api.Query()]) -> None: ...

    return endpoint


@both_refuse()
def test_union_of_models_as_query_is_refused(api: Api) -> Any:
    class One(BaseModel):
        a: int

    class Two(BaseModel):
        b: int

    async def endpoint(websocket: WebSocket, q: Annotated[One | Two, api.Query()]) -> None: ...

    return endpoint


# Annotations that are not needed


UNKNOWN_ANNOTATIONS = """
def made() -> Hidden:
    return "made"

def nested(value: Hidden[int] | None = api.Depends(made)) -> Hidden:
    return "nested", value

async def endpoint(
    websocket: WebSocket,
    a: Hidden = api.Depends(made),
    b: list[Hidden.Inner] = api.Security(nested, scopes=["s"]),
    q: int = 1,
):
    await api.end(websocket, a, b, c, q)
"""


@parity(handshake(), handshake("/?q=2&a=x"), handshake("/?q=x"))
def test_an_unknown_annotation_beside_a_call_is_not_needed(api: Api) -> Any:
    return api.run(UNKNOWN_ANNOTATIONS)["endpoint"]


# Parameters that only a decorator asks for


def injected(*extra: inspect.Parameter, wraps: bool) -> Callable[[Any], Any]:
    """A decorator as those of dishka and aioinject: it adds parameters, and takes what it gets by `**kwargs`."""

    def decorate(function: Any) -> Any:
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            got = tuple(kwargs.pop(each.name, "left out") for each in extra)
            return await function(*args, **kwargs, got=got)

        if wraps:
            functools.update_wrapper(wrapper, function)
        signature = inspect.signature(function)
        own = [each for each in signature.parameters.values() if each.name != "got"]
        wrapper.__signature__ = signature.replace(parameters=own + list(extra))  # type: ignore[attr-defined]
        return wrapper

    return decorate


def asked(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("target", ["/", "/?q=3", "/?q=x"])
@pytest.mark.parametrize("wraps", [True, False])
def test_parameters_that_a_decorator_adds(wraps: bool, target: str, ours: str) -> None:
    def declare(api: Api) -> Any:
        def shown(got: Any) -> list[Any]:
            return [each if isinstance(each, str) else type(each).__mro__[-2].__name__ for each in got]

        async def run() -> None:
            raise AssertionError("nothing runs the tasks")

        @injected(
            asked("_request", Request), asked("_websocket", WebSocket), asked("_tasks", BackgroundTasks), wraps=wraps
        )
        async def dependency(q: int = 1, got: Any = None) -> Any:
            got[2].add_task(run)
            return [q, *shown(got), len(got[2].tasks)]

        @injected(asked("_response", Response), asked("_tasks", BackgroundTasks), wraps=wraps)
        async def endpoint(
            websocket: WebSocket, found: Annotated[Any, api.Depends(dependency)], got: Any = None
        ) -> None:
            response, tasks = got
            await api.end(websocket, found, shown(got), response.status_code, dict(response.headers), len(tasks.tasks))

        return endpoint

    def records(names: dict[str, Any]) -> list[Any]:
        mounted = Mounted(names, declare, "/", in_starlette)
        return [mounted.run(handshake(target), "asyncio") for _ in range(2)]

    expected = records(FASTAPI)
    assert expected[0] == expected[1]
    assert records(OURS[ours]) == expected


@parity(handshake("/?q=2"))
def test_the_connection_is_passed_by_name(api: Api) -> Any:
    """A decorator for Starlette, which takes the connection from `args[0]`, finds nothing."""

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> None:
            api.log(len(args), sorted(kwargs))
            await function(*args, **kwargs)

        return wrapper

    @decorate
    async def endpoint(websocket: WebSocket, q: int) -> None:
        await api.end(websocket, q)

    return endpoint


class OwnRequest(Request): ...


@parity(handshake())
def test_parameters_that_decorators_add_to_objects_and_partials(api: Api) -> Any:
    class Instance:
        def __init__(self) -> None:
            extra = [asked("_request", Request), asked("_own", OwnRequest), asked("_response", Response)]
            self.__signature__ = inspect.Signature(extra)

        async def __call__(self, **kwargs: Any) -> Any:
            return sorted(kwargs)

    @injected(asked("_request", Request), asked("tasks", BackgroundTasks), wraps=True)
    async def wrapped(a: int, got: Any = None) -> Any:
        return a, got[0]

    async def endpoint(
        websocket: WebSocket,
        instance: Annotated[Any, api.Depends(Instance())],
        partial: Annotated[Any, api.Depends(functools.partial(wrapped, a=1))],
    ) -> None:
        await api.end(websocket, instance, partial)

    return endpoint


# Classes with parameters that no client can send


class Settings:
    def __init__(
        self,
        page: int = 1,
        env_file: str | list[str] | None = "default",  # type: ignore[assignment]
        tags: list[str] = ["a"],  # noqa: B006
        model: BaseModel | None = None,
        options: dict[str, int] | None = None,
    ) -> None:
        self.values = (page, env_file, tags, model, options)


@dataclasses.dataclass
class Paging:
    size: int = 10
    names: list[str] | None = None


@parity(handshake("/?page=3&size=2"), handshake("/?env_file=x&tags=b&names=c&model=m&options=o"), handshake("/?page=x"))
def test_a_class_keeps_defaults_that_no_client_can_send(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket,
        settings: Annotated[Settings, api.Depends()],
        paging: Annotated[Paging, api.Depends()],
    ) -> None:
        await api.end(websocket, settings.values, paging.size, paging.names)

    return endpoint
