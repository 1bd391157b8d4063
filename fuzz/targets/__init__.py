"""The targets that `fuzz/run.py` drives.

Each is a module with `check`, which takes any bytes and raises if two readings of them differ, and with `WORDS`, texts
that are of use in its input. Inputs are written as text as far as can be: a corpus can be read, and written by hand.
"""

from importlib import import_module
from types import ModuleType

__all__ = ["TARGETS", "lines", "text", "twins"]

#: By the name of a target, the modules whose lines and branches lead the search.
TARGETS = {
    "matcher": ["fastroute.matching.matcher_py", "fastroute.matching.template"],
    "table": ["fastroute.matching.table_py", "fastroute.matching.scope_py", "fastroute.indexing.index"],
    "query": ["fastroute.dependencies.parsing", "starlette.datastructures"],
    "cookie": ["fastroute._starlette", "fastroute.dependencies.parsing", "starlette.requests"],
    "header": ["fastroute.dependencies.parsing", "fastroute.security", "starlette.datastructures"],
    "origin": ["fastroute.connection.origins"],
}


def lines(data: bytes) -> list[bytes]:
    """The lines, which end as those of HTTP do, so that one may hold a newline."""
    return data.split(b"\r\n")


def text(data: bytes) -> str:
    """Any bytes as a text: those that are no UTF-8 become lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def twins(kernel: str) -> list[ModuleType]:
    """The twins of a kernel that are installed, the pure one last."""
    pure = import_module(f"fastroute.matching.{kernel}_py")
    try:
        return [import_module(f"fastroute.matching.{kernel}_c"), pure]
    except ImportError:
        return [pure]
