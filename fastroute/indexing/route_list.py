"""RouteList: the routes of a router; it notes every change, by any thread."""

import threading
from collections.abc import Callable, Iterable
from functools import wraps
from operator import is_
from typing import Any, ClassVar, SupportsIndex

from starlette.routing import BaseRoute

from ..matching.implementation import difference

__all__ = ["RouteList", "reason_against_list"]


def _changes(method: Callable[..., Any]) -> Any:
    @wraps(method)
    def changed(self: "RouteList", *args: Any, **kwargs: Any) -> Any:
        # One at a time: `list.remove` looks for the route by Python's `==`, and would miss a route that another thread
        # moves meanwhile.
        with self._changing:
            try:
                return method(self, *args, **kwargs)
            finally:
                # Afterwards, and also after an error: part of the change may have been made.
                self.edition = RouteList.newest = object()

    return changed


class RouteList(list[BaseRoute]):
    """A list of routes that gets another `edition` with every change.

    Args:
        routes: the routes in it at first.
        check: sees routes before they get in, and raises for those that must not: the list stays as it was.

    Attributes:
        edition: another object after each change.
        reassigned: another object after a route was assigned to its own position, so that it is read again.
        newest: of the class: another object after a change of any list.
    """

    newest: ClassVar[object] = object()

    def __init__(
        self,
        routes: Iterable[BaseRoute] = (),
        check: Callable[[Iterable[BaseRoute]], None] | None = None,
    ) -> None:
        self.edition = object()
        self.reassigned = object()
        self.check = check
        self._changing = threading.RLock()
        super().__init__(self._checked(routes))

    def __reduce__(self) -> tuple[Any, ...]:
        # The routes follow, so that one that leads back to this list finds it.
        return RouteList, ((), self.check), None, iter(list(self))

    def changes_since(self, before: list[BaseRoute], size: int) -> tuple[int, int, list[BaseRoute]]:
        """Where the list differs from that of before: start and stop there, and the routes that are here instead.

        Args:
            before: begins with the list of before.
            size: how many routes that has.
        """
        # Without a copy if nobody can change it meanwhile; a request does not wait for a change that takes long.
        is_still = self._changing.acquire(blocking=False)
        try:
            now = self if is_still else list(self)
            start, stop, new_stop = difference(before, size, now)
            return start, stop, now[start:new_stop]
        finally:
            if is_still:
                self._changing.release()

    def _checked(self, routes: Iterable[BaseRoute]) -> list[BaseRoute]:
        checked = list(routes)
        if self.check is not None:
            self.check(checked)
        return checked

    def _at(self, position: SupportsIndex) -> list[BaseRoute]:
        """The route at a place; none if there is no such place, for which an assignment has its own error."""
        try:
            return [self[position]]
        except IndexError:
            return []

    @_changes
    def append(self, route: BaseRoute) -> None:
        super().extend(self._checked([route]))

    @_changes
    def extend(self, routes: Iterable[BaseRoute]) -> None:
        super().extend(self._checked(routes))

    @_changes
    def insert(self, position: SupportsIndex, route: BaseRoute) -> None:
        super().insert(position, self._checked([route])[0])

    @_changes
    def __setitem__(self, position: Any, value: Any) -> None:
        if isinstance(position, slice):
            before, after = self[position], self._checked(value)
            super().__setitem__(position, after)
        else:
            before, after = self._at(position), self._checked([value])
            super().__setitem__(position, after[0])
        if any(map(is_, before, after)):
            self.reassigned = object()

    @_changes
    def __iadd__(self, routes: Iterable[BaseRoute]) -> Any:
        super().extend(self._checked(routes))
        return self

    @_changes
    def sort(self, **order: Any) -> None:
        # `list.sort` empties the list while it compares: a request would find no route meanwhile.
        edition, ordered = self.edition, list(self)
        try:
            ordered.sort(**order)
        finally:
            super().__setitem__(slice(None), ordered)
        if self.edition is not edition:
            raise ValueError("list modified during sort")

    __delitem__ = _changes(list.__delitem__)
    __imul__ = _changes(list.__imul__)
    clear = _changes(list.clear)
    pop = _changes(list.pop)
    remove = _changes(list.remove)
    reverse = _changes(list.reverse)


def reason_against_list(routes: object) -> str | None:
    """Why a `RouteList` cannot take the place of these routes of a router; None if it can."""
    cls = type(routes)
    # Any other class may find its routes when it is asked for them.
    if cls is list or isinstance(routes, RouteList):
        return None
    return f"its `routes` are no plain list: {cls.__module__}.{cls.__qualname__}"
