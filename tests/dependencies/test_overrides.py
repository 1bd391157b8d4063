"""Where overrides come from, how they are asked, and that no plan of old answers is followed."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Host, Mount
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

import fastroute.routing
from fastroute import APIWebSocketRoute, DeclarationError, Depends, Router, Security


async def below() -> str:
    return "below"


async def user(below: Annotated[str, Depends(below)]) -> str:
    return f"user over {below}"


async def talk(websocket: WebSocket, user: Annotated[str, Depends(user)]) -> None:
    await websocket.accept()
    await websocket.send_text(user)


def provider(overrides: Any) -> Any:
    return SimpleNamespace(dependency_overrides=overrides)


def hear(app: Any, path: str = "/talk") -> str:
    with TestClient(app).websocket_connect(path) as socket:
        return socket.receive_text()


def with_overrides(app: Any, name: str) -> Any:
    app.dependency_overrides = {user: lambda: name}
    return app


# Where they come from


@pytest.mark.parametrize("cls", [Starlette, FastAPI])
def test_the_application_counts_if_there_is_no_provider(cls: Any) -> None:
    app = cls(routes=[APIWebSocketRoute("/talk", talk)])
    assert hear(app) == "user over below"
    with_overrides(app, "app")
    assert hear(app) == "app"
    app.dependency_overrides = {}
    assert hear(app) == "user over below"
    app.dependency_overrides[below] = lambda: "floor"
    assert hear(app) == "user over floor"
    del app.dependency_overrides
    assert hear(app) == "user over below"


@pytest.mark.parametrize("place", ["mount", "host", "router", "included"])
def test_routers_in_an_application(place: str) -> None:
    router = Router()
    router.add_api_websocket_route("/talk", talk)
    if place == "included":
        outer = Router(prefix="/outer")
        outer.include_router(router)
        app, path = FastAPI(routes=[*outer.routes]), "/outer/talk"
    elif place == "host":
        app, path = FastAPI(routes=[Host("testserver", router)]), "/talk"
    elif place == "mount":
        app, path = FastAPI(routes=[Mount("/at", Mount("/all", router))]), "/at/all/talk"
    else:
        app, path = FastAPI(routes=[*router.routes]), "/talk"
    assert hear(with_overrides(app, "app"), path) == "app"


@pytest.mark.parametrize("outer", [Starlette, FastAPI])
@pytest.mark.parametrize("inner", [Starlette, FastAPI])
def test_the_innermost_application_counts(inner: Any, outer: Any) -> None:
    mounted = inner(routes=[APIWebSocketRoute("/talk", talk)])
    app = with_overrides(outer(routes=[Mount("/inner", mounted)]), "outer")
    assert hear(app, "/inner/talk") == "user over below"
    with_overrides(mounted, "inner")
    assert hear(app, "/inner/talk") == "inner"


@pytest.mark.parametrize("overrides", [{user: lambda: "provider"}, {}, None])
def test_a_provider_counts_before_the_application(overrides: Any) -> None:
    route = APIWebSocketRoute("/talk", talk, dependency_overrides_provider=provider(overrides))
    app = with_overrides(Starlette(routes=[route]), "app")
    assert hear(app) == ("provider" if overrides else "user over below")


def test_a_provider_that_is_empty_is_one() -> None:
    class Registry(list[Any]):
        dependency_overrides = {user: lambda: "registry"}  # noqa: RUF012  # as an application has it

    route = APIWebSocketRoute("/talk", talk, dependency_overrides_provider=Registry())
    assert hear(Starlette(routes=[route])) == "registry"
    inner, outer = Router(), Router(dependency_overrides_provider=Registry())
    inner.add_api_websocket_route("/talk", talk)
    outer.include_router(inner)
    assert hear(with_overrides(Starlette(routes=[*outer.routes]), "app")) == "registry"


def test_a_route_by_itself_has_no_application() -> None:
    assert hear(APIWebSocketRoute("/talk", talk)) == "user over below"


def test_only_routes_with_dependencies_look() -> None:
    class App(Starlette):
        @property
        def dependency_overrides(self) -> Any:
            asked.append(self)
            return {}

    async def plain(websocket: WebSocket, q: int = 0) -> None:
        await websocket.accept()
        await websocket.send_text("plain")

    asked: list[Any] = []
    of_the_route = APIWebSocketRoute("/route", plain, dependencies=[Depends(below)])
    app = App(routes=[APIWebSocketRoute("/plain", plain), of_the_route, APIWebSocketRoute("/talk", talk)])
    assert hear(app, "/plain") == "plain"
    assert asked == []
    assert hear(app, "/route") == "plain"
    assert hear(app) == "user over below"
    assert asked == [app, app]


# What is no provider


class Unsuitable(dict[Any, Any]):
    pass


WRONG = [
    ({user: below}, "app.dependency_overrides = "),
    ({}, "app.dependency_overrides = "),
    (Unsuitable(), "app.dependency_overrides = "),
    (object(), "give the application itself"),
    (FastAPI, "give the application itself"),
    ("app", "give the application itself"),
    (False, "give the application itself"),
    (Router(), "give the application itself"),
    (lambda: FastAPI(), "give the application itself"),
]


@pytest.mark.parametrize(("wrong", "fix"), WRONG, ids=lambda case: type(case).__name__)
def test_an_object_that_has_no_overrides_is_refused(wrong: Any, fix: str) -> None:
    route = APIWebSocketRoute("/talk", talk)
    attempts: list[Callable[[], Any]] = [
        lambda: APIWebSocketRoute("/talk", talk, dependency_overrides_provider=wrong),
        lambda: Router(dependency_overrides_provider=wrong),
        lambda: setattr(route, "dependency_overrides_provider", wrong),
    ]
    for attempt in attempts:
        with pytest.raises(DeclarationError, match="dependency_overrides_provider") as caught:
            attempt()
        assert isinstance(caught.value, TypeError)
        assert fix in str(caught.value)


def test_a_provider_may_be_set_later() -> None:
    route = APIWebSocketRoute("/talk", talk)
    app = Starlette(routes=[route])
    for given, answer in [
        (provider({user: lambda: "later"}), "later"),
        (with_overrides(Starlette(), "another"), "another"),
        (Starlette(), "user over below"),
        (None, "user over below"),
    ]:
        route.dependency_overrides_provider = given
        assert route.dependency_overrides_provider is given
        assert hear(app) == answer


# How they are asked


CURRENT: ContextVar[dict[Any, Any]] = ContextVar("current")


class ByContext(dict[Any, Any]):
    """Replacements of the test that runs, for tests that run beside each other."""

    def get(self, call: Any, default: Any = None) -> Any:
        return CURRENT.get({}).get(call, default)

    def __bool__(self) -> bool:
        return True


class NothingButGet(Mapping[Any, Any]):
    """Knows a replacement for everything that it is asked for by name, and lists nothing."""

    def __init__(self, **names: Any) -> None:
        self.names = names

    def get(self, call: Any, default: Any = None) -> Any:
        return self.names.get(getattr(call, "__name__", ""), default)

    def __getitem__(self, call: Any) -> Any:
        raise AssertionError("not asked")

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("not asked")

    def __len__(self) -> int:
        return 1


def test_a_mapping_with_a_get_of_its_own() -> None:
    app = Starlette(routes=[APIWebSocketRoute("/talk", talk)])
    app.dependency_overrides = ByContext()  # type: ignore[attr-defined]  # at any time
    for replacements, answer in [
        ({}, "user over below"),
        ({user: lambda: "first"}, "first"),
        ({user: lambda: "second"}, "second"),
        ({below: lambda: "floor"}, "user over floor"),
        ({}, "user over below"),
    ]:
        token = CURRENT.set(replacements)
        assert hear(app) == answer
        CURRENT.reset(token)
    app.dependency_overrides = NothingButGet(user=lambda: "named")  # type: ignore[attr-defined]
    assert hear(app) == "named"


def test_replacements_of_what_a_replacement_needs() -> None:
    async def other(below: Annotated[str, Depends(below)]) -> str:
        return f"other over {below}"

    overrides: dict[Any, Any] = {user: other}
    route = APIWebSocketRoute("/talk", talk, dependency_overrides_provider=provider(overrides))
    assert hear(route) == "other over below"
    overrides[below] = lambda: "floor"
    assert hear(route) == "other over floor"
    overrides[below] = lambda: "cellar"
    assert hear(route) == "other over cellar"
    del overrides[user]
    assert hear(route) == "user over cellar"


class Replacement:
    """Equal to every other one."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Replacement)

    def __hash__(self) -> int:
        return 1


def test_equal_replacements_are_different_ones() -> None:
    overrides: dict[Any, Any] = {}
    route = APIWebSocketRoute("/talk", talk, dependency_overrides_provider=provider(overrides))
    for text in "abc":
        overrides[user] = Replacement(text)
        assert hear(route) == text


def test_the_plan_is_made_again_only_for_other_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    compile_plan = fastroute.routing.compile_plan

    def counted(plan: Any, *rest: Any) -> Any:
        made.append(plan)
        return compile_plan(plan, *rest)

    monkeypatch.setattr(fastroute.routing, "compile_plan", counted)
    overrides: dict[Any, Any] = {user: lambda: "a"}
    given = provider(overrides)
    route = APIWebSocketRoute("/talk", talk, dependency_overrides_provider=given)
    for _ in range(3):
        assert hear(route) == "a"
    # Nothing of this route: another dependency, another mapping with the same answers.
    overrides[talk] = overrides[hear] = lambda: "nobody"
    overrides[below] = lambda: "nobody"  # only `user` asks for it, and it is replaced
    given.dependency_overrides = dict(overrides)
    assert hear(route) == "a"
    assert len(made) == 1
    given.dependency_overrides[user] = lambda: "b"
    assert [hear(route) for _ in range(3)] == ["b"] * 3
    assert len(made) == 2


def test_bound_methods_and_partials_are_found() -> None:
    class Service:
        async def name(self) -> str:
            return "service"

    service = Service()
    partial = functools.partial(Service.name, service)

    async def endpoint(
        websocket: WebSocket, a: Annotated[str, Depends(service.name)], b: Annotated[str, Security(partial)]
    ) -> None:
        await websocket.accept()
        await websocket.send_text(f"{a} {b}")

    overrides: dict[Any, Any] = {}
    route = APIWebSocketRoute("/talk", endpoint, dependency_overrides_provider=provider(overrides))
    overrides[service.name] = lambda: "method"  # an equal one, made anew
    assert hear(route) == "method service"
    overrides[partial] = lambda: "partial"
    assert hear(route) == "method partial"
    overrides[service.name] = service.name
    assert hear(route) == "service partial"


def test_a_dependency_without_a_hash_cannot_be_overridden() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]  # the case

        async def __call__(self) -> str:
            return "unhashable"

    async def endpoint(websocket: WebSocket, a: Annotated[str, Depends(Unhashable())]) -> None:
        await websocket.accept()
        await websocket.send_text(a)

    route = APIWebSocketRoute("/talk", endpoint, dependency_overrides_provider=provider({user: below}))
    assert hear(route) == "unhashable"


@pytest.mark.parametrize("replacement", [None, "user", 1])
def test_a_replacement_that_cannot_be_called_is_refused_on_connect(replacement: Any) -> None:
    route = APIWebSocketRoute("/talk", talk, dependency_overrides_provider=provider({user: replacement}))
    with pytest.raises(DeclarationError, match="not given a callable") as caught:
        hear(route)
    assert caught.value.endpoint is talk


@pytest.mark.parametrize("overrides", [[user], {user}, "overrides", 1])
def test_overrides_that_are_no_mapping_let_nobody_in(overrides: Any) -> None:
    route = APIWebSocketRoute("/talk", talk, dependency_overrides_provider=provider(overrides))
    with pytest.raises((AttributeError, TypeError)):
        hear(route)


def test_a_replacement_reads_the_connection_as_any_dependency() -> None:
    async def of_query(q: int, connection: HTTPConnection) -> str:
        return f"{q} {connection.url.path}"

    route = APIWebSocketRoute("/talk", talk, dependency_overrides_provider=provider({user: of_query}))
    assert hear(route, "/talk?q=3") == "3 /talk"


@pytest.mark.parametrize("overrides", [[len], {len}, (len,), "len", 7], ids=str)
def test_overrides_that_are_no_mapping_are_named_with_their_fix(overrides: Any) -> None:
    def dependency() -> None: ...

    async def endpoint(websocket: WebSocket) -> None: ...

    app = Starlette(routes=[APIWebSocketRoute("/", endpoint, dependencies=[Depends(dependency)])])
    app.dependency_overrides = overrides  # type: ignore[attr-defined]
    with (
        pytest.raises(DeclarationError, match=r"endpoint.*'dependency_overrides': is no mapping.*; write app\.dep"),
        TestClient(app).websocket_connect("/"),
    ):
        pass
