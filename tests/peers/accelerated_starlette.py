"""A pytest plugin for Starlette's own suite: every application and every router is accelerated at its first call.

    pytest -p accelerated_starlette

At the end the plugin says how many it accelerated, and which routers were left as they were.
"""

from collections import Counter
from typing import Any

import pytest
from known_differences import expect
from starlette.applications import Starlette
from starlette.routing import Router

from fastroute import accelerate

_accelerated: dict[int, Any] = {}  # kept, so that no id is given twice
_indexed: Counter[str] = Counter()
_left: Counter[str] = Counter()


def _accelerate_first(cls: Any) -> None:
    answer = cls.__call__

    async def accelerated(self: Any, scope: Any, receive: Any, send: Any) -> None:
        if id(self) not in _accelerated:
            _accelerated[id(self)] = self
            result = accelerate(self)
            _indexed.update(type(found.router).__name__ for found in result.indexed)
            _left.update(found.reason for found in result.left)
        await answer(self, scope, receive, send)

    cls.__call__ = accelerated


@pytest.hookimpl
def pytest_configure() -> None:
    _accelerate_first(Starlette)
    _accelerate_first(Router)


@pytest.hookimpl
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    expect("accelerated_starlette", items)


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: Any) -> None:
    say = terminalreporter.write_line
    say(f"{len(_accelerated)} applications and routers accelerated; {_indexed.total()} indexed, {_left.total()} left")
    for reason, count in _left.items():
        say(f"{count} left: {reason}")


@pytest.hookimpl
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not _indexed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
