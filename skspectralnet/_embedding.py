"""SpectralNetEmbedding."""

import sys

from sklearn.utils import check_random_state

from skspectralnet._assignment import quick_clusters
from skspectralnet._base import BaseSpectralNet
from skspectralnet._constraints import known_pairs
from skspectralnet._findings import eigenvectors_line
from skspectralnet._input import checked_weights, validate_rows
from skspectralnet._plan import Components
from skspectralnet._stored import EMBEDDING
from skspectralnet._validation import at_least


class SpectralNetEmbedding(BaseSpectralNet):
    r"""Eigenvectors of the graph Laplacian as a function of the row (SpectralNet).

    A perceptron with an orthonorm layer learns the map from a row to the leading
    eigenvectors [1]_: scikit-learn's
    :class:`~sklearn.manifold.SpectralEmbedding` with a `transform` for new rows, and
    with a measured distance to the exact eigenvectors, `approximation_error_`. The
    graph is that of the nearest neighbours among all rows, or one given to `fit`.

    Parameters
    ----------
    n_components : int, default=2
        Number of eigenvectors, the trivial (constant) one left out, unless
        `drop_first` is False.
    drop_first : bool, default=True
        Whether to leave out the trivial eigenvector. A graph of several connected
        components has an eigenvector of eigenvalue 0 for each: the trivial one, then
        one component after the other against those before it, the largest first.
    diffusion_time : float or "auto", default=0.0
        Time t >= 0 of the diffusion: component i is multiplied by
        :math:`\max(0, 1 - \lambda_i)^t`, its `component_weights_`, with
        :math:`\lambda` of the random-walk or symmetric Laplacian (of
        ``"unnormalized"`` divided by the largest degree first). 0 leaves the
        eigenvectors as they are. ``"auto"`` chooses t so that the last
        component keeps :math:`e^{-1/2}` of its length.
    encoder : {"auto", "autoencoder"}, transformer or None, default="auto"
        First stage, from rows to codes. ``"auto"``: rows of more than 50 columns
        are reduced to 50 by PCA (of centred rows where they lie far from the origin),
        or by TruncatedSVD where they are sparse or compared by angle; others stay as
        they are. ``"autoencoder"``: an
        :class:`Autoencoder` with default parameters. A scikit-learn transformer is
        cloned and fitted; its unset ``random_state`` is drawn from `random_state`. To
        set or search parameters of this stage (``encoder__noise``), pass
        ``Autoencoder()``: a string or None has none.
    metric_learner : {"auto", "siamese"}, transformer or None, default=None
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
        encoder, but for edges that a `graph` gives it; the map gives
        it an embedding. ``"auto"``: ``"cosine"`` where ``encoder="auto"``
        reduces sparse rows that all have the same length, as those of a tf-idf table
        have. Their distances and angles have the same neighbours, but TruncatedSVD
        shortens some rows more than others. ``"euclidean"`` for all other rows.
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
        rows of a learned space 3.5 b / k^2, k the components, at least 10 and at most
        40. Never more than a fifth of the batch.
    neighbors_in : {"auto", "batch", "data"}, default="data"
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
    init : {"spectral", "random"}, default="spectral"
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
    activation : str, default="gelu"
        Of the hidden layers: ``"relu"``, ``"tanh"``, ``"logistic"``, ``"gelu"``,
        ``"silu"`` or ``"identity"``. ``"auto"``: relu with a metric learner; else gelu
        with ``init="spectral"`` on the graph of all rows, and tanh otherwise.
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
    subsample : int, default=None
        Most rows that all stages learn from: of more than that a random part is
        drawn, rows with labels or links first, and the others are mapped like new
        rows. The graph of all rows is then that of this part. None: all rows. Not
        used with a graph.
    max_iter : int, default=100
        Most epochs. An epoch is a pass over the rows, but at least 10 and at most
        100 batches; where one batch holds all rows, 6 steps on it; on the graph of
        all rows 1 to 80 steps. With ``init="spectral"`` all of them are made.
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
    verbose : int, default=0
        Above 0, progress bars on the standard error, and at the end a line with the
        eigenvalues found. Above 1, a line after each stage as well: its seconds, and of
        a network its epochs, its loss and why it ended.
    device : str, default="auto"
        ``"auto"`` (CUDA where torch sees it, else the CPU), ``"cpu"``, ``"cuda:1"``
        and so on. A model fitted on one device predicts on any other: the learned
        weights are kept on the CPU, and `device` is looked at again in each call.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same result on every fit, bit for bit on one machine with
        one number of threads.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        `transform` of the rows of `fit`.
    eigenvalues_ : ndarray of shape (n_components,)
        Rayleigh quotients of the network's own outputs, ascending: on the graph of
        all rows, or averaged over the graphs of all batches.
    component_weights_ : ndarray of shape (n_components,)
        Factor of each eigenvector in `transform`.
    approximation_error_ : NamedTuple
        Only of a graph of all rows, or a given one: how far the learned eigenvectors
        are from those of the graph, the trivial one included. `distance` is the
        squared Grassmann distance of the first `n_vectors`, the number asked for or
        the nearest one with a gap after it, at most `n_vectors` (None where the whole
        graph was not solved), `distance_before_polish` that after regression alone;
        `bound` an upper bound from residuals and gap, mostly far too large;
        `residuals` those of each eigenpair on the whole graph; `exact_eigenvalues`
        those of the graph; `n_connected` its connected components.
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
    SpectralNetClustering : The same embedding, with clusters.
    sklearn.manifold.SpectralEmbedding : Exact eigenvectors, without new rows.

    Notes
    -----
    The columns are orthonormal over the rows of the graph, in the inner product of the
    Laplacian and scaled so that the mean square of an entry is 1: plain for
    ``"symmetric"`` and ``"unnormalized"``, weighted by the degrees for
    ``"random_walk"``. Their signs are fixed by making the largest entry positive.

    With scikit-learn 1.9 or later `set_callbacks` takes its callbacks: they are told of
    each stage and epoch, and get the fitted estimator at the end of the fit, since the
    alignment follows the training.

    References
    ----------
    .. [1] U. Shaham, K. Stanton, H. Li, B. Nadler, R. Basri, Y. Kluger,
       "SpectralNet: Spectral Clustering using Deep Neural Networks", ICLR 2018,
       https://arxiv.org/abs/1801.01587.
    .. [2] L. Zelnik-Manor, P. Perona, "Self-Tuning Spectral Clustering", NIPS 2004.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skspectralnet import SpectralNetEmbedding
    >>> X, y = make_moons(1000, noise=0.05, random_state=0)
    >>> embedding = SpectralNetEmbedding(n_components=1, random_state=0).fit(X)
    >>> embedding.transform(X[:5]).shape
    (5, 1)
    """

    def __init__(
        self,
        n_components=2,
        *,
        drop_first=True,
        diffusion_time=0.0,
        encoder="auto",
        metric_learner=None,
        network_input="metric",
        metric="auto",
        affinity="self_tuning",
        gamma=None,
        n_neighbors=None,
        neighbors_in="data",
        laplacian="random_walk",
        orthonorm="joint",
        loss="log",
        init="spectral",
        hidden_layer_sizes=None,
        activation="gelu",
        alpha=1e-4,
        learning_rate_init=5e-3,
        batch_size="auto",
        subsample=None,
        max_iter=100,
        tol=None,
        n_iter_no_change=None,
        early_stopping=True,
        validation_fraction=0.1,
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
        self.drop_first = drop_first

    _parameter_constraints: dict = {
        **BaseSpectralNet._parameter_constraints,
        "n_components": [at_least(1)],
        "drop_first": ["boolean"],
    }

    _stored = EMBEDDING

    def _components(self, n_samples, metric, number):
        n_trivial = int(self.drop_first)
        n_learned = self.n_components + n_trivial
        return Components(n_learned, n_learned, n_trivial)

    def _clusters_to_compare(self, Z, n_clusters):
        return quick_clusters(Z, n_clusters)

    def _fit(self, X, fit_task, graph=None, sample_weight=None, **known):
        X = validate_rows(self, X, reset=True)
        weights = checked_weights(sample_weight, X.shape[0])
        constraints = known_pairs(X.shape[0], **known)
        rng = check_random_state(self.random_state)
        found = self._spectral(X, weights, graph, constraints, rng, fit_task)
        self._store(found)
        self.embedding_ = found.Z
        if self.verbose:
            print(eigenvectors_line(self), file=sys.stderr)

    def _found_lines(self):
        return [eigenvectors_line(self)]
