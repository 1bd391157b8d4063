"""The documents of the examples are those that are committed, and that the docs show."""

import re
from pathlib import Path

import pytest

from fastroute.__main__ import main

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", ["starlette_chat", "fastapi_prices"])
def test_the_document_of_an_example_is_up_to_date(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(ROOT / "examples" / f"{name}.asyncapi.yaml")
    code = main(["asyncapi", "--app-dir", str(ROOT / "examples"), f"{name}:app", "--check", file])
    assert code == 0, capsys.readouterr().out


def test_the_docs_show_the_document_of_the_chat() -> None:
    [shown] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "asyncapi.md").read_text(encoding="utf-8"), re.DOTALL)
    assert shown == (ROOT / "examples" / "starlette_chat.asyncapi.yaml").read_text(encoding="utf-8")
