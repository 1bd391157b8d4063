"""The AsyncAPI document of an application: a channel and its operations for each WebSocket route.

It is read from the routes and from what they keep of their declarations; nothing is called, but for a scheme's own
refusal. The names in it are given in the order of the routes, so that a route that is appended changes no other name.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.routing import compile_path

from .. import _fastapi
from ..connection.messages import MessageTypes
from ..dependencies.dependant import Dependant, get_dependant
from ..dependencies.signature import unwrapped
from ..exceptions import DeclarationError
from ..routing import APIWebSocketRoute
from ..tracing.entries import Entry, entries, routes_of, walk_inside
from .credentials import scheme_of
from .handshakes import dependants, object_schema, parameters
from .payloads import Payloads
from .responses import responses
from .schemas import Names, Schemas

__all__ = ["check_application", "document"]

Document = dict[str, Any]

_SCHEMES = {"ws": "http", "wss": "https"}

_REQUIRED_OF_SERVERS = {"host", "protocol"}


def document(
    app: Any,
    *,
    title: str | None = None,
    version: str | None = None,
    servers: Mapping[str, Mapping[str, Any]] | None = None,
) -> Document:
    """The AsyncAPI 3.1 document of all WebSocket routes of an application, also in mounts, hosts and included routers.

    Args:
        app: a Starlette, FastAPI or fastroute application or router.
        title: of the document; the default is the application's own title, or "WebSockets".
        version: of the document; the default is the application's own version, or "0.1.0".
        servers: AsyncAPI's mapping, `{"production": {"host": "example.org", "protocol": "wss"}}`. With a `pathname`,
            it holds the `root_path` of the application; else the addresses of the channels do. Relative URLs of
            security schemes are joined to the first server.

    Returns:
        Dicts, lists and scalars, ready for JSON; the same in every run.

    Raises:
        TypeError: `app` has no routes, or title or version is no text.
        ValueError: a server lacks what AsyncAPI demands of one.
    """
    check_application(app)
    _check_texts(title=title, version=version)
    _check_servers(servers)
    app_title, app_version, root_path = (getattr(app, name, None) for name in ("title", "version", "root_path"))
    servers = {name: dict(server) for name, server in (servers or {}).items()}
    if any("pathname" in server for server in servers.values()):
        root_path = ""
    building = _Building(root_path if isinstance(root_path, str) else "", _base_of(servers))
    for entry, inside in walk_inside(entries(app)):
        if entry.kind == "websocket" and getattr(_declared(entry.route), "include_in_schema", True):
            building.add(entry, inside)
    components = {
        "messages": building.payloads.components,
        "schemas": building.schemas.components,
        "securitySchemes": building.schemes,
    }
    info = {"title": title or app_title or "WebSockets", "version": version or app_version or "0.1.0"}
    described = getattr(app, "description", None)
    found = {
        "asyncapi": "3.1.0",
        "info": {**info, **({"description": described} if isinstance(described, str) and described else {})},
        "defaultContentType": "application/json",
        "servers": servers,
        "channels": building.channels,
        "operations": building.operations,
        "components": {name: component for name, component in components.items() if component},
    }
    return {key: value for key, value in found.items() if value or key == "channels"}


def check_application(app: Any) -> None:
    """Check that an application has routes.

    Raises:
        TypeError: it has none.
    """
    if isinstance(app, type) or routes_of(app) is None:
        raise TypeError(f"{app!r} is no application or router: it has no routes")


def _check_texts(**texts: object) -> None:
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise TypeError(f"{name}={text!r}: write a text")


def _check_servers(servers: object) -> None:
    named = servers.values() if isinstance(servers, Mapping) else ["none"] if servers else []
    if not all(isinstance(server, Mapping) and server.keys() >= _REQUIRED_OF_SERVERS for server in named):
        example = {"production": {"host": "example.org", "protocol": "wss"}}
        raise ValueError(f"servers={servers!r}: each has a name, a host and a protocol; write {example}")


def _base_of(servers: Mapping[str, Mapping[str, Any]]) -> str | None:
    for server in servers.values():
        scheme = _SCHEMES.get(str(server.get("protocol")), "https")
        return f"{scheme}://{server.get('host')}{server.get('pathname') or '/'}"
    return None


class _Building:
    """A document that is being built.

    Args:
        prefix: before every address.
        base: the address that relative URLs are joined to, if one is known.
    """

    def __init__(self, prefix: str, base: str | None) -> None:
        self._prefix = prefix.rstrip("/")
        self._base = base
        self._names = Names()
        self._scheme_names = Names()
        self.channels: Document = {}
        self.operations: Document = {}
        self.schemes: Document = {}
        self.schemas = Schemas()
        self.payloads = Payloads(self.schemas)

    def add(self, entry: Entry, inside: Sequence[Entry]) -> None:
        """Describe one route."""
        name = self._names.new(entry.name or "websocket")
        paths = [outer.path for outer in (*inside, entry) if outer.kind not in ("host", "included")]
        formats, convertors = zip(*[compile_path(path)[1:] for path in paths], strict=True)
        known: dict[str, Any] = {key: value for each in convertors for key, value in each.items()}
        route = _declared(entry.route)
        root = _dependant_of(entry, known)
        nodes = [] if root is None else list(dependants(root))
        schemes = [node for node in nodes if _fastapi.is_security_scheme(unwrapped(node.call))]
        types = [
            injection.make
            for node in nodes
            for injection in node.injected.values()
            if isinstance(injection.make, MessageTypes)
        ]
        channel: Document = {"address": self._prefix + "".join(formats), "title": name}
        text = inspect.getdoc(unwrapped(_endpoint_of(route)))
        if text and inspect.isroutine(unwrapped(_endpoint_of(route))):
            channel["description"] = text
        path_params = [field for node in nodes for field in node.path_params if field.in_document]
        channel["parameters"] = parameters(known, path_params, self.schemas)
        received = [message for each in types for message in self.payloads.received(each)]
        sent = [message for each in types for message in self.payloads.sent(each)]
        messages = {message: {"$ref": f"#/components/messages/{message}"} for message in (*received, *sent)}
        channel["messages"] = messages
        channel["bindings"] = {"ws": self._binding(nodes, schemes, route)}
        channel |= self._extensions(nodes, schemes, route, inside, types)
        self.channels[name] = {key: value for key, value in channel.items() if value or key in ("address", "messages")}
        security = list(dict.fromkeys(self._scheme(node) for node in schemes))
        self._add_operation(name, "receive", received, security)
        if sent:
            self._add_operation(name, "send", sent, security)

    def _add_operation(self, name: str, action: str, messages: Sequence[str], security: Sequence[str]) -> None:
        operation: Document = {"action": action, "channel": {"$ref": f"#/channels/{name}"}}
        if messages:
            # A union may name a message twice.
            operation["messages"] = [{"$ref": f"#/channels/{name}/messages/{each}"} for each in dict.fromkeys(messages)]
        if security:
            operation["security"] = [{"$ref": f"#/components/securitySchemes/{scheme}"} for scheme in security]
        if len(security) > 1:
            operation["x-security-all"] = True
        self.operations[f"{name}.{action}"] = operation

    def _scheme(self, node: Dependant) -> str:
        call = unwrapped(node.call)
        described = scheme_of(call, node.security_scopes, self._base)
        for name, other in self.schemes.items():
            if other == described:
                return name
        name = self._scheme_names.new(getattr(call, "scheme_name", None) or type(call).__name__)
        self.schemes[name] = described
        return name

    def _binding(self, nodes: Sequence[Dependant], schemes: Sequence[Dependant], route: Any) -> Document:
        places = {
            "query": [field for node in nodes for field in node.query_params],
            "headers": [field for node in nodes for field in node.header_params],
            "x-cookies": [field for node in nodes for field in node.cookie_params],
        }
        shown = {place: [field for field in fields if field.in_document] for place, fields in places.items()}
        found: Document = {
            place: object_schema(fields, self.schemas, fold=place == "headers")
            for place, fields in shown.items()
            if fields
        }
        origin = _origin_schema(route)
        offers = _subprotocols(schemes)
        if origin or offers:
            headers = found.setdefault("headers", {"type": "object", "properties": {}})
            headers["properties"] |= {"Origin": origin} if origin else {}
            headers["properties"] |= (
                {"Sec-WebSocket-Protocol": {"type": "string", "x-subprotocols": offers}} if offers else {}
            )
        return {"method": "GET", **found, "bindingVersion": "0.1.0"}

    def _extensions(
        self,
        nodes: Sequence[Dependant],
        schemes: Sequence[Dependant],
        route: Any,
        inside: Sequence[Entry],
        types: Sequence[MessageTypes],
    ) -> Document:
        policy = getattr(route, "policy", None)
        hosts = [outer.path for outer in inside if outer.kind == "host"]
        lists = [list(origins) for origins in policy.origin_lists] if policy is not None else []
        return {
            "x-host": hosts[-1] if hosts else None,
            "x-origins": lists[0] if len(lists) == 1 else lists,
            "x-subprotocols": _subprotocols(schemes),
            "x-responses": responses(nodes, [unwrapped(node.call) for node in schemes], policy, types),
        }


def _endpoint_of(route: Any) -> Any:
    if isinstance(route, APIWebSocketRoute):
        return route.dependant.call
    return getattr(route, "endpoint", None) or getattr(route, "app", None)


def _declared(route: Any) -> Any:
    """The route that somebody declared: FastAPI makes another one of ours if it includes one."""
    return getattr(getattr(route, "endpoint", None), "included_route", route)


def _dependant_of(entry: Entry, path_names: Mapping[str, Any]) -> Dependant | None:
    """The tree of a route: its own; for FastAPI's inclusion and routes a new one; None of any other route."""
    route = _declared(entry.route)
    own = getattr(route, "dependant", None)
    if own is None or (isinstance(own, Dependant) and route is entry.route):
        return own
    inclusion = None if route is entry.route else _fastapi.inclusion(entry.router)
    outer = [] if inclusion is None else inclusion.dependencies
    try:
        return get_dependant(
            path=entry.path, call=own.call, path_names=path_names, dependencies=[*outer, *route.dependencies]
        )
    except DeclarationError:  # FastAPI lets it pass
        return None


def _origin_schema(route: Any) -> Document:
    lists = getattr(getattr(route, "policy", None), "origin_lists", ())
    patterns = [{"pattern": f"^({'|'.join(origins.patterns())})$"} for origins in lists]
    return {"type": "string", **(patterns[0] if len(patterns) == 1 else {"allOf": patterns})} if patterns else {}


def _subprotocols(schemes: Sequence[Dependant]) -> list[str]:
    """Those that the application speaks, as far as a scheme says so."""
    spoken = [name for node in schemes for name in getattr(unwrapped(node.call), "subprotocols", ())]
    return list(dict.fromkeys(spoken))
