"""What is read from a route of FastAPI's: the requests that can match in it, or that nothing is certain about it."""

from inspect import getattr_static
from typing import Any, NamedTuple

from starlette.routing import BaseRoute, Host, Mount, Route, WebSocketRoute, compile_path

from .. import _fastapi
from .._starlette import is_genuine, template_of
from ..indexing.index import ANY_PATH, shape_of
from ..routing import APIWebSocketRoute
from .tables import ANYTHING, Function, Reach

__all__ = ["Reader", "hiding"]

#: The attributes by which `matches` goes.
_DECLARED = ("path", "path_regex", "param_convertors")


class _Kind(NamedTuple):
    """A class of routes whose `matches` is known.

    Attributes:
        http, websocket: whether it serves them.
        by_path: whether the path alone can rule a route out.
        relied: the classes that have a part in its `matches`, with their functions.
    """

    http: bool
    websocket: bool
    by_path: bool
    relied: frozenset[tuple[type[Any], Function]]


class Reader:
    """Reads routes, and remembers what their classes do.

    Args:
        fastapi: the one that is loaded.
    """

    def __init__(self, fastapi: _fastapi.Routing) -> None:
        self._fastapi = fastapi
        kinds: list[tuple[type[Any], bool, bool]] = [
            (Route, True, False),
            (WebSocketRoute, False, True),
            (Mount, True, True),
            (Host, True, True),
            (APIWebSocketRoute, False, True),
            (fastapi.route, True, False),
            (fastapi.websocket_route, False, True),
        ]
        self._bases = {_definers(cls): (cls, http, websocket) for cls, http, websocket in kinds}
        self._kinds: dict[type[Any], _Kind | None] = {}

    def finds(self, candidate: Any) -> bool:
        """Whether a route, or FastAPI's stand-in for one, is found by its path."""
        reach = self.reach(candidate)
        return not any(paths is None or ANY_PATH in paths for paths in (reach.http, reach.websocket))

    def reach(self, candidate: Any) -> Reach:
        """The requests that can match in a route, or in FastAPI's stand-in for a route of an included router."""
        if not self._fastapi.is_context(candidate):
            return self._reach(candidate, candidate)
        original = candidate.original_route
        if isinstance(original, self._fastapi.route):
            found = self._reach(original, candidate)
        else:
            found = self._reach(candidate.starlette_route, candidate.starlette_route)
        return found._replace(relied=found.relied | {(type(candidate), type(candidate).matches)})

    def _reach(self, route: Any, declared: Any) -> Reach:
        """As `reach`, of a route whose path is declared by itself or by another object."""
        kind = self._kind(type(route))
        if kind is None or "matches" in vars(route):
            return ANYTHING
        found = shape_of(declared) if kind.by_path else None
        paths = None if found is None else (found,)
        return Reach(paths if kind.http else (), paths if kind.websocket else (), relied=kind.relied)

    def _kind(self, cls: type[Any]) -> _Kind | None:
        if cls not in self._kinds:
            self._kinds[cls] = self._read_kind(cls)
        return self._kinds[cls]

    def _read_kind(self, cls: type[Any]) -> _Kind | None:
        """A class of routes; None if it has a `matches` of its own, or attributes that are not what they seem."""
        definers = _definers(cls)
        known = self._bases.get(definers)
        if known is None or getattr_static(cls, "__getattribute__") is not vars(object)["__getattribute__"]:
            return None
        base, http, websocket = known
        if any(hiding(cls, name) is not hiding(base, name) for name in _DECLARED):
            return None
        relied = frozenset((definer, definer.matches) for definer in definers if definer is not BaseRoute)
        if not all(is_genuine(definer, function) for definer, function in relied):
            return None
        return _Kind(http, websocket, base is not Host, relied)

    def finds_with_prefix(self, route: Any, prefix: str) -> bool | None:
        """Whether a route is found by its path if its router is included with a prefix; None if FastAPI leaves it out.

        No list of FastAPI's is built for the answer.
        """
        if isinstance(route, Host):
            return False
        if not isinstance(route, Route | WebSocketRoute | Mount):
            return None
        # FastAPI makes a new route of every other one, of Starlette's class or its own.
        keeps_class = isinstance(route, Mount | self._fastapi.route)
        if keeps_class and (self._kind(type(route)) is None or "matches" in vars(route)):
            return False
        included: Any = object.__new__(Mount if isinstance(route, Mount) else Route)
        included.path = prefix + route.path
        try:
            included.path_regex, _, included.param_convertors = compile_path(template_of(included))
        except Exception:
            return False
        return shape_of(included) not in (None, ANY_PATH)


def _definers(cls: type[Any]) -> tuple[type[Any], ...]:
    """The classes that have a part in the `matches` of a class, by `super()`."""
    return tuple(base for base in cls.__mro__ if "matches" in vars(base))


def hiding(cls: type[Any], name: str) -> Any:
    """The property of a class that hides an attribute of its instances with this name; None if there is none."""
    found = getattr_static(cls, name, None)
    return found if hasattr(type(found), "__set__") else None
