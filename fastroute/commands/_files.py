"""The files that a command reads and writes. If one cannot be, that is an error of the command line."""

import argparse
from pathlib import Path

__all__ = ["output_file", "read_text", "write_text"]


def read_text(file: Path) -> str:
    """The text of a file.

    Raises:
        argparse.ArgumentTypeError: it cannot be read, and why.
    """
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise argparse.ArgumentTypeError(f"{file} cannot be read: it is not UTF-8") from None


def output_file(name: str) -> Path:
    """The type of an option that names a file to write: an error here, and not after the work.

    Raises:
        argparse.ArgumentTypeError: there is no such folder, or it is a folder itself.
    """
    file = Path(name)
    if file.is_dir():
        raise argparse.ArgumentTypeError(f"{name} is a folder; name a file in it")
    if not file.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{name} cannot be written: there is no folder {file.parent}")
    return file


def write_text(file: Path, text: str) -> None:
    """Write a text to a file.

    Raises:
        argparse.ArgumentTypeError: it cannot be written, and why.
    """
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{file} cannot be written: {error.strerror}") from None
