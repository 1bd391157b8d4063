"""The small corpus of the fuzzers, replayed: each input once reached something new, or once made a difference."""

from importlib import import_module
from pathlib import Path

import pytest
from targets import TARGETS

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"


@pytest.mark.parametrize("target", TARGETS)
def test_two_readings_of_each_input_are_the_same(target: str) -> None:
    inputs = sorted((CORPUS / target).iterdir())
    assert len(inputs) >= 8
    check = import_module(f"targets.{target}").check
    for file in inputs:
        try:
            check(file.read_bytes())
        except Exception as error:
            error.add_note(str(file))
            raise


def test_no_corpus_is_left_without_a_target() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
