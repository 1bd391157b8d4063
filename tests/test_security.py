"""The security schemes, compared with FastAPI's own, and the one FastAPI does not have."""

import asyncio
import base64
import inspect
from collections.abc import Callable
from typing import Any

import fastapi.security
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from fastroute import security

URL = "https://example.org/token"

SCHEMES: dict[str, dict[str, Any]] = {
    "APIKeyQuery": {"name": "key"},
    "APIKeyHeader": {"name": "X-Key"},
    "APIKeyCookie": {"name": "key"},
    "HTTPBasic": {"realm": "here"},
    "HTTPBearer": {"bearerFormat": "JWT"},
    "HTTPDigest": {},
    "OAuth2PasswordBearer": {"tokenUrl": URL, "scopes": {"a": "read"}, "refreshUrl": URL},
    "OAuth2AuthorizationCodeBearer": {"authorizationUrl": URL, "tokenUrl": URL},
    "OpenIdConnect": {"openIdConnectUrl": URL},
}


def connection(*, query: str = "", headers: list[tuple[str, str]] | None = None, **scope: Any) -> HTTPConnection:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers or []]
    return HTTPConnection({"type": "websocket", "path": "/", "query_string": query.encode(), "headers": raw, **scope})


def answer(scheme: Callable[[HTTPConnection], Any], of: HTTPConnection) -> tuple[Any, ...]:
    """What the scheme gives or raises, in a form that compares over both libraries."""
    try:
        found = asyncio.run(scheme(of))
    except HTTPException as error:
        return "refused", error.status_code, error.detail, error.headers
    dump = getattr(found, "model_dump", None)
    return "found", type(found).__name__, dump() if dump else found


def both(name: str, **options: Any) -> tuple[Any, Any]:
    options = {**SCHEMES[name], **options}
    return getattr(fastapi.security, name)(**options), getattr(security, name)(**options)


def basic(text: str, encoding: str = "utf-8") -> str:
    return "Basic " + base64.b64encode(text.encode(encoding)).decode()


AUTHORIZATIONS = [
    None,
    "",
    " ",
    "Bearer",
    "Bearer ",
    "Bearer abc",
    "bearer abc",
    "BEARER  abc ",
    "Bearer\tabc",
    "Bearer abc def",
    "Bearer \xe9",
    "Digest",
    "Digest username=x",
    "dIGEST a",
    "Token abc",
    "Basic",
    "Basic ",
    "Basic ????",
    "Basic a",
    "Basic \xe9\xe9\xe9\xe9",
    basic("user:password"),
    basic("user:pass:word").replace("Basic", "bAsIc"),
    basic("user"),
    basic(":"),
    basic(""),
    basic("us\xe9r:p"),
    basic("us\xe9r:p", "latin-1"),
]


@pytest.mark.parametrize("auto_error", [True, False])
@pytest.mark.parametrize("name", [name for name in SCHEMES if not name.startswith("APIKey")])
@pytest.mark.parametrize("authorization", AUTHORIZATIONS)
def test_authorization_is_read_as_by_fastapi(name: str, authorization: str | None, auto_error: bool) -> None:
    theirs, ours = both(name, auto_error=auto_error)
    of = connection(headers=[] if authorization is None else [("Authorization", authorization)])
    assert answer(ours, of) == answer(theirs, of)


@given(
    st.sampled_from([name for name in SCHEMES if not name.startswith("APIKey")]),
    st.booleans(),
    st.one_of(
        st.text(st.characters(max_codepoint=255)),
        st.builds(
            "{} {}".format,
            st.sampled_from(["Basic", "Bearer", "Digest", "x"]),
            st.one_of(st.binary().map(lambda raw: base64.b64encode(raw).decode()), st.text("abc=:+ -_\xe9\n")),
        ),
    ),
)
def test_any_authorization_is_read_as_by_fastapi(name: str, auto_error: bool, authorization: str) -> None:
    theirs, ours = both(name, auto_error=auto_error)
    of = connection(headers=[("Authorization", authorization)])
    assert answer(ours, of) == answer(theirs, of)


@pytest.mark.parametrize("auto_error", [True, False])
@pytest.mark.parametrize("name", [name for name in SCHEMES if name.startswith("APIKey")])
@pytest.mark.parametrize(
    "of",
    [
        connection(),
        connection(query="key=", headers=[("X-Key", ""), ("Cookie", "key=")]),
        connection(query="key=a", headers=[("X-Key", "a"), ("Cookie", "key=a")]),
        connection(query="key=a&key=b", headers=[("x-key", "a"), ("x-KEY", "b"), ("Cookie", "key=a; key=b")]),
        connection(query="KEY=a", headers=[("X_Key", "a"), ("Cookie", "KEY=a")]),
        connection(query="key=%C3%A9%FF+x", headers=[("X-Key", "\xe9 "), ("Cookie", 'key="\\351"')]),
    ],
)
def test_api_key_is_read_as_by_fastapi(name: str, of: HTTPConnection, auto_error: bool) -> None:
    theirs, ours = both(name, auto_error=auto_error)
    assert answer(ours, of) == answer(theirs, of)


def test_no_realm_gives_a_challenge_without_one() -> None:
    theirs, ours = both("HTTPBasic", realm=None)
    assert answer(ours, connection()) == answer(theirs, connection())


@pytest.mark.parametrize("name", SCHEMES)
def test_constructors_take_what_fastapi_takes(name: str) -> None:
    theirs = inspect.signature(getattr(fastapi.security, name)).parameters.values()
    ours = inspect.signature(getattr(security, name)).parameters.values()
    kinds = {(each.name, each.kind, each.default) for each in ours}
    assert {(each.name, each.kind, each.default) for each in theirs} == kinds
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert [each.name for each in ours if each.kind is positional] == [
        each.name for each in theirs if each.kind is positional
    ]


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_keeps_what_it_was_given(name: str) -> None:
    _, plain = both(name)
    assert (plain.scheme_name, plain.description, plain.auto_error) == (name, None, True)
    assert {key: getattr(plain, key) for key in SCHEMES[name]} == SCHEMES[name]
    _, named = both(name, scheme_name="mine", description="text", auto_error=False)
    assert (named.scheme_name, named.description, named.auto_error) == ("mine", "text", False)


def test_schemes_are_dictionary_keys_by_identity() -> None:
    one, other = security.HTTPBearer(), security.HTTPBearer()
    assert {one: 1, other: 2}[one] == 1
    assert isinstance(one, security.SecurityBase)


def test_a_subclass_changes_the_refusal() -> None:
    class Forbidding(security.HTTPBearer):
        def make_not_authenticated_error(self) -> HTTPException:
            return HTTPException(403, detail="no")

    assert answer(Forbidding(), connection()) == ("refused", 403, "no", None)
    assert answer(Forbidding(auto_error=False), connection()) == ("found", "NoneType", None)


def test_a_scheme_of_ones_own() -> None:
    class Address(security.SecurityBase[str]):
        challenge = "Address"

        def credentials(self, connection: HTTPConnection) -> str | None:
            return connection.client.host if connection.client else None

    assert answer(Address(), connection(client=("::1", 1))) == ("found", "str", "::1")
    assert answer(Address(), connection()) == (
        "refused",
        401,
        "Not authenticated",
        {"WWW-Authenticate": "Address"},
    )
    with pytest.raises(NotImplementedError, match="SecurityBase does not say"):
        asyncio.run(security.SecurityBase()(connection()))


@pytest.mark.parametrize("name", ["", "x key", "x:key", "schl\xfcssel"])
def test_a_name_no_header_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no header can have this name"):
        security.APIKeyHeader(name=name)


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "a\r\nb", "\u20ac", "\xe9"])
def test_a_realm_no_header_can_carry_is_refused(realm: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        security.HTTPBasic(realm=realm)


# SubprotocolBearer


def encoded(token: str) -> str:
    return base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def subprotocol_bearer(offers: Any, **options: Any) -> tuple[str, str] | None:
    scheme = security.SubprotocolBearer(auto_error=False, **options)
    found = asyncio.run(scheme(connection(subprotocols=offers)))
    return found and (found.token, found.subprotocol)


TOKEN = "a/b+c=\xe9?"
OFFER = f"bearer.{encoded(TOKEN)}"


@pytest.mark.parametrize(
    ("offers", "subprotocols", "selected"),
    [
        ([OFFER], [], OFFER),
        (["chat", OFFER], [], OFFER),
        (["chat", OFFER], ["chat"], "chat"),
        ([OFFER, "chat"], ["chat"], "chat"),
        ([OFFER, "v1", "v2"], ["v2", "v1"], "v2"),
        ([OFFER, "v1"], ["v2", "v1"], "v1"),
        ([OFFER, "other"], ["chat"], OFFER),
        ([OFFER, "bearer"], [], "bearer"),
        (["bearer", OFFER], [], "bearer"),
        (["bearer", encoded(TOKEN)], [], "bearer"),
        (["chat", "bearer", encoded(TOKEN)], ["chat"], "chat"),
        (["bearer", encoded(TOKEN), "chat"], ["chat"], "chat"),
    ],
)
def test_subprotocol_bearer_finds_the_token_and_selects_an_offer(
    offers: list[str], subprotocols: list[str], selected: str
) -> None:
    assert subprotocol_bearer(offers, subprotocols=subprotocols) == (TOKEN, selected)


@pytest.mark.parametrize(
    "offers",
    [
        None,
        [],
        ["chat"],
        ["bearer"],
        ["chat", "bearer"],
        ["bearer."],
        ["Bearer." + encoded(TOKEN)],
        ["bearerx." + encoded(TOKEN)],
        ["bearer.a"],
        ["bearer.YQ=="],
        ["bearer.YQ.YQ"],
        ["bearer.Y+Q"],
        ["bearer.YQ\n"],
        ["bearer._w"],
        [OFFER, OFFER],
        [OFFER, "bearer.YQ"],
        ["bearer", "YQ", "bearer", "YQ"],
    ],
)
def test_subprotocol_bearer_refuses(offers: list[str] | None) -> None:
    assert subprotocol_bearer(offers, subprotocols=["chat"]) is None
    refused = ("refused", 401, "Not authenticated", {"WWW-Authenticate": "Bearer"})
    assert answer(security.SubprotocolBearer(), connection(subprotocols=offers)) == refused


def test_a_connection_without_subprotocols_has_no_token() -> None:
    assert answer(security.SubprotocolBearer(auto_error=False), connection()) == ("found", "NoneType", None)


def test_subprotocol_bearer_by_the_name_of_kubernetes() -> None:
    name = "base64url.bearer.authorization.k8s.io"
    offers = [f"{name}.bXl0b2tlbg", "base64.binary.k8s.io"]
    found = subprotocol_bearer(offers, name=name, subprotocols=["base64.binary.k8s.io"])
    assert found == ("mytoken", "base64.binary.k8s.io")


@pytest.mark.parametrize("offers", [["jwt", "eyJ.eyJ.sig-_"], ["jwt", "jwt.eyJ.eyJ.sig-_"]])
def test_subprotocol_bearer_takes_a_token_as_it_is(offers: list[str]) -> None:
    assert subprotocol_bearer(offers, name="jwt", base64url=False) == ("eyJ.eyJ.sig-_", "jwt")


@given(st.text(min_size=1), st.lists(st.sampled_from(["chat", "bearer", "v1"]), unique=True), st.randoms())
def test_subprotocol_bearer_selects_an_offer_always(token: str, others: list[str], random: Any) -> None:
    offers = [*others, f"bearer.{encoded(token)}"]
    random.shuffle(offers)
    found = subprotocol_bearer(offers, subprotocols=["v1"])
    assert found is not None
    assert found[0] == token
    assert found[1] in offers


@given(st.lists(st.text(st.characters(max_codepoint=127)) | st.text(".bearYQ"), max_size=4))
def test_subprotocol_bearer_withstands_any_offers(offers: list[str]) -> None:
    found = subprotocol_bearer(offers)
    assert found is None or (found[0] and found[1] in offers)


def test_the_token_stays_out_of_the_repr() -> None:
    assert repr(security.SubprotocolCredentials("secret", "chat")) == ("SubprotocolCredentials(subprotocol='chat')")


@pytest.mark.parametrize(
    "options",
    [{"name": ""}, {"name": "a b"}, {"name": "a,b"}, {"subprotocols": ["a/b"]}, {"subprotocols": ["\xe9"]}],
)
def test_a_subprotocol_no_client_can_offer_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no client can offer"):
        security.SubprotocolBearer(**options)


def test_one_text_as_subprotocols_is_refused() -> None:
    with pytest.raises(ValueError, match=r"write \['chat'\]"):
        security.SubprotocolBearer(subprotocols="chat")
