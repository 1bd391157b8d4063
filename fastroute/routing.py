"""APIWebSocketRoute: where matching and dependencies meet. Below, neither imports the other."""

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from inspect import Parameter
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import Convertor
from starlette.routing import WebSocketRoute, get_name
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from . import _fastapi
from .connection.draining import drains
from .connection.life import beginning
from .connection.origins import with_origins
from .connection.policy import ConnectionPolicy, Terms, nested
from .dependencies.arguments import as_dependencies, check_subclass, check_text
from .dependencies.codegen import compile_plan
from .dependencies.dependant import Dependant, Tree
from .dependencies.plan import Overrides, OverridesProvider, Plan, build_plan, check_provider, check_tree
from .dependencies.signature import CallKind, call_kind
from .exceptions import DeclarationError, describe
from .fixed import Fixed, FixedList
from .matching.implementation import PathMatcher, RouteMatching

__all__ = ["APIWebSocketRoute"]


_COLLECTING = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class APIWebSocketRoute(RouteMatching, WebSocketRoute):
    """A WebSocket endpoint with typed parameters and dependencies (`fastapi.routing.APIWebSocketRoute`).

    Args:
        path: the template, as Starlette's: `/rooms/{room_id:int}`.
        endpoint: an async function, or any callable that returns an awaitable.
        name: for `url_path_for`; the default is the endpoint's name.
        dependencies: `Depends()` that run before those of the endpoint; their results are dropped.
        dependency_overrides_provider: has a mapping `dependency_overrides`, from dependencies to replacements; it is
            read for each connection. Without a provider, the innermost application in `scope["app"]` is one if it has
            the attribute.
        policy: from where connections may come, and when they end.
        include_in_schema: False leaves the route out of the document of `fastroute.asyncapi`.

    Attributes:
        path: as given.
        endpoint: as given.
        name: as given.
        dependencies: as given, as a list that cannot be changed.
        dependency_overrides_provider: as given.
        include_in_schema: as given.
        policy: as given, inside of the policies of the routers that it was registered in.
        path_regex: the compiled pattern of the path, made on first use.
        path_format: the path without convertors.
        param_convertors: the convertors by parameter name.
        dependant: the tree of the endpoint's parameters and dependencies.
        app: the ASGI application behind the match.

    Raises:
        DeclarationError: the endpoint or a dependency asks for something that a WebSocket does not have, or in a way
            that cannot work; the message names the function, the parameter and the fix.
        DependencyScopeError: a value is cleaned up before its taker is done with it.
        DeclarationTypeError: the provider of overrides can have none.
        ValueError: the path does not start with a slash, or has an unknown convertor or a parameter twice.
    """

    _matcher: PathMatcher
    dependencies: Fixed[list[Any]] = Fixed([])
    policy: Fixed[ConnectionPolicy | None] = Fixed(None)

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        check_subclass(cls, APIWebSocketRoute, ("dependencies", "policy"))

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Awaitable[Any]],
        name: str | None = None,
        dependencies: Sequence[Any] | None = None,
        dependency_overrides_provider: OverridesProvider | Starlette | None = None,
        *,
        policy: ConnectionPolicy | None = None,
        include_in_schema: bool = True,
    ) -> None:
        if callable(path) and isinstance(endpoint, str):
            raise DeclarationError(path, None, f"path and endpoint are swapped; write ({endpoint!r}, {get_name(path)})")
        _check_endpoint(endpoint)
        if not isinstance(path, str) or not path.startswith("/"):
            raise DeclarationError(endpoint, None, f"the path {path!r} must be a text, and start with '/'")
        if name is not None:
            check_text(name, endpoint, "name")
        self.path: str = path
        self._endpoint = endpoint
        self.name: str = get_name(endpoint) if name is None else name
        self.dependencies = FixedList(as_dependencies(dependencies, endpoint))
        self.dependency_overrides_provider = dependency_overrides_provider
        self.policy = nested(policy)
        self.include_in_schema = include_in_schema
        try:
            self._matcher = PathMatcher(path)
        except ValueError as error:
            raise DeclarationError(endpoint, None, str(error)) from None
        self._endpoint_context = _endpoint_context(endpoint)
        try:
            self._tree = Tree(endpoint, self.path_format, self.param_convertors, self.dependencies)
            self._checked = check_tree(self._tree, self.param_convertors)
        except DeclarationError as error:
            error.endpoint = endpoint
            raise
        # Generated on the first connection, so that an application with thousands of routes starts fast.
        self._application: ASGIApp | None = None
        self._drained_application: ASGIApp | None = None
        self._last_overridden: tuple[Plan, bool, ASGIApp] | None = None
        self.app = self._connect_overridable if self._tree.needs else self._connect

    @property
    def dependency_overrides_provider(self) -> OverridesProvider | Starlette | None:
        return self._provider

    @dependency_overrides_provider.setter
    def dependency_overrides_provider(self, provider: OverridesProvider | Starlette | None) -> None:
        check_provider(provider, self._endpoint)
        self._provider = provider

    @property
    def endpoint(self) -> Callable[..., Any]:  # type: ignore[override]  # the base class assigns it
        reader = _fastapi.reader(depth=1)
        if reader == _fastapi.INCLUDES:
            # FastAPI makes another route, which calls an endpoint that is no function as an ASGI application.
            return _IncludedByFastAPI(self)
        if reader not in (None, _fastapi.HANDS_ON):
            raise RuntimeError(
                f"{self!r}: FastAPI's include_router would make a new route of {describe(self._endpoint)} and leave "
                "out its dependencies; use app.router.routes.append(route), FastAPI(routes=[route]) or app.mount()"
            )
        return self._endpoint

    @property
    def path_regex(self) -> re.Pattern[str]:  # type: ignore[override]  # the base class assigns it
        return self._matcher.path_regex

    @property
    def path_format(self) -> str:  # type: ignore[override]  # the base class assigns it
        return self._matcher.path_format

    @property
    def param_convertors(self) -> dict[str, Convertor[Any]]:  # type: ignore[override]  # the base class assigns it
        return self._matcher.param_convertors

    @property
    def dependant(self) -> Dependant:
        return self._tree.dependant

    #: The class of the route that an including router gets; None for the own one.
    class_when_remade: "type[APIWebSocketRoute] | None" = None

    def remade(
        self,
        path: str,
        dependencies: Sequence[Any],
        dependency_overrides_provider: Any | None,
        policy: ConnectionPolicy | None,
    ) -> "APIWebSocketRoute":
        """The same route with another path, for an including router.

        Args:
            path: the whole one.
            dependencies: all of them.
            dependency_overrides_provider: as of this class.
            policy: all of it.

        Raises:
            ValueError: the class has a parameter whose value is not known, or does not pass on the dependencies or the
                policy; or something was put around the route by hand.
        """
        cls = self.class_when_remade or type(self)
        parameters = list(inspect.signature(cls).parameters.values())
        known = {
            "path",
            "endpoint",
            "name",
            "dependencies",
            "dependency_overrides_provider",
            "policy",
            "include_in_schema",
        }
        unknown = [each.name for each in parameters if each.name not in known and each.kind not in _COLLECTING]
        if unknown:
            raise ValueError(
                f"{self!r} cannot be made again for the including router: the value that its class got for "
                f"{', '.join(unknown)} is not known; make the route with its whole path and all dependencies instead, "
                "and append it to `routes`"
            )
        arguments: dict[str, Any] = {
            "path": path,
            "endpoint": self._endpoint,
            "name": self.name,
            "dependencies": dependencies,
            "dependency_overrides_provider": dependency_overrides_provider,
        }
        if policy is not None:
            arguments["policy"] = policy
        if not any(each.kind is Parameter.VAR_KEYWORD for each in parameters):
            taken = {each.name for each in parameters}
            arguments = {name: value for name, value in arguments.items() if name in taken}
        route = cls(**arguments)
        for given, is_passed_on in (
            ("dependencies", route.runs(dependencies)),
            ("policy", route.policy == policy),
        ):
            if not is_passed_on:
                raise ValueError(
                    f"{cls.__module__}.{cls.__qualname__} does not pass on the {given} that its route {path!r} "
                    f"gets from the including router; take `{given}` in its `__init__` and give it to APIWebSocketRoute"
                )
        route.name, route.include_in_schema = self.name, self.include_in_schema
        route.dependency_overrides_provider = dependency_overrides_provider
        self._hand_on(route)
        return route

    def runs(self, dependencies: Sequence[Any]) -> bool:
        """Whether dependencies run, with their scopes, before those of the endpoint.

        Args:
            dependencies: `Depends()` or `Security()`.
        """
        leading, wanted = (
            {(id(each.dependency), tuple(each.scopes)) for each in map(_fastapi.adopt, markers)}
            for markers in (self.dependencies, dependencies)
        )
        return leading >= wanted

    @property
    def _is_wrapped(self) -> bool:
        return self.app not in (self._connect, self._connect_overridable)

    def _hand_on(self, route: "APIWebSocketRoute") -> None:
        """Give a new route the attributes that were set by hand."""
        lost = [name for name in vars(self) if name not in vars(route) and hasattr(type(route), name)]
        if self._is_wrapped and not route._is_wrapped:
            lost.append("app")
        if lost:
            raise ValueError(
                f"{self!r} has {' and '.join(lost)} set by hand, which the route for the including router would lose; "
                "do so in the `__init__` of a subclass, or include the router first and wrap the new route"
            )
        for name, value in vars(self).items():
            vars(route).setdefault(name, value)

    def __getstate__(self) -> dict[str, Any]:
        # The generated application cannot be pickled; a copy generates its own on the first connection.
        return {
            **vars(self),
            "_application": None,
            "_drained_application": None,
            "_last_overridden": None,
            "_checked": None,
        }

    def _connect_overridable(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        provider = scope.get("app") if self._provider is None else self._provider
        overrides = getattr(provider, "dependency_overrides", None)
        if overrides:
            return self._overridden(overrides)(scope, receive, send)
        application = self._drained() if drains else self._application or self._generated()
        return application(scope, receive, send)

    def _connect(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        application = self._drained() if drains else self._application or self._generated()
        return application(scope, receive, send)

    def _generated(self) -> ASGIApp:
        self._application = self._application_for(self._planned())
        return self._application

    def _drained(self) -> ASGIApp:
        if self._drained_application is None:
            self._drained_application = self._application_for(self._planned())
        return self._drained_application

    def _overridden(self, overrides: Overrides) -> ASGIApp:
        last = self._last_overridden
        if last is None or last[1] is not bool(drains) or not last[0].is_for(overrides):
            plan = self._planned(overrides)
            last = self._last_overridden = (plan, bool(drains), self._application_for(plan))
        return last[2]

    def _planned(self, overrides: Overrides | None = None) -> Plan:
        try:
            return build_plan(self.dependant, self.param_convertors, overrides)
        except DeclarationError as error:
            error.endpoint = self._endpoint
            raise

    def _terms_for(self, plan: Plan) -> Terms | None:
        """The terms on which a connection may be ended from outside; None if its connections have no `Life`."""
        terms = None if self.policy is None else self.policy.terms
        return Terms() if terms is None and (drains or plan.needs_life) else terms

    def _application_for(self, plan: Plan) -> ASGIApp:
        terms = self._terms_for(plan)
        title = f"{describe(self._endpoint)} at {self.path}"
        begin = None if terms is None else beginning(terms)
        application = compile_plan(plan, self._validation_error, title, begin)
        if self.policy is None:
            return application
        return with_origins(application, self.policy.origin_lists, self.policy.on_end)

    def _validation_error(self, websocket: WebSocket, errors: list[Any]) -> Exception:
        mounted_at = websocket.scope.get("root_path", "").rstrip("/")
        context = {**self._endpoint_context, "path": f"WS {mounted_at}{self.path_format}"}
        return _fastapi.validation_error(errors, context)


class _IncludedByFastAPI:
    """The endpoint of the route that FastAPI makes of ours: an ASGI application that runs ours, with all of it.

    FastAPI says in the scope in which inclusion the route was found. There it is made again once, with the prefix and
    the dependencies of that inclusion.

    Attributes:
        included_route: ours.
    """

    def __init__(self, route: APIWebSocketRoute) -> None:
        self.included_route = route
        self._made: tuple[_fastapi.Inclusion, APIWebSocketRoute] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._included(scope)
        scope.update(endpoint=route._endpoint, route=route)
        await route.app(scope, receive, send)

    def _included(self, scope: Scope) -> APIWebSocketRoute:
        inclusion = _fastapi.inclusion_in(scope, self.included_route)
        if inclusion is None:
            raise RuntimeError(
                f"{self.included_route!r} was included by FastAPI, which does not say with which dependencies; use "
                "app.router.routes.append(route), FastAPI(routes=[route]) or app.mount()"
            )
        if self._made is None or self._made[0].context is not inclusion.context:
            provider = inclusion.context.dependency_overrides_provider
            route = self.included_route.remade(
                inclusion.prefix + self.included_route.path,
                [*inclusion.dependencies, *self.included_route.dependencies],
                self.included_route.dependency_overrides_provider if provider is None else provider,
                self.included_route.policy,
            )
            self._made = (inclusion, route)
        return self._made[1]


def _endpoint_context(endpoint: Callable[..., Any]) -> dict[str, Any]:
    """The file, line and name of an endpoint, for the validation errors of its connections."""
    code = getattr(inspect.unwrap(endpoint), "__code__", None)
    if not inspect.iscode(code):
        return {}
    return {"file": code.co_filename, "line": code.co_firstlineno, "function": get_name(endpoint)}


def _check_endpoint(endpoint: Callable[..., Any]) -> None:
    if inspect.iscoroutine(endpoint):
        endpoint.close()  # nothing awaits it
        raise DeclarationError(endpoint, None, f"is called; write {endpoint.__name__} without parentheses")
    if isinstance(endpoint, classmethod):
        function = endpoint.__func__
        raise DeclarationError(function, None, f"has no class yet; register Class.{function.__name__} after the class")
    if not callable(endpoint):
        raise DeclarationError(endpoint, None, f"the endpoint {endpoint!r} cannot be called; write an async function")
    if inspect.isclass(endpoint):
        raise DeclarationError(endpoint, None, "is a class; write an async function, or use WebSocketRoute")
    kind = call_kind(endpoint)
    if kind.yields:
        raise DeclarationError(endpoint, None, "an endpoint cannot yield; move the clean-up into a dependency")
    if kind is not CallKind.COROUTINE:
        raise DeclarationError(endpoint, None, "a WebSocket endpoint must be async; write `async def`")
