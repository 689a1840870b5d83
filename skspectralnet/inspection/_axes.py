"""Axes, class colours and keyword arguments for the displays."""

import numpy as np

# Width and height in inches of one axes in a new figure that has several.
_PANEL = (4.0, 3.2)


def checked_axes(ax, places, widths=None):
    """Check the axes given, or make a figure with axes at (row, column) places.

    A place has all rows or columns of the figure where it has ``slice(None)``; `widths`
    are those of the columns, 1 by default.
    """
    from matplotlib.axes import Axes

    if ax is None:
        return _new_axes(places, widths)
    given = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    wrong = [type(one).__name__ for one in given if not isinstance(one, Axes)]
    if wrong:
        raise TypeError(f"ax must be matplotlib Axes or None; got {wrong[0]}.")
    if len(given) != len(places):
        raise ValueError(
            f"ax has {len(given)} Axes, but {len(places)} are drawn: pass one Axes for "
            "each, or None."
        )
    return given


def _new_axes(places, widths):
    from matplotlib import pyplot as plt

    n_rows, n_columns = (
        1 + max(at for at in numbers if at != slice(None))
        for numbers in zip(*places, strict=True)
    )
    widths = np.ones(n_columns) if widths is None else widths
    size = (_PANEL[0] * sum(widths), _PANEL[1] * n_rows) if len(places) > 1 else None
    figure = plt.figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(n_rows, n_columns, width_ratios=widths)
    axes = np.empty(len(places), dtype=object)
    axes[:] = [figure.add_subplot(grid[place]) for place in places]
    return axes


def integer_ticks(ax):
    """Put the ticks of the horizontal axis at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def merged_kwargs(defaults, given, artist):
    """Replace the default keyword arguments of an artist class by those given."""
    from matplotlib.cbook import normalize_kwargs

    return {**defaults, **normalize_kwargs(given, artist)}


def class_colors(n_classes):
    """Return one colour for each class; all displays use the same ones."""
    from matplotlib import colormaps

    if n_classes <= 20:
        return colormaps["tab10" if n_classes <= 10 else "tab20"].colors[:n_classes]
    return [tuple(c) for c in colormaps["turbo"](np.linspace(0, 1, n_classes))]
