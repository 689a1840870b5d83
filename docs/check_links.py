"""Check that each link inside the built pages leads somewhere.

Sphinx checks the links that it makes; those of figures, of raw HTML and of the pages of
its own theme it writes as they are.

    python docs/check_links.py docs/_build/html
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The anchors of a page and its links to files."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors.update(attrs[name] for name in ("id", "name") if attrs.get(name))
        for name in ("href", "src"):
            address = urlsplit(attrs.get(name) or "")
            if not address.scheme and not address.netloc:
                self.links.append((unquote(address.path), unquote(address.fragment)))


def broken_links(folder):
    """What is wrong with the links of the pages in a folder.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    problems : list of str
        ``"page: link"`` for each that names no file of the folder, or no place in its
        page.
    """
    folder = folder.resolve()
    paths = [p for p in folder.rglob("*.html") if "_static" not in p.parts]
    pages = {path: Page(path) for path in sorted(paths)}
    problems = []
    for path, page in pages.items():
        for name, anchor in page.links:
            target = (path.parent / name).resolve() if name else path
            found = target.exists() and target.is_relative_to(folder)
            if found and anchor and target in pages:
                # ":~:" asks the browser to look for text.
                found = anchor in pages[target].anchors or anchor.startswith(":~:")
            if not found:
                link = f"{name}#{anchor}" if anchor else name
                problems.append(f"{path.relative_to(folder)}: {link}")
    return problems


if __name__ == "__main__":
    problems = broken_links(Path(sys.argv[1]))
    sys.exit("Links that lead nowhere:\n" + "\n".join(problems) if problems else 0)
