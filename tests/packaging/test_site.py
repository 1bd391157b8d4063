"""The docs site, built here: complete, without a dead link, and its pages load nothing from another host."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.slow

pytest.importorskip("zensical", reason="zensical is not installed here: `nox -s docs` builds and tests the site")

ROOT = Path(__file__).parents[2]
SOURCES = ("docs", "fastroute", "CHANGES.md", "zensical.toml")


class Page(HTMLParser):
    """What a page loads, where its links lead, and the places in it that a link can lead to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.loads: set[str] = set()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.anchors |= {attributes[name] for name in ("id", "name") if name in attributes}
        if tag == "a":
            self.links |= {attributes.get("href", "")}
        else:
            named = {attributes[name] for name in ("src", "href", "srcset", "data", "poster") if name in attributes}
            self.loads |= {urls.split()[0] for urls in named if urls.strip()}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    program = [sys.executable, "-P", "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(program, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, done.stdout
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {file: Page(file) for file in site.rglob("*.html")}


def test_each_page_is_there(site: Path) -> None:
    assert (site / "llms.txt").exists()
    built = {file.stem for file in site.glob("*.html")}
    assert built - {"404"} == {file.stem for file in ROOT.glob("docs/*.md")}


def test_pages_load_files_of_the_site_and_nothing_else(site: Path, pages: dict[Path, Page]) -> None:
    for file, page in pages.items():
        for url in page.loads:
            assert not urlsplit(url).netloc, f"{file.name} loads {url}"
            found = site / url.lstrip("/") if url.startswith("/") else file.parent / unquote(urlsplit(url).path)
            assert file.name == "404.html" or found.exists(), f"{file.name} loads {url}, which is not there"


def test_styles_load_nothing_from_elsewhere(site: Path) -> None:
    for file in site.rglob("*.css"):
        text = file.read_text(encoding="utf-8")
        assert "@import" not in text
        urls = re.findall(r"url\(\s*['\"]?([^)'\"]+)", text)
        assert not [url for url in urls if urlsplit(url).netloc]


def test_links_lead_somewhere(pages: dict[Path, Page]) -> None:
    for file, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc or file.name == "404.html":
                continue
            target = (file.parent / unquote(url.path)).resolve() if url.path else file
            target = target / "index.html" if target.is_dir() else target
            assert target in pages, f"{file.name} links to {link}"
            assert not url.fragment or unquote(url.fragment) in pages[target].anchors, f"{file.name} links to {link}"


def test_the_reference_shows_docstrings(pages: dict[Path, Page]) -> None:
    [reference] = [page for file, page in pages.items() if file.stem == "reference"]
    assert {"fastroute.Router", "fastroute.Router.include_router", "fastroute.security.HTTPBearer"} <= reference.anchors
