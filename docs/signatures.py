"""The parameters of a class on its page: those of ``__init__``, as inspect finds them.

Autodoc prefers ``__new__``, and that of the estimators takes any name: it says what a
parameter of another package is called here.
"""

import inspect


def process_signature(app, what, name, obj, options, signature, returned):
    """Return that of a class, as a handler of autodoc-process-signature does."""
    if what != "class" or signature != "(*args, **kwargs)":
        return None
    return str(inspect.signature(obj)), None


def setup(app):
    app.connect("autodoc-process-signature", process_signature)
    return {"parallel_read_safe": True}
