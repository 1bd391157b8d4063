"""Memory that runs out in a kernel, at each allocation in turn: MemoryError or the right answer, and both go on."""

import itertools
import sys
from collections.abc import Callable
from typing import Any

import pytest
from starlette.routing import Route

import fastroute
from fastroute import PathMatcher, RouteIndex

pytestmark = pytest.mark.skipif(sys.gettrace() is not None, reason="coverage does not survive it")
if fastroute.IMPLEMENTATION != "cython":
    pytest.skip("only the compiled kernels allocate by themselves", allow_module_level=True)
testcapi = pytest.importorskip("_testcapi", reason="this Python comes without the tests of CPython")

SUCCESSES = 25  # in a row: nothing is left to fail


def outcomes(work: Callable[[], Any]) -> list[Any]:
    """The answers of `work` with its first allocation failing, then its second, and so on; MemoryError for none."""
    found: list[Any] = []
    for turn in itertools.count():
        testcapi.set_nomemory(turn, turn + 1)
        try:
            answer = work()
        except MemoryError:
            answer = MemoryError
        finally:
            testcapi.remove_mem_hooks()
        found.append(answer)
        if MemoryError not in found[-SUCCESSES:] and turn >= SUCCESSES:
            return found
    raise AssertionError("itertools.count() does not end")


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/users/me", "/users/me"),
        ("/users/{user:int}", "/users/71234567890123456789"),
        ("/{a:float}", "/1.5"),
        ("/{a:uuid}/x", "/9c5b94b1-35ad-49bb-b118-8e8fc24abf80/x"),
        # More steps of the two passes, and more parameters, than fit on the stack.
        ("/{a}-{b:path}-{c:int}", "/" + "x-" * 2_000 + "7"),
        ("/{a}-{b:path}-{c:int}", "/" + "x-" * 2_000),
        ("/" + "/".join(f"{{p{number}}}" for number in range(70)), "/" + "/".join("v" * 70)),
    ],
    ids=["literal", "int", "float", "uuid", "choices", "miss", "parameters"],
)
def test_matching(template: str, path: str) -> None:
    matcher = PathMatcher(template)
    expected = matcher.match(path)
    for answer in outcomes(lambda: matcher.match(path)):
        assert answer is MemoryError or answer == expected
    assert matcher.match(path) == expected


async def page(request: Any) -> None: ...


@pytest.mark.parametrize("path", ["/7", "/x"])
def test_candidates(path: str) -> None:
    """So many that their list must grow several times."""
    routes = [Route(f"/{{p{number}:int}}", page) for number in range(1_000)]
    index = RouteIndex(routes)
    found = outcomes(lambda: index.candidates(path))
    assert MemoryError in found
    assert all(answer == routes for answer in found if answer is not MemoryError)
    assert index.candidates(path) == routes
