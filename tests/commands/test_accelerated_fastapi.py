"""`match` and `check` on accelerated FastAPI applications: what they say is what the index does."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi_trees import Application, Change, Leaf, Tree, convertors, requested, trees
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st
from starlette.routing import Match
from starlette.testclient import TestClient

from fastroute import accelerate
from fastroute.commands.check import shadowed
from fastroute.narrowing import routers
from fastroute.tracing.entries import entries, walk
from fastroute.tracing.trace import trace

pytestmark = [pytest.mark.twins, pytest.mark.slow]

_SETTINGS = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
    phases=[Phase.explicit, Phase.generate],
)

# A route that writes into the scope, and an endpoint that hands its scope on, are out of the sight of both commands:
# they ask the routes.
UNSEEN = ("writing", "forward")

# It leaves the endpoint out of the scope, by which the tests know the route.
UNTOLD = "between"


@pytest.fixture(autouse=True)
def _convertors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(routers, "_PATIENCE", 1)
    monkeypatch.setattr(routers, "_scans", lambda *_, **__: False)
    with convertors():
        yield


def _seen(tree: Tree) -> bool:
    items = [item for plan in tree.routers for item in plan.items] + [change.item for change in tree.changes]
    return not any(isinstance(item, Leaf) and item.kind in (*UNSEEN, UNTOLD) for item in items)


def _accelerated(tree: Tree) -> Iterator[tuple[Application, Change]]:
    """The application after each change, with an index."""
    application = Application(tree)
    accelerate(application.app)
    for change in tree.changes:
        application.change(change)
        application.mark(change.router)
        asyncio.run(application.answer("GET", "/nowhere"))
        asyncio.run(application.answer("GET", "/nowhere"))
        yield application, change


@given(trees().filter(_seen))
@_SETTINGS
def test_match_names_the_route_that_answers(tree: Tree) -> None:
    for application, change in _accelerated(tree):
        for method, path in change.requests:
            answer = asyncio.run(application.answer(method, path))
            with _as_fastapi_raises():
                told = _told(application, method, path)
            assert told == _given(answer), (method, path)


@st.composite
def _hiding(draw: st.DrawFn) -> Tree:
    """Trees with a router whose first route takes much."""
    tree = draw(trees().filter(_seen))
    number = draw(st.integers(0, len(tree.routers) - 1))
    path = draw(st.sampled_from(("/{p:path}", "/a/{p:path}", "/{x}", "/{x}/{y}")))
    plan = tree.routers[number]
    wide = replace(plan, items=(Leaf("api", path, ("GET", "POST")), *plan.items))
    return replace(tree, routers=(*tree.routers[:number], wide, *tree.routers[number + 1 :]))


@given(_hiding())
@_SETTINGS
def test_nothing_gets_to_a_route_that_check_calls_unreachable(tree: Tree) -> None:
    for application, change in _accelerated(tree):
        with _as_fastapi_raises():
            findings = [finding for finding in shadowed(application.app) if not finding.odd_paths]
        routes = [finding.entry.route for finding in findings]
        others = [entry for entry in walk(entries(application.app)) if all(entry.route is not one for one in routes)]
        hidden = {application.name(finding.entry.endpoint) for finding in findings}
        hidden -= {application.name(entry.endpoint) for entry in others} | {None}
        event(f"{min(len(hidden), 2)} unreachable")
        examples = [(finding.demand.method or "WS", finding.path) for finding in findings]
        for method, path in (*change.requests, *examples):
            assert _given(asyncio.run(application.answer(method, path))) not in hidden, (method, path)


@contextmanager
def _as_fastapi_raises() -> Iterator[None]:
    """A path with a parameter twice is an error in FastAPI as well, at each request that gets to its router."""
    try:
        yield
    except ValueError as error:
        assume("Duplicated param name" not in str(error))
        raise


def _told(application: Application, method: str, path: str) -> Any:
    """The answer according to `match`: the endpoint, or the sort of answer."""
    outcome = trace(application.app, requested(method, path))
    decisive = outcome.decisive
    if decisive is None:
        return "closed" if method == "WS" else 404 if outcome.redirect is None else 307
    if decisive.match is None or decisive.entry.kind == "frontend":  # of a folder that is not there
        return "error"
    if decisive.entry.kind == "other":
        return "own"
    allowed = decisive.entry.methods
    # A route whose own `matches` says FULL for every method refuses some of them itself.
    refuses = method != "WS" and allowed is not None and requested(method, path)["method"] not in allowed
    return 405 if refuses else application.name(decisive.entry.endpoint)


def _given(answer: dict[str, Any]) -> Any:
    if answer["sent"] and answer["sent"][0]["type"] in ("own", "websocket.close"):
        return "own" if answer["sent"][0]["type"] == "own" else "closed"
    status = next((sent.get("status") for sent in answer["sent"]), None)
    if status in (307, 404, 405):
        return status
    endpoint = answer["scope"].get("endpoint")
    return "error" if endpoint is None and answer["error"] else endpoint


class TenantRouter(APIRouter):
    """Refuses the paths of another tenant, and takes all of its own."""

    def matches(self, scope: Any) -> tuple[Match, Any]:
        if scope["path"].startswith("/tenants/other"):
            return Match.NONE, {}
        return Match.FULL, {}


def test_an_included_router_without_routes_answers_nothing() -> None:
    app = FastAPI(openapi_url=None)
    app.include_router(TenantRouter(prefix="/tenants"))
    taken = trace(app, requested("GET", "/nowhere"))
    assert [attempt.match for attempt in taken.attempts] == [Match.FULL]
    assert (taken.decisive, taken.redirect) == (None, None)
    assert TestClient(app).get("/nowhere").status_code == 404


def test_an_included_router_with_matches_of_its_own_is_asked_itself() -> None:
    async def endpoint() -> None: ...

    router = TenantRouter(prefix="/tenants")
    router.add_api_route("/{name}", endpoint)
    app = FastAPI(openapi_url=None)
    app.include_router(router)
    app.add_api_route("/tenants/{name}", endpoint, methods=["POST"])
    refused, answered = trace(app, requested("GET", "/tenants/other")), trace(app, requested("GET", "/tenants/own"))
    taken, wrong_method = trace(app, requested("GET", "/nowhere")), trace(app, requested("POST", "/tenants/own"))
    assert [attempt.match for attempt in refused.attempts] == [Match.NONE, Match.PARTIAL]
    assert [attempt.match for attempt in answered.attempts] == [Match.FULL, Match.FULL]
    assert [attempt.match for attempt in wrong_method.attempts] == [Match.FULL, Match.PARTIAL]
    assert (taken.decisive, taken.redirect) == (None, None)
    client = TestClient(app)
    asked = [("GET", "/tenants/other"), ("GET", "/tenants/own"), ("POST", "/tenants/own"), ("GET", "/nowhere")]
    assert [client.request(method, path).status_code for method, path in asked] == [405, 200, 405, 404]
