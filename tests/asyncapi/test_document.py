"""The AsyncAPI document of an application, part by part."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import fastapi
import pytest
from asyncapi_applications import CREDENTIALS, PAYLOADS, applications
from fastapi import APIRouter, FastAPI
from fastapi import Depends as TheirDepends
from fastapi import security as theirs
from hypothesis import given
from jsonschema import Draft7Validator
from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

import fastroute
from fastroute import (
    APIWebSocketRoute,
    ConnectionPolicy,
    Cookie,
    Deadline,
    Depends,
    Header,
    MessageRules,
    Messages,
    Query,
    Router,
    Security,
)
from fastroute.asyncapi import document
from fastroute.asyncapi.page import page
from fastroute.asyncapi.schemas import _draft_7
from fastroute.security import APIKeyHeader, APIKeyQuery, HTTPBearer, OAuth2PasswordBearer, OpenIdConnect, SecurityBase


async def room(websocket: WebSocket) -> None:
    """One room.

    And more of it.
    """


def described(*routes: Any, **options: Any) -> Any:
    return document(Starlette(routes=list(routes)), **options)


def channel(endpoint: Any, path: str = "/", **options: Any) -> Any:
    [found] = described(APIWebSocketRoute(path, endpoint, **options))["channels"].values()
    return found


# --- the frame ---


def test_the_smallest_document() -> None:
    assert described() == {
        "asyncapi": "3.1.0",
        "info": {"title": "WebSockets", "version": "0.1.0"},
        "defaultContentType": "application/json",
        "channels": {},
    }


def test_title_and_version_are_those_of_the_application_or_given() -> None:
    app = FastAPI(title="Prices", version="7", description="All of them.")
    assert document(app)["info"] == {"title": "Prices", "version": "7", "description": "All of them."}
    assert document(app, title="Mine", version="8")["info"] | {"description": ""} == {
        "title": "Mine",
        "version": "8",
        "description": "",
    }


def test_servers_are_as_given() -> None:
    servers = {"live": {"host": "example.org", "protocol": "wss"}}
    assert described(servers=servers)["servers"] == servers


@pytest.mark.parametrize("app", [None, print, "main:app", [], Starlette, APIWebSocketRoute("/", room)])
def test_something_without_routes_is_refused(app: Any) -> None:
    with pytest.raises(TypeError, match="is no application or router: it has no routes"):
        document(app)


@pytest.mark.parametrize("options", [{"title": 7}, {"version": 1.0}, {"title": b"x"}])
def test_a_title_or_version_that_is_no_text_is_refused(options: Any) -> None:
    with pytest.raises(TypeError, match="write a text"):
        document(Starlette(), **options)


@pytest.mark.parametrize(
    "servers", ["ws://x", ["ws://x"], {"live": "ws://x"}, {"live": {"url": "ws://x"}}, {"live": {"host": "x"}}]
)
def test_servers_that_asyncapi_does_not_know_are_refused(servers: Any) -> None:
    with pytest.raises(ValueError, match=r"servers=.*: each has a name, a host and a protocol; write \{'production'"):
        document(Starlette(), servers=servers)


# --- addresses and names ---


def test_addresses_have_no_convertors_and_all_that_is_around_a_route() -> None:
    inner = Router(prefix="/v1")
    inner.add_api_websocket_route("/{room_id:int}", room, name="inner")
    included = Router()
    included.include_router(inner, prefix="/chat")
    found = described(
        Mount("/t/{tenant:uuid}", routes=[Mount("/deep", routes=[APIWebSocketRoute("/{rest:path}", room)])]),
        Mount("/in", included),
        Host("{sub}.example.org", Router([APIWebSocketRoute("/host", room, name="hosted")])),
        Route("/http", lambda request: None),
    )["channels"]
    assert [each["address"] for each in found.values()] == [
        "/t/{tenant}/deep/{rest}",
        "/in/chat/v1/{room_id}",
        "/host",
    ]
    assert list(found["room"]["parameters"]) == ["tenant", "rest"]
    assert found["inner"]["parameters"] == {
        "room_id": {"description": "integer", "x-schema": {"type": "integer", "minimum": 0}}
    }
    assert found["hosted"]["x-host"] == "{sub}.example.org"


def test_the_root_path_is_in_the_address_or_in_the_server() -> None:
    app = FastAPI()
    app.root_path = "/api"
    app.add_api_websocket_route("/x", room)
    assert document(app)["channels"]["room"]["address"] == "/api/x"
    server = {"host": "example.org", "protocol": "wss", "pathname": "/api"}
    assert document(app, servers={"live": server})["channels"]["room"]["address"] == "/x"


def test_names_are_unique_and_stay_when_a_route_is_appended() -> None:
    routes = [APIWebSocketRoute(f"/{number}", room, name=name) for number, name in enumerate(["a b", "a", "a", "/"])]
    names = list(described(*routes)["channels"])
    assert names == ["a_b", "a", "a_2", "unnamed"]

    class Chat(BaseModel):
        text: str

    first = Chat

    class Chat(BaseModel):  # type: ignore[no-redef]
        number: int

    def takes(cls: Any) -> APIWebSocketRoute:
        async def endpoint(messages: Messages[cls, None]) -> None: ...

        return APIWebSocketRoute("/", endpoint)

    before, after = described(takes(first)), described(takes(first), takes(Chat))
    for place in ("channels", "operations"):
        assert before[place].items() <= after[place].items()
    for place in ("schemas", "messages"):
        assert before["components"][place].items() <= after["components"][place].items()
    assert list(after["components"]["schemas"]) == ["Chat", "Chat_2"]


def test_a_route_can_be_left_out() -> None:
    router = Router()
    router.add_api_websocket_route("/a", room, name="a", include_in_schema=False)

    @router.websocket("/b", include_in_schema=False)
    async def b(websocket: WebSocket) -> None: ...

    outer = Router()
    outer.include_router(router, prefix="/outer")
    outer.add_api_websocket_route("/shown", room)
    assert list(document(outer)["channels"]) == ["room"]
    app = FastAPI()
    api = APIRouter()
    api.routes.append(APIWebSocketRoute("/c", room, include_in_schema=False))
    app.include_router(api)
    assert document(app)["channels"] == {}


# --- parameters ---


class Color(Enum):
    RED = "red"


def test_query_headers_and_cookies_with_all_that_is_said_of_them() -> None:
    async def below(q: Annotated[int, Query(ge=1)]) -> None: ...

    async def endpoint(
        websocket: WebSocket,
        below: Annotated[None, Depends(below)],
        q: Annotated[str, Query(max_length=3, description="how much", title="Q", examples=["7"], deprecated=True)],
        x_token: Annotated[str, Header()],
        color: Annotated[Color, Cookie()] = Color.RED,
        tags: Annotated[list[str], Query(alias="tag")] = [],  # noqa: B006  # copied for each connection
    ) -> None: ...

    ws = channel(endpoint)["bindings"]["ws"]
    assert ws["query"] == {
        "type": "object",
        "properties": {
            "q": {
                "allOf": [
                    {"type": "integer", "minimum": 1},
                    {
                        "type": "string",
                        "maxLength": 3,
                        "title": "Q",
                        "description": "how much",
                        "examples": ["7"],
                        "deprecated": True,
                    },
                ]
            },
            "tag": {"type": "array", "items": {"type": "string"}, "default": []},
        },
        "required": ["q"],
    }
    assert ws["headers"]["required"] == ["x-token"]
    assert list(ws["x-cookies"]["properties"]) == ["color"]
    assert ws["bindingVersion"] == "0.1.0"


@pytest.mark.parametrize("markers", [fastroute, fastapi])
def test_a_parameter_can_be_left_out(markers: Any) -> None:
    async def below(secret: Annotated[str, markers.Query(include_in_schema=False)]) -> None: ...

    async def endpoint(
        websocket: WebSocket,
        room_id: Annotated[int, markers.Path(include_in_schema=False, description="not said")],
        below: Annotated[None, Depends(below)],
        q: str = "",
        debug: bool = markers.Query(False, include_in_schema=False),
        x_trace: str = markers.Header("", include_in_schema=False),
        shown: str = markers.Cookie(""),
    ) -> None: ...

    for described in (channel(endpoint, "/{room_id}"), channel(endpoint, "/{room_id}", dependencies=[Depends(below)])):
        ws = described["bindings"]["ws"]
        assert list(ws["query"]["properties"]) == ["q"]
        assert "required" not in ws["query"]
        assert list(ws["x-cookies"]["properties"]) == ["shown"]
        assert "headers" not in ws
        # Whatever stands in the address must have a name.
        assert described["parameters"] == {"room_id": {"description": "string", "x-schema": {"type": "string"}}}


def test_a_default_that_json_cannot_hold_is_left_out() -> None:
    async def with_object(websocket: WebSocket, q: Annotated[str, Query()] = object()) -> None: ...  # type: ignore[assignment]

    assert channel(with_object)["bindings"]["ws"]["query"]["properties"] == {"q": {"type": "string"}}


def test_numbers_that_json_does_not_know_are_left_out() -> None:
    class Limits(BaseModel):
        most: float = math.inf
        steps: Annotated[list[float], Field(examples=[[math.nan], [1.0]])] = [-math.inf]

    async def endpoint(
        messages: Messages[Limits, Limits],
        limit: Annotated[float, Query(le=math.inf, ge=0)] = math.inf,
        ratio: Annotated[float, Query(examples=[math.nan])] = 1.5,
    ) -> None: ...

    found = described(APIWebSocketRoute("/", endpoint))
    json.dumps(found, allow_nan=False)
    assert found["channels"]["endpoint"]["bindings"]["ws"]["query"]["properties"] == {
        "limit": {"type": "number", "minimum": 0},
        "ratio": {"type": "number", "default": 1.5},
    }


def test_a_type_without_a_schema_may_be_anything() -> None:
    class Odd:
        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
            from pydantic_core import core_schema

            return core_schema.no_info_plain_validator_function(lambda value: value)

    async def endpoint(websocket: WebSocket, q: Annotated[Odd, Header()]) -> None: ...

    assert channel(endpoint)["bindings"]["ws"]["headers"]["properties"] == {"q": {}}


def test_what_else_a_parameter_says() -> None:
    class Chain(BaseModel):
        value: int
        following: "Chain | None" = None

    class Linked(BaseModel):
        a: int
        chain: Annotated[Chain, Field(description="of a class")] | None = None

    async def endpoint(
        websocket: WebSocket,
        id: int | Color,
        q: Annotated[float, Query(json_schema_extra={"x-unit": "s"}, gt=0.5, multiple_of=2.0)],
        point: Annotated[tuple[int, ...], Header(description="one or more")],
        link: Annotated[Linked, Cookie()],
    ) -> None: ...

    found = channel(endpoint, "/{id}/{rest:path}")
    assert found["parameters"]["id"]["description"] == "integer"
    assert found["parameters"]["rest"] == {
        "description": "string, may hold slashes",
        "x-schema": {"type": "string"},
    }
    q = found["bindings"]["ws"]["query"]["properties"]["q"]
    assert q == {"type": "number", "exclusiveMinimum": 0.5, "multipleOf": 2, "x-unit": "s"}
    assert "list of integer" in page(described(APIWebSocketRoute("/{id}", endpoint)), "x.json")


def test_a_route_of_fastapi_that_we_would_refuse_is_described_by_its_path() -> None:
    app = FastAPI()

    async def with_body(websocket: WebSocket, body: dict[str, int]) -> None:
        """Never works."""

    app.add_api_websocket_route("/{id}", with_body)
    found = document(app)["channels"]["with_body"]
    assert found["description"] == "Never works."
    assert found["bindings"]["ws"] == {"method": "GET", "bindingVersion": "0.1.0"}


def test_a_relative_address_of_openid_connect() -> None:
    route = APIWebSocketRoute("/", room, dependencies=[Depends(OpenIdConnect(openIdConnectUrl="/openid"))])
    [scheme] = described(route)["components"]["securitySchemes"].values()
    assert scheme == {"type": "httpApiKey", "in": "header", "name": "Authorization", "x-openIdConnectUrl": "/openid"}


def test_examples_that_cannot_be_made_up_are_left_out() -> None:
    class Coded(BaseModel):
        code: Annotated[str, Field(pattern="^[0-9]{3}$")]
        color: Color
        flag: bool
        some: list[int]
        pick: int | str
        sure: Annotated[int, Field(examples=[7])]

    async def endpoint(messages: Messages[Coded, list[Coded]]) -> None: ...

    messages = described(APIWebSocketRoute("/", endpoint))["components"]["messages"]
    assert len(messages) == 2
    assert not [name for name, message in messages.items() if "examples" in message]


def test_an_example_of_what_is_sent_is_its_authors() -> None:
    class Price(BaseModel):
        model_config = ConfigDict(json_schema_extra={"examples": [{"inCents": 1200}]})
        cents: Annotated[int, Field(serialization_alias="inCents")]

    async def endpoint(messages: Messages[Price, Price]) -> None: ...

    received, sent = described(APIWebSocketRoute("/", endpoint))["components"]["messages"].values()
    assert "examples" not in received
    assert sent["examples"] == [{"payload": {"inCents": 1200}}]


# --- security ---


@pytest.mark.parametrize(("scheme", "options"), CREDENTIALS, ids=lambda each: getattr(each, "__name__", ""))
@pytest.mark.parametrize("auto_error", [True, False])
def test_each_scheme(scheme: Any, options: Any, auto_error: bool) -> None:
    made = scheme(**options, auto_error=auto_error, description="said")
    found = described(APIWebSocketRoute("/", room, dependencies=[Depends(made)]))
    [[name, described_scheme]] = found["components"]["securitySchemes"].items()
    assert name == scheme.__name__
    assert ("x-optional" in described_scheme) == (not auto_error)
    assert described_scheme["description"] == "said"
    assert found["operations"]["room.receive"]["security"] == [{"$ref": f"#/components/securitySchemes/{name}"}]
    refused = found["channels"]["room"].get("x-responses", {})
    assert ("401" in refused) == auto_error
    if auto_error:
        assert refused["401"]["headers"] == {"WWW-Authenticate": made.challenge}


@pytest.mark.parametrize(
    "name",
    ["APIKeyQuery", "APIKeyHeader", "APIKeyCookie", "HTTPBasic", "HTTPBearer", "HTTPDigest", "OAuth2PasswordBearer",
     "OAuth2AuthorizationCodeBearer", "OpenIdConnect"],
)  # fmt: skip
def test_schemes_of_fastapi_are_described_as_ours(name: str) -> None:
    options = next(options for scheme, options in CREDENTIALS if scheme.__name__ == name)
    ours = next(scheme for scheme, _ in CREDENTIALS if scheme.__name__ == name)
    servers = {"live": {"host": "example.org", "protocol": "wss"}}

    def components(scheme: Any) -> Any:
        route = APIWebSocketRoute("/", room, dependencies=[Security(scheme, scopes=["read"])])
        return described(route, servers=servers)["components"]["securitySchemes"]

    assert components(getattr(theirs, name)(**options)) == components(ours(**options))


def test_several_schemes_and_scopes() -> None:
    oauth = OAuth2PasswordBearer("https://id.example/token", scopes={"read": "r", "write": "w"})
    routes = [
        APIWebSocketRoute("/a", room, dependencies=[Security(oauth, scopes=["read"]), Depends(APIKeyQuery(name="k"))]),
        APIWebSocketRoute("/b", room, dependencies=[Security(oauth, scopes=["write"])]),
        APIWebSocketRoute("/c", room, dependencies=[Security(HTTPBearer(), scopes=["read"])]),
    ]
    found = described(*routes)
    schemes = found["components"]["securitySchemes"]
    assert found["operations"]["room.receive"]["x-security-all"] is True
    assert "x-security-all" not in found["operations"]["room_2.receive"]
    assert schemes["OAuth2PasswordBearer"]["scopes"] == ["read"]
    assert schemes["OAuth2PasswordBearer_2"]["scopes"] == ["write"]
    assert schemes["HTTPBearer"] == {"type": "http", "scheme": "bearer", "x-scopes": ["read"]}
    flow = schemes["OAuth2PasswordBearer"]["flows"]["password"]
    assert flow == {"tokenUrl": "https://id.example/token", "availableScopes": {"read": "r", "write": "w"}}


def test_a_relative_address_is_joined_to_the_server_or_told_beside() -> None:
    route = APIWebSocketRoute("/", room, dependencies=[Depends(OAuth2PasswordBearer("token"))])
    server = {"host": "example.org", "protocol": "wss", "pathname": "/api/"}
    joined = described(route, servers={"live": server})["components"]["securitySchemes"]["OAuth2PasswordBearer"]
    assert joined["flows"]["password"]["tokenUrl"] == "https://example.org/api/token"
    alone = described(route)["components"]["securitySchemes"]["OAuth2PasswordBearer"]
    assert alone["flows"] == {}
    assert alone["x-relative-flows"] == {"password": {"tokenUrl": "token", "availableScopes": {}}}


def test_a_scheme_of_ones_own() -> None:
    class Ticket(SecurityBase[str]):
        challenge = 'Ticket realm="x"'

    class Key(APIKeyHeader):
        def make_not_authenticated_error(self) -> Any:
            raise RuntimeError("only in a connection")

    found = described(APIWebSocketRoute("/", room, dependencies=[Depends(Ticket()), Depends(Key(name="x"))]))
    schemes = found["components"]["securitySchemes"]
    assert schemes["Ticket"] == {"type": "http", "scheme": "ticket"}
    assert schemes["Key"] == {"type": "httpApiKey", "in": "header", "name": "x"}
    assert "not authenticated" in found["channels"]["room"]["x-responses"]["401"]["description"]


# --- policy, messages, and the rest ---


def test_origins_and_times_of_a_policy() -> None:
    policy = ConnectionPolicy(
        origins=["https://*.b.example", "https://a.example:8443"], accept_timeout=5, idle_timeout=60, max_lifetime=3600
    )

    async def endpoint(websocket: WebSocket, deadline: Deadline) -> None: ...

    found = channel(endpoint, policy=policy)
    assert found["x-origins"] == ["https://*.b.example", "https://a.example:8443"]
    assert list(found["x-responses"]) == ["401", "403", "408", "1001", "1008"]
    origin = found["bindings"]["ws"]["headers"]["properties"]["Origin"]
    for value, allowed in {
        "https://a.example:8443": True,
        "https://x.y.b.example": True,
        "https://b.example": False,
        "https://a.example": False,
        "https://axexample:8443": False,
        "null": False,
    }.items():
        assert Draft7Validator(origin).is_valid(value) == allowed, value


class Ask(BaseModel):
    """A question.

    With more.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "ask", "text": "why?"}]})
    kind: Literal["ask"] = "ask"
    text: str


class Tree(BaseModel):
    kind: Literal["tree"] = "tree"
    name: str = Field(alias="Name", min_length=12)
    children: "list[Tree]" = []
    pair: tuple[int, str]


def test_messages_of_both_directions_with_examples() -> None:
    rules = MessageRules(on_invalid="yield", max_size=10)

    async def endpoint(
        messages: Annotated[Messages[Annotated[Ask | Tree, Field(discriminator="kind")], Tree | None], rules],
    ) -> None: ...

    found = described(APIWebSocketRoute("/", endpoint))
    messages = found["components"]["messages"]
    assert list(messages) == ["Ask", "Tree", "NoneType"]
    assert messages["Ask"]["summary"] == "A question."
    assert messages["Ask"]["examples"] == [{"payload": {"kind": "ask", "text": "why?"}}]
    [example] = messages["Tree"]["examples"]
    assert example["payload"] == {"Name": "textxxxxxxxx", "pair": [0, "text"], "kind": "tree"}
    assert found["operations"]["endpoint.receive"]["messages"] == [
        {"$ref": "#/channels/endpoint/messages/Ask"},
        {"$ref": "#/channels/endpoint/messages/Tree"},
    ]
    assert found["operations"]["endpoint.send"]["action"] == "send"
    sent = [each["$ref"] for each in found["operations"]["endpoint.send"]["messages"]]
    assert sent == ["#/channels/endpoint/messages/Tree", "#/channels/endpoint/messages/NoneType"]
    assert list(found["channels"]["endpoint"]["x-responses"]) == ["1009"]
    tree = found["components"]["schemas"]["Tree"]
    assert tree["properties"]["pair"]["items"] == [{"type": "integer"}, {"type": "string"}]
    assert tree["properties"]["children"]["items"] == {"$ref": "#/components/schemas/Tree"}


@pytest.mark.parametrize("payload", PAYLOADS, ids=str)
def test_examples_are_valid(payload: Any) -> None:
    async def endpoint(messages: Messages[payload, payload]) -> None: ...

    found = described(APIWebSocketRoute("/", endpoint))
    for message in found["components"]["messages"].values():
        [example] = message["examples"]
        schema = (
            {**message["payload"], "components": found["components"]}
            if "$ref" not in message["payload"]
            else {"allOf": [message["payload"]], "components": found["components"]}
        )
        Draft7Validator(schema).validate(example["payload"])


class Node(BaseModel):
    below: "Node"


class Say(BaseModel):
    kind: Literal["say"]
    room: Annotated[int, Field(json_schema_extra={"default": 7})]


def test_an_example_has_what_is_constant_and_ends_in_a_model_that_never_ends() -> None:
    async def endpoint(messages: Messages[Node | Say, None]) -> None: ...

    messages = described(APIWebSocketRoute("/", endpoint))["components"]["messages"]
    assert messages["Say"]["examples"] == [{"payload": {"kind": "say", "room": 7}}]
    assert "examples" not in messages["Node"]


class Filter(BaseModel):
    below: "Filter | None" = None
    pair: tuple[int, str] = (1, "x")


def test_a_model_of_the_query_that_refers_to_itself() -> None:
    async def endpoint(websocket: WebSocket, filter: Annotated[Filter, Query()]) -> None: ...

    found = described(APIWebSocketRoute("/", endpoint))
    query = found["channels"]["endpoint"]["bindings"]["ws"]["query"]
    assert list(query["properties"]) == ["below", "pair"]
    assert query["properties"]["below"]["anyOf"][0] == {"$ref": "#/components/schemas/Filter"}
    assert "<td>list, items ≥ 2, items ≤ 2</td>" in page(found, "x.json")


def test_docstrings_are_descriptions_and_plain_routes_are_described_by_their_path() -> None:
    class Application:
        """Not of the endpoint."""

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    found = described(WebSocketRoute("/{id:int}", room), WebSocketRoute("/app", Application()))["channels"]
    assert found["room"]["description"] == "One room.\n\nAnd more of it."
    assert found["room"]["parameters"]["id"]["x-schema"] == {"type": "integer", "minimum": 0}
    assert "description" not in found["Application"]


def test_routes_of_fastapi_are_described_from_their_signatures() -> None:
    api = APIRouter(prefix="/r", dependencies=[TheirDepends(theirs.HTTPBearer())])

    async def outer(z: int) -> None: ...

    @api.websocket("/x/{id}")
    async def x(websocket: WebSocket, id: int, q: str | None = None) -> None:
        """Theirs."""

    api.routes.append(APIWebSocketRoute("/ours/{id}", room, dependencies=[Depends(APIKeyQuery(name="k"))]))
    app = FastAPI()
    app.include_router(api, prefix="/outer", dependencies=[TheirDepends(outer)])
    found = document(app)
    channel = found["channels"]["x"]
    assert channel["address"] == "/outer/r/x/{id}"
    assert channel["description"] == "Theirs."
    assert channel["parameters"]["id"]["x-schema"]["type"] == "integer"
    assert list(channel["bindings"]["ws"]["query"]["properties"]) == ["z", "q"]
    assert found["operations"]["x.receive"]["security"] == [{"$ref": "#/components/securitySchemes/HTTPBearer"}]
    ours = found["channels"]["room"]
    assert ours["address"] == "/outer/ours/{id}"
    assert list(ours["bindings"]["ws"]["query"]["properties"]) == ["z"]
    assert found["operations"]["room.receive"]["security"] == [{"$ref": "#/components/securitySchemes/APIKeyQuery"}]


def test_words_of_draft_2020_12_that_draft_7_has_not() -> None:
    pair = {"prefixItems": [{"type": "integer"}, {"$ref": "#/$defs/Chat"}], "items": {"type": "string"}}
    names = {"Chat": "Chat2"}
    chat = {"$ref": "#/components/schemas/Chat2"}
    assert _draft_7(pair, names) == {"items": [{"type": "integer"}, chat], "additionalItems": {"type": "string"}}
    union = {"oneOf": [{"$ref": "#/$defs/Chat"}], "discriminator": {"propertyName": "kind", "mapping": {"a": "b"}}}
    assert _draft_7(union, names) == {"oneOf": [chat], "discriminator": "kind"}


# --- all of it ---


@given(applications())
def test_a_document_is_json_and_refers_to_what_it_has(made: Any) -> None:
    found = json.loads(json.dumps(document(made.app)))
    assert found == document(made.app)
    for reference in references(found):
        target = found
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def references(thing: Any) -> Iterator[str]:
    if isinstance(thing, dict):
        if isinstance(thing.get("$ref"), str):
            yield thing["$ref"]
        for value in thing.values():
            yield from references(value)
    elif isinstance(thing, list):
        for item in thing:
            yield from references(item)


@pytest.mark.slow
def test_the_document_is_the_same_in_every_run() -> None:
    examples = Path(__file__).parent.parent.parent / "examples"
    command = [sys.executable, "-m", "fastroute", "asyncapi", "--app-dir", str(examples), "starlette_chat:app"]
    runs = {
        subprocess.run(command, check=True, capture_output=True, env={"PYTHONHASHSEED": seed}).stdout for seed in "123"
    }
    assert len(runs) == 1
