"""One target under Atheris, with libFuzzer's arguments; a file instead of a folder is one input, which is repeated.

    python fuzz/one.py TARGET [ARGUMENTS] [FOLDERS | FILE]

The pure modules that a target names are instrumented: inputs that reach new lines or branches in them are kept and
changed further. Compiled twins have no such eyes; they answer each input beside their pure ones.
"""

import sys
import tempfile
from importlib import import_module

import atheris
from targets import TARGETS


def main(target: str, arguments: list[str]) -> None:
    with atheris.instrument_imports(include=TARGETS[target]):
        module = import_module(f"targets.{target}")
    with tempfile.NamedTemporaryFile("w", suffix=".dict") as words:
        words.writelines(f'"{_escaped(word)}"\n' for word in module.WORDS)
        words.flush()
        atheris.Setup([sys.argv[0], f"-dict={words.name}", "-max_len=2048", *arguments], module.check)
        atheris.Fuzz()


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
