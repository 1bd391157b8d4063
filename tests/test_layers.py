"""Who may import whom inside the package, read from the sources.

Below `routing`, neither of `matching` and `dependencies` imports the other.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import fastapi
import pytest
import starlette

import fastroute

PACKAGE = Path(fastroute.__file__).parent
FOLDERS = ("matching", "indexing", "narrowing", "dependencies", "connection", "tracing", "asyncapi", "commands")

#: Folders that users import from.
PUBLIC = {"asyncapi"}

#: A layer is a folder or a file at the top. What it may import besides itself; `__init__` is the package's own.
FRAMEWORKS = {"_starlette", "_fastapi"}
MAY_IMPORT = {
    "exceptions, params, fixed, _starlette": set(),
    "matching": set(),
    "_fastapi": {"exceptions", "params", "_starlette"},
    # A scheme reads cookies, which Starlette does not in linear time on every Python.
    "security": {"exceptions", "params", "_starlette"},
    "connection": {"exceptions", "params", *FRAMEWORKS},
    "dependencies": {"exceptions", "params", "fixed", "security", "connection", *FRAMEWORKS},
    "routing": {"exceptions", "fixed", "matching", "dependencies", "connection", *FRAMEWORKS},
    # It asks routes and knows nothing of an index: the log of an index and the description of an application need it.
    "tracing": {"exceptions", "matching", *FRAMEWORKS},
    # The lookup knows nothing of prefix and dependencies: `acceleration` puts it into other people's routers.
    "indexing": {"routing", "matching", "connection", "tracing", *FRAMEWORKS},
    "inclusion": {"exceptions", "routing", "dependencies", "connection", *FRAMEWORKS},
    "router": {"exceptions", "fixed", "connection", "dependencies", "routing", "indexing", "inclusion", *FRAMEWORKS},
    # FastAPI's own code goes on deciding about its routes: `narrowing` gives it fewer of them, and copies none of it.
    "narrowing": {"routing", "matching", "indexing", *FRAMEWORKS},
    "acceleration": {"indexing", "narrowing", *FRAMEWORKS},
    # It knows ASGI alone: any application can be tested.
    "testing": set(),
    "strategies": {"exceptions", "routing", "matching", "router"},
    "__init__": {"exceptions", "params", "connection", "routing", "matching", "indexing", "router", "acceleration"},
}
EVERYTHING = {layer for layers in MAY_IMPORT for layer in layers.split(", ")}
ALLOWED = {layer: allowed for layers, allowed in MAY_IMPORT.items() for layer in layers.split(", ")}
# Nothing but `__main__` imports the commands, and it does so by name.
ALLOWED |= {"asyncapi": EVERYTHING, "commands": EVERYTHING | {"asyncapi"}, "__main__": {"__init__"}}

# What starlette and pydantic bring; FastAPI is imported nowhere.
DEPENDENCIES = {"annotated_types", "anyio", "pydantic", "pydantic_core", "starlette", "typing_extensions"}
NEWER_STANDARD_LIBRARY = {"annotationlib"}
EXTRAS = {
    "hypothesis": {"strategies", "commands.fuzz"},
    "matplotlib": {"commands._plot"},
    "rich": {"commands._terminal"},
    "uvicorn": {"commands.demo"},
    "websockets": {"commands.demo"},
}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = sorted(map(module_of, PACKAGE.rglob("*.py")))


def layer_of(module: str) -> str:
    return module.partition(".")[0]


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8"))


@cache
def nodes(module: str) -> list[ast.AST]:
    return list(ast.walk(tree(module)))


def imports(module: str) -> Iterator[tuple[ast.stmt, int, str]]:
    """Each import anywhere in a module: the statement, its number of dots, and the module it names."""
    for node in nodes(module):
        if isinstance(node, ast.Import):
            yield from ((node, 0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node, 0, node.module or ""
        elif isinstance(node, ast.ImportFrom):
            outer = module.split(".")[: -node.level]
            base = ".".join([*outer, *filter(None, [node.module])])
            # `from . import a, b` imports modules, or names of the package itself.
            for alias in node.names:
                named = f"{base}.{alias.name}" if base else alias.name
                yield node, node.level, named if named in (*MODULES, *FOLDERS) else base or "__init__"


#: Imports that do not stand at the top, to spare time at the start: a log at DEBUG names the nearest route.
LATE = {("indexing.index_router", "tracing.failures")}


def inside(module: str) -> set[str]:
    return {name for _, level, name in imports(module) if level}


def outside(module: str) -> set[str]:
    return {name.partition(".")[0] for _, level, name in imports(module) if not level}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_layer_may(module: str) -> None:
    layer = layer_of(module)
    found = {layer_of(name) for name in inside(module)}
    assert found <= {layer, *ALLOWED[layer]}, f"{module} may not import {found - ALLOWED[layer] - {layer}}"


@pytest.mark.parametrize("module", MODULES)
def test_only_the_selector_imports_the_twins(module: str) -> None:
    # The fuzz command compares them.
    if module not in ("matching.implementation", "commands.fuzz"):
        assert not [name for name in inside(module) if name.endswith(("_c", "_py"))]


@pytest.mark.parametrize("module", MODULES)
def test_imports_inside_the_package_are_relative(module: str) -> None:
    assert "fastroute" not in outside(module)


@pytest.mark.parametrize("module", MODULES)
def test_imports_stand_at_the_top(module: str) -> None:
    top = {
        node for statement in tree(module).body if not isinstance(statement, FUNCTIONS) for node in ast.walk(statement)
    }
    late = {(module, name) for node, level, name in imports(module) if level and node not in top}
    assert late == {pair for pair in LATE if pair[0] == module}, f"{module} imports {late} late"


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@pytest.mark.parametrize("module", MODULES)
def test_imports_from_outside_are_dependencies_or_the_extra_of_a_module(module: str) -> None:
    extras = {package for package, users in EXTRAS.items() if module in users}
    found = outside(module) - sys.stdlib_module_names - NEWER_STANDARD_LIBRARY - DEPENDENCIES - extras
    assert not found, f"{module} may not import {found}"


def test_declarations_know_nothing_of_starlette() -> None:
    assert "starlette" not in outside("params")


#: Layers that may name what is private to Starlette and FastAPI. `narrowing` overrides methods of FastAPI's routers, so
#: its stand-ins have them by name.
KNOW_PRIVATE_NAMES = {"_starlette", "_fastapi", "narrowing"}


def private_names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Names with a leading underscore: those that a module makes, and those that it uses, also as text."""
    made, used = set(), set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                made.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                made.add(name)
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)) | ast.alias(name=name):
                used.add(name)
            case ast.ImportFrom(module=str(name), level=0):
                used |= set(name.split("."))
            case _:
                pass
    made, used = ({name for name in names if re.fullmatch("_[A-Za-z][A-Za-z0-9_]*", name)} for names in (made, used))
    return made, used


@cache
def private_names_of_the_frameworks() -> set[str]:
    folders = [Path(inspect.getfile(framework)).parent for framework in (starlette, fastapi)]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    modules = {path.stem for path in files if path.stem.startswith("_") and path.stem != "__init__"}
    return modules.union(*(private_names(ast.parse(path.read_text(encoding="utf-8")))[0] for path in files))


@pytest.mark.parametrize("module", [module for module in MODULES if layer_of(module) not in KNOW_PRIVATE_NAMES])
def test_private_names_of_the_frameworks_are_in_one_file_for_each(module: str) -> None:
    made, used = private_names(tree(module))
    # A name that the module makes itself is its own, whoever else has one like it.
    found = (used & private_names_of_the_frameworks()) - made
    assert not found, f"{module} names {sorted(found)}, which belongs into _starlette.py or _fastapi.py"


def test_there_is_no_cycle() -> None:
    remaining = {module: inside(module) - {"__init__"} for module in MODULES if module != "__init__"}
    while remaining:
        leaves = {module for module, names in remaining.items() if not names & remaining.keys()}
        assert leaves, f"a cycle among {sorted(remaining)}"
        remaining = {module: names for module, names in remaining.items() if module not in leaves}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_opens_with_its_map(folder: str) -> None:
    map_of_the_folder, *exports = tree(f"{folder}.__init__").body
    assert isinstance(map_of_the_folder, ast.Expr)
    # A public folder exports names besides, and has nothing else.
    assert all(isinstance(statement, ast.ImportFrom | ast.Assign) for statement in exports)
    assert bool(exports) == (folder in PUBLIC)
    named = str(ast.literal_eval(map_of_the_folder.value))
    files = [path for path in (PACKAGE / folder).glob("*.py*") if path.suffix in (".py", ".pyx")]
    missing = [path.stem for path in files if path.stem != "__init__" and f"`{path.stem}`" not in named]
    assert not missing, f"{folder}/__init__.py does not name {missing}"


def test_the_package_has_at_most_24_entries() -> None:
    # `py.typed` is a mark for type checkers, and nothing to read.
    entries = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 24, sorted(entries)


def test_the_architecture_has_a_row_for_each_module_and_no_other() -> None:
    """In its section "Every module": a table for each folder, with the modules in its first column."""
    root = Path(__file__).parent.parent
    page = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    tables = page.partition("\n## Every module\n")[2].partition("\n## ")[0].split("\n**")[1:]
    rows = set()
    for table in tables:
        folder = "" if table.startswith("At the top") else table.partition("`")[2].partition("`")[0]
        names = [
            name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
        ]
        rows |= {folder + name for name in names}
    # Not the installed package: a wheel has no .pyx.
    sources = [path for path in (root / "fastroute").rglob("*.py*") if path.suffix in (".py", ".pyx")]
    modules = {path.relative_to(root / "fastroute").with_suffix("").as_posix() for path in sources}
    assert rows == {module for module in modules if not module.endswith("/__init__")}
