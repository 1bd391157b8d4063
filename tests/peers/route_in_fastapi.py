"""A pytest plugin for FastAPI's own tests of WebSockets: its routers make `fastroute.APIWebSocketRoute`s.

pytest -p route_in_fastapi
"""

from typing import Any

import pytest
from fastapi import routing
from known_differences import expect

import fastroute

_add = routing.APIRouter.add_api_websocket_route
_made = 0


def _add_ours(self: Any, *args: Any, **kwargs: Any) -> None:
    """FastAPI's own method, in which the name of its class means ours."""
    global _made
    _made += 1
    theirs = routing.APIWebSocketRoute
    routing.APIWebSocketRoute = fastroute.APIWebSocketRoute
    try:
        _add(self, *args, **kwargs)
    finally:
        routing.APIWebSocketRoute = theirs


@pytest.hookimpl
def pytest_configure() -> None:
    routing.APIRouter.add_api_websocket_route = _add_ours


@pytest.hookimpl
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    expect("route_in_fastapi", items)


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"{_made} routes of fastroute in the place of FastAPI's")


@pytest.hookimpl
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not _made:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
