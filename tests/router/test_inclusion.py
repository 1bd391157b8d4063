"""include_router: routes that read their path when they are made, empty paths, and things that are no router."""

import re
from collections.abc import Callable
from typing import Annotated, Any

import fastapi
import pytest
from asgi import request
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi.routing import APIWebSocketRoute as FastAPIWebSocketRoute
from starlette import routing
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, NoMatchFound, Route, WebSocketRoute
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, DeclarationError, Depends, Router


async def page(request: Any) -> PlainTextResponse:
    return PlainTextResponse(f"{request.url.path} {request.path_params}")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(f"hello {websocket.path_params}")


def hear(app: Any, path: str) -> str | None:
    """The text that the endpoint sends; None if the connection is refused."""
    sent = connect(app, websocket_scope(path))
    return next((message["text"] for message in sent if message["type"] == "websocket.send"), None)


# Routes that read their path when they are made


def fastapi_router(**options: Any) -> APIRouter:
    router = APIRouter(**options)

    async def tenant_of(tenant: str) -> str:
        return f"dependency {tenant}"

    @router.websocket("/feed/{number:int}")
    async def feed(
        websocket: WebSocket,
        tenant: str,
        number: int,
        depends: Annotated[str, fastapi.Depends(tenant_of)],
        q: str = "-",
    ) -> None:
        await websocket.accept()
        await websocket.send_text(f"{tenant} {number} {depends} {q}")

    @router.get("/items/{number}", tags=["items"], status_code=202)
    async def item(tenant: str, number: int, depends: Annotated[str, fastapi.Depends(tenant_of)], q: str = "-") -> str:
        return f"{tenant} {number} {depends} {q}"

    @router.api_route("/both", methods=["GET", "POST"], name="both")
    async def both(tenant: str) -> str:
        return tenant

    return router


@pytest.mark.parametrize("query", ["", "?tenant=other&q=1", "?tenant=other&tenant=another&number=9"])
@pytest.mark.parametrize("own_prefix", ["", "/own"])
@pytest.mark.parametrize("depth", [1, 2])
def test_parameters_of_the_prefix_come_from_the_path(query: str, own_prefix: str, depth: int) -> None:
    stock, middle, ours = FastAPI(), Router(), Router()
    stock.include_router(fastapi_router(prefix=own_prefix), prefix="/t/{tenant}")
    if depth == 1:
        ours.include_router(fastapi_router(prefix=own_prefix), prefix="/t/{tenant}")
    else:
        middle.include_router(fastapi_router(prefix=own_prefix), prefix="/{tenant}")
        ours.include_router(middle, prefix="/t")
    app = FastAPI()
    app.mount("", ours)
    for path in (f"/t/acme{own_prefix}/items/7", f"/t/acme{own_prefix}/both", f"/t/acme{own_prefix}/items/x"):
        name, _, text = query.partition("?")
        assert request(app, path + name, query_string=text.encode()) == request(
            stock, path + name, query_string=text.encode()
        )
    heard = hear(app, f"/t/acme{own_prefix}/feed/7{query}")
    assert heard == hear(stock, f"/t/acme{own_prefix}/feed/7{query}")
    assert heard is not None
    assert heard.startswith("acme 7 dependency acme")


def test_a_route_that_is_made_anew_is_the_same_but_for_its_path() -> None:
    inner = fastapi_router(dependencies=[fastapi.Depends(lambda: None)])
    for route in inner.routes:
        route.mark = "mine"  # type: ignore[attr-defined]
    outer = Router()
    outer.include_router(inner, prefix="/t/{tenant}")
    for old, new in zip(inner.routes, outer.routes, strict=True):
        assert type(new) is type(old)
        assert new is not old
        before, after = vars(old), vars(new)
        differ = {name for name in before if before[name] != after[name] and repr(before[name]) != repr(after[name])}
        assert differ <= {
            *("path", "path_regex", "path_format", "param_convertors", "dependant", "app", "unique_id", "body_field"),
            *("response_field", "dependencies"),
        }
        assert vars(new).keys() == vars(old).keys()
    assert inner.routes[0].path == "/feed/{number:int}"  # type: ignore[attr-defined]


def dependency() -> str:
    return "original"


@pytest.mark.parametrize("by", ["the including router", "the included router", "the application"])
def test_overrides_still_reach_a_route_that_is_made_anew(by: str) -> None:
    class Provider:
        dependency_overrides = {dependency: lambda: "override"}  # noqa: RUF012

    inner = APIRouter(dependency_overrides_provider=Provider() if by == "the included router" else None)
    if by == "the application":
        application = FastAPI()
        application.dependency_overrides[dependency] = lambda: "override"
        inner = application.router

    @inner.websocket("/feed")
    async def feed(websocket: WebSocket, tenant: str, value: Annotated[str, fastapi.Depends(dependency)]) -> None:
        await websocket.accept()
        await websocket.send_text(f"{tenant} {value}")

    inner.routes[:] = inner.routes[-1:]
    outer = Router(dependency_overrides_provider=Provider() if by == "the including router" else None)
    outer.include_router(inner, prefix="/{tenant}")
    app = FastAPI()
    app.mount("", outer)
    assert hear(app, "/acme/feed") == "acme override"


class Documented(Route):
    """Reads its path when it is made."""

    def __init__(self, path: str, endpoint: Any, *, limit: int) -> None:
        super().__init__(path, endpoint)
        self.limit = limit
        self.documented = f"{path} at most {limit}"


class Limited(Documented):
    """Is made as its base."""


class Subscribed(FastAPIWebSocketRoute):
    def __init__(self, path: str, endpoint: Any, *, topic: str = "all", **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)
        self.topic = topic


class Section(Mount):
    def __init__(self, path: str, app: Any) -> None:
        super().__init__(path, app)
        self.title = path.upper()


async def tenant_feed(websocket: WebSocket, tenant: str) -> None:
    await websocket.accept()
    await websocket.send_text(tenant)


@pytest.mark.parametrize("prefix", ["/outer", "/{p}"])
def test_classes_of_users_are_made_anew(prefix: str) -> None:
    inner, outer = Router(), Router()
    inner.routes += [
        Documented("/page", page, limit=3),
        Limited("/limited", page, limit=5),
        Subscribed("/feed", talk, topic="news", name="feed"),
        Section("/section", routing.Router([Route("/page", page)])),
    ]
    outer.include_router(inner, prefix=prefix)
    documented, limited, subscribed, section = outer.routes
    assert isinstance(documented, Documented)
    assert documented.documented == f"{prefix}/page at most 3"
    assert isinstance(limited, Limited)
    assert limited.documented == f"{prefix}/limited at most 5"
    assert isinstance(subscribed, Subscribed)
    assert (subscribed.topic, subscribed.name) == ("news", "feed")
    assert isinstance(section, Section)
    assert section.title == f"{prefix}/section".upper()
    assert request(outer, "/outer/page")[0] == request(outer, "/outer/section/page")[0] == 200


class Forgetful(FastAPIWebSocketRoute):
    """Does not keep a value that it was made with."""

    def __init__(self, path: str, endpoint: Any, *, secret: str, **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)


class ForgetfulPage(APIRoute):
    def __init__(self, path: str, endpoint: Any, *, secret: str, **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)


class Closed(Route):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


async def item(tenant: str) -> str:
    return tenant


@pytest.mark.parametrize(
    ("route", "unknown", "where"),
    [
        (Forgetful("/feed", tenant_feed, secret="x"), "secret", "tenant_feed"),
        (ForgetfulPage("/item", item, secret="x"), "secret", "item"),
        (Closed("/page", page), "path", "page"),
    ],
)
def test_a_route_that_cannot_be_made_anew_is_refused(route: BaseRoute, unknown: str, where: str) -> None:
    inner, outer = Router([Route("/before", page), route]), Router()
    with pytest.raises(ValueError, match=rf"{where} \(.*{re.escape(__file__)}:\d+\).*tenant.*{unknown}") as caught:
        outer.include_router(inner, prefix="/t/{tenant}")
    assert "Annotated[..., Path()]" in str(caught.value)
    assert "append it to `routes`" in str(caught.value)
    assert outer.routes == []


def test_the_first_advice_of_that_error_works() -> None:
    outer = Router()
    outer.routes.append(Forgetful("/t/{tenant}/feed", tenant_feed, secret="x"))
    app = FastAPI()
    app.mount("", outer)
    assert hear(app, "/t/acme/feed?tenant=other") == "acme"


def test_the_second_advice_of_that_error_works() -> None:
    async def dependency(tenant: Annotated[str, fastapi.Path()]) -> str:
        return tenant

    async def feed(
        websocket: WebSocket,
        tenant: Annotated[str, fastapi.Path()],
        again: Annotated[str, fastapi.Depends(dependency)],
        q: str = "-",
    ) -> None:
        await websocket.accept()
        await websocket.send_text(f"{tenant} {again} {q}")

    outer = Router()
    outer.include_router(Router([Forgetful("/feed", feed, secret="x")]), prefix="/t/{tenant}")
    app = FastAPI()
    app.mount("", outer)
    assert hear(app, "/t/acme/feed?tenant=other") == "acme acme -"


@pytest.mark.parametrize("place", ["query", "header", "cookie", "below"])
def test_a_parameter_of_the_prefix_that_comes_from_elsewhere_is_refused(place: str) -> None:
    async def below(tenant: str) -> str:
        return tenant

    annotation: Any = {
        "query": str,
        "header": Annotated[str, fastapi.Header()],
        "cookie": Annotated[str, fastapi.Cookie()],
        "below": Annotated[str, fastapi.Depends(below)],
    }[place]

    async def feed(websocket: WebSocket, tenant: Any) -> None: ...

    feed.__annotations__["tenant"] = annotation
    with pytest.raises(ValueError, match="would not find tenant"):
        Router().include_router(Router([Forgetful("/feed", feed, secret="x")]), prefix="/t/{tenant}")


def test_a_static_prefix_needs_no_new_route() -> None:
    outer = Router()
    outer.include_router(Router([Forgetful("/feed", talk, secret="x"), Closed("/page", page)]), prefix="/outer")
    assert request(outer, "/outer/page")[0] == 200


def test_a_marker_that_contradicts_the_prefix_is_an_error_that_names_the_route() -> None:
    inner = APIRouter()

    @inner.websocket("/feed")
    async def feed(websocket: WebSocket, tenant: Annotated[str, fastapi.Query()]) -> None: ...

    with pytest.raises(ValueError, match=r"feed \(.*cannot be made again with the path '/t/{tenant}/feed'"):
        Router().include_router(inner, prefix="/t/{tenant}")


# Empty paths


def test_an_empty_path_gets_the_prefix_of_the_including_router() -> None:
    inner = Router()

    @inner.websocket("")
    async def live(websocket: WebSocket, q: str = "-") -> None:
        await websocket.accept()
        await websocket.send_text(f"live {q}")

    outer = Router()
    outer.include_router(inner, prefix="/live")
    (route,) = outer.routes
    assert type(route) is APIWebSocketRoute
    assert route.path == "/live"
    assert hear(outer, "/live?q=1") == "live 1"
    assert hear(outer, "/live/") is None
    assert str(outer.url_path_for("live")) == "/live"


def test_an_empty_path_below_a_prefix_is_the_prefix() -> None:
    router = Router(prefix="/live")
    router.websocket("")(talk)
    assert type(router.routes[0]) is APIWebSocketRoute
    assert hear(router, "/live") is not None


@pytest.mark.parametrize("path", ["", "/", "//", "/live", "\n"])
def test_an_empty_path_alone_matches_nothing(path: str) -> None:
    router = Router()
    router.websocket("", name="live")(talk)
    assert hear(router, path) is None
    assert hear(Starlette(routes=[Mount("/m", router)]), f"/m{path}") is None
    with pytest.raises(NoMatchFound):
        router.url_path_for("live")


@pytest.mark.parametrize("options", [{}, {"dependencies": [Depends(dependency)]}])
def test_an_include_without_any_prefix_is_an_error(options: Any) -> None:
    inner, outer = Router(), Router()
    inner.websocket("")(talk)
    with pytest.raises(ValueError, match=r"talk \(.*:\d+\).*both empty") as caught:
        outer.include_router(inner, **options)
    assert isinstance(caught.value, DeclarationError)
    assert outer.routes == []
    Router(prefix="/live").include_router(inner, **options)


def test_a_mistake_in_a_route_without_path_is_found_at_once() -> None:
    async def wrong(websocket: WebSocket, body: dict[str, int]) -> None: ...

    with pytest.raises(DeclarationError, match="body"):
        Router().websocket("")(wrong)


def test_only_a_router_takes_an_empty_path() -> None:
    with pytest.raises(ValueError, match="start with '/'"):
        APIWebSocketRoute("", talk)


# Mistakes


async def check_user(token: str = "") -> None: ...


class Callme:
    async def __call__(self) -> None: ...


APP = Starlette(routes=[Route("/", page)])


@pytest.mark.parametrize(
    ("thing", "fix"),
    [
        (APP, "mount"),
        (FastAPI(), "mount"),
        ([Route("/", page)], r"Router\(routes\)"),
        (Route("/", page), "append the route"),
        (WebSocketRoute("/", talk), "append the route"),
        (page, "mount"),
        (Router, "mount"),
        (None, r"Router\(\)"),
        ("app.rooms", r"Router\(\)"),
    ],
)
def test_including_something_that_is_no_router(thing: Any, fix: str) -> None:
    router = Router()
    with pytest.raises(TypeError, match=f"(?s)include_router.. takes a router, not .*{fix}"):
        router.include_router(thing, prefix="/x")
    assert router.routes == []


@pytest.mark.parametrize("prefix", ["", "/prefix"])
@pytest.mark.parametrize("fill", [True, False])
def test_fastapi_is_told_to_mount_our_router(prefix: str, fill: bool) -> None:
    router = Router()
    if fill:
        router.websocket("/talk")(talk)
    for application in (FastAPI(), APIRouter()):
        with pytest.raises((AttributeError, RuntimeError), match=r"app\.mount"):
            application.include_router(router, prefix=prefix)  # type: ignore[arg-type]
    app = FastAPI()
    app.mount("", router)
    assert (hear(app, "/talk") is not None) == fill


def test_other_missing_attributes_are_as_ever() -> None:
    with pytest.raises(AttributeError, match=r"'Router' object has no attribute 'nothing'$"):
        Router().nothing  # noqa: B018
    assert not hasattr(Router(), "nothing")


def declare_decorator(router: Router, dependencies: Any) -> None:
    router.websocket("/x", dependencies=dependencies)(talk)


def declare_method(router: Router, dependencies: Any) -> None:
    router.add_api_websocket_route("/x", talk, dependencies=dependencies)


def declare_route(router: Router, dependencies: Any) -> None:
    APIWebSocketRoute("/x", talk, dependencies=dependencies)


def declare_router(router: Router, dependencies: Any) -> None:
    Router(dependencies=dependencies)


def declare_include(router: Router, dependencies: Any) -> None:
    router.include_router(Router(), dependencies=dependencies)


DECLARE = [declare_decorator, declare_method, declare_route, declare_router, declare_include]
WRONG: list[tuple[Any, str]] = [
    (Depends(check_user), "[Depends(check_user)]"),
    (fastapi.Depends(check_user), "[Depends(check_user)]"),
    (check_user, "[Depends(check_user)]"),
    ([check_user], "[Depends(check_user)]"),
    ((Depends(check_user), check_user), "[Depends(check_user)]"),
    ([Callme], "[Depends(Callme(...))]"),
    ([Callme()], "[Depends(Callme(...))]"),
    ([Depends], "[Depends(function)]"),
    ([fastapi.Depends], "[Depends(function)]"),
    ([Depends()], "[Depends(function)]"),
    (["check_user"], "[Depends(function)]"),
    ([None], "[Depends(function)]"),
    ([Depends(check_user), 3], "[Depends(function)]"),
    (7, "[Depends(function)]"),
    ("check_user", "[Depends(function)]"),
]


@pytest.mark.parametrize("declare", DECLARE)
@pytest.mark.parametrize(("dependencies", "written"), WRONG)
def test_wrong_dependencies_are_an_error_at_once(
    declare: Callable[[Router, Any], None], dependencies: Any, written: str
) -> None:
    router = Router()
    with pytest.raises(DeclarationError) as caught:
        declare(router, dependencies)
    text = str(caught.value)
    assert f"write dependencies={written}" in text
    assert router.routes == []
    named = talk if declare in (declare_decorator, declare_method, declare_route) else check_user
    if named is talk or written == "[Depends(check_user)]":
        assert f"{named.__module__}.{named.__qualname__} ({__file__}:{named.__code__.co_firstlineno})" in text


@pytest.mark.parametrize("declare", DECLARE)
@pytest.mark.parametrize(
    "dependencies", [None, [], (), [Depends(check_user)], (fastapi.Depends(check_user),), iter([Depends(check_user)])]
)
def test_right_dependencies_are_taken(declare: Callable[[Router, Any], None], dependencies: Any) -> None:
    declare(Router(), dependencies)


def test_a_decorator_without_parentheses() -> None:
    for router in (Router(), Router(prefix="/x")):
        with pytest.raises(DeclarationError, match=r"talk \(.*:\d+\): parameter 'path'.*@router.websocket\('/path'\)"):
            router.websocket(talk)  # type: ignore[arg-type]
        assert router.routes == []


def test_path_and_endpoint_are_swapped() -> None:
    for router in (Router(), Router(prefix="/x")):
        with pytest.raises(DeclarationError, match=r"talk \(.*:\d+\).*swapped; write \('/talk', talk\)"):
            router.add_api_websocket_route(talk, "/talk")  # type: ignore[arg-type]
        assert router.routes == []


@pytest.mark.parametrize("path", ["rooms", "{x}", None, 3, b"/x", " /x"])
@pytest.mark.parametrize("prefix", ["", "/api"])
def test_a_path_that_does_not_start_with_a_slash(path: Any, prefix: str) -> None:
    router = Router(prefix=prefix)
    with pytest.raises(DeclarationError, match=rf"talk \(.*:\d+\).*starts with '/', not {re.escape(repr(path))}"):
        router.add_api_websocket_route(path, talk)
    with pytest.raises(TypeError, match="starts with '/'"):
        router.add_api_websocket_route(path, None)  # type: ignore[arg-type]
