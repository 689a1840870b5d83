"""Docstrings that come from scikit-learn, on the pages of this package.

What they say of versions is of those of scikit-learn, and their references are to its
guide: on a page here the first would be false and the second lead nowhere.
"""

import re

VERSION = re.compile(r"( *)\.\. (?:versionadded|versionchanged|deprecated)::")
ROLE = re.compile(r":(ref|term):`([^`<]+?)(?: *<[^`>]+>)?`")


def without_versions_and_references(lines):
    """Return the lines of a docstring without them."""
    kept, inside = [], None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if inside is not None and (not line.strip() or indent > inside):
            continue
        begins = VERSION.match(line)
        inside = len(begins[1]) if begins else None
        if not begins:
            kept.append(ROLE.sub(_named, line))
    return kept


def _named(role):
    """What a reference or a term of scikit-learn's glossary says, in plain words."""
    return f"{role[2]} of scikit-learn" if role[1] == "ref" else role[2]


def is_inherited(obj):
    """Whether an object is written in scikit-learn."""
    return (getattr(obj, "__module__", None) or "").startswith("sklearn.")


def process_docstring(app, what, name, obj, options, lines):
    """Change the lines in place, as a handler of autodoc-process-docstring does."""
    if is_inherited(obj):
        lines[:] = without_versions_and_references(lines)


def setup(app):
    # Before numpydoc, whose priority is the default of 500.
    app.connect("autodoc-process-docstring", process_docstring, priority=400)
    return {"parallel_read_safe": True}
