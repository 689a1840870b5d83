"""The order of the examples in the gallery: from simple to special."""

ORDER = [
    "plot_moons.py",
    "plot_digits.py",
    "plot_new_rows.py",
    "plot_outliers.py",
    "plot_own_table.py",
    "plot_pipeline_grid_search.py",
    "plot_eigengap.py",
    "plot_merge.py",
    "plot_few_labels.py",
    "plot_text.py",
    "plot_swiss_roll.py",
    "plot_million_rows.py",
    "plot_imbalanced.py",
    "plot_learned_space.py",
    "plot_own_graph.py",
    "plot_diffusion_maps.py",
]


def place(name):
    """The place of a file in the order; ValueError for one that has none."""
    if name not in ORDER:
        raise ValueError(f"docs/gallery_order.py has no place for {name}: give it one.")
    return ORDER.index(name)
