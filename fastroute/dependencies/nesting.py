"""Recursion that does not use Python's stack: a chain of dependencies may be longer than the recursion limit."""

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

__all__ = ["Nested", "unnested"]

T = TypeVar("T")

#: A recursive function as a generator: it yields each call of itself (or of its partner), and gets the result back.
Nested: TypeAlias = Generator[Any, Any, T]


def unnested(call: Nested[T]) -> T:
    """The result of a recursive call. An exception leaves all calls at once: none of them can catch it."""
    calls: list[Nested[Any]] = [call]
    result: Any = None
    while True:
        try:
            called = calls[-1].send(result)
        except StopIteration as returned:
            result = returned.value
            calls.pop()
            if not calls:
                found: T = result
                return found
        else:
            calls.append(called)
            result = None
