"""Source files that a page links to are shown on the site: a page links to them as they lie in the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_ROOT: Final = Path(__file__).parents[2]
_LINK: Final = re.compile(r"\]\((?P<path>(?:\.\./)+[\w./-]+)")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put what a page links to outside docs/ on the site, and let the link lead there."""
    folder = (Path(config.docs_dir) / page.file.src_uri).parent

    def shown(link: re.Match[str]) -> str:
        source = (folder / link["path"]).resolve()
        if source.is_relative_to(config.docs_dir) or not source.is_file():
            return link[0]
        place = f"source/{source.relative_to(_ROOT)}.txt"
        if files.get_file_from_path(place) is None:
            files.append(File.generated(config, place, content=source.read_text(encoding="utf-8")))
        depth = page.file.src_uri.count("/")
        return f"]({'../' * depth}{place}"

    return _LINK.sub(shown, markdown)
