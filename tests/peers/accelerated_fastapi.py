"""A pytest plugin for FastAPI's own suite: every application is accelerated at its first call.

    pytest -p accelerated_fastapi

Each test passes as it does without. At the end the plugin says how many applications it accelerated, how each request
to a router of FastAPI's was answered, and which routes were asked for every path. It fails the run if a router was
left as it was, or if FastAPI's own scan answered a request without a reason that is known here.

Every list has an index, however short, and the second request after a change gets it.
"""

from collections import Counter
from typing import Any

import pytest
from fastapi import FastAPI, routing

from fastroute import _fastapi, accelerate
from fastroute.narrowing import routers as narrowing

_answer = FastAPI.__call__
_app = routing.APIRouter.app
_match = routing._IncludedRouter._match
_is_genuine = _fastapi.is_genuine

_accelerated: dict[int, FastAPI] = {}  # kept, so that no id is given twice
_narrowed: dict[int, Any] = {}
_left: list[str] = []
_asked: Counter[str] = Counter()
_answered: Counter[str] = Counter()
_matched: Counter[str] = Counter()
_without_reason: list[str] = []


async def _accelerate_and_answer(self: FastAPI, scope: Any, receive: Any, send: Any) -> None:
    if id(self) not in _accelerated:
        _accelerated[id(self)] = self
        result = accelerate(self)
        _left.extend(str(left) for left in result.left)
        for indexed in result.indexed:
            if isinstance(indexed.router, narrowing.NarrowedRouter) and id(indexed.router) not in _narrowed:
                _narrowed[id(indexed.router)] = indexed.router
                _asked.update(type(route).__name__ for route in indexed.asked)
    await _answer(self, scope, receive, send)


async def _counted_app(self: Any, scope: Any, receive: Any, send: Any) -> None:
    if _is_of_an_application(scope):
        reason = "by an index" if type(self) is narrowing._RouterView else _reason_to_scan(self, scope)
        _answered[reason or "by a scan without a reason"] += 1
        if reason is None:
            _without_reason.append(f"{self} {scope['type']} {scope.get('path')}")
    await _app(self, scope, receive, send)


def _is_of_an_application(scope: Any) -> bool:
    return id(scope.get("app")) in _accelerated


def _reason_to_scan(router: Any, scope: Any) -> str | None:
    if scope["type"] == "lifespan":
        return "a lifespan"
    if "fastapi" in scope and _fastapi.has_context_of_a_route(scope):
        return "by a scan: an endpoint handed on its scope"
    if not isinstance(router, narrowing.NarrowedRouter):
        return None
    return "by a scan: it was just changed" if router._fastroute_waiting is not None else None


def _counted_match(self: Any, scope: Any) -> Any:
    if _is_of_an_application(scope):
        _matched["by an index" if type(self) is narrowing._IncludedView else "by a scan"] += 1
    return _match(self, scope)


@pytest.hookimpl
def pytest_configure() -> None:
    FastAPI.__call__ = _accelerate_and_answer
    routing.APIRouter.app = _counted_app
    routing._IncludedRouter._match = _counted_match
    # It does what FastAPI's does: else included routers would be asked for every path.
    _fastapi.is_genuine = lambda cls, function: function is _counted_match or _is_genuine(cls, function)
    narrowing._scans = lambda *_, **__: False
    narrowing._PATIENCE = 1


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: Any) -> None:
    say = terminalreporter.write_line
    say(f"{len(_accelerated)} FastAPI applications accelerated, {len(_narrowed)} routers narrowed, {len(_left)} left")
    say(f"requests to their routers: {_counts(_answered)}")
    say(f"included routers asked: {_counts(_matched)}")
    say(f"routes asked for every path: {_counts(_asked) or 'none'}")
    for line in (*_left[:20], *_without_reason[:20]):
        say(line)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counter.most_common())


@pytest.hookimpl
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _left or _without_reason:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
