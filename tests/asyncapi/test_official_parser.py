"""The official parser of AsyncAPI, from npm, has nothing to say about our documents: `nox -s asyncapi` installs it."""

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from asyncapi_applications import applications
from hypothesis import given, settings

from fastroute.asyncapi import document

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SERVERS = {"live": {"host": "example.org", "protocol": "wss", "pathname": "/api"}}
LONG = os.environ.get("FASTROUTE_HYPOTHESIS_PROFILE") == "long"


@pytest.fixture
def parser() -> str:
    folder = os.environ.get("FASTROUTE_ASYNCAPI_PARSER")
    if folder is None:
        pytest.skip("the official parser is not installed here: `nox -s asyncapi` installs and runs it")
    return folder


def parse(parser: str, folder: Path, documents: dict[str, Any]) -> None:
    files = [folder / f"{name}.json" for name in documents]
    for file, described in zip(files, documents.values(), strict=True):
        file.write_text(json.dumps(described), encoding="utf-8")
    command = ["node", str(HERE / "official_parser.mjs"), parser, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"{len(files)} documents, 0 errors\n")


# What the examples import may warn.
@pytest.mark.filterwarnings("default")
def test_the_readme_and_the_examples(parser: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    readme = ModuleType("readme")
    monkeypatch.setitem(sys.modules, "readme", readme)
    exec(found[1], vars(readme))
    monkeypatch.setenv("JWT_KEY", "0" * 64)
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    apps = {"readme": readme.app}
    apps |= {file.stem: import_module(file.stem).app for file in sorted((ROOT / "examples").glob("*.py"))}
    assert len(apps) >= 3
    parse(parser, tmp_path, {name: document(app) for name, app in apps.items()})


def test_generated_applications(parser: str, tmp_path: Path) -> None:
    documents: dict[str, Any] = {}

    @settings(max_examples=500 if LONG else 40)
    @given(applications())
    def generate(made: Any) -> None:
        number = len(documents)
        documents[str(number)] = document(made.app, servers=SERVERS if number % 2 else None)

    generate()
    assert len(documents) >= (500 if LONG else 40)
    parse(parser, tmp_path, documents)
