"""One template against paths: both twins, and the two passes of the pure one, against Starlette's regex.

The first line is the template, the others are paths.
"""

from starlette.routing import compile_path

from fastroute.commands.fuzz import compare, twins
from targets import lines, text

WORDS = ["{a}", "{b:path}", "{c:int}", "{d:float}", "{e:uuid}", ":str", "/", "-", ".", "\r\n", "1.5", "\n", "\ufffd"]
WORDS += ["9c5b94b1-35ad-49bb-b118-8e8fc24abf80", "\u0661", "\uff11", "{f}{g}", "/{h}/", "{i:path}/{j:path}"]


def check(data: bytes) -> None:
    template, *paths = map(text, lines(data))
    try:
        compile_path(template)
    except (AssertionError, ValueError):
        _check_is_refused(template)
    else:
        compare(template, paths)


def _check_is_refused(template: str) -> None:
    for name, twin in twins().items():
        try:
            twin(template)
        except ValueError:
            continue
        raise AssertionError(f"the {name} twin takes {template!r}, and Starlette does not")
