"""SpectralNetClustering."""

import sys

import numpy as np
from sklearn.base import ClusterMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skspectralnet._assignment import (
    Centers,
    Named,
    fit_assignment,
    named_after,
    quick_clusters,
)
from skspectralnet._base import BaseSpectralNet, uncounted
from skspectralnet._calls import guarded
from skspectralnet._constraints import known_pairs
from skspectralnet._defaults import components_of
from skspectralnet._findings import (
    Clusters,
    Nearby,
    doubts_of,
    found_lines,
    in_blocks,
    merges_of,
    scores_of,
    sharpness_of,
    typicality_of,
)
from skspectralnet._graph import modularity
from skspectralnet._hierarchy import fine_parts, merged_model
from skspectralnet._input import checked_weights, of_weights, validate_rows
from skspectralnet._partitions import by_blocks
from skspectralnet._plan import Components
from skspectralnet._probability import LEAST_ROWS
from skspectralnet._rows import in_memory
from skspectralnet._selection import criterion_graph, some_rows
from skspectralnet._stored import CLUSTERING
from skspectralnet._summary import Wanted, closing_line, summary
from skspectralnet._typicality import offset_of
from skspectralnet._validation import StrOptions, at_least, share_up_to

_NO_WEIGHTS = (
    "sample_weight cannot be used with assign_labels='mixture', whose Gaussians weigh "
    "all rows alike: take 'kmeans' or 'cluster_qr'."
)


def _has_centers(model):
    """Whether the clusters of the fit, before it those asked for, have centres."""
    has = model.assign_labels == "kmeans"
    if hasattr(model, "_assignment"):
        has = isinstance(fine_parts(model._assignment)[0], Centers)
    if not has:
        raise AttributeError(
            "partial_fit moves centres: it needs a fit with assign_labels='kmeans'."
        )
    return True


def _has_probabilities(model):
    """Whether the fit found how sharp they are: without that there are none."""
    check_is_fitted(model)
    if model._sharpness is None:
        raise AttributeError(
            f"predict_proba needs {LEAST_ROWS} rows of the fit for each cluster: of "
            f"the {model._n_fitted} there are too few to tell how sure a label is."
        )
    return True


def _counted(model, found, clusters, weights):
    """Rows of each cluster, or their weights, those without a part left out."""
    if model.subsample is None or model.subsample >= len(clusters):
        clusters = clusters[found.learned]
        weights = of_weights(weights, found.learned)
    return np.bincount(clusters, weights, minlength=model.n_clusters_)


def _inside(model, X):
    """Which of the validated rows are no outliers of a fit."""
    if not hasattr(model, "offset_"):
        return np.ones(X.shape[0], dtype=bool)
    return scores_of(model._typicality, X, model._stages) >= model.offset_


def _named(names, clusters, inside):
    """The labels of rows in clusters, -1 of those outside."""
    return np.where(inside, names[clusters], -1)


def _check_number(n_labels, n_clusters):
    if n_labels > n_clusters:
        raise ValueError(
            f"partial_labels has {n_labels} different labels, more than "
            f"n_clusters={n_clusters}: expected a cluster for each. Raise "
            "n_clusters, and use -1 where the label is unknown."
        )


class SpectralNetClustering(ClusterMixin, BaseSpectralNet):
    r"""Spectral clustering by a network that learns the embedding (SpectralNet).

    A perceptron with an orthonorm layer learns the map from a row to the leading
    eigenvectors of the graph Laplacian, k-means clusters the embedding, and `predict`
    gives new rows the same embedding and the nearest stored centre: no graph, no
    refit, each row on its own [1]_. Training sees the rows in mini-batches and links
    each row to its nearest neighbours inside its batch, so that cost grows linearly
    with the rows.

    Parameters
    ----------
    n_clusters : int or "auto", default=8
        Number of clusters. ``"auto"``: from 1 to 128, as many as are clearly cheaper
        to leave than to divide in a neighbour graph of at most 4,096 rows,
        `n_clusters_support_`; at least as many as there are different labels. The fit
        is then the one that asks for this number.
    n_components : int, default=None
        Number of eigenvectors, the trivial (constant) one included; may be less or
        more than the clusters. None: 1.3 `n_clusters`, rounded up.
    diffusion_time : float or "auto", default="auto"
        Time t >= 0 of the diffusion: component i is multiplied by
        :math:`\max(0, 1 - \lambda_i)^t`, its `component_weights_`, with
        :math:`\lambda` of the random-walk or symmetric Laplacian (of
        ``"unnormalized"`` divided by the largest degree first). 0 leaves the
        eigenvectors as they are. ``"auto"`` chooses t so that the
        `n_clusters`-th component keeps :math:`e^{-1/2}` of its length: eigenvectors
        after a gap in the spectrum vanish, those before it stay.
    encoder : {"auto", "autoencoder"}, transformer or None, default="auto"
        First stage, from rows to codes. ``"auto"``: rows of more than 50 columns
        are reduced to 50 by PCA (of centred rows where they lie far from the origin),
        or by TruncatedSVD where they are sparse or compared by angle; others stay as
        they are. ``"autoencoder"``: an
        :class:`Autoencoder` with default parameters. A scikit-learn transformer is
        cloned and fitted; its unset ``random_state`` is drawn from `random_state`. To
        set or search parameters of this stage (``encoder__noise``), pass
        ``Autoencoder()``: a string or None has none.
    metric_learner : {"auto", "siamese"}, transformer or None, default="auto"
        Second stage, from codes to the points between which distances are taken.
        ``"siamese"``: a :class:`SiameseEmbedding` with default parameters.
        ``"auto"`` compares, from 500 different rows on: a space is learned unless the
        clusters of the plain codes, with few or many neighbours, cut a fixed neighbour
        graph of the rows clearly better. Labels and links are always learned from. What
        was compared is in `selection_`, see :ref:`selection`. A transformer
        is cloned, seeded and fitted as an `encoder` is; labels and links are handed to
        it where its `fit` has parameters of their names. To set or search parameters of
        this stage (``metric_learner__n_neighbors``), pass ``SiameseEmbedding()``: a
        string or None has none.
    network_input : {"metric", "code"}, default="metric"
        What the network sees: the points of the metric learner, or the codes, as in
        [1]_. ``"code"`` needs a `metric_learner`.
    metric : {"auto", "euclidean", "cosine"}, default="auto"
        Distance between codes. ``"cosine"`` divides each code by its length, before the
        metric learner, and then takes Euclidean distances: for text and embeddings. A
        row whose code is zeros has no direction and no part in what follows the
        encoder, nor in `partial_fit`, but for edges that a `graph` gives it; the map
        gives it an embedding and a label. ``"auto"``: ``"cosine"`` where
        ``encoder="auto"`` reduces sparse rows that all have the same length, as those
        of a tf-idf table have. Their distances and angles have the same neighbours,
        but TruncatedSVD shortens some rows more than others. ``"euclidean"`` for all
        other rows.
    affinity : str or callable, default="self_tuning"
        Weights of the graph; :math:`d_{ij}` is a distance, not squared.

        - ``"self_tuning"``: :math:`\exp(-d_{ij}^2 / (\sigma_i \sigma_j))` between a
          row and its `n_neighbors` nearest, :math:`\sigma_i` the distance to the last
          of them [2]_;
        - ``"nearest_neighbors"``: 1 between the same pairs;
        - ``"rbf"``: :math:`\exp(-\gamma d_{ij}^2)` between all pairs of a batch, or
          between neighbours in the graph of all rows;
        - a callable takes the points of a batch (with ``neighbors_in="data"`` of all
          rows, at most 20,000), a float64 tensor of shape (b, d) in the units of the
          data, and returns (b, b) weights of at least 0.

        All are made symmetric by the mean with their transpose.
    gamma : float, default=None
        Of ``affinity="rbf"``, in units of one over a squared distance. None:
        :math:`1 / \sigma^2`, :math:`\sigma` the median distance to the
        `n_neighbors`-th neighbour; where most rows have that many copies, the median
        over the other rows.
    n_neighbors : int, default=None
        Neighbours of a row. None: 10 among all rows and in a batch; in a batch of b
        rows of a learned space 3.5 b / k^2, k the clusters, and from 15 clusters on
        b / (2 k), where clusters by the former are not clearly better; at least 10 and
        at most 40; in one of plain codes as many, where ``metric_learner="auto"`` finds
        that better. Never more than a fifth of the batch.
    neighbors_in : {"auto", "batch", "data"}, default="auto"
        - ``"data"``: one graph of all rows, as scikit-learn's. Training draws its
          edges as often as they weigh, so that the mean loss of a batch is that of
          the whole graph;
        - ``"batch"``: neighbours inside each random mini-batch, as in [1]_: a coarser
          graph whose cost grows with the batch alone;
        - ``"auto"``: batches, or the graph of all rows, with ``init="spectral"``,
          where ``metric_learner="auto"`` finds that its clusters cut the neighbour
          graph clearly better, or that exact eigenvectors tell the clusters apart
          beyond doubt and a map learned in batches does not.

        In all, rows that are equal count once.
    laplacian : {"random_walk", "symmetric", "unnormalized"}, default="random_walk"
        Whose eigenvectors are learned: :math:`I - D^{-1} W`,
        :math:`I - D^{-1/2} W D^{-1/2}` or :math:`D - W`.
    orthonorm : {"joint", "alternating"}, default="joint"
        The batch whose Cholesky factor orthonormalises the outputs of a step:
        ``"joint"`` takes the same one, ``"alternating"`` another, as in [1]_, at the
        cost of a second pass. The gradient goes through the factor in both.
    loss : {"log", "trace"}, default="log"
        ``"trace"`` is the spectral loss of [1]_, Eq. (3), scaled to the mean Ritz
        value; ``"log"`` the mean logarithm of the Ritz values of the leading outputs,
        which has its minimum at the same eigenvectors and finds small eigenvalues
        with the same relative accuracy as large ones.
    init : {"spectral", "random"}, default="random"
        - ``"spectral"``: the eigenvectors of the graph are solved for, the network
          learns them by regression and is polished with the spectral loss where it is
          far from them and that brings it nearer. Of more than 200,000 rows the
          neighbour graph of a random part is solved. Needs ``neighbors_in="data"``;
        - ``"random"``: the spectral loss alone, from random weights, as in [1]_.
    hidden_layer_sizes : int or array-like of int, default=None
        Units of each hidden layer. None: (64, 64) below 1,000 rows, else (128, 128),
        or (256, 256, 256) for the graph of all rows, the last of them at least two for
        each eigenvector that is learned. The first has at most two million weights,
        and so fewer units where there are very many columns.
    activation : str, default="auto"
        Of the hidden layers: ``"relu"``, ``"tanh"``, ``"logistic"``, ``"gelu"``,
        ``"silu"`` or ``"identity"``. ``"auto"``: relu in a learned space, where
        clusters are compact; where there is no metric learner, gelu with
        ``init="spectral"`` on the graph of all rows, else tanh.
    alpha : float, default=1e-4
        Weight decay of the AdamW steps.
    learning_rate_init : float, default=5e-3
        First learning rate; divided by five when the loss stops improving. With
        ``init="spectral"`` the peak of a single cycle.
    batch_size : int or "auto", default="auto"
        Rows of a mini-batch and of its graph. ``"auto"``: a sixteenth of the rows,
        at least 1,024 (in a learned space a tenth, at least 512), or 40 per component,
        and at most 2,048 rows or 2 ** 24 entries. Larger batches make a finer graph and
        cost their square.
    subsample : int, default=200_000
        Most rows that all stages learn from: of more than that a random part is
        drawn, rows with labels or links first, and the others are labelled like new
        rows. None: all rows. Not used with a graph.
    max_iter : int, default=100
        Most epochs. An epoch is a pass over the rows, but at least 10 and at most
        100 batches; where one batch holds all rows, 6 steps on it; on the graph of
        all rows 1 to 80 steps. With ``init="spectral"`` a third of them is made at
        twice the rate, and the others only where the eigenvectors are not near then: at
        a squared Grassmann distance of a hundredth of the largest.
    tol : float, default=None
        An epoch improves when it lowers the loss by more than this share of it. None:
        0.01 where one batch holds all rows, 0.002 where batches are random.
    n_iter_no_change : int, default=None
        Epochs without improvement before the learning rate is lowered; training
        ends when it would be lowered a second time. None: 6 where batches are random
        and there is no metric learner, 4 elsewhere.
    early_stopping : bool, default=True
        Whether the loss of held-out rows decides about the learning rate, the end of
        training and the best weights. Where they would be fewer than 200, the
        training loss does. The alignment uses all rows.
    validation_fraction : float, default=0.1
        Share of the rows held out, at most two batches. Only used with
        `early_stopping`.
    assign_labels : {"kmeans", "cluster_qr", "mixture"}, default="kmeans"
        How the embedding is clustered; new rows follow what was fitted.

        - ``"kmeans"``: the nearest centre;
        - ``"cluster_qr"``: the first `n_clusters` components are turned so that each
          axis is a cluster, and a row belongs to the axis along which it lies
          [3]_. Nothing is drawn at random. It finds no more clusters than there are
          components that have not vanished;
        - ``"mixture"``: the most probable of Gaussians with covariances of their own,
          to each variance a twentieth of the largest variance of a component added.
    contamination : float in (0, 0.5], default=None
        Share of the rows of `fit`, counted by their weights, that are outliers. Those,
        and new rows, get the label -1 where `score_samples` is below `offset_`, the
        score that this share of the rows learned from is below. The map and the
        clusters are what they are without it. None: each row gets the label of a
        cluster, however far it lies.
    n_init : int, default=10
        Starts of k-means, or of the mixture, each from a k-means of its own. Where
        rows times squared clusters exceed 2 ** 30, those of k-means are made and
        compared on a part of the rows, at least 50 for each cluster. Those of k-means
        are left out where a first one, from the rows that pivoted QR picks, has less
        inertia than two of its clusters as one would add: no better clusters have two
        of these in one.
    verbose : int, default=0
        Above 0, progress bars on the standard error, and at the end a line with the
        clusters found, the last of `summary`. Above 1, a line after each stage as
        well: its seconds, and of a network its epochs, its loss and why it ended.
    device : str, default="auto"
        ``"auto"`` (CUDA where torch sees it, else the CPU), ``"cpu"``, ``"cuda:1"``
        and so on. A model fitted on one device predicts on any other: the learned
        weights are kept on the CPU, and `device` is looked at again in each call.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same result on every fit, bit for bit on one machine with
        one number of threads.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,), int64
        Cluster of each row of `fit`, from 0, the largest cluster first (by the rows
        learned from, or their weights); what `predict` gives for the same rows. With
        `partial_labels` the numbers given, see `classes_`. With `contamination` -1 for
        outliers, rows with a label among them.
    n_clusters_ : int
        Clusters found: fewer than `n_clusters`, with a warning, where the rows have
        too few distinct embeddings or a cluster is left without rows.
    classes_ : ndarray of shape (`n_clusters_`,), int64
        The numbers in `labels_`, ascending, without -1: ``classes_[i]`` is the cluster
        of row i of `cluster_centers_` and of column i of `predict_proba`. Clusters that
        were matched with a partial label have its number, others the least numbers that
        are no label: 0, 1, 2 and so on where there are none.
    cluster_centers_ : ndarray of shape (`n_clusters_`, n_components)
        Centres in the embedding, the space of `transform`: of k-means, of the
        Gaussians, or the means of the clusters of ``"cluster_qr"``.
    n_clusters_support_ : ClusterSupport
        Only with ``n_clusters="auto"``: the numbers compared, the one taken first and
        then the best (`n_clusters`); the support of each (`supports`), what cutting
        each cluster in two would cost less what leaving each costs, as a share of the
        weight of the graph; and the standard error of its difference to that of the
        number taken (`errors`). `space` says whose graph it was, ``"rows"``,
        ``"learned"`` or ``"graph"``, and `n_rows` how many nodes it had. See
        :ref:`number-of-clusters`.
    hierarchy_ : Hierarchy
        The merges of the clusters by which `merge` finds fewer (:ref:`layers`): the two
        `children` of each, its `distances`, ascending from 0 to 1, where nothing joins
        them, and ``linkage()``, an array that the functions of
        :mod:`scipy.cluster.hierarchy` take.
    inertia_ : float
        Sum of squared distances of the rows learned from to their centre in the
        embedding, with a `sample_weight` each as often as it weighs over the mean. Only
        with ``assign_labels="kmeans"``.
    offset_ : float
        Only with `contamination`: the least `score_samples` of a row that is no
        outlier, half way between the scores of two rows of `fit`.
    outlier_share_ : float
        Only with `contamination`: the share of -1 in `labels_`. It is less than asked
        for where rows with the same score would be parted.
    drift_ : float
        After `partial_fit`: the share of the rows of its last batch that lie outside
        of where 99 % of the rows of the fit lay, as they were given (with
        ``metric="cosine"`` divided by their lengths). On average at most 0.01 where
        nothing has changed, 1.5 / n after a fit of n < 150 rows.
    drift_limit_ : float
        After `partial_fit`: what `drift_` exceeds in one batch of a thousand where
        nothing has changed. It depends on the rows of the fit and of the batch, so a
        fit is due when ``drift_ > drift_limit_``. 1 for a single row: it cannot tell.
    n_samples_seen_ : int
        After `partial_fit`: the rows of the fit and of all batches.
    eigenvalues_ : ndarray of shape (n_components,)
        Rayleigh quotients of the network's own outputs, ascending: on the graph of
        all rows, or averaged over the graphs of all batches.
    component_weights_ : ndarray of shape (n_components,)
        Factor of each eigenvector in `transform`.
    approximation_error_ : NamedTuple
        Only of a graph of all rows, or a given one: how far the learned eigenvectors
        are from those of the graph, with the fields that
        :class:`SpectralNetEmbedding` describes.
    diffusion_time_ : float
        The time used.
    n_neighbors_ : int
        The neighbours used; of graphs of batches those in a full one.
    batch_size_ : int
        Rows of a full batch; others have fewer.
    network_ : torch.nn.Module
        The map from codes or points to eigenvectors, on the CPU, in float64.
    encoder_ : transformer or None
        The fitted encoder.
    metric_learner_ : transformer or None
        The fitted metric learner.
    selection_ : Selection
        The maps that ``metric_learner="auto"`` has compared (`candidates`), the
        modularity of each one's clusters on the same graph (`scores`, on `n_rows`
        rows) with the standard error of its lead (`errors`), and the one `taken`, with
        the `reason`. Of another `metric_learner` a single one, and no scores.
    loss_curve_ : list of float
        Mean training loss of each epoch.
    validation_loss_curve_ : list of float or None
        Loss of the held-out rows after each epoch.
    n_iter_ : int
        Epochs made.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X had them.

    See Also
    --------
    SpectralNetEmbedding : The eigenvectors without clusters.
    sklearn.cluster.SpectralClustering : Exact eigenvectors, for data that need no
        `predict` and whose graph fits in memory.

    Notes
    -----
    `transform` returns what is clustered, the weighted eigenvectors: unlike that of
    :class:`~sklearn.cluster.KMeans` it does not return distances to the centres.

    Columns are centred and divided by one common number, which keeps the ratios of
    distances; where columns have different units, scale them before. A few rows ten
    times farther from the centre than nine in ten others are left out of that number
    and pulled in, in their direction: they get the label of the cluster on their side.

    With scikit-learn 1.9 or later `set_callbacks` takes its callbacks: they are told of
    each stage and epoch, and get the fitted estimator at the end of the fit, since the
    alignment follows the training.

    References
    ----------
    .. [1] U. Shaham, K. Stanton, H. Li, B. Nadler, R. Basri, Y. Kluger,
       "SpectralNet: Spectral Clustering using Deep Neural Networks", ICLR 2018,
       https://arxiv.org/abs/1801.01587.
    .. [2] L. Zelnik-Manor, P. Perona, "Self-Tuning Spectral Clustering", NIPS 2004.
    .. [3] A. Damle, V. Minden, L. Ying, "Simple, direct and efficient multi-way
       spectral clustering", Information and Inference 8 (2019), 181-203.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skspectralnet import SpectralNetClustering
    >>> X, y = make_moons(1000, noise=0.05, random_state=0)
    >>> model = SpectralNetClustering(n_clusters=2, random_state=0).fit(X)
    >>> model.predict([[0.0, 1.0], [1.0, -0.5]]).tolist() in ([0, 1], [1, 0])
    True
    """

    _parameter_constraints: dict = {
        **BaseSpectralNet._parameter_constraints,
        "n_clusters": [at_least(1), StrOptions({"auto"})],
        "assign_labels": [StrOptions({"kmeans", "cluster_qr", "mixture"})],
        "contamination": [share_up_to(0.5), None],
        "n_init": [at_least(1)],
    }

    _stored = CLUSTERING
    _found_lines = found_lines

    def __init__(
        self,
        n_clusters=8,
        *,
        n_components=None,
        diffusion_time="auto",
        encoder="auto",
        metric_learner="auto",
        network_input="metric",
        metric="auto",
        affinity="self_tuning",
        gamma=None,
        n_neighbors=None,
        neighbors_in="auto",
        laplacian="random_walk",
        orthonorm="joint",
        loss="log",
        init="random",
        hidden_layer_sizes=None,
        activation="auto",
        alpha=1e-4,
        learning_rate_init=5e-3,
        batch_size="auto",
        subsample=200_000,
        max_iter=100,
        tol=None,
        n_iter_no_change=None,
        early_stopping=True,
        validation_fraction=0.1,
        assign_labels="kmeans",
        contamination=None,
        n_init=10,
        verbose=0,
        device="auto",
        random_state=None,
    ):
        self.n_components = n_components
        self.diffusion_time = diffusion_time
        self.encoder = encoder
        self.metric_learner = metric_learner
        self.network_input = network_input
        self.metric = metric
        self.affinity = affinity
        self.gamma = gamma
        self.n_neighbors = n_neighbors
        self.neighbors_in = neighbors_in
        self.laplacian = laplacian
        self.orthonorm = orthonorm
        self.loss = loss
        self.init = init
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.alpha = alpha
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.subsample = subsample
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.verbose = verbose
        self.device = device
        self.random_state = random_state
        self.n_clusters = n_clusters
        self.assign_labels = assign_labels
        self.contamination = contamination
        self.n_init = n_init

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # ClusterMixin clears what the base has set.
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _components(self, n_samples, metric, number):
        support, n_clusters = None, self.n_clusters
        if n_clusters == "auto":
            support = number()
            n_clusters = int(support.n_clusters[0])
        if n_clusters > n_samples:
            name = "subsample" if n_samples == self.subsample else "n_samples"
            raise ValueError(
                f"{name}={n_samples} should be >= n_clusters={n_clusters}: lower "
                f"n_clusters.{uncounted(metric)}"
            )
        n_learned = self.n_components or min(components_of(n_clusters), n_samples)
        return Components(n_learned, n_clusters, 0, support, until_near=True)

    def _n_tasks(self, **known):
        # The clusters, and a space that is learned to count them.
        return super()._n_tasks(**known) + 1 + (self.n_clusters == "auto")

    def _fit(self, X, fit_task, graph=None, sample_weight=None, **known):
        X = validate_rows(self, X, reset=True)
        weights = checked_weights(sample_weight, X.shape[0])
        if weights is not None and self.assign_labels == "mixture":
            raise ValueError(_NO_WEIGHTS)
        constraints = known_pairs(X.shape[0], **known)
        if constraints is not None and self.n_clusters != "auto":
            _check_number(constraints.n_labels, self.n_clusters)
        rng = check_random_state(self.random_state)
        found = self._spectral(X, weights, graph, constraints, rng, fit_task)
        with fit_task.stage("clusters"):
            assignment, names = self._find_clusters(found, constraints, rng)
            clusters = assignment.labels(found.Z)
            typicality = typicality_of(X, found)
            sharpness = sharpness_of(X, found, assignment)
        self._store(found, assignment, names)
        self._sharpness, self._typicality, inside = sharpness, typicality, True
        if self.contamination is not None:
            scores = scores_of(typicality, X, found.stages)
            learned = scores[found.learned]
            self.offset_ = offset_of(learned, self.contamination, found.weights)
            inside = scores >= self.offset_
            self.outlier_share_ = float(np.mean(~inside))
        self.labels_ = _named(names, clusters, inside)
        self._counts = _counted(self, found, clusters, weights)
        parts = Clusters(self._clusters, self._counts, names, constraints)
        nearby = Nearby.of(found.encoded, parts)
        self.hierarchy_ = merges_of(found, nearby, parts, clusters)
        columns = getattr(self, "feature_names_in_", None)
        doubts = doubts_of(nearby, parts, columns) if graph is None else ""
        if doubts:
            fit_task.warn(doubts, UserWarning)
        self._n_fitted = len(clusters)  # those without a part in the fit as well
        if self.verbose:
            print(closing_line(X, clusters, self.n_clusters_), file=sys.stderr)

    def _store(self, found, assignment, names):
        """Set the fitted attributes of a Spectral and of its clusters."""
        super()._store(found)
        self._assignment, self.classes_ = assignment, names
        self.cluster_centers_ = assignment.centers.astype(found.Z.dtype, copy=False)
        self.n_clusters_ = len(self.cluster_centers_)
        if found.components.support is not None:
            self.n_clusters_support_ = found.components.support
        if isinstance(assignment, Centers):
            self.inertia_ = assignment.inertia

    def _clusters_to_compare(self, Z, n_clusters):
        """Clusters of an embedding, as `assign_labels` says."""
        return quick_clusters(Z, n_clusters, self.assign_labels)

    def _find_clusters(self, found, constraints, rng):
        """The clusters of the rows learned from, Named as the labels are."""
        assignment = fit_assignment(
            found.Z[found.learned],
            found.components.n_expected,
            self.assign_labels,
            n_init=self.n_init,
            random_state=rng,
            weights=found.weights,
        )
        if constraints is None or not constraints.n_labels:
            return Named(assignment, np.arange(len(assignment.centers)))
        known = constraints.labels >= 0
        clusters = assignment.labels(found.Z[known])
        return named_after(assignment, clusters, constraints.labels[known])

    def fit_predict(self, X, y=None, **known):
        """Learn the map from the rows of X and return their clusters.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows, as `fit` takes them.
        y : Ignored
            Present for API consistency; callbacks are given it.
        **known : dict
            Whatever else `fit` takes.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
            The `labels_`.
        """
        return self.fit(X, y, **known).labels_

    @available_if(_has_centers)
    @guarded
    def partial_fit(self, X, y=None):
        """Take in a batch of a stream: the first is a fit, others move the centres.

        The map stays that of the fit. Each new row counts as much in the mean of its
        cluster as each row before it, so labels keep their meaning while clusters
        wander, as far as the map still tells them apart: a new fit is due when
        `drift_` is above `drift_limit_`. Outliers of a fit with `contamination` move
        no centre.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Where the model is not fitted, enough rows for a `fit`.
        y : Ignored
            Present for API consistency.

        Returns
        -------
        self : object
            With `labels_` of these rows, moved `cluster_centers_`,
            `n_samples_seen_`, `drift_` and `drift_limit_`. Unchanged where it fails.

        Raises
        ------
        ValueError, TypeError
            If a parameter or X cannot be used; the message says which and why.
        """
        begins = not hasattr(self, "cluster_centers_")
        if begins:
            self.fit(X)
        n_seen = getattr(self, "n_samples_seen_", self._n_fitted)
        X = validate_rows(self, X, reset=False)
        directed = self._stages.directed_rows(X)
        told = X if directed is None else X[directed]
        landmarks, n_told = self._typicality.landmarks, max(told.shape[0], 1)
        outside = in_blocks(landmarks.count_outside, told, self._stages)
        drift, limit = sum(outside) / n_told, landmarks.limit(n_told)
        if not begins:
            Z, n_seen = self._embed(X), n_seen + X.shape[0]
            inside = moving = _inside(self, X)
            if directed is not None:
                moving = directed[inside[directed]]
            moved, counts = self._assignment.moved(Z[moving], self._counts)
            labels = _named(self.classes_, moved.labels(Z), inside)
            centers = moved.centers.astype(self.cluster_centers_.dtype)
            self._assignment, self._counts = moved, counts
            self.labels_, self.cluster_centers_ = labels, centers
            if hasattr(self, "offset_"):
                self.outlier_share_ = float(np.mean(labels == -1))
        self.drift_, self.drift_limit_, self.n_samples_seen_ = drift, limit, n_seen
        return self

    @by_blocks
    @guarded
    def predict(self, X):
        """Label each row by its place in the embedding.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Of an array or a data frame of dask each block has its turn when the
            array of dask that is returned is computed.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int64
            Of `classes_`, as in `labels_`; -1 where `score_samples` is below `offset_`,
            which only a fit with a `contamination` has. Others after "kmeans":
            ``classes_[argmin ||transform(X) - cluster_centers_||]``.
        """
        check_is_fitted(self)
        X = validate_rows(self, X, reset=False)
        return _named(self.classes_, self._clusters(X), _inside(self, X))

    @available_if(_has_probabilities)
    @by_blocks
    @guarded
    def predict_proba(self, X):
        r"""Membership of each row in each cluster, by its place in the embedding.

        :math:`s_j^a / \sum_l s_l^a`. With ``assign_labels="kmeans"``
        :math:`s_j = 1 / (1 + d_j^2 / s^2)`, :math:`d_j` the distance to a centre and
        :math:`s^2` the median squared distance of rows to their own; with
        ``"cluster_qr"`` the same of the distance from the axis of a cluster; with
        ``"mixture"`` :math:`s_j` is the posterior. The power a is found in `fit`,
        without labels: up to 2,000 rows are clustered again, on the exact graphs of
        half, as many and twice as many neighbours as by default, and the memberships
        are made as sharp as these clusterings agree with the one of the fit. With a
        `graph` they are as sharp as neighbours have the same cluster. With fewer than
        ten rows for each cluster nothing can be told of it, and there is no such
        method, but that of the mixture, whose power is then 1. See :ref:`how-sure`.

        It says between which clusters a row lies, not whether it is like any row of
        `fit`: outliers, which `predict` labels -1, have memberships as others do.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Of an array or a data frame of dask each block has its turn when the
            array of dask that is returned is computed.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, `n_clusters_`), float64
            Columns in the order of `classes_`. Rows sum to 1; the largest entry, the
            first of several, is that of `predict`, but for outliers.
        """
        check_is_fitted(self)
        X = validate_rows(self, X, reset=False)
        return self._sharpness.probabilities(self._assignment, self._embed(X))

    @by_blocks
    @guarded
    def score_samples(self, X):
        r"""How typical each row is for where the rows of the fit lay.

        :math:`-\min_c (|x - c| + r_c) / m`: c are up to 64 means of rows of the fit,
        :math:`r_c` is the distance of one to the 20th nearest of up to 6,000 such rows
        (of less than 200 to the nearest tenth of them), and m the median of the minimum
        over these rows. So -1 is a row of the fit like any other, and one with -3 has
        to go three times as far to as many rows. Distances are Euclidean, between rows
        as they were given, before any stage, with ``metric="cosine"`` divided by their
        lengths: the learned map is defined everywhere and may place a row that is far
        from all others among them. See :ref:`how-sure`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Of an array or a data frame of dask each block has its turn when the
            array of dask that is returned is computed.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            At most 0; higher is more typical.
        """
        check_is_fitted(self)
        X = validate_rows(self, X, reset=False)
        return scores_of(self._typicality, X, self._stages)

    def _clusters(self, X):
        """The clusters of validated rows: places in `classes_`."""
        return self._assignment.labels(self._embed(X))

    @guarded
    def score(self, X, y=None):
        """How well the predicted labels cut a fixed neighbour graph of the rows given.

        The modularity of ``predict(X)`` on the graph that links each row of X to its
        10 nearest by Euclidean distance, equal rows being one whose edges count as
        often as it occurs, and outliers having the clusters they are nearest to: it
        depends on no parameter, so models with different affinities, encoders or
        numbers of clusters can be compared, on held-out rows as well. It does not find
        the number of clusters of compact groups: the graph sees only steps between
        neighbours, so splitting a large group may raise it. Of more than 10,000 rows it
        takes that many, the same ones on each call.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            At least 2 rows.
        y : Ignored
            Present for API consistency.

        Returns
        -------
        score : float
            Below 1; higher is better. 0 for a single cluster.

        Raises
        ------
        ValueError
            If X has fewer than 2 rows.
        """
        check_is_fitted(self)
        X = validate_rows(self, X, reset=False)
        n_samples = X.shape[0]
        if n_samples < 2:
            raise ValueError(
                f"score needs at least 2 rows to compare; got n_samples={n_samples}."
            )
        X = in_memory(X, some_rows(n_samples))
        graph, rows, _ = criterion_graph(X)
        return 0.0 if graph is None else modularity(graph, self._clusters(X)[rows])

    @guarded
    def summary(self, X, *, n_exemplars=3, n_columns=3, n_doubtful=10, restarts=0):
        """What the model has found, in some rows: those of `fit`, or new ones.

        The model keeps no rows, so they are given again.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows that are counted and looked at; sparse ones stay sparse.
        n_exemplars, n_columns : int, default=3
            Rows, and columns, that are named for each cluster.
        n_doubtful : int, default=10
            Rows near a border between clusters that are named.
        restarts : int, default=0
            Fits of clones to X, with other random states, whose labels are compared
            with those of this model. Each costs what `fit` does, and is given no
            labels, links, graph or weights.

        Returns
        -------
        summary : Summary
            Its text is a table, in a notebook as well. In its fields, `to_dict` and
            `to_frame` are: sizes, the purity of the neighbours, exemplars, the columns
            that tell each cluster apart, doubtful rows, numbers of clusters with large
            eigengaps and the agreement with the other fits.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        ValueError, TypeError
            If X or one of the numbers cannot be used.
        """
        check_is_fitted(self)
        wanted = Wanted(n_exemplars, n_columns, n_doubtful, restarts)
        X = validate_rows(self, X, reset=False)
        return summary(self, X, self._embed(X), wanted)

    @guarded
    def merge(self, n_clusters):
        """Fewer clusters, each a union of those of this model, without a new fit.

        Those are merged, two at a time, between which there are many edges of the
        neighbour graph, compared with labels at random, small ones first; and where
        there are none those that are near behind the encoder: see :ref:`layers`.

        Parameters
        ----------
        n_clusters : int
            From 1 to `n_clusters_`.

        Returns
        -------
        model : SpectralNetClustering
            A new model with the same map, and `n_clusters` as its parameter; this one
            stays as it is. A row of cluster c here is always in the cluster there that
            holds c. `predict`, `score`, `summary`, `merge` and, where this model has
            them, `predict_proba` and `partial_fit` are those of the merged clusters:
            a probability is that of the likeliest part, over the sum of these;
            `cluster_centers_` are the means of the parts by their rows, but a row
            belongs to the centre of the part that is nearest. There is no `inertia_`.

            A cluster with a number of `partial_labels` keeps it, of several such that
            are merged the one of the largest; others have the least numbers that are
            no label, the largest cluster first.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        ValueError
            If there are not so many clusters.
        """
        check_is_fitted(self)
        return merged_model(self, n_clusters)
