"""Who may import whom inside the package, read from the sources: two towers that meet only in routing."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import fastroute

pytestmark = pytest.mark.once

PACKAGE = Path(fastroute.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))

# `__init__` stands for the package itself: `from . import __version__`.
ALLOWED = {
    "exceptions": set(),
    "params": set(),
    "_template": set(),
    "_implementation": {"the kernels"},
    "_fastapi": {"params", "exceptions"},
    "security": {"params", "exceptions"},
    # The dependency tower.
    "signature": {"exceptions", "_fastapi"},
    "fields": {"params", "exceptions", "_fastapi"},
    "dependant": {"fields", "signature", "params", "exceptions", "_fastapi"},
    "plan": {"dependant", "fields", "signature", "params", "exceptions"},
    "cleanups": {"params"},
    "received": set(),
    "threads": set(),
    "solver": {"cleanups", "plan", "dependant", "fields", "signature", "params", "exceptions"},
    "codegen": {"threads", "connection", "solver", "received", "cleanups", "plan", "fields", "signature"},
    "connection": {"exceptions", "_fastapi"},
    # Where it meets the matching tower, of which it sees what the selector chose.
    "routing": {
        "codegen",
        "plan",
        "dependant",
        "signature",
        "params",
        "exceptions",
        "_fastapi",
        "_implementation",
    },
    "index": {"routing", "_implementation"},
    "route_list": set(),
    "router": {"index", "route_list", "routing", "params", "exceptions", "_implementation"},
    "acceleration": {"index", "route_list", "router"},
    "strategies": {"router", "routing", "exceptions", "_implementation"},
    "__init__": {"acceleration", "index", "router", "routing", "security", "params", "exceptions", "_implementation"},
    "_app": {"router", "routing", "exceptions"},
    # What the commands know about an application: shared by them, and used by nothing else.
    "_language": {"_template"},
    "_trace": {"_app"},
    "_terminal": set(),
    "_plot": set(),
    "__main__": {"__init__", "acceleration", "index", "router", "routing", "exceptions", "_implementation"},
    # The one command that compares the kernels themselves.
    "_fuzz": {"_app", "_template", "strategies", "the kernels"},
}
# A module that is one command of `__main__` is imported by nothing, and may import anything public.
SHARED = {"_app", "_language", "_terminal", "_trace"}
COMMAND = {"__init__", "_template", "plan", "codegen", "strategies", "security", *SHARED, *ALLOWED["__main__"]}

# What starlette and pydantic bring; FastAPI is imported nowhere.
DEPENDENCIES = {"annotated_types", "anyio", "pydantic", "pydantic_core", "starlette", "typing_extensions"}
NEWER_STANDARD_LIBRARY = {"annotationlib"}
EXTRAS = {
    "hypothesis": {"strategies", "_fuzz"},
    "matplotlib": {"_plot"},
    "rich": {"_terminal"},
    "uvicorn": {"_demo"},
    "websockets": {"_demo"},
}


def is_kernel(module: str) -> bool:
    return module.endswith(("_c", "_py"))


def allowed(module: str) -> set[str]:
    if is_kernel(module):
        return {"_template"}
    return ALLOWED.get(module, COMMAND)


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def imports(module: str) -> Iterator[tuple[ast.stmt, int, str]]:
    """Each import anywhere in a module: the statement, its number of dots, and the module it names."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from ((node, 0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level and node.module is None:
                yield from ((node, node.level, name) for name in siblings(node))
            else:
                yield node, node.level, node.module or ""


def siblings(node: ast.ImportFrom) -> set[str]:
    """What `from . import a, b` imports: modules, or names of the package itself."""
    return {alias.name if alias.name in MODULES else "__init__" for alias in node.names}


def inside(module: str) -> set[str]:
    return {name for _, level, name in imports(module) if level}


def outside(module: str) -> set[str]:
    return {name.partition(".")[0] for _, level, name in imports(module) if not level}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_layer_may(module: str) -> None:
    found = {"the kernels" if is_kernel(name) else name for name in inside(module)}
    assert found <= allowed(module), f"{module} may not import {found - allowed(module)}"


@pytest.mark.parametrize("module", MODULES)
def test_imports_inside_the_package_are_relative_and_one_level(module: str) -> None:
    assert "fastroute" not in outside(module)
    assert all(level <= 1 for _, level, _ in imports(module))


@pytest.mark.parametrize("module", MODULES)
def test_every_import_stands_at_the_top_of_its_file(module: str) -> None:
    body = tree(module).body
    # The branches of an `if` at the top count as the top; what only a newer Python has may be imported late.
    top = body + [statement for node in body if isinstance(node, ast.If) for statement in node.body + node.orelse]
    top += [node for node, _, name in imports(module) if name in NEWER_STANDARD_LIBRARY]
    late = [node.lineno for node, _, _ in imports(module) if node not in top]
    assert not late, f"{module} imports in lines {late}"


@pytest.mark.parametrize("module", MODULES)
def test_a_package_from_outside_is_imported_only_where_it_may(module: str) -> None:
    extras = {package for package, users in EXTRAS.items() if module in users}
    found = outside(module) - sys.stdlib_module_names - NEWER_STANDARD_LIBRARY - DEPENDENCIES - extras
    assert not found, f"{module} may not import {found}"


def test_declarations_know_nothing_of_starlette() -> None:
    assert "starlette" not in outside("params")


def test_there_is_no_cycle() -> None:
    remaining = {module: inside(module) - {"__init__"} for module in MODULES if module != "__init__"}
    while remaining:
        leaves = {module for module, names in remaining.items() if not names & remaining.keys()}
        assert leaves, f"a cycle among {sorted(remaining)}"
        remaining = {module: names for module, names in remaining.items() if module not in leaves}
