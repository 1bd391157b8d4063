"""Query string, headers and cookies for the generated code, each read in one pass: as Starlette's properties."""

from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import QueryParams

from .._starlette import HeaderPairs, cookie_parser, header_pairs

__all__ = ["cookie_values", "header_pairs", "header_values", "headers_by_name", "query_lists", "query_values"]


def query_values(query_string: Any) -> dict[str, str]:
    """The query's parameters, the last of repeated ones (`starlette.datastructures.QueryParams`)."""
    return dict(_pairs(query_string))


def query_lists(query_string: Any) -> dict[str, list[str]]:
    """All values of the query's parameters (`QueryParams.getlist`)."""
    lists: dict[str, list[str]] = {}
    for key, value in _pairs(query_string):
        lists.setdefault(key, []).append(value)
    return lists


def _pairs(query_string: Any) -> list[tuple[str, str]]:
    if not isinstance(query_string, bytes):
        # ASGI says bytes. Starlette also takes a text, None, pairs and more.
        return QueryParams(query_string).multi_items()
    text = query_string.decode("latin-1")
    if "%" not in text and "+" not in text:
        # Most queries have nothing to decode, and an equals sign in each part.
        pairs: list[tuple[str, str]] = []
        for part in text.split("&"):
            key, equals, value = part.partition("=")
            if not equals:
                pairs.clear()  # a megabyte of query is not held twice
                break
            pairs.append((key, value))
        else:
            return pairs
    return parse_qsl(text, keep_blank_values=True)


def headers_by_name(pairs: HeaderPairs) -> dict[bytes, bytes]:
    """The headers, the first of repeated ones (`starlette.datastructures.Headers.get`)."""
    try:
        return dict(reversed(pairs))
    except (TypeError, ValueError):  # a name of another type, which has no hash
        names = (bytes, bytearray, memoryview)
        return {bytes(name): value for name, value in reversed(pairs) if isinstance(name, names)}


def header_values(pairs: HeaderPairs, name: bytes) -> list[str] | None:
    """All values of a header (`Headers.getlist`), or None if there is none."""
    return [value.decode("latin-1") for key, value in pairs if key == name] or None


def cookie_values(pairs: HeaderPairs) -> dict[str, str]:
    """The cookies of all `cookie` headers, the last of repeated ones (`starlette.requests.HTTPConnection.cookies`)."""
    cookies: dict[str, str] = {}
    for key, value in pairs:
        if key == b"cookie":
            cookies.update(cookie_parser(value.decode("latin-1")))
    return cookies
