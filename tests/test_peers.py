"""The known differences of `nox -s peers` are rows of docs/differences.md."""

from pathlib import Path

import pytest
from peers.known_differences import KNOWN

ROWS = (Path(__file__).parents[1] / "docs" / "differences.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("beginning", sorted({row for known in KNOWN.values() for row in known.values()}))
def test_a_known_difference_is_a_row(beginning: str) -> None:
    assert [row for row in ROWS if row.startswith(f"| {beginning}")]
