"""Displays: what the artists hold, what is refused, and what stays as it was."""

import copy
import sys
import warnings
from copy import deepcopy
from functools import cache

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skspectralnet
from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
    _batch_graph,
    _neighbor_graph,
    inspection,
)
from skspectralnet._base import AsFitted
from skspectralnet._distinct import distinct_rows, order_by_value
from skspectralnet._eigen import eigengaps
from skspectralnet._selection import Selection
from skspectralnet.inspection import (
    AffinityDisplay,
    DendrogramDisplay,
    DoubtDisplay,
    EigenvaluesDisplay,
    EmbeddingDisplay,
    LossCurvesDisplay,
    NeighborPurityDisplay,
    OverviewDisplay,
    SelectionDisplay,
)
from skspectralnet.inspection._overview import _filled, _layout

DISPLAYS = [getattr(inspection, name) for name in inspection.__all__]
WITH_ROWS = [AffinityDisplay, EmbeddingDisplay, NeighborPurityDisplay]
OF_CLUSTERS = [DoubtDisplay, OverviewDisplay]  # and of rows
SMALL = {"hidden_layer_sizes": 8, "max_iter": 5, "tol": 0.5, "n_iter_no_change": 1}


@cache
def rows(seed):
    """Three blobs of 40, 30 and 20 rows with 3 columns, and their labels."""
    centers = [[0, 0, 0], [6, 0, 6], [0, 7, 0]]
    return make_blobs([40, 30, 20], centers=centers, cluster_std=0.5, random_state=seed)


@cache
def clustering(seed, n_clusters=3):
    return SpectralNetClustering(n_clusters, random_state=seed).fit(rows(seed)[0])


@cache
def embedding(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few epochs do not reach the eigenvectors
        return SpectralNetEmbedding(3, random_state=seed, max_iter=5).fit(rows(seed)[0])


@cache
def staged(seed):
    """A clustering with two trained stages before it."""
    stages = {
        "encoder": Autoencoder(2, max_iter=3, validation_fraction=0.3),
        "metric_learner": SiameseEmbedding(2, max_iter=4),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SpectralNetClustering(3, random_state=seed, **SMALL, **stages)
        return model.fit(rows(seed)[0])


@pytest.fixture
def new_axes():
    """Makes axes that pyplot does not know."""

    def make(n_axes=1):
        figure = Figure(layout="constrained", figsize=(4 * n_axes, 4))
        axes = figure.subplots(1, n_axes, squeeze=False)[0]
        return axes[0] if n_axes == 1 else axes

    return make


@pytest.fixture
def pyplot():
    """Closes the figures that a test leaves."""
    before = plt.get_fignums()
    yield plt
    for number in set(plt.get_fignums()) - set(before):
        plt.close(number)


def drawn(display, model, X, **params):
    """The display of a model, whatever it takes."""
    if display is SelectionDisplay and hasattr(model, "selection_"):
        model = compared(model)
    given = (X,) if display in (*WITH_ROWS, *OF_CLUSTERS) else ()
    return display.from_estimator(model, *given, **params)


def compared(model):
    """A fitted model that says it has compared two candidates."""
    model = copy.copy(model)
    names, scores, errors = ("plain, fine", "learned"), [0.5, 0.6], [0.02, 0.01]
    model.selection_ = Selection(
        names, np.array(scores), np.array(errors), names[1], "so", 90
    )
    return model


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()


# --- eigenvalues


def by_hand(model, eigenvalues):
    """A fitted model that says it has these eigenvalues."""
    model = clone(model).set_params(max_iter=1)
    vars(model).update(eigenvalues_=np.array(eigenvalues), n_clusters_=4)
    model._fitted_with = AsFitted(
        model.affinity,
        model.gamma,
        whole_graph=False,
        graph_is_given=False,
        n_trivial=int(getattr(model, "drop_first", False)),
    )
    return model


def test_gap_by_hand(new_axes):
    # log(lambda + .0001) is log .0001, .0002, .0004, .0401, .0801: the ratios after
    # 2 and later are 2, 100.25 and 2, so the gap is after the third.
    values = [0.0, 0.0001, 0.0003, 0.04, 0.08]
    model = by_hand(SpectralNetClustering(4), values)
    display = EigenvaluesDisplay.from_estimator(model, ax=new_axes())
    assert display.largest_gap == 3
    assert_array_equal(display.learned_.get_xdata(), [1, 2, 3, 4, 5])
    assert_array_equal(display.learned_.get_ydata(), values)
    assert (display.gap_.get_x(), display.gap_.get_width()) == (3, 1)
    assert_array_equal(display.clusters_.get_xdata(), [4.5, 4.5])
    assert display.exact_ is None
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["learned", "largest gap, after 3", "n_clusters_ = 4"]
    ticks = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert ticks == ["0", "0.0001", "0.001", "0.01"]


def test_gap_after_the_trivial_eigenvalue_is_no_candidate(new_axes):
    # The step from 0 to .5 is a ratio of 5001; after 2 and 3 they are 1.2 and 1.33.
    model = by_hand(SpectralNetClustering(2), [0.0, 0.5, 0.6, 0.8])
    assert EigenvaluesDisplay.from_estimator(model, ax=new_axes()).largest_gap == 3


def test_numbers_without_the_trivial_eigenvalue(new_axes):
    # The second to the fourth eigenvalue; the ratios after them are 2.0 and 44.
    model = by_hand(SpectralNetEmbedding(3), [0.001, 0.0021, 0.097])
    display = EigenvaluesDisplay.from_estimator(model, ax=new_axes())
    assert_array_equal(display.learned_.get_xdata(), [2, 3, 4])
    assert display.largest_gap == 3
    model.set_params(drop_first=False)  # for the next fit
    display = EigenvaluesDisplay.from_estimator(model, ax=new_axes())
    assert display.largest_gap == 3
    model = by_hand(SpectralNetEmbedding(3, drop_first=False), model.eigenvalues_)
    display = EigenvaluesDisplay.from_estimator(model, ax=new_axes())
    assert_array_equal(display.learned_.get_xdata(), [1, 2, 3])
    assert display.largest_gap == 2


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.2]])
def test_few_eigenvalues_have_no_gap(values, new_axes):
    model = by_hand(SpectralNetClustering(4), values)
    display = EigenvaluesDisplay.from_estimator(model, ax=new_axes())
    assert display.largest_gap is None
    assert display.gap_ is None
    pixels(display.figure_)


def test_height_of_a_step_is_the_gap(rng, new_axes):
    values = np.append(0.0, np.sort(10.0 ** rng.uniform(-5, 0, size=9)))
    display = EigenvaluesDisplay(eigenvalues=values).plot(new_axes())
    up = display.ax_.yaxis.get_transform().transform(values)
    assert_allclose(np.diff(up)[1:], eigengaps(values, 30).gaps, rtol=1e-9)
    # All of them are inside the axes.
    bottom, top = display.ax_.get_ylim()
    assert bottom < values[0]
    assert top > values[-1]


def test_the_numbers_after_that_of_auto_are_named(global_random_seed, new_axes):
    model = clustering(global_random_seed, "auto")
    display = EigenvaluesDisplay.from_estimator(model, ax=new_axes())
    assert display.n_clusters == model.n_clusters_ == 3
    assert display.runners_up == model.n_clusters_support_.n_clusters[1:3].tolist()
    assert_array_equal(display.learned_.get_ydata(), model.eigenvalues_)
    named = [text.get_text() for text in display.ax_.get_legend().get_texts()][-1]
    assert named == "n_clusters_ = 3, then {}, {}".format(*display.runners_up)


def test_exact_eigenvalues_are_drawn(global_random_seed, new_axes):
    model = embedding(global_random_seed)
    exact = model.approximation_error_.exact_eigenvalues
    display = EigenvaluesDisplay.from_estimator(model, ax=new_axes(), color="red")
    assert_array_equal(display.exact_.get_ydata(), exact)
    assert_array_equal(display.exact_.get_xdata(), 1 + np.arange(len(exact)))
    assert_array_equal(display.learned_.get_ydata(), model.eigenvalues_)
    assert display.learned_.get_color() == "red"
    assert display.clusters_ is None


# --- embedding


def test_rows_are_where_transform_says(global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    model = clustering(global_random_seed)
    display = EmbeddingDisplay.from_estimator(model, X, ax=new_axes())
    Z = model.transform(X)
    # The first component of a clustering is the trivial one.
    assert display.pairs_ == [(1, 2)]
    assert_array_equal(display.scatters_[0].get_offsets(), Z[:, 1:3])
    assert display.ax_.get_xlabel() == "transform[:, 1]"
    assert display.ax_ is display.axes_[0]
    display = EmbeddingDisplay.from_estimator(
        embedding(global_random_seed), X, ax=new_axes()
    )
    assert display.pairs_ == [(0, 1)]
    assert display.legend_ is None


def test_rows_have_the_colours_of_their_clusters(global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    model = clustering(global_random_seed)
    display = EmbeddingDisplay.from_estimator(model, X, ax=new_axes())
    pixels(display.figure_)
    found = display.scatters_[0].get_facecolors()
    assert_allclose(found, [to_rgba(f"C{label}") for label in model.labels_])
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["0", "1", "2"]
    handles = display.legend_.legend_handles
    assert [to_rgba(h.get_color()) for h in handles] == [
        to_rgba(f"C{i}") for i in range(3)
    ]


def test_labels_given_name_the_legend(global_random_seed, new_axes):
    X, y = rows(global_random_seed)
    names = np.array(["pear", "apple", "fig"])[y]
    display = EmbeddingDisplay.from_estimator(
        clustering(global_random_seed), X, labels=names, ax=new_axes()
    )
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["apple", "fig", "pear"]
    # 0, 1, 2 are pear, apple, fig: the third, first and second of the sorted names.
    assert_array_equal(display.scatters_[0].get_array(), np.array([2, 0, 1])[y])


@pytest.mark.parametrize("n_classes", [1, 10, 11, 20, 21, 40])
def test_classes_have_different_colours(n_classes, new_axes):
    labels = np.arange(n_classes).repeat(2)
    Z = np.column_stack([labels, -labels])
    display = EmbeddingDisplay(embedding=Z, labels=labels).plot(new_axes())
    pixels(display.figure_)
    found = display.scatters_[0].get_facecolors()
    assert len(np.unique(found, axis=0)) == n_classes
    assert len(display.legend_.get_texts()) == n_classes


def test_values_have_a_colour_bar(global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    display = EmbeddingDisplay.from_estimator(
        embedding(global_random_seed), X, labels=X[:, 0], ax=new_axes()
    )
    assert display.legend_ is None
    assert display.colorbar_.vmin == pytest.approx(X[:, 0].min())
    assert display.colorbar_.vmax == pytest.approx(X[:, 0].max())
    assert_array_equal(display.scatters_[0].get_array(), X[:, 0])


def test_pairs_are_the_lower_triangle(global_random_seed, pyplot):
    X, _ = rows(global_random_seed)
    model = clustering(global_random_seed)
    display = EmbeddingDisplay.from_estimator(model, X, components=(0, 2, 3))
    assert display.pairs_ == [(0, 2), (0, 3), (2, 3)]
    Z = model.transform(X)
    places = []
    for axis, (x, y), scatter in zip(
        display.axes_, display.pairs_, display.scatters_, strict=True
    ):
        assert_array_equal(scatter.get_offsets(), Z[:, [x, y]])
        spec = axis.get_subplotspec()
        places.append((spec.rowspan.start, spec.colspan.start))
    assert places == [(0, 0), (1, 0), (1, 1)]
    assert len(display.figure_.axes) == 3


def test_a_colour_given_replaces_those_of_the_labels(global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    display = EmbeddingDisplay.from_estimator(
        clustering(global_random_seed), X, ax=new_axes(), color="k", s=3
    )
    assert_array_equal(display.scatters_[0].get_facecolors(), [to_rgba("k")])
    assert_array_equal(display.scatters_[0].get_sizes(), [3])
    assert display.legend_ is display.colorbar_ is None


def test_pipelines_and_stages_are_drawn(global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    model = SpectralNetClustering(3, random_state=global_random_seed)
    pipeline = make_pipeline(StandardScaler(), model).fit(X)
    display = EmbeddingDisplay.from_estimator(pipeline, X, ax=new_axes())
    assert display.pairs_ == [(1, 2)]
    assert_array_equal(display.labels, pipeline.predict(X))
    display = EmbeddingDisplay.from_estimator(PCA(2).fit(X), X, ax=new_axes())
    assert display.pairs_ == [(0, 1)]


def test_frames_give_no_warning(global_random_seed, new_axes):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rows(global_random_seed)[0], columns=["a", "b", "c"])
    model = SpectralNetClustering(3, random_state=global_random_seed).fit(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for display in WITH_ROWS:
            drawn(display, model, frame, ax=new_axes())
    with pytest.raises(ValueError, match="feature names"):
        NeighborPurityDisplay.from_estimator(model, frame[["b", "a", "c"]])


# --- affinity


def test_affinity_by_hand(new_axes):
    # Rows 1 and 3 are cluster a, rows 0 and 2 cluster b: sorted 1, 3, 0, 2. Of the
    # weight 2 * (4 + 2 + 1 + 1) the edges 1-3 and 0-2 have 2 * (4 + 2).
    W = np.zeros((4, 4))
    W[1, 3], W[0, 2], W[0, 1], W[2, 3] = 4, 2, 1, 1
    W = W + W.T
    display = AffinityDisplay(affinity=W, labels=list("baba")).plot(new_axes())
    expected = [[0, 4, 1, 0], [4, 0, 0, 1], [1, 0, 0, 2], [0, 1, 2, 0]]
    assert_array_equal(display.image_.get_array(), expected)
    assert display.inside_ == 12 / 16
    assert display.ax_.get_title() == "75.0% of the weight inside clusters"
    assert [b.get_bbox().extents.tolist() for b in display.blocks_] == [
        [-0.5, -0.5, 1.5, 1.5],
        [1.5, 1.5, 3.5, 3.5],
    ]
    assert [b.get_edgecolor() for b in display.blocks_] == [
        to_rgba("C0"),
        to_rgba("C1"),
    ]
    assert_array_equal(display.ax_.get_xticks(), [0.5, 2.5])
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == ["a", "b"]


def test_order_of_the_rows_of_an_affinity_does_not_matter(rng, new_axes):
    W, labels = rng.uniform(size=(20, 20)), rng.randint(3, size=20)
    order = rng.permutation(20)
    first = AffinityDisplay(affinity=W, labels=labels).plot(new_axes())
    other = AffinityDisplay(affinity=W[order][:, order], labels=labels[order])
    other.plot(new_axes())
    assert other.inside_ == pytest.approx(first.inside_)
    for one, two in zip(first.blocks_, other.blocks_, strict=True):
        assert_array_equal(one.get_bbox().extents, two.get_bbox().extents)
    first_two = np.bincount(labels)[0], np.bincount(labels)[:2].sum()
    beside = np.s_[: first_two[0], first_two[0] : first_two[1]]
    images = [d.image_.get_array()[beside] for d in (first, other)]
    assert_allclose(*(np.sort(image, axis=None) for image in images))


def test_affinity_without_any_weight(new_axes):
    display = AffinityDisplay(affinity=np.zeros((3, 3)), labels=[0, 1, 1])
    assert np.isnan(display.plot(new_axes()).inside_)
    pixels(display.figure_)


def gaussian(points):
    return torch.exp(-torch.cdist(points, points))


def seen_graph(monkeypatch, model, X):
    """Fit a model; return the graph that its stage reads of all rows, and its rows."""
    readers = {}
    modules = {"BatchReader": _batch_graph, "GraphReader": _neighbor_graph}
    for name, module in modules.items():
        cls = getattr(module, name)

        def spy(*args, name=name, cls=cls):
            return readers.setdefault(name, cls(*args))

        monkeypatch.setattr(module, name, spy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X)
    nodes = distinct_rows(X).first
    if "GraphReader" in readers:
        reader = readers["GraphReader"]
        return reader.graph.toarray(), nodes[reader.nodes]
    batch = readers["BatchReader"].read(np.arange(len(nodes)))
    return batch.affinity.apply(torch.eye(len(nodes))).numpy(), nodes


KINDS = {
    "self-tuning": {},
    "neighbours": {"affinity": "nearest_neighbors", "n_neighbors": 4},
    "rbf": {"affinity": "rbf"},
    "gamma": {"affinity": "rbf", "gamma": 0.3},
    "callable": {"affinity": gaussian},
    "cosine": {"metric": "cosine"},
    "stages": {"encoder": PCA(2), "metric_learner": StandardScaler()},
}


@pytest.mark.parametrize("neighbors_in", ["batch", "data"])
@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_affinity_is_that_of_the_training(
    kind, neighbors_in, dtype, global_random_seed, monkeypatch, new_axes
):
    X = (rows(global_random_seed)[0] + [3, 0, 0]).astype(dtype)
    X = np.concatenate([X, X[:5]])  # copies are one node
    X = X[order_by_value(X)]  # in which such rows are learned
    model = SpectralNetClustering(
        3, random_state=global_random_seed, neighbors_in=neighbors_in, **SMALL
    ).set_params(**KINDS[kind])
    expected, nodes = seen_graph(monkeypatch, model, X)
    display = AffinityDisplay.from_estimator(model, X, ax=new_axes())
    # The neighbours of all rows are measured in float32 here and in float64 there.
    tolerance = 1e-6 if neighbors_in == "batch" else 2e-3
    assert_allclose(display.affinity, expected, rtol=tolerance, atol=1e-6)
    assert_array_equal(display.labels, model.labels_[nodes])


def test_fewer_rows_have_the_same_share_of_neighbours(rng, new_axes):
    # 20 neighbours in batches of 400 rows are 10 in 200. Each edge to a neighbour has
    # weight 1/2 in both directions, so that the weights sum to rows times neighbours.
    X = rng.uniform(size=(400, 2))
    model = SpectralNetClustering(
        3, affinity="nearest_neighbors", n_neighbors=20, random_state=0, **SMALL
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X)
    for n_rows, n_neighbors in ((400, 20), (200, 10), (1000, 20), (60, 5)):
        display = AffinityDisplay.from_estimator(model, X, n_rows=n_rows, ax=new_axes())
        n_rows = min(n_rows, 400)
        assert display.affinity.shape == (n_rows, n_rows)
        assert display.affinity.sum() == pytest.approx(n_rows * n_neighbors)


def test_a_graph_given_is_cut_to_the_chosen_rows(global_random_seed, new_axes):
    X, y = rows(global_random_seed)
    graph = NearestNeighbors(n_neighbors=5).fit(X).kneighbors_graph()
    graph = sparse.csr_array(graph + graph.T)
    model = SpectralNetClustering(3, random_state=global_random_seed, **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, graph=graph)
    whole = AffinityDisplay.from_estimator(model, X, graph=graph, ax=new_axes())
    assert_array_equal(whole.affinity, graph.toarray())
    part = AffinityDisplay.from_estimator(
        model, X, labels=y, graph=graph, n_rows=30, random_state=1, ax=new_axes()
    )
    chosen = np.sort(np.random.RandomState(1).permutation(len(X))[:30])
    assert_array_equal(part.affinity, graph.toarray()[chosen][:, chosen])
    assert_array_equal(part.labels, y[chosen])
    with pytest.raises(ValueError, match="pass graph="):
        AffinityDisplay.from_estimator(model, X)


@cache
def gaussian_model(neighbors_in, seed):
    """A clustering on a Gaussian affinity, fitted for a few epochs."""
    model = SpectralNetClustering(
        3, affinity="rbf", neighbors_in=neighbors_in, random_state=seed, **SMALL
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(rows(seed)[0] + [3, 0, 0])


@pytest.mark.parametrize("neighbors_in", ["batch", "data"])
@pytest.mark.parametrize(
    "params",
    [
        {"metric": "cosine"},
        {"affinity": "self_tuning"},
        {"gamma": 5.0},
        {"neighbors_in": "batch"},
        {"neighbors_in": "data"},
    ],
    ids=lambda params: "-".join(map(str, *params.items())),
)
def test_parameters_set_after_the_fit_change_no_picture(
    params, neighbors_in, global_random_seed, new_axes
):
    X = rows(global_random_seed)[0] + [3, 0, 0]
    model = gaussian_model(neighbors_in, global_random_seed)
    changed = deepcopy(model).set_params(**params)
    for display in DISPLAYS:
        if display is DendrogramDisplay and not hasattr(model, "hierarchy_"):
            continue
        figures = [
            drawn(display, m, X, ax=new_axes()).figure_ for m in (model, changed)
        ]
        assert_array_equal(*map(pixels, figures), err_msg=display.__name__)


def test_sparse_and_integer_rows(global_random_seed, new_axes):
    X = rows(global_random_seed)[0]
    X = np.round(10 * (X - X.min(axis=0))).astype(np.uint8)
    model = SpectralNetClustering(3, random_state=global_random_seed).fit(X)
    for display in WITH_ROWS:
        dense = drawn(display, model, X, ax=new_axes())
        thin = drawn(display, model, sparse.csr_array(X), ax=new_axes())
        arrays = {
            name: value
            for name, value in vars(dense).items()
            if not name.endswith("_") and isinstance(value, np.ndarray)
        }
        assert arrays
        for name, value in arrays.items():
            assert_allclose(getattr(thin, name), value, atol=1e-5)


# --- losses


def test_every_trained_stage_has_its_curves(global_random_seed, new_axes):
    model = staged(global_random_seed)
    display = LossCurvesDisplay.from_estimator(model, ax=new_axes(3))
    assert display.stages == [
        "encoder: Autoencoder",
        "metric learner: SiameseEmbedding",
        "spectral map",
    ]
    assert [axis.get_title() for axis in display.axes_] == display.stages
    stages = (model.encoder_, model.metric_learner_, model)
    for lines, stage in zip(display.lines_, stages, strict=True):
        curves = [stage.loss_curve_, stage.validation_loss_curve_]
        curves = [curve for curve in curves if curve is not None]
        assert len(lines) == len(curves)
        for line, curve in zip(lines, curves, strict=True):
            assert_array_equal(line.get_ydata(), curve)
            assert_array_equal(line.get_xdata(), 1 + np.arange(stage.n_iter_))


def test_held_out_losses_are_drawn_where_there_are_some(new_axes):
    display = LossCurvesDisplay(
        stages=["one", "two"],
        loss_curves=[[3.0, 2.0], [1.0]],
        validation_loss_curves=[None, [1.5]],
    ).plot(new_axes(2), color="k")
    assert [[line.get_label() for line in lines] for lines in display.lines_] == [
        ["training"],
        ["training", "held-out rows"],
    ]
    assert_array_equal(display.lines_[1][1].get_xydata(), [[1.0, 1.5]])
    assert {line.get_color() for lines in display.lines_ for line in lines} == {"k"}


def test_stages_without_training_have_no_axes(global_random_seed, pyplot):
    X, _ = rows(global_random_seed)
    model = SpectralNetClustering(
        3, encoder=PCA(2), random_state=global_random_seed
    ).fit(X)
    display = LossCurvesDisplay.from_estimator(model)
    assert display.stages == ["spectral map"]
    assert len(display.figure_.axes) == len(display.axes_) == 1
    encoder = staged(global_random_seed).encoder_
    display = LossCurvesDisplay.from_estimator(encoder)
    assert display.stages == ["Autoencoder"]
    assert_array_equal(display.lines_[0][0].get_ydata(), encoder.loss_curve_)


# --- selection


def test_candidates_and_twice_their_errors(new_axes):
    display = SelectionDisplay(
        candidates=("plain, fine", "plain, coarse", "learned"),
        scores=[0.5, np.nan, 0.6],
        errors=[0.1, np.nan, 0.02],
        taken="learned",
    ).plot(new_axes(1))
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == ["plain, fine", "plain, coarse", "learned"]
    points = [container.lines[0] for container in display.points_]
    assert [point.get_xdata()[0] for point in points[::2]] == [0.5, 0.6]
    assert [point.get_color() for point in points] == ["0.6", "0.6", "C0"]
    (bar,) = display.points_[0].lines[2]
    assert_allclose(bar.get_segments()[0][:, 0], [0.3, 0.7])
    assert display.points_[1].lines[2] == ()


def test_a_fit_without_a_choice_has_no_selection_to_draw(global_random_seed):
    X, _ = rows(global_random_seed)
    model = SpectralNetClustering(3, random_state=global_random_seed).fit(X)
    with pytest.raises(ValueError, match="fewer than 500 different rows"):
        SelectionDisplay.from_estimator(model)


# --- purity


def test_purity_by_hand(new_axes):
    # On a line: the nearest of 0 is 1 and that of 1 is 0; that of 2.5 is 1, of the
    # other cluster; 10, 11 and 12.5 have one of their own. Of the 5 other rows 1 is
    # in the same cluster for rows of the first, and 3 for those of the second.
    X = np.array([[0.0], [1.0], [2.5], [10.0], [11.0], [12.5]])
    model = SpectralNetClustering(2, random_state=0).fit(X)
    display = NeighborPurityDisplay.from_estimator(
        model, X, labels=list("aabbbb"), n_neighbors=1, ax=new_axes()
    )
    assert [bar.get_height() for bar in display.bars_] == [1.0, 3 / 4]
    assert [bar.get_facecolor() for bar in display.bars_] == [
        to_rgba("C0"),
        to_rgba("C1"),
    ]
    marks = [segment[0, 1] for segment in display.at_random_.get_segments()]
    assert marks == [1 / 5, 3 / 5]
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["a", "b"]
    assert display.ax_.get_ylim() == (0.0, 1.0)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_purity_counts_equal_rows_once_by_hand(form, new_axes):
    # Four rows at 0 and two at 2 (one of each cluster), others at 3.5, 4.5 and 9. The
    # two nearest other places of 0 are 2 and 3.5, three rows of which one is of a. Of
    # 2 they are 3.5 and 0 (no other), five rows: four are of a, one is of b. Of 3.5
    # they are 4.5 and 2, of 4.5 they are 3.5 and 2, of 9 they are 4.5 and 3.5: of b
    # are 2 of 3, 2 of 3 and 2 of 2.
    places = np.array([0.0, 2.0, 0.0, 9.0, 0.0, 3.5, 2.0, 0.0, 4.5])
    X = form(np.column_stack([places, np.zeros(9)]))
    labels = list("aaababbab")
    model = SpectralNetClustering(2, random_state=0).fit(X)
    display = NeighborPurityDisplay.from_estimator(
        model, X, labels=labels, n_neighbors=2, ax=new_axes()
    )
    of_a = (4 * 1 / 3 + 4 / 5) / 5
    of_b = (1 / 5 + 2 / 3 + 2 / 3 + 1) / 4
    assert_allclose(display.purity, [of_a, of_b], rtol=1e-12)
    assert_allclose(display.at_random, [4 / 8, 3 / 8])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("space", ["rows", "embedding"])
def test_purity_of_a_table_is_that_of_its_different_rows(
    space, global_random_seed, new_axes
):
    rng = np.random.RandomState(global_random_seed)
    different, y = rows(global_random_seed)
    y = rng.permutation(y)  # labels that have nothing to do with the rows
    order = rng.permutation(15 * len(y)) % len(y)
    model = clustering(global_random_seed)
    found = [
        NeighborPurityDisplay.from_estimator(
            model, X, labels=labels, space=space, ax=new_axes()
        )
        for X, labels in (
            (different, y),
            (different[order], y[order]),
            (sparse.csr_array(different[order]), y[order]),
        )
    ]
    assert found[0].purity.max() < 0.7
    for display in found[1:]:
        assert_allclose(display.purity, found[0].purity, rtol=1e-12)


def test_purity_of_few_different_rows(global_random_seed, new_axes):
    X, y = rows(global_random_seed)
    model = clustering(global_random_seed)
    few = np.repeat(X[:3], 20, axis=0)
    display = NeighborPurityDisplay.from_estimator(
        model, few, labels=np.arange(60) // 20, ax=new_axes()
    )
    assert display.n_neighbors == 2
    assert_array_equal(display.purity, 0.0)  # rows of others alone
    with pytest.raises(ValueError, match="All rows are equal"):
        NeighborPurityDisplay.from_estimator(model, few[:20], labels=y[:20])


def test_purity_of_separate_clusters_and_of_random_labels(global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    model = clustering(global_random_seed)
    display = NeighborPurityDisplay.from_estimator(model, X, ax=new_axes())
    assert_array_equal(display.purity, 1.0)
    assert_array_equal(display.clusters, [0, 1, 2])
    assert_allclose(display.at_random, [39 / 89, 29 / 89, 19 / 89])
    # With all other rows as neighbours every purity is that of random labels.
    display = NeighborPurityDisplay.from_estimator(
        model, X, n_neighbors=89, ax=new_axes()
    )
    assert_allclose(display.purity, display.at_random)


def test_displays_show_the_labels_that_were_given(global_random_seed, new_axes):
    X, y = rows(global_random_seed)
    y = np.array([30, 10**12, 10])[y]
    model = clone(clustering(global_random_seed)).fit(X, partial_labels=y)
    purity = NeighborPurityDisplay.from_estimator(model, X, ax=new_axes())
    assert_array_equal(purity.clusters, model.classes_)
    assert_array_equal(purity.purity, 1.0)
    affinity = AffinityDisplay.from_estimator(model, X, ax=new_axes())
    assert_array_equal(affinity.labels, y)
    spectrum = EigenvaluesDisplay.from_estimator(model, ax=new_axes())
    assert spectrum.n_clusters == 3
    points = EmbeddingDisplay.from_estimator(model, X, ax=new_axes())
    names = [str(name) for name in model.classes_]
    assert [text.get_text() for text in points.legend_.get_texts()] == names
    for display in (purity, affinity):
        ticks = [text.get_text() for text in display.ax_.get_xticklabels()]
        assert ticks == names


def test_purity_in_the_embedding(global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    model = clustering(global_random_seed)
    labels = np.arange(len(X)) % 2
    display = NeighborPurityDisplay.from_estimator(
        model, X, labels=labels, n_neighbors=3, space="embedding", ax=new_axes()
    )
    Z = model.transform(X)
    found = NearestNeighbors(n_neighbors=3).fit(Z).kneighbors(return_distance=False)
    same = (labels[found] == labels[:, None]).mean(axis=1)
    assert_allclose(display.purity, [same[labels == c].mean() for c in (0, 1)])
    assert "embedding" in display.ax_.get_ylabel()


def test_purity_of_chosen_rows(global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    display = NeighborPurityDisplay.from_estimator(
        clustering(global_random_seed), X, n_rows=30, n_neighbors=29, ax=new_axes()
    )
    chosen = np.random.RandomState(0).permutation(len(X))[:30]
    sizes = np.bincount(clustering(global_random_seed).labels_[chosen])
    assert_allclose(display.at_random, (sizes - 1) / 29)


# --- merges


def test_brackets_by_hand(new_axes):
    # 0 and 2 are merged at .2, 1 and 3 at .4, both at .9: 0, 2, 1, 3 from the left.
    linkage = [[0, 2, 0.2, 2], [1, 3, 0.4, 2], [4, 5, 0.9, 4]]
    display = DendrogramDisplay(linkage=linkage, clusters=list("abcd"), n_groups=2)
    display.plot(new_axes())
    assert display.order_.tolist() == ["a", "c", "b", "d"]
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == list("acbd")
    expected = [
        [[0, 0], [0, 0.2], [1, 0.2], [1, 0]],
        [[2, 0], [2, 0.4], [3, 0.4], [3, 0]],
        [[0.5, 0.2], [0.5, 0.9], [2.5, 0.9], [2.5, 0.4]],
    ]
    for found, corners in zip(display.merges_.get_segments(), expected, strict=True):
        assert_allclose(found, corners)
    colors = [to_rgba(c) for c in ("C0", "C1", "black")]
    assert_array_equal(display.merges_.get_colors(), colors)
    assert_allclose(display.cut_.get_ydata(), (0.4 + 0.9) / 2)
    alike = DendrogramDisplay(linkage=linkage, clusters=list("abcd")).plot(new_axes())
    assert_array_equal(alike.merges_.get_colors(), [to_rgba("C0")] * 3)
    assert alike.cut_ is None


def test_colours_are_those_of_the_merged_model(global_random_seed, new_axes):
    model = clustering(global_random_seed, 8)
    for n_groups in range(1, 9):
        ax = new_axes()
        display = DendrogramDisplay.from_estimator(model, n_groups=n_groups, ax=ax)
        merged = model.merge(n_groups)
        group = dict(zip(model.labels_, merged.labels_, strict=True))
        n_made = 8 - n_groups
        colors = [tuple(c) for c in display.merges_.get_colors()]
        assert colors[n_made:] == [to_rgba("black")] * (n_groups - 1)
        color_of = {}
        for segment, color in zip(
            display.merges_.get_segments()[:n_made], colors[:n_made], strict=True
        ):
            below = display.order_[int(np.ceil(segment[0, 0]))]
            assert color_of.setdefault(group[below], color) == color
        assert len(set(color_of.values())) == len(color_of)


def test_a_tree_needs_clusters(global_random_seed):
    with pytest.raises(ValueError, match="SpectralNetEmbedding has no clusters"):
        DendrogramDisplay.from_estimator(embedding(global_random_seed))
    with pytest.raises(ValueError, match="two clusters or more; got n_clusters_=1"):
        DendrogramDisplay.from_estimator(clustering(global_random_seed).merge(1))


# --- doubt


def test_doubts_by_hand(new_axes):
    display = DoubtDisplay(
        typicality=[-1.0, -9.0, -2.0, -1.5],
        confidence=[0.9, 0.8, 0.4, 1.0],
        labels=[4, -1, 7, 4],
        offset=-3.0,
    ).plot(new_axes())
    points = [np.asarray(scatter.get_offsets()) for scatter in display.scatters_]
    assert_allclose(points[0], [[9.0, 0.8]])
    assert_allclose(points[1], [[1.0, 0.9], [1.5, 1.0]])
    assert_allclose(points[2], [[2.0, 0.4]])
    colors = [tuple(scatter.get_facecolor()[0]) for scatter in display.scatters_]
    assert colors == [to_rgba(color) for color in ("black", "C0", "C1")]
    names = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert names == ["-1", "4", "7"]
    assert_allclose(display.offset_.get_xdata(), 3.0)
    assert display.ax_.xaxis_inverted()  # typical rows on the right


def test_doubts_are_what_the_model_says(global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    model = clone(clustering(global_random_seed)).set_params(contamination=0.1).fit(X)
    display = DoubtDisplay.from_estimator(model, X, n_rows=50, ax=new_axes())
    chosen = np.sort(np.random.RandomState(0).permutation(len(X))[:50])
    assert_array_equal(display.labels, model.labels_[chosen])
    assert_array_equal(display.typicality, model.score_samples(X)[chosen])
    assert_array_equal(display.confidence, model.predict_proba(X).max(axis=1)[chosen])
    assert display.offset == model.offset_
    display = DoubtDisplay.from_estimator(
        clustering(global_random_seed), X, ax=new_axes()
    )
    assert display.offset is None
    assert display.offset_ is None
    with pytest.raises(TypeError, match=r"needs a fitted SpectralNetClustering; got"):
        DoubtDisplay.from_estimator(embedding(global_random_seed), X)


# --- overview


def overlap(centers, radii):
    """How far the discs reach into each other, at most; below 0 where they do not."""
    gaps = np.linalg.norm(centers[:, None] - centers, axis=2)
    np.fill_diagonal(gaps, np.inf)
    return float(np.max(radii[:, None] + radii - gaps))


@pytest.mark.parametrize("n", [2, 3, 10, 50])
def test_discs_are_apart_and_near_ones_near(n, rng):
    plane = rng.uniform(size=(n, 2))
    distances = np.linalg.norm(plane[:, None] - plane, axis=2)
    radii = rng.uniform(0.3, 1.5, size=n)
    centers = _layout(distances, radii)
    assert overlap(centers, radii) < 1e-9
    # They fill a good part of the circle around all of them.
    around = np.max(np.linalg.norm(centers, axis=1) + radii)
    assert np.sum(radii**2) > 0.2 * around**2
    if n > 3:
        found = np.linalg.norm(centers[:, None] - centers, axis=2)
        pairs = np.triu_indices(n, 1)
        assert np.corrcoef(found[pairs], distances[pairs])[0, 1] > 0.6
    far = _layout(7.0 * distances, radii)  # only ratios count
    assert_allclose(far, centers, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_discs_of_clusters_at_one_place_are_apart(n):
    radii = np.linspace(1.0, 2.0, n)
    centers = _layout(np.zeros((n, n)), radii)
    assert np.isfinite(centers).all()
    assert overlap(centers, radii) < 1e-9 or n == 1


@pytest.mark.parametrize("n", [1, 2, 3, 10, 300])
def test_rows_fill_a_disc_and_the_first_are_on_their_sides(n, rng):
    pulls = rng.normal(size=(n, 2))
    places = _filled(pulls)
    assert len(np.unique(places.round(9), axis=0)) == n
    assert np.linalg.norm(places, axis=1).max() <= 1.0
    if n < 300:
        return
    # Half the rows are in half the area, to every side.
    inner = np.linalg.norm(places, axis=1) < np.sqrt(0.5)
    assert 0.4 < inner.mean() < 0.6
    assert_allclose(np.mean(places > 0, axis=0), 0.5, atol=0.05)
    along = np.sum(places * pulls, axis=1) / np.linalg.norm(pulls, axis=1)
    assert along[:50].min() > 0.6
    assert_array_equal(_filled(5.0 * pulls), places)


def test_overview_is_what_the_model_says(global_random_seed, pyplot):
    X, _ = rows(global_random_seed)
    model = clustering(global_random_seed)
    display = OverviewDisplay.from_estimator(model, X)
    assert_array_equal(display.clusters, [0, 1, 2])
    assert_array_equal(display.sizes, [40, 30, 20])
    assert_array_equal(display.discs, model.labels_)
    assert_allclose(np.square(display.radii), np.array([40, 30, 20]) / 30)
    from_center = np.linalg.norm(
        display.positions - display.centers[display.discs], axis=1
    )
    assert np.all(from_center < display.radii[display.discs])
    assert overlap(display.centers, display.radii) < 1e-9
    # Each row is a dot in the colour of its cluster, each cluster a disc with its name.
    assert len(display.rows_.get_offsets()) == 90
    order = np.argsort(display.doubtful, kind="stable")  # black ones on top
    assert_array_equal(display.rows_.get_offsets(), display.positions[order])
    faces = [
        to_rgba("black" if doubt else f"C{label}", 1.0 if doubt else 0.7)
        for label, doubt in zip(model.labels_, display.doubtful, strict=True)
    ]
    assert_allclose(display.rows_.get_facecolor(), np.array(faces)[order])
    for circle, name, center in zip(
        display.circles_, display.names_, display.centers, strict=True
    ):
        assert_array_equal(circle.get_center(), center)
        assert_array_equal(name.get_position(), center)
    assert [name.get_text() for name in display.names_] == ["0", "1", "2"]
    assert [bar.get_height() for bar in display.bars_] == [40, 30, 20]
    assert display.eigenvalues_.n_clusters == 3
    assert_array_equal(display.eigenvalues_.learned_.get_ydata(), model.eigenvalues_)
    assert len(display.axes_) == len(display.figure_.axes) == 3


def test_doubtful_rows_are_black_and_face_the_other_cluster(
    global_random_seed, new_axes
):
    X, _ = make_blobs(
        300, centers=[[0, 0], [3, 0]], cluster_std=1, random_state=global_random_seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SpectralNetClustering(2, random_state=global_random_seed).fit(X)
    sure = model.predict_proba(X).max(axis=1)
    below = np.quantile(sure, 0.1)
    display = OverviewDisplay.from_estimator(
        model, X, doubt_below=below, ax=new_axes(3)
    )
    assert_array_equal(display.doubtful, sure < below)
    n_black = int(np.sum(sure < below))
    assert f"{n_black / 300:.1%} doubtful (black)" in display.ax_.get_title()
    heights = [bar.get_height() for bar in display.doubtful_bars_]
    assert_allclose(heights, np.bincount(model.labels_[sure < below], minlength=2))
    faces = display.rows_.get_facecolor()
    assert_array_equal(np.all(faces == [0, 0, 0, 1], axis=1).sum(), n_black)
    other = display.centers[::-1] - display.centers
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    aside = display.positions - display.centers[display.discs]
    along = np.sum(aside * other[display.discs], axis=1)
    along /= display.radii[display.discs]
    for disc in (0, 1):
        black, rest = (
            along[(display.discs == disc) & doubt]
            for doubt in (display.doubtful, ~display.doubtful)
        )
        assert len(black) == 0 or black.min() >= rest.max() - 1e-9


def test_one_axes_has_the_map_alone(global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    display = OverviewDisplay.from_estimator(
        clustering(global_random_seed), X, ax=new_axes(), facecolor="red"
    )
    assert display.bars_ is display.doubtful_bars_ is display.eigenvalues_ is None
    assert len(display.axes_) == 1
    assert_array_equal(display.rows_.get_facecolor(), [to_rgba("red")])


def test_overview_of_other_rows_of_outliers_and_of_few(global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    model = SpectralNetClustering(
        3, contamination=0.1, random_state=global_random_seed
    ).fit(X)
    n_outliers = int(np.sum(model.labels_ == -1))
    display = OverviewDisplay.from_estimator(model, X, ax=new_axes())
    assert display.n_outliers == n_outliers > 0
    assert len(display.positions) == display.sizes.sum() == 90 - n_outliers
    assert display.ax_.get_title().endswith(f"{n_outliers} outliers beside")
    with pytest.raises(ValueError, match=r"All rows of X are outliers"):
        OverviewDisplay.from_estimator(model, X + 1e4)
    some = X[model.labels_ == 1]
    display = OverviewDisplay.from_estimator(model, some, ax=new_axes())
    assert_array_equal(display.clusters, [1])
    few = SpectralNetClustering(2, random_state=global_random_seed).fit(X[:12])
    assert not hasattr(few, "predict_proba")
    display = OverviewDisplay.from_estimator(few, X[:12], ax=new_axes(3))
    assert display.doubtful is None
    assert display.ax_.get_title() == "2 clusters of 12 rows"


def test_overview_of_some_rows_has_every_cluster(global_random_seed, new_axes):
    X = sparse.csr_matrix(rows(global_random_seed)[0])
    model = SpectralNetClustering(3, random_state=global_random_seed).fit(X)
    display = OverviewDisplay.from_estimator(model, X, n_rows=2, ax=new_axes())
    assert_array_equal(np.unique(display.discs), [0, 1, 2])
    assert display.sizes.sum() == 90
    assert len(display.positions) <= 5


# --- what all displays have in common

each = pytest.mark.parametrize("display", DISPLAYS, ids=lambda d: d.__name__)


@each
def test_renders_without_warnings_and_alike(display, global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    model = clustering(global_random_seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # An old matplotlib calls a new pyparsing by names that are to go.
        warnings.filterwarnings("ignore", ".*deprecated", module="matplotlib|pyparsing")
        first, second = (drawn(display, model, X, ax=new_axes()) for _ in range(2))
        images = [pixels(d.figure_) for d in (first, second)]
    assert_array_equal(*images)
    assert len(np.unique(images[0].reshape(-1, 4), axis=0)) > 10
    # Drawn again from its data alone.
    data = {n: v for n, v in vars(first).items() if not n.endswith("_")}
    assert_array_equal(pixels(display(**data).plot(new_axes()).figure_), images[0])


def drawn_pixels(axis):
    """Where the dots, lines, bars and discs of an axes lie, in pixels: (n, 2)."""
    places = [np.empty((0, 2))]
    for line in axis.lines:
        points, transform = line.get_xydata(), line.get_transform()
        if len(points) and transform.contains_branch(axis.transData):
            places.append(transform.transform(points))
    for artist in axis.collections:
        offsets, transform = artist.get_offsets(), artist.get_offset_transform()
        if transform.contains_branch(axis.transData):
            places.append(transform.transform(offsets))
        else:  # lines
            segments = [path.vertices for path in artist.get_paths()]
            places += [artist.get_transform().transform(one) for one in segments]
    places += [patch.get_window_extent().corners() for patch in axis.patches]
    return np.concatenate(places)


def boxes_overlap(texts):
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    return any(
        one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i]
    )


@each
@pytest.mark.filterwarnings("ignore:k-means")  # eight clusters of three blobs
def test_all_that_is_drawn_can_be_read(display, global_random_seed, pyplot):
    """No dot is cut off, no text leaves the figure, and no legend covers a dot.

    These are properties of the artists: the pixels themselves differ between versions
    of matplotlib.
    """
    X, _ = rows(global_random_seed)
    figure = drawn(display, clustering(global_random_seed, 8), X).figure_
    figure.canvas.draw()
    for axis in figure.axes:
        places = drawn_pixels(axis)
        assert len(places) or axis.images
        low, high = axis.bbox.padded(1.0).get_points()
        assert np.all((low <= places) & (places <= high), axis=None)
        (left, bottom), (right, top) = axis.get_tightbbox().get_points()
        assert min(left, bottom) >= 0.0
        assert right <= figure.bbox.width
        assert top <= figure.bbox.height
        assert not boxes_overlap(axis.get_xticklabels())
        assert not boxes_overlap(axis.get_yticklabels())
        if axis.get_legend() is not None:
            box = axis.get_legend().get_window_extent()
            assert not box.count_contains(drawn_pixels(axis))


@each
def test_only_data_before_it_is_drawn(display, global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    shown = drawn(display, clustering(global_random_seed), X, ax=new_axes())
    data = {n: v for n, v in vars(shown).items() if not n.endswith("_")}
    fresh = display(**data)
    assert vars(fresh) == data
    ax = new_axes()
    assert fresh.plot(ax=ax) is fresh
    assert fresh.ax_ is ax
    assert fresh.figure_ is ax.figure


@each
def test_new_figures_are_those_of_pyplot(display, global_random_seed, pyplot):
    X, _ = rows(global_random_seed)
    before = pyplot.get_fignums()
    shown = drawn(display, clustering(global_random_seed), X)
    assert len(pyplot.get_fignums()) == len(before) + 1
    assert pyplot.gcf() is shown.figure_


@each
def test_nothing_else_changes(display, global_random_seed, new_axes, pyplot):
    X, _ = rows(global_random_seed)
    model, ax = clustering(global_random_seed), new_axes()
    current = pyplot.figure()
    other = current.subplots()

    def state():
        return {
            "rcParams": mpl.rcParams.copy(),
            "backend": mpl.get_backend(),
            "figures": pyplot.get_fignums(),
            "filters": list(warnings.filters),
            "numpy": repr(np.random.get_state(legacy=False)),  # noqa: NPY002
            "torch": torch.get_rng_state().numpy().tobytes(),
            "model": dict(vars(model)),
            "colours": sorted(mpl.colormaps),
        }

    before = state()
    drawn(display, model, X, ax=ax)
    after = state()
    assert [name for name in before if before[name] != after[name]] == []
    assert pyplot.gcf() is current
    assert pyplot.gca() is other


@each
def test_immune_to_hostile_globals(display, global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    model = clustering(global_random_seed)
    expected = drawn(display, model, X, ax=new_axes())
    with torch.device("meta"), np.errstate(all="raise"):
        found = drawn(display, model, X, ax=new_axes())
    names = [name for name in vars(expected) if not name.endswith("_")]
    assert names
    for name in names:
        assert_array_equal(getattr(found, name), getattr(expected, name))


@each
def test_without_matplotlib_the_error_says_so(
    display, global_random_seed, new_axes, monkeypatch
):
    X, _ = rows(global_random_seed)
    model = clustering(global_random_seed)
    shown = drawn(display, model, X, ax=new_axes())
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    name = display.__name__
    with pytest.raises(ImportError, match=rf"{name}\.from_estimator requires matplotl"):
        drawn(display, model, X)
    with pytest.raises(ImportError, match=rf"{name}\.plot requires matplotlib"):
        shown.plot()


def test_inspection_is_a_public_room():
    assert skspectralnet.inspection is inspection
    assert "inspection" in skspectralnet.__all__


# --- what is refused


@each
@pytest.mark.parametrize(
    "estimator", [SpectralNetClustering(3), SpectralNetEmbedding(2)], ids=["c", "e"]
)
def test_unfitted_models_are_refused(display, estimator, global_random_seed, pyplot):
    before = pyplot.get_fignums()
    clusters = display not in OF_CLUSTERS or hasattr(estimator, "predict")
    error = NotFittedError if clusters else TypeError
    with pytest.raises(error, match=type(estimator).__name__):
        drawn(display, estimator, rows(global_random_seed)[0])
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize(
    "display",
    [d for d in DISPLAYS if d is not EmbeddingDisplay],
    ids=lambda d: d.__name__,
)
def test_other_estimators_are_refused(display, global_random_seed):
    X, _ = rows(global_random_seed)
    needed = f"{display.__name__} needs a fitted SpectralNetClustering.*; got "
    with pytest.raises(TypeError, match=needed + r"KMeans\.$"):
        drawn(display, KMeans(2, n_init=1).fit(X), X)
    pipeline = make_pipeline(StandardScaler(), SpectralNetClustering(3, random_state=0))
    with pytest.raises(TypeError, match=needed + r"Pipeline\. Take its last step"):
        drawn(display, pipeline.fit(X), X)


@pytest.mark.parametrize("display", WITH_ROWS, ids=lambda d: d.__name__)
def test_wrong_columns_are_refused(display, global_random_seed):
    X, y = rows(global_random_seed)
    model = clustering(global_random_seed)
    for labels in (None, y):
        with pytest.raises(ValueError, match=r"2 features, but .* expecting 3"):
            drawn(display, model, X[:, :2], labels=labels)


@each
def test_bad_axes_are_refused(display, global_random_seed, new_axes):
    X, _ = rows(global_random_seed)
    model = clustering(global_random_seed)
    with pytest.raises(TypeError, match="ax must be matplotlib Axes or None; got str"):
        drawn(display, model, X, ax="left")
    with pytest.raises(TypeError, match="got Figure"):
        drawn(display, model, X, ax=new_axes().figure)
    with pytest.raises(ValueError, match=r"ax has 2 Axes, but \d are drawn"):
        drawn(display, model, X, ax=new_axes(2))


@pytest.mark.parametrize(
    ("display", "params", "error", "text"),
    [
        (EmbeddingDisplay, {"components": [0]}, ValueError, "two or more different"),
        (EmbeddingDisplay, {"components": 1}, ValueError, "two or more different"),
        (EmbeddingDisplay, {"components": [1, 1]}, ValueError, r"got \[1, 1\]"),
        (EmbeddingDisplay, {"components": [0, 4]}, ValueError, "has 4, from 0"),
        (EmbeddingDisplay, {"components": [0, -1]}, ValueError, r"got \[0, -1\]"),
        (EmbeddingDisplay, {"components": [0, 1.5]}, ValueError, "1.5"),
        (AffinityDisplay, {"n_rows": 1}, ValueError, "n_rows .* at least 2; got 1"),
        (AffinityDisplay, {"n_rows": "all"}, ValueError, "got 'all'"),
        (AffinityDisplay, {"graph": np.ones((3, 3))}, ValueError, "90 rows"),
        (DendrogramDisplay, {"n_groups": 0}, ValueError, "from 1 to 3.* got 0"),
        (DendrogramDisplay, {"n_groups": 4}, ValueError, "got 4"),
        (DendrogramDisplay, {"n_groups": "all"}, ValueError, "got 'all'"),
        (NeighborPurityDisplay, {"n_rows": 2.0}, ValueError, "got 2.0"),
        (NeighborPurityDisplay, {"n_neighbors": 0}, ValueError, "from 1 to 89"),
        (NeighborPurityDisplay, {"n_neighbors": 90}, ValueError, "got 90"),
        (NeighborPurityDisplay, {"n_neighbors": True}, ValueError, "got True"),
        (NeighborPurityDisplay, {"space": "graph"}, ValueError, "'embedding'; got"),
        (OverviewDisplay, {"doubt_below": 2}, ValueError, "from 0 to 1; got 2"),
        (OverviewDisplay, {"doubt_below": "low"}, ValueError, "got 'low'"),
        (OverviewDisplay, {"n_rows": 1}, ValueError, "got 1"),
    ],
)
def test_bad_arguments_are_named(display, params, error, text, global_random_seed):
    X, _ = rows(global_random_seed)
    with pytest.raises(error, match=text):
        drawn(display, clustering(global_random_seed), X, **params)


@pytest.mark.parametrize("display", WITH_ROWS, ids=lambda d: d.__name__)
def test_bad_labels_are_refused(display, global_random_seed):
    X, y = rows(global_random_seed)
    model = clustering(global_random_seed)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        drawn(display, model, X, labels=y[:-1])
    with pytest.raises(ValueError, match="labels has NaN"):
        drawn(display, model, X, labels=np.where(y == 0, np.nan, y))
    with pytest.raises(ValueError, match="1d array"):
        drawn(display, model, X, labels=np.column_stack([y, y]))


@pytest.mark.parametrize(
    "display", [AffinityDisplay, NeighborPurityDisplay], ids=lambda d: d.__name__
)
def test_labels_are_needed_without_clusters(display, global_random_seed, new_axes):
    X, y = rows(global_random_seed)
    model = embedding(global_random_seed)
    with pytest.raises(ValueError, match="SpectralNetEmbedding has no clusters"):
        drawn(display, model, X)
    drawn(display, model, X, labels=y, ax=new_axes())


@pytest.mark.parametrize(
    "display", [AffinityDisplay, NeighborPurityDisplay], ids=lambda d: d.__name__
)
def test_one_row_has_nothing_to_compare(display, global_random_seed):
    X, _ = rows(global_random_seed)
    with pytest.raises(ValueError, match="at least 2 rows"):
        drawn(display, clustering(global_random_seed), X[:1])


def test_equal_rows_have_no_graph(global_random_seed):
    X, _ = rows(global_random_seed)
    with pytest.raises(ValueError, match="All chosen rows are equal"):
        AffinityDisplay.from_estimator(
            embedding(global_random_seed), X[[0, 0, 0]], labels=[0, 0, 1]
        )
