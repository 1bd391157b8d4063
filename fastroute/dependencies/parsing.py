"""Query string, headers and cookies of a scope, each read in one pass: the same values as Starlette's properties."""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from starlette.requests import cookie_parser

__all__ = ["cookie_values", "header_values", "headers_by_name", "query_lists", "query_values"]


def query_values(query_string: bytes) -> dict[str, str]:
    """The query's parameters, the last of repeated ones (`starlette.datastructures.QueryParams`)."""
    return dict(_pairs(query_string))


def query_lists(query_string: bytes) -> dict[str, list[str]]:
    """All values of the query's parameters (`QueryParams.getlist`)."""
    lists: dict[str, list[str]] = {}
    for key, value in _pairs(query_string):
        lists.setdefault(key, []).append(value)
    return lists


def _pairs(query_string: bytes) -> list[list[str]] | list[tuple[str, str]]:
    text = query_string.decode("latin-1")
    if "%" not in text and "+" not in text:
        # Most queries have nothing to decode, and an equals sign in each part.
        pairs = [part.split("=", 1) for part in text.split("&")]
        if all([len(pair) == 2 for pair in pairs]):  # noqa: C419  # cheaper than a generator
            return pairs
    return parse_qsl(text, keep_blank_values=True)


def headers_by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers, the first of repeated ones (`starlette.datastructures.Headers.get`)."""
    return dict(reversed(list(headers)))


def header_values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str] | None:
    """All values of a header (`Headers.getlist`), or None if there is none."""
    return [value.decode("latin-1") for key, value in headers if key == name] or None


def cookie_values(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The cookies of all `cookie` headers, the last of repeated ones (`starlette.requests.HTTPConnection.cookies`)."""
    cookies: dict[str, str] = {}
    for key, value in headers:
        if key == b"cookie":
            cookies.update(cookie_parser(value.decode("latin-1")))
    return cookies
