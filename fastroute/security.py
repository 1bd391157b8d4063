"""Security schemes: callables that read credentials from a connection, for `Depends` and `Security`.

A scheme only finds the credentials; the application decides whether they are valid. Compare a secret in
constant time, and as bytes: `secrets.compare_digest` raises for text that is not ASCII, and clients send any:

    key_scheme = APIKeyQuery(name="api_key")

    async def client(key: Annotated[str, Depends(key_scheme)]) -> None:
        if not secrets.compare_digest(key.encode(), EXPECTED_KEY.encode()):
            raise HTTPException(403)

The schemes, their constructors and their answers are those of `fastapi.security`, except `SubprotocolBearer`,
which FastAPI does not have. `scheme_name`, `description`, URLs and the like describe a scheme to people and
tools; nothing here reads them, and there is no OpenAPI `model`.
"""

import inspect
import re
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from ._starlette import cookies_of
from .exceptions import describe
from .params import SecurityScopes, UsesScopes

__all__ = [
    "APIKeyCookie",
    "APIKeyHeader",
    "APIKeyQuery",
    "HTTPAuthorizationCredentials",
    "HTTPBasic",
    "HTTPBasicCredentials",
    "HTTPBearer",
    "HTTPDigest",
    "OAuth2AuthorizationCodeBearer",
    "OAuth2PasswordBearer",
    "OpenIdConnect",
    "SecurityBase",
    "SecurityScopes",
    "SubprotocolBearer",
    "SubprotocolCredentials",
]

CredentialsT = TypeVar("CredentialsT")

#: A token (RFC 9110, section 5.6.2): the name of a header or a cookie, or a subprotocol (RFC 6455, section 4.1).
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BASE64URL = re.compile(r"[0-9A-Za-z_-]+")


class SecurityBase(UsesScopes, Generic[CredentialsT]):
    """Base of every scheme: awaited with a connection, it gives the credentials.

    Your own scheme overrides `credentials`, which must not return a bool, an exception or something to await. Schemes
    compare by identity: two instances are two dependencies.
    Awaiting a scheme raises `starlette.exceptions.HTTPException` 401 with `WWW-Authenticate` if it refuses.

    Args:
        scheme_name: the scheme's name; the default is the name of the class.
        description: free text.
        auto_error: True refuses a connection without credentials; False gives None for it (optional
            authentication, or one scheme of several).
    """

    #: The value of `WWW-Authenticate` when the connection is refused.
    challenge: str = "Bearer"

    def __init__(
        self, *, scheme_name: str | None = None, description: str | None = None, auto_error: bool = True
    ) -> None:
        self.scheme_name = scheme_name or type(self).__name__
        self.description = description
        self.auto_error = auto_error

    async def __call__(self, connection: HTTPConnection) -> CredentialsT | None:
        credentials = self.credentials(connection)
        if credentials is None and self.auto_error:
            raise self.make_not_authenticated_error()
        if isinstance(credentials, bool | BaseException | Response) or hasattr(credentials, "__await__"):
            raise _no_credentials(self, credentials)
        return credentials

    def credentials(self, connection: HTTPConnection) -> CredentialsT | None:
        """The credentials the connection carries, or None if it carries none; it must not be async."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it reads its credentials")

    def make_not_authenticated_error(self) -> HTTPException:
        """The refusal; override it for another status, detail or challenge."""
        return HTTPException(401, detail="Not authenticated", headers={"WWW-Authenticate": self.challenge})


def _no_credentials(scheme: SecurityBase[Any], result: Any) -> RuntimeError:
    """The error for a result that is not None, so that it would let everybody in, and is no credentials either."""
    if inspect.iscoroutine(result):
        result.close()  # nothing awaits it
    told = repr(result) if isinstance(result, bool) else f"a {type(result).__name__}"
    return RuntimeError(
        f"{describe(scheme.credentials)} gives {told}: return the credentials, or None if there are none, and not async"
    )


class _APIKey(SecurityBase[str]):
    # HTTP demands a challenge with every 401 and has none for API keys; this is FastAPI's.
    challenge = "APIKey"

    def __init__(
        self,
        *,
        name: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        super().__init__(scheme_name=scheme_name, description=description, auto_error=auto_error)
        self.name = name


class APIKeyQuery(_APIKey):
    """The key in a query parameter, as text; an empty one counts as absent.

    Args:
        name: the query parameter.
        scheme_name: as in `SecurityBase`.
        description: as in `SecurityBase`.
        auto_error: as in `SecurityBase`.
    """

    def credentials(self, connection: HTTPConnection) -> str | None:
        return connection.query_params.get(self.name) or None


class APIKeyHeader(_APIKey):
    """The key in a header, as text; an empty one counts as absent.

    Args:
        name: the header; letter case does not matter.
        scheme_name: as in `SecurityBase`.
        description: as in `SecurityBase`.
        auto_error: as in `SecurityBase`.

    Raises:
        ValueError: no header can have this name.
    """

    def __init__(
        self,
        *,
        name: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        if not TOKEN.fullmatch(name):
            raise ValueError(f"APIKeyHeader(name={name!r}): no header can have this name; use letters, digits and '-'")
        super().__init__(name=name, scheme_name=scheme_name, description=description, auto_error=auto_error)

    def credentials(self, connection: HTTPConnection) -> str | None:
        return connection.headers.get(self.name) or None


class APIKeyCookie(_APIKey):
    """The key in a cookie, as text; an empty one counts as absent.

    Args:
        name: the cookie.
        scheme_name: as in `SecurityBase`.
        description: as in `SecurityBase`.
        auto_error: as in `SecurityBase`.
    """

    def credentials(self, connection: HTTPConnection) -> str | None:
        return cookies_of(connection).get(self.name) or None


class HTTPBasicCredentials(BaseModel):
    """The result of `HTTPBasic`.

    Attributes:
        username: decoded.
        password: decoded.
    """

    # For the first model it builds, pydantic looks for plugins in all that is installed: not at every import.
    model_config = ConfigDict(defer_build=True)

    username: str
    password: str


class HTTPAuthorizationCredentials(BaseModel):
    """The result of `HTTPBearer` and `HTTPDigest`: the header `Authorization`, split at its first space.

    Attributes:
        scheme: the text before the space, in the client's letter case.
        credentials: the rest.
    """

    model_config = ConfigDict(defer_build=True)

    scheme: str
    credentials: str


class HTTPBasic(SecurityBase[HTTPBasicCredentials]):
    """HTTP Basic (RFC 7617): `HTTPBasicCredentials` from `Authorization: Basic <base64 of user:password>`.

    Credentials that are malformed or not ASCII are refused even with `auto_error=False`, as in FastAPI.

    Args:
        realm: named in the challenge.
        scheme_name: as in `SecurityBase`.
        description: as in `SecurityBase`.
        auto_error: as in `SecurityBase`.

    Raises:
        ValueError: a header cannot hold the realm.
    """

    def __init__(
        self,
        *,
        scheme_name: str | None = None,
        realm: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        super().__init__(scheme_name=scheme_name, description=description, auto_error=auto_error)
        if realm and not (realm.isascii() and realm.isprintable() and '"' not in realm and "\\" not in realm):
            raise ValueError(f"HTTPBasic(realm={realm!r}): use printable ASCII without quotes and backslashes")
        self.realm = realm
        self.challenge = f'Basic realm="{realm}"' if realm else "Basic"

    def credentials(self, connection: HTTPConnection) -> HTTPBasicCredentials | None:
        scheme, value = _authorization(connection)
        if scheme.lower() != "basic":
            return None
        try:
            username, separator, password = b64decode(value).decode("ascii").partition(":")
        except ValueError as error:
            raise self.make_not_authenticated_error() from error
        if not separator:
            raise self.make_not_authenticated_error()
        return HTTPBasicCredentials(username=username, password=password)


class _HTTPCredentials(SecurityBase[HTTPAuthorizationCredentials]):
    def credentials(self, connection: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        scheme, value = _authorization(connection)
        if not value or scheme.lower() != self.challenge.lower():
            return None
        return HTTPAuthorizationCredentials(scheme=scheme, credentials=value)


class HTTPBearer(_HTTPCredentials):
    """A bearer token (RFC 6750): `HTTPAuthorizationCredentials` from `Authorization: Bearer <token>`.

    Args:
        bearerFormat: a hint such as "JWT".
        scheme_name: as in `SecurityBase`.
        description: as in `SecurityBase`.
        auto_error: as in `SecurityBase`.
    """

    def __init__(
        self,
        *,
        bearerFormat: str | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        super().__init__(scheme_name=scheme_name, description=description, auto_error=auto_error)
        self.bearerFormat = bearerFormat


class HTTPDigest(_HTTPCredentials):
    """HTTP Digest (RFC 7616): `HTTPAuthorizationCredentials` with the unparsed digest.

    As in FastAPI it only reads the header: the application checks the digest, and sends a challenge with a nonce
    (override `make_not_authenticated_error`).

    Args:
        scheme_name: as in `SecurityBase`.
        description: as in `SecurityBase`.
        auto_error: as in `SecurityBase`.
    """

    challenge = "Digest"


class _OAuth2Bearer(SecurityBase[str]):
    def credentials(self, connection: HTTPConnection) -> str | None:
        scheme, token = _authorization(connection)
        return token if scheme.lower() == "bearer" else None


class OAuth2PasswordBearer(_OAuth2Bearer):
    """OAuth2, password flow: the token of `Authorization: Bearer <token>`, as text.

    A header without a token gives the empty text, as in FastAPI.

    Args:
        tokenUrl: the address that gives tokens to clients.
        refreshUrl: the address that renews them.
        scopes: name -> description.
        scheme_name: as in `SecurityBase`.
        description: as in `SecurityBase`.
        auto_error: as in `SecurityBase`.
    """

    def __init__(
        self,
        tokenUrl: str,
        scheme_name: str | None = None,
        scopes: Mapping[str, str] | None = None,
        description: str | None = None,
        auto_error: bool = True,
        refreshUrl: str | None = None,
    ) -> None:
        super().__init__(scheme_name=scheme_name, description=description, auto_error=auto_error)
        self.tokenUrl = tokenUrl
        self.refreshUrl = refreshUrl
        self.scopes = dict(scopes or {})


class OAuth2AuthorizationCodeBearer(_OAuth2Bearer):
    """OAuth2, authorization code flow: the token of `Authorization: Bearer <token>`, as text.

    Args:
        authorizationUrl: the address of the log-in page.
        tokenUrl: as in `OAuth2PasswordBearer`.
        refreshUrl: as in `OAuth2PasswordBearer`.
        scopes: as in `OAuth2PasswordBearer`.
        scheme_name: as in `SecurityBase`.
        description: as in `SecurityBase`.
        auto_error: as in `SecurityBase`.
    """

    def __init__(
        self,
        authorizationUrl: str,
        tokenUrl: str,
        refreshUrl: str | None = None,
        scheme_name: str | None = None,
        scopes: Mapping[str, str] | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        super().__init__(scheme_name=scheme_name, description=description, auto_error=auto_error)
        self.authorizationUrl = authorizationUrl
        self.tokenUrl = tokenUrl
        self.refreshUrl = refreshUrl
        self.scopes = dict(scopes or {})


class OpenIdConnect(SecurityBase[str]):
    """OpenID Connect: the whole `Authorization` header, as text.

    Args:
        openIdConnectUrl: the address of the provider's discovery document.
        scheme_name: as in `SecurityBase`.
        description: as in `SecurityBase`.
        auto_error: as in `SecurityBase`.
    """

    def __init__(
        self,
        *,
        openIdConnectUrl: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        super().__init__(scheme_name=scheme_name, description=description, auto_error=auto_error)
        self.openIdConnectUrl = openIdConnectUrl

    def credentials(self, connection: HTTPConnection) -> str | None:
        return connection.headers.get("Authorization") or None


@dataclass(frozen=True, slots=True)
class SubprotocolCredentials:
    """The result of `SubprotocolBearer`.

    Attributes:
        token: decoded.
        subprotocol: for `websocket.accept()`.
    """

    token: str = field(repr=False)
    subprotocol: str


class SubprotocolBearer(SecurityBase[SubprotocolCredentials]):
    """A bearer token among the offered subprotocols: browsers cannot set any other header of a WebSocket.

    The client offers the token after `name` and a dot, or as the offer that follows `name`. It is encoded as base64url
    without padding, because a subprotocol cannot contain `/`, `=` and other characters of tokens. In a browser:

        new WebSocket(url, ["chat", "bearer." + base64url(token)])
        new WebSocket(url, ["chat", "bearer", base64url(token)])

    The server must select one of the offers, or browsers drop the connection:

        bearer = SubprotocolBearer(subprotocols=["chat"])
        Bearer = Annotated[SubprotocolCredentials, Depends(bearer)]

        async def chat(websocket: WebSocket, credentials: Bearer) -> None:
            await websocket.accept(subprotocol=credentials.subprotocol)

    `subprotocol` is the first of `subprotocols` that the client offered, else `name` if it was offered,
    else the offer with the token, which then goes back to the client.

    A malformed, empty or second token counts as none.

    Args:
        name: marks the token (Kubernetes has "base64url.bearer.authorization.k8s.io").
        subprotocols: those the application speaks, preferred first.
        base64url: False if clients offer the token without encoding (a JWT fits).
        scheme_name: as in `SecurityBase`.
        description: as in `SecurityBase`.
        auto_error: as in `SecurityBase`.

    Raises:
        ValueError: no client can offer `name` or one of the subprotocols.
    """

    def __init__(
        self,
        *,
        name: str = "bearer",
        subprotocols: Iterable[str] = (),
        base64url: bool = True,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        super().__init__(scheme_name=scheme_name, description=description, auto_error=auto_error)
        if isinstance(subprotocols, str):
            raise ValueError(f"SubprotocolBearer(subprotocols={subprotocols!r}): write [{subprotocols!r}]")
        self.name = name
        self.subprotocols = tuple(subprotocols)
        self.base64url = base64url
        for subprotocol in (name, *self.subprotocols):
            if not TOKEN.fullmatch(subprotocol):
                raise ValueError(
                    f"SubprotocolBearer: no client can offer the subprotocol {subprotocol!r};"
                    " use letters, digits and any of !#$%&'*+-.^_`|~"
                )

    def credentials(self, connection: HTTPConnection) -> SubprotocolCredentials | None:
        offers: list[str] = connection.scope.get("subprotocols") or []
        mark = f"{self.name}."
        marked = [offer for offer in offers if offer.startswith(mark)]
        tokens = [offer.removeprefix(mark) for offer in marked] or [
            following for offer, following in pairwise(offers) if offer == self.name
        ]
        if len(tokens) != 1:
            return None
        token = _base64url_text(tokens[0]) if self.base64url else tokens[0]
        if not token:
            return None
        choices = (*self.subprotocols, self.name, *marked)
        return SubprotocolCredentials(token, next(choice for choice in choices if choice in offers))


def _authorization(connection: HTTPConnection) -> tuple[str, str]:
    scheme, _, value = connection.headers.get("Authorization", "").partition(" ")
    return scheme, value.strip()


def _base64url_text(encoded: str) -> str | None:
    # The decoder skips unknown characters, so the alphabet is checked first.
    if not _BASE64URL.fullmatch(encoded):
        return None
    try:
        return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError:
        return None
