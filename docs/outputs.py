"""What the blocks of Python on a page print and draw, shown below each of them.

The blocks of one page are one program, run in the order of the page in a process and a
folder of its own, as tests/test_readme.py runs them. What came out is kept beside the
generated tables until the page or the package changes. ``-D run_blocks=0`` builds the
pages without.
"""

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PACKAGE = DOCS.parent / "skspectralnet"
KEPT = DOCS / "_generated" / "blocks"
# Pages that others make: the gallery shows what it has run itself.
OTHERS = ("gallery/", "api/")
# A longer line is a sentence, such as a warning, and is broken; a data frame is not.
WIDEST = 100


def run(blocks, folder):
    """Run the blocks of a page.

    Parameters
    ----------
    blocks : list of str
    folder : Path
        For the pictures.

    Returns
    -------
    list of dict
        Of each block the ``"text"`` that it prints, and the names of its ``"figures"``.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names, shown = {"__name__": "__page__"}, []
    for number, code in enumerate(blocks):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"<block {number + 1}>", "exec"), names)  # noqa: S102
        figures = []
        for place in plt.get_fignums():
            figures.append(f"{number}_{place}.png")
            plt.figure(place).savefig(folder / figures[-1], dpi=75)
        plt.close("all")
        shown.append({"text": printed.getvalue().rstrip(), "figures": figures})
    return shown


def outputs(blocks):
    """Where the pictures of some blocks are kept, and what `run` says of them.

    Raises
    ------
    subprocess.CalledProcessError
        If a block raises.
    """
    sources = [path.read_bytes() for path in sorted(PACKAGE.rglob("*.py"))]
    content = [json.dumps(blocks).encode(), Path(__file__).read_bytes(), *sources]
    folder = KEPT / hashlib.sha256(b"".join(content)).hexdigest()[:16]
    said = folder / "outputs.json"
    if not said.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as elsewhere:
            subprocess.run(  # noqa: S603
                [sys.executable, __file__, folder],
                input=json.dumps(blocks),
                cwd=elsewhere,
                env={**os.environ, "MPLBACKEND": "Agg"},
                capture_output=True,
                text=True,
                check=True,
            )
    return folder, json.loads(said.read_text("utf-8"))


def show(app, doctree):
    """Put what the blocks of a page print and draw below each of them."""
    from docutils import nodes
    from sphinx.util import logging

    if not app.config.run_blocks or app.env.docname.startswith(OTHERS):
        return
    found = [
        node
        for node in doctree.findall(nodes.literal_block)
        if node.get("language") == "python"
    ]
    if not found:
        return
    try:
        folder, shown = outputs([node.astext() for node in found])
    except subprocess.CalledProcessError as error:
        logging.getLogger(__name__).warning(
            "a block raises: %s", error.stderr, location=app.env.docname
        )
        return
    for node, said in zip(found, shown, strict=True):
        below = []
        if said["text"]:
            look = {"language": "none", "classes": ["sphx-glr-script-out"]}  # as there
            if max(map(len, said["text"].splitlines())) > WIDEST:
                look["classes"].append("broken-lines")
            below.append(nodes.literal_block(said["text"], said["text"], **look))
        for name in said["figures"]:
            place = (folder / name).relative_to(DOCS).as_posix()
            alt = "What the lines above draw."
            below.append(
                nodes.image(uri=f"/{place}", alt=alt, classes=["block-figure"])
            )
        at = node.parent.index(node)
        node.parent[at + 1 : at + 1] = below


def setup(app):
    """Register it before Sphinx collects the images of a page."""
    app.add_config_value("run_blocks", True, "env", types=bool)
    app.connect("doctree-read", show, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    (place,) = map(Path, sys.argv[1:])
    found = run(json.load(sys.stdin), place)
    (place / "outputs.json").write_text(json.dumps(found), encoding="utf-8")
