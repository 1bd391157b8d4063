"""The pages beside the README say what is true of the tree."""

import re
from pathlib import Path

import pytest

import fastroute

ROOT = Path(__file__).parent.parent
PACKAGE = Path(fastroute.__file__).parent


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(text: str, title: str, level: int = 2) -> str:
    found = re.search(rf"^{'#' * level} {title}\n(.*?)(?=^{'#' * level} |\Z)", text, flags=re.DOTALL | re.MULTILINE)
    assert found is not None, f"there is no section {title!r}"
    return found[1]


def modules() -> set[str]:
    """Every module of the package by its folder and its name; the map of a wing is its folder's."""
    sources = [path for path in PACKAGE.rglob("*.py*") if path.suffix in (".py", ".pyx")]
    named = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in sources}
    return {name for name in named if not name.endswith("/__init__")}


def test_the_architecture_names_every_module_and_no_other() -> None:
    found = set()
    for part in re.split(r"^\*\*", section(page("docs/architecture.md"), "Every module"), flags=re.MULTILINE)[1:]:
        folder = "" if part.startswith("At the top") else part.partition("`")[2].partition("`")[0]
        rows = re.findall(r"^\| (`.*?) \|", part, flags=re.MULTILINE)
        found |= {folder + name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert found == modules(), "docs/architecture.md, section 'Every module', must have a row for each module"


def test_files_that_the_architecture_sends_to_exist() -> None:
    looks = section(page("docs/architecture.md"), "Where to look")
    named = re.findall(r"`((?:\w+/)?\w+\.pyx?|tests/\w+\.py)`", looks)
    assert len(named) > 15
    missing = [name for name in named if not any((base / name).exists() for base in (PACKAGE, ROOT))]
    assert not missing


def test_a_word_of_the_glossary_stands_there_once() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ", section(page("docs/architecture.md"), "Glossary"), flags=re.MULTILINE)[1:]
    words = [word for row in rows for word in row.split(", ")]
    assert len(words) > 30
    assert len(words) == len(set(words))


@pytest.mark.parametrize("name", [".github/ISSUE_TEMPLATE/bug.yml", ".github/pull_request_template.md"])
def test_a_template_asks_for_fastroute_info(name: str) -> None:
    if not (ROOT / ".github").exists():
        pytest.skip("the sdist has no .github")
    assert "fastroute info" in page(name)
