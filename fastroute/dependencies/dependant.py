"""Signature -> tree of dependants. At declaration, and if overrides are planned: nothing here awaits."""

import inspect
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import is_
from types import FunctionType
from typing import Any, Literal, NamedTuple, Union, get_origin
from weakref import WeakValueDictionary

from starlette.background import BackgroundTasks
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from .. import _fastapi
from ..connection.injected import Injected, Injection
from ..connection.messages import MessageRules, Messages
from ..exceptions import DeclarationError, Problem, describe, problems_of
from ..fixed import FixedList
from ..params import Concurrency, DependencyMarker, Lifetime, SecurityScopes
from .annotations import alternatives
from .arguments import as_dependencies
from .fields import (
    Declaration,
    ParamField,
    UnsendableProblem,
    copied,
    declaration,
    param_field,
    plain_field,
)
from .markers import (
    check_bound,
    check_constructor,
    check_dependency,
    check_inside,
    check_kept,
    check_made,
    check_overridden,
)
from .nesting import Nested, unnested
from .signature import (
    CallKind,
    added_by_decorator,
    call_kind,
    check_annotated,
    check_kind,
    evaluated,
    namespace_of,
    parameters,
    reads_environment,
    unwrapped,
)

__all__ = ["Dependant", "Tree", "get_dependant"]


@dataclass(slots=True)
class Dependant:
    """A callable and all that it needs: a node in a route's tree of dependencies (`fastapi`'s `Dependant`).

    Attributes:
        call: the endpoint or dependency.
        path: the template of the route, without convertors.
        name: the parameter that receives the result, or None if the result is dropped.
        path_params, query_params, header_params, cookie_params: the fields that are read from the connection.
        dependencies: the calls that must come before.
        websocket_param_name, http_connection_param_name: parameters that receive the WebSocket.
        injected: the parameters whose class is `Injected`, and how their values are made.
        security_scopes_param_name: the parameter that receives the scopes, as a `security_scopes_type`.
        own_scopes: the scopes of this `Security()`.
        security_scopes: the scopes of its parents, then its own.
        use_cache, scope, concurrency: as in `Depends()`.
        kind: how the call runs.
        uses_scopes: this node or one below asks for security scopes, so they are part of the cache key.
    """

    call: Callable[..., Any]
    path: str
    name: str | None = None
    path_params: list[ParamField] = field(default_factory=list)
    query_params: list[ParamField] = field(default_factory=list)
    header_params: list[ParamField] = field(default_factory=list)
    cookie_params: list[ParamField] = field(default_factory=list)
    dependencies: list["Dependant"] = field(default_factory=list)
    websocket_param_name: str | None = None
    http_connection_param_name: str | None = None
    injected: dict[str, Injection] = field(default_factory=dict)
    security_scopes_param_name: str | None = None
    security_scopes_type: type[Any] = SecurityScopes
    own_scopes: tuple[str, ...] = ()
    security_scopes: tuple[str, ...] = ()
    use_cache: bool = True
    scope: Lifetime | None = None
    concurrency: Concurrency | None = None
    kind: CallKind = CallKind.COROUTINE
    uses_scopes: bool = False

    @property
    def lifetime(self) -> Lifetime | None:
        """When the clean-up runs; None if there is neither a clean-up nor a declared scope."""
        if self.scope is None and self.kind.yields:
            return "request"
        return self.scope

    @property
    def fields(self) -> Iterator[ParamField]:
        """The fields that are read from the connection, in the order of their validation."""
        yield from self.path_params
        yield from self.query_params
        yield from self.header_params
        yield from self.cookie_params


@dataclass(slots=True, weakref_slot=True)
class Reading:
    """All that the signature of one callable says. Trees share it if they have the same path names.

    Attributes:
        node: without anything of a tree; it is copied for each.
        dependencies: the parameters that receive results, and what they declare.
        is_lasting: False if an annotation had to be evaluated: its names may stand for something else later.
        made_of: the objects that tell whether the callable is still the same; None if nothing can tell.
    """

    node: Dependant
    dependencies: list[tuple[str, DependencyMarker]] = field(default_factory=list)
    is_lasting: bool = True
    made_of: tuple[object, ...] | None = None

    @property
    def is_unchanged(self) -> bool:
        """Whether the callable is still what was read."""
        then, now = self.made_of, _made_of(self.node.call)
        return then is not None and now is not None and len(then) == len(now) and all(map(is_, then, now))

    def copied_node(self) -> Dependant:
        node = self.node
        return Dependant(
            call=node.call,
            path=node.path,
            path_params=copied(node.path_params),
            query_params=copied(node.query_params),
            header_params=copied(node.header_params),
            cookie_params=copied(node.cookie_params),
            websocket_param_name=node.websocket_param_name,
            http_connection_param_name=node.http_connection_param_name,
            injected=dict(node.injected),
            security_scopes_param_name=node.security_scopes_param_name,
            security_scopes_type=node.security_scopes_type,
            kind=node.kind,
        )


class Need(NamedTuple):
    """A dependency of one callable.

    Attributes:
        name: the parameter that receives the result, or None if it is dropped.
        marker: how it is declared.
        branch: what it is.
    """

    name: str | None
    marker: DependencyMarker
    branch: "Branch"


@dataclass(slots=True, weakref_slot=True, eq=False)
class Branch:
    """A callable with all below it. Trees share it as they share readings.

    Attributes:
        reading: of its signature.
        needs: the dependencies.
        is_shared: other trees may use it; and so each branch below it.
    """

    reading: Reading
    needs: list[Need]
    is_shared: bool

    @property
    def is_unchanged(self) -> bool:
        """Whether each callable is still what was read."""
        branches: list[Branch] = [self]
        seen = {id(self)}
        for branch in branches:
            if not branch.reading.is_unchanged:
                return False
            for need in branch.needs:
                if id(need.branch) not in seen:
                    seen.add(id(need.branch))
                    branches.append(need.branch)
        return True


class Tree:
    """All that a callable declares. Its mistakes are found at once; its nodes are made for who asks for them.

    Most routes of a large application are seldom asked, and have their dependencies in common.

    Args:
        call: the callable.
        path: the template without convertors, for error messages of connections.
        path_names: the parameters of the template.
        dependencies: `Depends()` that run before all others; their results are dropped.
        parent_scopes: the scopes that it has from above.

    Attributes:
        needs: the dependencies, those that run before all others first.

    Raises:
        DeclarationError: a signature asks for something impossible; the message names the place and the fix.
    """

    def __init__(
        self,
        call: Callable[..., Any],
        path: str,
        path_names: Collection[str],
        dependencies: Sequence[Any] = (),
        parent_scopes: tuple[str, ...] = (),
    ) -> None:
        self._root = DependencyMarker(call)
        with problems_of(call, None):
            check_dependency(self._root)
        reader = _Reader(frozenset(path_names), call)
        branch = unnested(reader.branch(call))
        leading = [_fastapi.adopt(marker) for marker in as_dependencies(dependencies, call)]
        self.needs = [Need(None, marker, unnested(reader.branch(_called(marker)))) for marker in leading]
        self.needs += branch.needs
        self._path, self._parent_scopes = path, parent_scopes
        self._branch = Branch(branch.reading, self.needs, is_shared=False)
        # At most one; a list, since for two threads that make it at once the same one must win.
        self._made: list[Dependant] = []

    @property
    def dependant(self) -> Dependant:
        """The nodes, which belong to this tree alone."""
        if not self._made:
            self._made.append(_Nodes(self._path).of(self._root, self._branch, self._parent_scopes))
        return self._made[0]

    @property
    def needs_key(self) -> tuple[object, ...]:
        """Equal for trees that need the same in the same way."""
        return tuple((need.name is None, id(need.branch), *_declared(need.marker)) for need in self.needs)

    def __getstate__(self) -> dict[str, Any]:
        # The code of a function cannot be pickled, nor is there somebody to share it with.
        return {"_made": [self.dependant]}


def _declared(marker: DependencyMarker) -> tuple[object, ...]:
    """All that a marker says but for its dependency, to compare markers that are kept meanwhile."""
    return tuple(marker.scopes), marker.use_cache, marker.scope, id(marker.concurrency)


class _Nodes:
    """Makes the nodes of one tree; equal subtrees are one object, so that a diamond costs linear time."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.made: dict[Any, Dependant] = {}

    def of(self, root: DependencyMarker, branch: Branch, parent_scopes: tuple[str, ...]) -> Dependant:
        dependant = unnested(self._node(root, branch, None, parent_scopes))
        # The plan is made of them at once.
        dependant.dependencies = FixedList(dependant.dependencies)
        return dependant

    def _node(
        self, marker: DependencyMarker, branch: Branch, name: str | None, parent_scopes: tuple[str, ...]
    ) -> Nested[Dependant]:
        own_scopes = tuple(marker.scopes)
        key = (id(branch), parent_scopes, *_declared(marker))
        made = self.made.get(key)
        if made is not None:
            return replace(made, name=name)
        node = branch.reading.copied_node()
        node.path, node.name = self.path, name
        node.own_scopes, node.security_scopes = own_scopes, tuple(dict.fromkeys(parent_scopes + own_scopes))
        node.use_cache, node.scope, node.concurrency = marker.use_cache, marker.scope, marker.concurrency
        for need in branch.needs:
            node.dependencies.append((yield self._node(need.marker, need.branch, need.name, node.security_scopes)))
        node.uses_scopes = (
            bool(own_scopes)
            or node.security_scopes_param_name is not None
            or _fastapi.is_security_scheme(unwrapped(node.call))
            or any(dependency.uses_scopes for dependency in node.dependencies)
        )
        self.made[key] = node
        return node


def get_dependant(
    *,
    path: str,
    call: Callable[..., Any],
    path_names: Collection[str],
    dependencies: Sequence[Any] = (),
    name: str | None = None,
    parent_scopes: tuple[str, ...] = (),
    scope: Lifetime | None = None,
    concurrency: Concurrency | None = None,
) -> Dependant:
    """The tree of nodes of a callable (`fastapi.dependencies.utils.get_dependant`).

    Args:
        path, path_names, dependencies, parent_scopes: as for `Tree`.
        call: the endpoint, or the replacement of a dependency.
        name, scope, concurrency: attributes of the node of the callable.

    Raises:
        DeclarationError: as `Tree` does.
    """
    dependant = Tree(call, path, path_names, dependencies, parent_scopes).dependant
    dependant.name, dependant.scope, dependant.concurrency = name, scope, concurrency
    return dependant


#: By the id of the callable, which a reading keeps alive, and the path names. Routes keep the readings and branches.
_READINGS: WeakValueDictionary[tuple[int, frozenset[str]], Reading] = WeakValueDictionary()
_BRANCHES: WeakValueDictionary[tuple[int, frozenset[str]], Branch] = WeakValueDictionary()


def _made_of(call: Any) -> tuple[object, ...] | None:
    """All that the signature of a plain function is made of; None for every other callable."""
    if type(call) is not FunctionType:
        return None
    try:
        annotations = call.__annotations__
    except NameError:  # from Python 3.14 on they are evaluated here
        return None
    keywords, attributes = call.__kwdefaults__ or {}, vars(call)
    return (
        call.__code__,
        call.__defaults__,
        *keywords,
        *keywords.values(),
        *annotations,
        *annotations.values(),
        *attributes,
        *attributes.values(),
    )


def _called(marker: DependencyMarker) -> Callable[..., Any]:
    assert marker.dependency is not None
    return marker.dependency


class _Reader:
    """Reads the signatures of one tree, each once, and finds their mistakes."""

    def __init__(self, path_names: frozenset[str], root: Callable[..., Any]) -> None:
        self.path_names = path_names
        # An endpoint is seldom that of several routes: it is not shared.
        self.root = root
        self.branches: dict[int, Branch] = {}
        # The calls from the root to the branch that is being read, by id.
        self.active: dict[int, Callable[..., Any]] = {}

    def branch(self, call: Callable[..., Any]) -> Nested[Branch]:
        branch = self.branches.get(id(call)) or self._shared_branch(call)
        if branch is None:
            self._check_cycle(call)
            self.active[id(call)] = call
            reading = self._read(call) if call is self.root else self._shared_reading(call)
            needs = []
            for name, marker in reading.dependencies:
                needs.append(Need(name, marker, (yield self.branch(_called(marker)))))
            is_shared = reading.made_of is not None and all(need.branch.is_shared for need in needs)
            branch = Branch(reading, needs, is_shared)
            del self.active[id(call)]
            if is_shared:
                _BRANCHES[id(call), self.path_names] = branch
        self.branches[id(call)] = branch
        return branch

    def _check_cycle(self, call: Callable[..., Any]) -> None:
        if id(call) in self.active:
            active = list(self.active.values())
            cycle = [*active[list(self.active).index(id(call)) :], call]
            names = " -> ".join(describe(each).partition(" (")[0] for each in cycle)
            raise DeclarationError(call, None, f"depends on itself: {names}; break the cycle")

    def _shared_branch(self, call: Callable[..., Any]) -> Branch | None:
        branch = None if call is self.root else _BRANCHES.get((id(call), self.path_names))
        return branch if branch is not None and branch.is_unchanged else None

    def _shared_reading(self, call: Callable[..., Any]) -> Reading:
        """The reading that another tree has made of a function; else one of its own, for later trees."""
        key = (id(call), self.path_names)
        reading = _READINGS.get(key)
        if reading is None or not reading.is_unchanged:
            made_of = _made_of(call)
            reading = self._read(call)
            if reading.is_lasting and made_of is not None:
                reading.made_of = made_of
                _READINGS[key] = reading
        return reading

    def _read(self, call: Callable[..., Any]) -> Reading:
        node = Dependant(call, path="", kind=call_kind(call))
        reading = Reading(node)
        namespace = namespace_of(call)
        signature = parameters(call)
        with problems_of(call, None):
            check_bound(call)
            check_constructor(call)
            check_kept(call, signature, self.path_names)
        for parameter in signature:
            with problems_of(call, parameter.name):
                dependency = self._add_parameter(reading, parameter, namespace)
            if dependency is not None:
                reading.dependencies.append((parameter.name, dependency))
        return reading

    def _add_parameter(
        self, reading: Reading, parameter: inspect.Parameter, namespace: dict[str, Any]
    ) -> DependencyMarker | None:
        """Add a parameter to its node, or return the dependency that it declares."""
        node = reading.node
        check_kind(parameter)
        if parameter.name not in self.path_names:
            check_annotated(parameter)
        written, parameter = parameter, evaluated(parameter, namespace)
        if parameter.annotation is not written.annotation:
            reading.is_lasting = False
        if reads_environment(node.call) and declaration(parameter).marker is None:
            return None
        field = plain_field(parameter, self.path_names)
        if field is not None:
            self._add_field(node, field, None)
            return None
        name, declared = parameter.name, declaration(parameter)
        special = None if isinstance(declared.marker, DependencyMarker) else _special_type(declared.type)
        has_rules = any(isinstance(item, MessageRules) for item in declared.metadata)
        if has_rules and not (special is not None and issubclass(special, Messages)):
            raise Problem("MessageRules() belongs to a parameter of type Messages[Receive, Send]")
        if isinstance(declared.marker, DependencyMarker):
            depends = declared.marker
            if depends.dependency is None:
                depends = replace(depends, dependency=_dependency_of_annotation(declared.type))
            check_dependency(depends)
            check_made(depends.dependency, declared.type)
            return depends
        if special is not None:
            return self._add_special(node, name, declared, special)
        try:
            field = param_field(name, declared, self.path_names)
        except UnsendableProblem:
            if _keeps_default(node.call, declared):
                return None
            raise
        self._add_field(node, field, declared.marker)
        return None

    def _add_field(self, node: Dependant, field: ParamField, marker: Any) -> None:
        if marker is None and field.place == "query" and type(node.call) is not FunctionType:
            check_overridden(node.call, field.name)
        {
            "path": node.path_params,
            "query": node.query_params,
            "header": node.header_params,
            "cookie": node.cookie_params,
        }[field.place].append(field)

    def _add_special(
        self, node: Dependant, name: str, declared: Declaration, special: type[Any]
    ) -> DependencyMarker | None:
        """Add a parameter that is injected by type, or return the dependency that makes its value."""
        if declared.marker is not None:
            raise Problem(f"{special.__name__} is injected by type; remove the marker {declared.marker!r}")
        if issubclass(special, WebSocket):
            self._set_once(node, "websocket_param_name", name)
        elif issubclass(special, Injected):
            check_inside(declared.type, None)
            node.injected[name] = special._injection(_alternative(declared.type, special), declared.metadata)
        elif issubclass(special, _fastapi.security_scopes_types()):
            self._set_once(node, "security_scopes_param_name", name)
            node.security_scopes_type = special
        elif not issubclass(special, Request) and issubclass(special, HTTPConnection):
            self._set_once(node, "http_connection_param_name", name)
        elif issubclass(special, Request) and _fastapi.is_security_scheme(unwrapped(node.call)):
            # A scheme that was written for HTTP only: a WebSocket has all that it reads from a Request.
            self._set_once(node, "http_connection_param_name", name)
        elif declared.default is inspect.Parameter.empty:
            if not added_by_decorator(node.call, name):
                raise Problem(_not_on_a_websocket(special))
            # As FastAPI: there is no Request, and everything else is made for the connection.
            if not issubclass(special, Request):
                return DependencyMarker(_New(special))
        return None

    def _set_once(self, node: Dependant, attribute: str, name: str) -> None:
        other = getattr(node, attribute)
        if other is not None:
            raise Problem(f"is the same as parameter {other!r}; remove one of them")
        setattr(node, attribute, name)


def _keeps_default(call: Callable[..., Any], declared: Declaration) -> bool:
    """Whether a parameter that no client can send is left to its class, as in FastAPI.

    A class may come from a library: settings have many such parameters. In a function it is a mistake of its author.
    """
    cls = unwrapped(call)
    has_default = declared.marker is None and declared.default is not inspect.Parameter.empty
    return has_default and inspect.isclass(get_origin(cls) or cls)


def _dependency_of_annotation(annotation: Any) -> Callable[..., Any]:
    if annotation is Any:
        raise Problem("Depends() calls the annotation, and there is none; write Depends(function)")
    if not callable(annotation) or get_origin(annotation) in (Union, Literal):
        raise Problem(f"Depends() cannot call the annotation {annotation!r}; name the call: Depends(function)")
    result: Callable[..., Any] = annotation
    return result


_SPECIAL = (HTTPConnection, Response, BackgroundTasks, Injected)


def _special_type(annotation: Any) -> type[Any] | None:
    """The class that an annotation asks for, if it is one of those that are injected by type, as WebSocket."""
    special = (*_SPECIAL, *_fastapi.security_scopes_types())
    classes = [get_origin(part) or part for part in alternatives(annotation) if part is not type(None)]
    if not classes or not all(isinstance(cls, type) and issubclass(cls, special) for cls in classes):
        return None
    given = [cls for cls in classes if issubclass(WebSocket, cls) or issubclass(cls, WebSocket)]
    first: type[Any] = (given or classes)[0]
    return first


def _alternative(annotation: Any, special: type[Any]) -> Any:
    """The member of a union that is a special type, with its arguments."""
    return next(part for part in alternatives(annotation) if (get_origin(part) or part) is special)


@dataclass(frozen=True)
class _New:
    """A dependency without parameters that makes a Response or BackgroundTasks: one for each connection."""

    cls: type[Any]

    def __post_init__(self) -> None:
        try:
            inspect.signature(self.cls).bind()
        except TypeError:
            raise Problem(f"{self.cls.__name__} cannot be made without arguments; annotate Response") from None

    async def __call__(self) -> Any:
        made = self.cls()
        if isinstance(made, Response):  # nothing is decided yet, as in FastAPI
            del made.headers["content-length"]
            made.status_code = None  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]  # as FastAPI
        return made


def _not_on_a_websocket(special: type[Any]) -> str:
    if issubclass(special, Request):
        return (
            "a WebSocket has no Request; annotate WebSocket, or HTTPConnection if HTTP routes share the "
            "function, or give it the default None"
        )
    if issubclass(special, Response):
        return "there is no Response to a WebSocket; pass headers to websocket.accept(headers=...)"
    return "nothing runs BackgroundTasks on a WebSocket; start a task group in the endpoint"
