"""ConnectionPolicy: what it refuses when it is made, how policies add up, and which routes get them."""

import math
import pickle
from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from asgi import request
from fastapi import FastAPI
from starlette import routing
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import ANY_ORIGIN, APIWebSocketRoute, ConnectionPolicy, Depends, Router, accelerate
from fastroute.connection.origins import origins_of
from fastroute.connection.policy import YEAR_10000, Terms, nested

GOOD, EVIL = "https://app.example.org", "https://evil.example"
ONLY_GOOD = ConnectionPolicy(origins=[GOOD])


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close(4000)


async def page(request: Any) -> PlainTextResponse:
    return PlainTextResponse("page")


def answer(app: Any, path: str = "/", *origins: str, **items: Any) -> int:
    """The status of a denial, else the close code."""
    scope = websocket_scope(path, headers=[("Origin", origin) for origin in origins], **items)
    sent = connect(app, scope)
    return int(sent[0].get("status") or sent[-1]["code"])


# What it refuses


@pytest.mark.parametrize("name", ["accept_timeout", "idle_timeout", "max_lifetime"])
@pytest.mark.parametrize("seconds", [0, -1, -0.0, math.nan, -math.inf])
def test_a_timeout_is_above_zero(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=rf"{name}=.* must be above 0; .*leave it unset.*float\('inf'\)"):
        ConnectionPolicy(**{name: seconds})


@pytest.mark.parametrize("name", ["accept_timeout", "idle_timeout", "max_lifetime"])
@pytest.mark.parametrize("seconds", [10**400, 2.6e11])
def test_a_timeout_is_no_age(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=rf"{name} is more than 8,000 years; .*float\('inf'\)"):
        ConnectionPolicy(**{name: seconds})
    with pytest.raises(ValueError, match="must be above 0"):
        ConnectionPolicy(**{name: -seconds})


@pytest.mark.parametrize("name", ["accept_timeout", "idle_timeout", "max_lifetime"])
@pytest.mark.parametrize("seconds", ["30", True, [30], b""])
def test_a_timeout_is_a_number(name: str, seconds: Any) -> None:
    with pytest.raises(TypeError, match=f"{name}=.* is no number of seconds"):
        ConnectionPolicy(**{name: seconds})


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"origins": 7}, "write \\['https://app.example.org'\\]"),
        ({"origins": b"https://a"}, "write origins=\\['https://a'\\]"),
        ({"origins": []}, "ANY_ORIGIN"),
        ({"origins": "*"}, "ANY_ORIGIN"),
        ({"origins": ["example.org"]}, "has no scheme"),
        ({"cancel_on_disconnect": 1}, "neither True nor False"),
        ({"cancel_on_disconnect": []}, "neither True nor False"),
        ({"on_end": "log"}, "is no function"),
        ({"on_end": talk}, "write a plain function"),
        ({"on_end": lambda: None}, "called with scope, code, reason and seconds: too many positional arguments"),
        ({"on_end": lambda scope, code, reason, seconds, extra: None}, "called with .*: missing a required argument"),
    ],
)
def test_what_means_nothing_is_an_error(given: dict[str, Any], error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        ConnectionPolicy(**given)


# Python does not know the parameters of `max`.
@pytest.mark.parametrize(
    "on_end", [print, max, lambda *told: None, lambda scope, code, reason, seconds=0, more=1: None]
)
def test_on_end_may_be_whatever_takes_four_arguments(on_end: Any) -> None:
    assert ConnectionPolicy(on_end=on_end).on_end is on_end


@pytest.mark.parametrize("inner", [ConnectionPolicy(idle_timeout=9), ConnectionPolicy(origins=[GOOD, EVIL])])
def test_a_replaced_value_keeps_the_origins_around_it(inner: ConnectionPolicy) -> None:
    outer = ConnectionPolicy(origins=GOOD, max_lifetime=8)
    merged = inner.within(outer)
    for again in (replace(merged, idle_timeout=5), deepcopy(merged), pickle.loads(pickle.dumps(merged))):
        assert again.origin_lists == merged.origin_lists
    assert replace(merged, idle_timeout=5).terms == Terms(idle_timeout=5, max_lifetime=8)
    loosened = replace(merged, origins=ANY_ORIGIN)
    assert loosened.origin_lists == outer.origin_lists
    assert replace(inner, origins=["https://other.example"]).origin_lists == origins_of("https://other.example")
    route = APIWebSocketRoute("/", talk, policy=loosened)
    assert answer(route, "/", EVIL) == 403
    assert answer(route, "/", GOOD) == 4000


@pytest.mark.parametrize("origins", [GOOD, [GOOD], {GOOD}, (GOOD,)])
def test_origins_are_kept_as_a_tuple(origins: Any) -> None:
    assert ConnectionPolicy(origins=origins).origins == (GOOD,)


def test_it_is_frozen_and_its_arguments_have_names() -> None:
    make: Any = ConnectionPolicy
    with pytest.raises(TypeError):
        make([GOOD])
    with pytest.raises(AttributeError):
        ONLY_GOOD.origins = ANY_ORIGIN  # type: ignore[misc]
    with pytest.raises(TypeError):
        make(origin_lists=())


def test_it_shows_what_was_given() -> None:
    assert repr(ConnectionPolicy(idle_timeout=3).within(ONLY_GOOD)) == (
        f"ConnectionPolicy(origins=({GOOD!r},), cancel_on_disconnect=None, accept_timeout=None, idle_timeout=3, "
        "max_lifetime=None, on_end=None)"
    )


def test_a_timeout_may_last_until_the_year_10000() -> None:
    assert datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp() + 1 == YEAR_10000
    assert ConnectionPolicy(idle_timeout=YEAR_10000).idle_timeout == YEAR_10000
    with pytest.raises(ValueError, match=r"8,000 years"):
        ConnectionPolicy(idle_timeout=YEAR_10000 + 1)


def test_copies_are_equal() -> None:
    for policy in (ONLY_GOOD, ConnectionPolicy(origins=ANY_ORIGIN, idle_timeout=3)):
        for copied in (copy(policy), deepcopy(policy), pickle.loads(pickle.dumps(policy))):
            assert copied == policy
            assert hash(copied) == hash(policy)
            assert copied.origin_lists == policy.origin_lists
    assert deepcopy(ConnectionPolicy(origins=ANY_ORIGIN)).origins is ANY_ORIGIN


# How policies add up


def test_the_innermost_value_counts() -> None:
    def told(*_: Any) -> None: ...

    outer = ConnectionPolicy(cancel_on_disconnect=True, accept_timeout=5, idle_timeout=60, on_end=told)
    inner = ConnectionPolicy(cancel_on_disconnect=False, idle_timeout=math.inf, max_lifetime=9)
    assert inner.within(outer) == ConnectionPolicy(
        cancel_on_disconnect=False, accept_timeout=5, idle_timeout=math.inf, max_lifetime=9, on_end=told
    )
    assert nested(outer, None, inner) == inner.within(outer)
    assert nested(outer, None) == nested(None, outer) == outer
    assert nested(None, None) is None
    assert nested() is None


def test_a_policy_is_equal_to_one_that_has_the_same_origins_around_it() -> None:
    assert ConnectionPolicy().within(ONLY_GOOD) == ONLY_GOOD
    assert hash(ConnectionPolicy().within(ONLY_GOOD)) == hash(ONLY_GOOD)


def test_origins_add_up() -> None:
    other = ConnectionPolicy(origins=[EVIL, GOOD])
    assert ONLY_GOOD.within(other).origin_lists == (*other.origin_lists, *ONLY_GOOD.origin_lists)
    assert ONLY_GOOD.within(other).origins == (GOOD,)
    assert ONLY_GOOD.within(ONLY_GOOD).origin_lists == ONLY_GOOD.origin_lists
    anybody = ConnectionPolicy(origins=ANY_ORIGIN)
    assert anybody.within(ONLY_GOOD).origin_lists == ONLY_GOOD.origin_lists
    unset = ConnectionPolicy(idle_timeout=3).within(ONLY_GOOD)
    assert (unset.origins, unset.origin_lists) == (ONLY_GOOD.origins, ONLY_GOOD.origin_lists)


def test_a_policy_that_only_knows_origins_ends_with_the_handshake() -> None:
    assert ONLY_GOOD.terms is None
    assert ConnectionPolicy().terms is None
    assert ConnectionPolicy(on_end=print).terms == Terms(on_end=print)
    assert ConnectionPolicy(cancel_on_disconnect=False).terms == Terms(False, math.inf, math.inf, math.inf, None)


@pytest.mark.parametrize(
    "make", [lambda policy: APIWebSocketRoute("/", talk, policy=policy), lambda policy: Router(policy=policy)]
)
def test_something_else_is_no_policy(make: Any) -> None:
    with pytest.raises(TypeError, match="write policy=ConnectionPolicy"):
        make([GOOD])


# Which handshakes pass


def test_a_handshake_from_elsewhere_is_denied_before_any_dependency() -> None:
    called = []

    async def dependency() -> None:
        called.append("dependency")

    route = APIWebSocketRoute("/", talk, dependencies=[Depends(dependency)], policy=ONLY_GOOD)
    scope = websocket_scope("/", headers=[("Origin", EVIL)])
    start, body = connect(Starlette(routes=[route]), scope)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert body == {"type": "websocket.http.response.body", "body": b"Origin not allowed"}
    assert called == []
    assert answer(route.app, "/", GOOD) == 4000
    assert called == ["dependency"]


def test_a_server_without_denials_gets_a_close() -> None:
    route = APIWebSocketRoute("/", talk, policy=ONLY_GOOD)
    for extensions in ({}, None):
        sent = connect(route.app, websocket_scope("/", headers=[("Origin", EVIL)], extensions=extensions))
        assert sent == [{"type": "websocket.close", "code": 1008, "reason": "Origin not allowed"}]


def test_overrides_change_nothing_about_origins() -> None:
    async def original() -> str:
        return "original"

    async def endpoint(websocket: WebSocket, value: Annotated[str, Depends(original)]) -> None:
        await websocket.accept()
        await websocket.close(4001 if value == "original" else 4002)

    provider = SimpleNamespace(dependency_overrides={original: lambda: "replaced"})
    route = APIWebSocketRoute("/", endpoint, dependency_overrides_provider=provider, policy=ONLY_GOOD)
    assert answer(route.app, "/", EVIL) == 403
    assert answer(route.app, "/", GOOD) == 4002


def test_what_registers_a_route_applies_the_policy_of_the_router() -> None:
    inner = Router()
    inner.add_api_websocket_route("/included", talk)
    router = Router(policy=ONLY_GOOD)
    router.add_api_websocket_route("/added", talk)
    router.websocket("/decorated")(talk)
    router.include_router(inner)
    for path in ("/added", "/decorated", "/included"):
        assert answer(router, path, EVIL) == 403
        assert answer(router, path, GOOD) == answer(router, path) == 4000


def test_a_handshake_must_pass_the_origins_of_all_policies() -> None:
    a, b, c = "https://a.example", "https://b.example", "https://c.example"
    inner = Router(policy=ConnectionPolicy(origins=[a, b, c]))
    inner.add_api_websocket_route("/", talk, policy=ConnectionPolicy(origins=[a, b]))
    router = Router()
    router.include_router(inner, policy=ConnectionPolicy(origins=[b, c]))
    assert [answer(router, "/", origin) for origin in (a, b, c)] == [403, 4000, 403]
    outermost = Router(policy=ConnectionPolicy(origins=[a]))
    outermost.include_router(router)
    assert [answer(outermost, "/", origin) for origin in (a, b, c)] == [403, 403, 403]
    assert answer(inner, "/", a) == 4000


def test_a_host_below_one_list_must_pass_the_others() -> None:
    below = ConnectionPolicy(origins=["https://*.example.org"])
    router = Router(policy=below)
    router.add_api_websocket_route("/", talk, policy=ConnectionPolicy(origins=["https://*.b.example.org", GOOD]))
    origins = ["https://a.b.example.org", "https://app.example.org", "https://c.example.org"]
    assert [answer(router, "/", origin) for origin in origins] == [4000, 4000, 403]


# Sockets that would be without the origins of their router


class OtherKind(BaseRoute):
    """Nobody knows what it does."""


UNFIT: dict[str, Any] = {
    "route": lambda: APIWebSocketRoute("/", talk),
    "other origins": lambda: APIWebSocketRoute("/", talk, policy=ConnectionPolicy(origins=[EVIL])),
    "any origin": lambda: APIWebSocketRoute("/", talk, policy=ConnectionPolicy(origins=ANY_ORIGIN)),
    "plain": lambda: WebSocketRoute("/", talk),
    "mount": lambda: Mount("/", routes=[Route("/page", page), WebSocketRoute("/", talk)]),
    "mounted application": lambda: Mount("/", Starlette(routes=[APIWebSocketRoute("/", talk)])),
    "unseen": lambda: Mount("/", page),
    "host": lambda: Host("example.org", Router([APIWebSocketRoute("/", talk)])),
    "host unseen": lambda: Host("example.org", page),
    "deep": lambda: Mount("/", routes=[Host("example.org", Router([Mount("/", page)]))]),
    "other kind": OtherKind,
}


@pytest.mark.parametrize("kind", UNFIT)
def test_a_socket_without_the_origins_is_refused(kind: str) -> None:
    route = UNFIT[kind]()
    router = Router(policy=ONLY_GOOD)
    with pytest.raises(ValueError, match=r"open to any origin.*websocket\(\), add_api_websocket_route\(\)"):
        router.routes.append(route)
    with pytest.raises(ValueError, match="open to any origin"):
        router.routes = [route]
    with pytest.raises(ValueError, match="open to any origin"):
        Router([route], policy=ONLY_GOOD)
    assert router.routes == []


@pytest.mark.parametrize("kind", [kind for kind in UNFIT if "origin" not in kind and kind != "route"])
def test_an_included_socket_that_cannot_have_the_origins_is_refused(kind: str) -> None:
    for router, policy in ((Router(policy=ONLY_GOOD), None), (Router(), ONLY_GOOD)):
        with pytest.raises(ValueError, match="open to any origin"):
            router.include_router(routing.Router([UNFIT[kind]()]), policy=policy)
        assert router.routes == []


def test_methods_of_starlette_that_make_a_socket_without_the_origins_are_refused() -> None:
    router = Router(policy=ONLY_GOOD)
    for register in (
        lambda: router.add_websocket_route("/", talk),
        lambda: router.mount("/", Starlette(routes=[WebSocketRoute("/", talk)])),
        lambda: router.host("example.org", Starlette(routes=[WebSocketRoute("/", talk)])),
    ):
        with pytest.raises(ValueError, match="open to any origin"):
            register()
    assert router.routes == []


def test_http_is_never_refused_for_a_policy(tmp_path: Any) -> None:
    router = Router(policy=ONLY_GOOD)
    router.mount("/static", StaticFiles(directory=tmp_path))
    router.mount("/pages", Starlette(routes=[Route("/", page), Mount("/deep", routes=[Route("/", page)])]))
    router.host("example.org", FastAPI())
    router.add_route("/page", page)
    router.include_router(routing.Router([Route("/included", page)]), policy=ConnectionPolicy(origins=[EVIL]))
    assert request(Starlette(routes=[Mount("/", router)]), "/static/missing") == (404, "Not Found")
    for path in ("/pages/", "/pages/deep/", "/page", "/included"):
        assert request(router, path)[0] == 200, path


def accelerated(routes: Any) -> Starlette:
    app = Starlette(routes=routes)
    accelerate(app)
    return app


async def anybody() -> None: ...


LATE: dict[str, Callable[[Any], Any]] = {
    "mount of a Router": lambda app: Mount("/mounted", app),
    "mount in a mount": lambda app: Mount("/mounted", routes=[Mount("/", app)]),
}


@pytest.mark.parametrize("kind", LATE)
@pytest.mark.parametrize("application", [Router, Starlette, accelerated])
@pytest.mark.parametrize("served", [True, False])
def test_a_socket_that_is_put_below_a_mount_later_is_not_open(
    kind: str, application: Any, served: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = application(routes=[Route("/page", page)])
    router = Router([LATE[kind](app)], policy=ONLY_GOOD)
    router.add_api_websocket_route("/own", talk)
    if served:
        assert request(router, "/mounted/page") == (200, "page")
    app.routes.append(APIWebSocketRoute("/late", talk))
    for changed in range(2):
        assert request(router, "/mounted/page") == (200, "page"), "HTTP is never refused for a policy"
        assert answer(router, "/own", GOOD) == 4000
        assert answer(router, "/mounted/late", GOOD) == answer(router, "/mounted/late", EVIL) == 1000
        assert connect(router, websocket_scope("/mounted/late"))[0]["type"] == "websocket.close"
        if not changed:
            router.add_route("/another", page)
    assert len(caplog.records) == (not served)
    assert all("Nobody can connect to them" in record.getMessage() for record in caplog.records)
    with pytest.raises(ValueError, match="open to any origin"):
        router.routes.append(router.routes[0])


@pytest.mark.parametrize("demands", [{"policy": ONLY_GOOD}, {"dependencies": [Depends(anybody)]}])
def test_a_socket_that_a_default_application_gets_later_is_not_open(demands: Any) -> None:
    app = Starlette(routes=[Route("/page", page)])
    router = Router(default=app, **demands)
    app.routes.append(WebSocketRoute("/late", talk))
    assert request(router, "/page") == (200, "page")
    assert answer(router, "/late", GOOD) == answer(router, "/late", EVIL) == 1000
    assert answer(Router(default=app), "/late", EVIL) == 4000


def test_what_gets_round_the_checks_of_the_list_is_not_served() -> None:
    router = Router([Route("/page", page)], policy=ONLY_GOOD)
    assert request(router, "/page") == (200, "page")
    list.append(router.routes, WebSocketRoute("/open", talk))
    with pytest.raises(ValueError, match="open to any origin"):
        answer(router, "/open", EVIL)


def test_a_route_with_the_origins_may_be_put_in() -> None:
    router = Router(policy=ONLY_GOOD)
    router.routes.append(APIWebSocketRoute("/same", talk, policy=router.policy))
    router.routes.append(APIWebSocketRoute("/equal", talk, policy=ConnectionPolicy(origins=[f"{GOOD}:443"])))
    assert [answer(router, path, EVIL) for path in ("/same", "/equal")] == [403, 403]


def test_a_policy_without_origins_refuses_no_route() -> None:
    router = Router(policy=ConnectionPolicy(origins=ANY_ORIGIN, idle_timeout=3))
    router.add_websocket_route("/plain", talk)
    router.mount("/mounted", Starlette(routes=[WebSocketRoute("/", talk)]))
    assert answer(router, "/plain", EVIL) == answer(router, "/mounted/", EVIL) == 4000


# Subclasses of the route


@pytest.mark.parametrize(
    ("name", "value"),
    [("origins", ["https://example.org"]), ("idle_timeout", 5), ("on_end", print)],
)
def test_a_subclass_has_no_attribute_that_nobody_reads(name: str, value: Any) -> None:
    own = type("Own", (ConnectionPolicy,), {name: value})
    annotated = type("Own", (ConnectionPolicy,), {name: value, "__annotations__": {name: Any}})
    below = type("Below", (own,), {})
    for cls in (own, annotated, below):
        with pytest.raises(
            TypeError,
            match=rf"(Own|Below).{name}: as an attribute .*super\(\).__init__\({name}=\.\.\.\), or decorate it by @",
        ):
            cls()
    assert type("Own", (ConnectionPolicy,), {"other": value})().origins is None


def test_a_subclass_that_is_a_dataclass_has_defaults_of_its_own() -> None:
    @dataclass(frozen=True)
    class Ours(ConnectionPolicy):
        origins: Any = ("https://example.org",)

    @dataclass(frozen=True)
    class Below(Ours):
        note: str = ""

    for cls in (Ours, Below):
        assert cls().origins == ("https://example.org",)
        assert cls().within(ConnectionPolicy(idle_timeout=3)).idle_timeout == 3


class Takes(APIWebSocketRoute):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class TakesNone(APIWebSocketRoute):
    def __init__(
        self,
        path: str,
        endpoint: Any,
        name: str | None = None,
        dependencies: Any = None,
        dependency_overrides_provider: Any = None,
    ) -> None:
        super().__init__(path, endpoint, name, dependencies, dependency_overrides_provider)


class DropsIt(APIWebSocketRoute):
    def __init__(self, *args: Any, policy: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


def test_an_included_subclass_gets_the_policy() -> None:
    router = Router()
    router.include_router(Router([Takes("/", talk)]), prefix="/a", policy=ONLY_GOOD)
    [route] = router.routes
    assert isinstance(route, Takes)
    assert (answer(router, "/a/", EVIL), answer(router, "/a/", GOOD)) == (403, 4000)


@pytest.mark.parametrize("kind", [TakesNone, DropsIt])
def test_an_included_subclass_that_would_lose_the_policy_is_refused_by_name(kind: Any) -> None:
    router = Router()
    for policy in (ONLY_GOOD, ConnectionPolicy(idle_timeout=3)):
        with pytest.raises(ValueError, match=f"{kind.__name__} does not pass on the policy"):
            router.include_router(Router([kind("/", talk)]), policy=policy)
    router.include_router(Router([kind("/", talk)]), prefix="/a")
    assert answer(router, "/a/", EVIL) == 4000
