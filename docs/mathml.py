"""Formulas as MathML in the page itself: they are shown without a script or network."""

import html
import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)
# docutils puts the index of a letter with an accent below the letter.
ACCENT_AND_INDEX = re.compile(
    r"<munderover>(<mi>[^<]*</mi>)(<(m\w+)>(?:(?!</?\3>).)*</\3>)"
    r'(<mo stretchy="false">[^<]*</mo>)</munderover>'
)
# In LaTeX these grow with what is between them after left and right alone.
FENCE = re.compile(r"<mo( class=.\w+.)?>([‖⟨⟩])</mo>")


def visit_inline(translator, node):
    """Write an inline formula."""
    translator.body.append(_markup(node, as_block=False))
    raise nodes.SkipNode


def visit_block(translator, node):
    """Write a formula on a line of its own."""
    formula = _markup(node, as_block=True)
    translator.body.append(f'<div class="math-block">{formula}</div>\n')
    raise nodes.SkipNode


def _markup(node, as_block):
    """MathML of a node; its LaTeX, with a warning, where that cannot be read."""
    latex = node.astext()
    try:
        markup = tex2mathml(latex, as_block=as_block)
    except MathError as error:
        logger.warning("formula %r: %s", latex, error, location=node)
        return f"<code>{html.escape(latex)}</code>"
    # Spaces between the tags would show inside a line of text.
    markup = re.sub(r">\s+<", "><", markup.strip())
    if r"\left" not in latex:
        markup = FENCE.sub(r'<mo\1 stretchy="false">\2</mo>', markup)
    return ACCENT_AND_INDEX.sub(
        r'<msub><mover accent="true">\1\4</mover>\2</msub>', markup
    )


def setup(app):
    """Register the renderer; `html_math_renderer = "mathml"` chooses it."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
