"""A pytest plugin for Starlette's own suite: `fastroute.Router` in the place of every `starlette.routing.Router`.

pytest -p router_in_starlette
"""

from typing import Any

import pytest
import starlette.applications
import starlette.routing
from known_differences import expect

from fastroute import Router

_made = 0


class _Counted(Router):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        global _made
        _made += 1
        super().__init__(*args, **kwargs)


@pytest.hookimpl
def pytest_configure() -> None:
    # Before the tests are imported, and where Starlette itself makes routers.
    for module in (starlette.routing, starlette.applications):
        module.Router = _Counted  # type: ignore[misc, attr-defined]  # what this plugin is about


@pytest.hookimpl
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    expect("router_in_starlette", items)


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"{_made} routers of fastroute in the place of Starlette's")


@pytest.hookimpl
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not _made:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
