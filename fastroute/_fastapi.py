"""FastAPI's classes and private attributes, recognised if FastAPI is loaded. The package never imports FastAPI.

Read this first if a new FastAPI breaks us.
"""

import sys
from collections.abc import Callable, Iterable, MutableMapping
from functools import cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from starlette.routing import Match
from starlette.types import Scope

from ._starlette import is_genuine
from .exceptions import WebSocketRequestValidationError
from .params import DependencyMarker, SecurityScopes, UsesScopes, as_scopes

__all__ = [
    "HANDS_ON",
    "INCLUDES",
    "Inclusion",
    "Routing",
    "adopt",
    "answering_route",
    "api_router",
    "asked_classes",
    "asked_object",
    "asks_its_routes",
    "demanded_dependencies",
    "dependency_types",
    "field_adapter",
    "field_key",
    "frontend_specificity",
    "frontends",
    "has_context_of_a_route",
    "include_prefix",
    "included_routes",
    "inclusion",
    "inclusion_in",
    "is_a_scheme",
    "is_api_router",
    "is_body",
    "is_documentation",
    "is_marker",
    "is_scheme_class",
    "is_security_scheme",
    "matches",
    "names_its_call",
    "original_route",
    "reader",
    "reads_from_path",
    "route_classes",
    "routes_version",
    "routing",
    "scheme_model",
    "scheme_types",
    "security_scopes_types",
    "semaphore_of",
    "socket_as",
    "validation_error",
    "version",
]


def _loaded(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, None)


def _is_a(thing: object, module: str, name: str) -> bool:
    cls = _loaded(module, name)
    return cls is not None and isinstance(thing, cls)


# --- parameters and dependencies ---------------------------------------------------------------------------------


def adopt(marker: Any) -> Any:
    """FastAPI's `Depends()` and `Security()` as ours; every other marker unchanged."""
    if not _is_a(marker, "fastapi.params", "Depends"):
        return marker
    return DependencyMarker(
        marker.dependency,
        marker.use_cache,
        getattr(marker, "scope", None),
        getattr(marker, "_concurrency", None),
        as_scopes(getattr(marker, "scopes", None)),
    )


def semaphore_of(limit: Any) -> Any:
    """The semaphore of FastAPI's `Depends(max_concurrency=...)`, which its own routes wait for; None for ours."""
    get_semaphore = getattr(limit, "get_semaphore", None)
    return None if get_semaphore is None else get_semaphore()


def is_marker(thing: object) -> bool:
    """Whether it is a marker as `Depends()` or `Query()`, ours or FastAPI's."""
    return isinstance(adopt(thing), DependencyMarker) or (
        isinstance(thing, FieldInfo) and (hasattr(thing, "in_") or is_body(thing))
    )


def dependency_types() -> tuple[type[Any], ...]:
    """The classes of `Depends()`, ours and FastAPI's."""
    theirs = _loaded("fastapi.params", "Depends")
    return (DependencyMarker,) if theirs is None else (DependencyMarker, theirs)


def names_its_call(thing: object) -> bool:
    """Whether it is `Depends(call)` or `Security(call)`, ours or FastAPI's."""
    depends = adopt(thing)
    return isinstance(depends, DependencyMarker) and depends.dependency is not None


def is_body(marker: object) -> bool:
    """Whether it is FastAPI's `Body()`, `Form()` or `File()`."""
    return _is_a(marker, "fastapi.params", "Body")


def is_security_scheme(call: object) -> bool:
    """Whether it is a security scheme, ours or FastAPI's."""
    return isinstance(call, UsesScopes) or _is_a(call, "fastapi.security.base", "SecurityBase")


def scheme_types() -> tuple[type[Any], ...]:
    """The base classes of security schemes, ours and FastAPI's."""
    theirs = _loaded("fastapi.security.base", "SecurityBase")
    return (UsesScopes,) if theirs is None else (UsesScopes, theirs)


def is_a_scheme(call: object, name: str) -> bool:
    """Whether it is a security scheme of the class with this name in FastAPI."""
    return _is_a(call, "fastapi.security", name)


def scheme_model(scheme: Any) -> dict[str, Any]:
    """The description of a security scheme of FastAPI for OpenAPI."""
    model = getattr(scheme, "model", None)
    dump = getattr(model, "model_dump", None)
    described: dict[str, Any] = {} if dump is None else dump(mode="json", by_alias=True, exclude_none=True)
    return described


def is_scheme_class(cls: type[Any]) -> bool:
    """Whether the instances of a class are security schemes, ours or FastAPI's."""
    theirs = _loaded("fastapi.security.base", "SecurityBase")
    return issubclass(cls, UsesScopes) or (theirs is not None and issubclass(cls, theirs))


def security_scopes_types() -> tuple[type[Any], ...]:
    """The classes that ask for the scopes when they annotate a parameter."""
    theirs = _loaded("fastapi.security", "SecurityScopes")
    return (SecurityScopes,) if theirs is None else (SecurityScopes, theirs)


# --- errors ------------------------------------------------------------------------------------------------------


def validation_error(errors: list[Any], context: dict[str, Any]) -> WebSocketRequestValidationError:
    """The error to raise. If FastAPI is loaded, it is FastAPI's as well, so that handlers registered for that run."""
    theirs = _loaded("fastapi.exceptions", "WebSocketRequestValidationError")
    if theirs is None:
        return WebSocketRequestValidationError(errors, endpoint_ctx=context)
    return _both_errors(theirs)(errors, endpoint_ctx=context)


@cache
def _both_errors(theirs: type[Any]) -> type[WebSocketRequestValidationError]:
    ours = WebSocketRequestValidationError
    return type(ours.__name__, (ours, theirs), {"__module__": ours.__module__, "__doc__": ours.__doc__})


def reads_from_path(dependant: Any, names: set[str]) -> bool:
    """Whether a route of FastAPI takes parameters of these names from the path, or not at all.

    Args:
        dependant: FastAPI's; None for a route that has none.
        names: the parameters of a path that FastAPI did not know.
    """
    if dependant is None:
        return False
    elsewhere = (dependant.query_params, dependant.header_params, dependant.cookie_params, dependant.body_params)
    return not any(field.alias in names or field.name in names for fields in elsewhere for field in fields) and all(
        reads_from_path(below, names) for below in dependant.dependencies
    )


#: The function of FastAPI's routing that reads a route of an included router to make another one of it, since 0.137.
INCLUDES = "_build_effective_context"

#: The function that only hands the endpoint of such a route on.
HANDS_ON = "endpoint"


def reader(depth: int) -> str | None:
    """The function that many calls above the caller, by name, if it is one of FastAPI's routing; else None."""
    if "fastapi.routing" not in sys.modules:
        return None
    frame = sys._getframe(depth + 1)
    return frame.f_code.co_name if frame.f_globals.get("__name__") == "fastapi.routing" else None


def route_classes() -> tuple[type[Any], ...]:
    """FastAPI's classes whose `matches` is known; none if FastAPI is not loaded."""
    names = ("APIRoute", "APIWebSocketRoute", "APIRouter")
    return tuple(cls for name in names if (cls := _loaded("fastapi.routing", name)) is not None)


def socket_as(cls: type[Any], route: Any) -> Any:
    """A WebSocket route of FastAPI as a route of another class with its arguments; every other route unchanged."""
    if not _is_a(route, "fastapi.routing", "APIWebSocketRoute"):
        return route
    return cls(route.path, route.endpoint, dependencies=route.dependencies)


def included_routes(route: Any) -> Iterable[Any] | None:
    """The stand-ins for the routes of an included router; None if `route` is no included router."""
    candidates = getattr(route, "effective_candidates", None)
    return None if candidates is None else candidates()


def include_prefix(included: Any) -> str:
    """The prefix of an included router, those of the routers around it as well."""
    prefix: str = getattr(getattr(included, "include_context", None), "prefix", "")
    return prefix


def frontends(router: Any) -> Iterable[Any]:
    """The routes that a router tries after all others: those of `frontend()`, its own and of included routers."""
    # An accelerated router has the function with every FastAPI, and FastAPI's own has it since `frontend()`.
    if not hasattr(_loaded("fastapi.routing", "APIRouter"), "_iter_low_priority_routes"):
        return ()
    iterate: Any = getattr(router, "_iter_low_priority_routes", tuple)
    found: Iterable[Any] = iterate()
    return found


def demanded_dependencies(router: Any) -> list[Any]:
    """The callables in `dependencies=` of a router of FastAPI, or of an included one with the routers around it."""
    context = getattr(router, "include_context", None)
    own = getattr(router, "original_router", router)
    if not _is_a(own, "fastapi.routing", "APIRouter"):
        return []
    markers = [*getattr(context, "dependencies", ()), *own.dependencies]
    return [adopt(marker).dependency for marker in markers]


def is_documentation(endpoint: Any) -> bool:
    """Whether it is one of the pages that a FastAPI application adds by itself: its schema and documentation."""
    return getattr(endpoint, "__module__", None) == "fastapi.applications"


def field_key(field: Any) -> str:
    """The key by which a field of FastAPI's `Dependant` is looked up."""
    key: str = getattr(field, "validation_alias", None) or field.alias
    return key


def field_adapter(field: Any) -> TypeAdapter[Any] | None:
    """The adapter that validates a field of FastAPI's `Dependant`; None if it is not known."""
    adapter = getattr(field, "_type_adapter", None)
    return adapter if isinstance(adapter, TypeAdapter) else None


def frontend_specificity(child_scope: Scope) -> int:
    """How specific a match of a frontend is: if several match, the most specific one answers."""
    specificity: int = child_scope.get("fastapi", {}).get("frontend_specificity", 0)
    return specificity


def original_route(stand_in: Any) -> Any:
    """The route that a stand-in of an included router stands for; a route that is no stand-in is its own."""
    return getattr(stand_in, "original_route", stand_in)


def answering_route(stand_in: Any) -> Any:
    """The route with the path of the inclusion: a copy, or the stand-in itself if it has path and methods."""
    return getattr(stand_in, "starlette_route", None) or stand_in


def asked_object(route: Any) -> Any:
    """The object whose `matches` decides for a route: the router of an included router, the route of a stand-in."""
    return getattr(route, "original_router", None) or original_route(route)


#: The functions of FastAPI's `_IncludedRouter` by which it asks.
_ASKED = ("matches", "_match", "effective_candidates")


def asked_classes() -> tuple[type[Any], type[Any]]:
    """The classes whose `matches` FastAPI asks for an included router: its own, and that of the router in it."""
    return _loaded("fastapi.routing", "_IncludedRouter"), _loaded("fastapi.routing", "APIRouter")


def asks_its_routes(included: Any) -> bool:
    """Whether an included router is asked by FastAPI's own functions, which ask the routes in it."""
    own, router = asked_classes()
    functions = [(router, router.matches), *((own, getattr(own, name)) for name in _ASKED)]
    asked = ((included, own), (included.original_router, router))
    return all(is_genuine(*function) for function in functions) and all(
        getattr(type(thing), "matches", None) is cls.matches and "matches" not in vars(thing) for thing, cls in asked
    )


def matches(route: Any, scope: Scope) -> tuple[Match, Scope]:
    """The answer of a route or stand-in, asked as FastAPI asks it, with a copy of the scope."""
    original = original_route(route)
    answer: tuple[Match, Scope]
    if original is not route and _is_a(original, "fastapi.routing", "APIRoute"):
        # FastAPI asks its route, which looks up in the scope how it is included.
        known = {**scope.get("fastapi", {}), "effective_route_context": route}
        answer = original.matches({**scope, "fastapi": known})
    else:
        answer = route.matches(dict(scope))
    return answer


# --- narrowing ---------------------------------------------------------------------------------------------------


def version() -> str:
    """The version of the FastAPI that is loaded."""
    return str(getattr(sys.modules.get("fastapi"), "__version__", "unknown"))


class Routing(NamedTuple):
    """FastAPI's routing: public classes, and the private ones since 0.137, which keeps an included router as one route.

    Attributes:
        router, route, websocket_route: `APIRouter`, `APIRoute`, `APIWebSocketRoute`.
        included: `_IncludedRouter`, the route that an included router is; None before 0.137.
        context: `_EffectiveRouteContext`, a route of an included router with the prefix and all of the inclusion.
        mark: puts the dict into the scope that an included router leaves there if it was asked.
    """

    router: type[Any]
    route: type[Any]
    websocket_route: type[Any]
    included: type[Any] | None
    context: type[Any] | None
    mark: Callable[[MutableMapping[str, Any]], Any] | None

    def is_included(self, route: object) -> bool:
        """Whether it is a router that was included."""
        return self.included is not None and isinstance(route, self.included)

    def is_context(self, candidate: object) -> bool:
        """Whether it stands for a route of an included router."""
        return self.context is not None and isinstance(candidate, self.context)

    def missing(self) -> list[str]:
        """The private names that narrowing needs, if FastAPI keeps included routers and lacks some of them."""
        if self.included is None:
            return [] if not hasattr(self.router, "_get_routes_version") else ["_IncludedRouter"]
        needed = {
            "_IncludedRouter": (self.included, ("_match", "effective_candidates", "matches")),
            "APIRouter": (self.router, ("_get_routes_version", "_mark_routes_changed", "matches")),
        }
        missing = [
            f"{name}.{part}" for name, (cls, parts) in needed.items() for part in parts if not hasattr(cls, part)
        ]
        modules = {"_EffectiveRouteContext": self.context, "_get_fastapi_scope": self.mark}
        return missing + [name for name, found in modules.items() if found is None]


def routing() -> Routing:
    """The routing of the FastAPI that is loaded."""
    names = ("APIRouter", "APIRoute", "APIWebSocketRoute", "_IncludedRouter", "_EffectiveRouteContext")
    router, route, websocket_route, included, context = (_loaded("fastapi.routing", name) for name in names)
    mark = _loaded("fastapi.routing", "_get_fastapi_scope")
    return Routing(router, route, websocket_route, included, context, mark)


def routes_version(included: Any) -> object:
    """What FastAPI compares to see whether the list of an included router is still right."""
    return included.original_router._get_routes_version()


class Inclusion(NamedTuple):
    """A router that another one includes.

    Attributes:
        router: the one that is included.
        context: what FastAPI keeps of the inclusion.
    """

    router: Any
    context: Any

    @property
    def prefix(self) -> str:
        """The prefix of this inclusion, with that of the including router."""
        return str(self.context.prefix)

    @property
    def dependencies(self) -> list[Any]:
        """The dependencies of this inclusion, behind those of the including router."""
        return list(self.context.dependencies)


def inclusion(route: object) -> Inclusion | None:
    """The router that a route stands for, if it is an included one (since FastAPI 0.137)."""
    if not _is_a(route, "fastapi.routing", "_IncludedRouter"):
        return None
    included: Any = route
    return Inclusion(included.original_router, included.include_context)


def inclusion_in(scope: Scope, route: object) -> Inclusion | None:
    """The inclusion in which FastAPI has found a route that is not its own, with those around it; None if unknown."""
    found = scope.get("fastapi") or {}
    if getattr(found.get("effective_route_context"), "original_route", None) is not route:
        return None
    return inclusion(found.get("included_router"))


def api_router() -> Any:
    """FastAPI's `APIRouter`; None if it is not loaded."""
    return _loaded("fastapi.routing", "APIRouter")


def is_api_router(router: object) -> bool:
    """Whether it is FastAPI's `APIRouter`."""
    return _is_a(router, "fastapi.routing", "APIRouter")


def has_context_of_a_route(scope: MutableMapping[str, Any]) -> bool:
    """Whether the scope is already that of a route of an included router, which FastAPI's `APIRoute` then goes by.

    It is so if an endpoint hands its scope to another application.
    """
    context = (scope.get("fastapi") or {}).get("effective_route_context")
    return context is not None and _is_a(getattr(context, "original_route", None), "fastapi.routing", "APIRoute")
