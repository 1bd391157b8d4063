"""Security schemes, ours and FastAPI's, as AsyncAPI has them."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

from .. import _fastapi, security

__all__ = ["scheme_of"]

Scheme = dict[str, Any]

_FLOWS = ("implicit", "password", "clientCredentials", "authorizationCode")
_URLS = ("authorizationUrl", "tokenUrl", "refreshUrl")


def scheme_of(scheme: Any, scopes: Sequence[str], base: str | None) -> Scheme:
    """A security scheme.

    Args:
        scheme: of `fastroute.security` or `fastapi.security`, or a class of a user that is derived from one.
        scopes: that `Security()` asks for; each set of scopes makes a scheme of its own.
        base: the address that relative URLs are joined to; None if no server is known.
    """
    described: Scheme = _ours(scheme) if isinstance(scheme, security.SecurityBase) else _fastapis(scheme)
    described = _with_addresses(described, base)
    if scopes:
        described["scopes" if described["type"] in ("oauth2", "openIdConnect") else "x-scopes"] = list(scopes)
    text = getattr(scheme, "description", None) or getattr(getattr(scheme, "model", None), "description", None)
    if text:
        described["description"] = text
    if not getattr(scheme, "auto_error", True):
        described["x-optional"] = True
    return described


def _ours(scheme: Any) -> Scheme:
    keys = {security.APIKeyQuery: "query", security.APIKeyHeader: "header", security.APIKeyCookie: "cookie"}
    for cls, place in keys.items():
        if isinstance(scheme, cls):
            return {"type": "httpApiKey", "in": place, "name": scheme.name}
    if isinstance(scheme, security.HTTPBasic):
        return {"type": "http", "scheme": "basic", **({"x-realm": scheme.realm} if scheme.realm else {})}
    if isinstance(scheme, security.HTTPBearer):
        bearer = {"type": "http", "scheme": "bearer"}
        return bearer | ({"bearerFormat": scheme.bearerFormat} if scheme.bearerFormat else {})
    if isinstance(scheme, security.OAuth2PasswordBearer):
        return {"type": "oauth2", "flows": {"password": _flow(scheme)}}
    if isinstance(scheme, security.OAuth2AuthorizationCodeBearer):
        flow = {"authorizationUrl": scheme.authorizationUrl, **_flow(scheme)}
        return {"type": "oauth2", "flows": {"authorizationCode": flow}}
    if isinstance(scheme, security.OpenIdConnect):
        return {"type": "openIdConnect", "openIdConnectUrl": scheme.openIdConnectUrl}
    if isinstance(scheme, security.SubprotocolBearer):
        encoding = "base64url of the token, without padding" if scheme.base64url else "token"
        return {
            "type": "httpApiKey",
            "in": "header",
            "name": "Sec-WebSocket-Protocol",
            "description": f"the offer {scheme.name}.<{encoding}>",
            "x-subprotocol": scheme.name,
            "x-subprotocols": list(scheme.subprotocols),
        }
    # Digest, and schemes that only a user knows.
    return {"type": "http", "scheme": scheme.challenge.partition(" ")[0].lower()}


def _flow(scheme: Any) -> Scheme:
    refresh = {"refreshUrl": scheme.refreshUrl} if scheme.refreshUrl else {}
    return {"tokenUrl": scheme.tokenUrl, **refresh, "availableScopes": scheme.scopes}


def _fastapis(scheme: Any) -> Scheme:
    model = _fastapi.scheme_model(scheme)
    kind = model.get("type")
    if kind == "apiKey":
        return {"type": "httpApiKey", "in": model["in"], "name": model["name"]}
    if kind == "oauth2":
        flows = {name: flow for name in _FLOWS if (flow := model.get("flows", {}).get(name))}
        return {
            "type": "oauth2",
            "flows": {
                name: {
                    **{key: value for key, value in flow.items() if key in _URLS},
                    "availableScopes": flow.get("scopes", {}),
                }
                for name, flow in flows.items()
            },
        }
    if kind == "openIdConnect":
        return {"type": kind, "openIdConnectUrl": model["openIdConnectUrl"]}
    return {"type": "http", **{key: model[key] for key in ("scheme", "bearerFormat") if key in model}}


def _with_addresses(scheme: Scheme, base: str | None) -> Scheme:
    """A scheme whose URLs are absolute: a document cannot hold others. What stays relative is told beside it."""
    if scheme["type"] == "openIdConnect":
        url = _absolute(scheme["openIdConnectUrl"], base)
        if url is None:
            relative = scheme["openIdConnectUrl"]
            return {"type": "httpApiKey", "in": "header", "name": "Authorization", "x-openIdConnectUrl": relative}
        return {**scheme, "openIdConnectUrl": url}
    if scheme["type"] != "oauth2":
        return dict(scheme)
    flows, relative_flows = {}, {}
    for name, flow in scheme["flows"].items():
        urls = {key: _absolute(flow[key], base) for key in _URLS if key in flow}
        if None in urls.values():
            relative_flows[name] = flow
        else:
            flows[name] = {**flow, **urls}
    return {**scheme, "flows": flows, **({"x-relative-flows": relative_flows} if relative_flows else {})}


def _absolute(url: str, base: str | None) -> str | None:
    joined = url if base is None else urljoin(base, url)
    return joined if urlsplit(joined).scheme and urlsplit(joined).netloc else None
