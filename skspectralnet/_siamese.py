"""The siamese network: a learned space in which neighbours are close."""

from numbers import Real
from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils import check_random_state

from skspectralnet import _defaults
from skspectralnet._batch_norm import BatchNormMLP
from skspectralnet._constraints import known_pairs, of_rows
from skspectralnet._estimator import NetworkTransformer, layer_sizes
from skspectralnet._fields import Number, Whole
from skspectralnet._input import (
    by_value,
    checked_weights,
    of_weights,
    validate_rows,
)
from skspectralnet._losses import reconstruction_loss
from skspectralnet._network import ACTIVATIONS, MLP, RowMap
from skspectralnet._pair_losses import heavy_tailed_loss, margin_loss, pair_distances
from skspectralnet._pairs import (
    Pairs,
    Start,
    anchor_draws,
    find_pairs,
    neighbor_differences,
    spectral_start,
)
from skspectralnet._states import map_table
from skspectralnet._tensors import (
    GaussianNoise,
    read_batch,
    resolve_device,
    takes_bfloat16,
    to_tensor,
    torch_generator,
)
from skspectralnet._training import History, count_held_out, gradients, train
from skspectralnet._validation import (
    StrOptions,
    above,
    at_least,
    share,
)

# Rows of the batch that each anchor is held against: as good as all of them and much
# cheaper (benchmarks/siamese.py).
_NEGATIVES = 64
# init="spectral": a sixth of the epochs once more, before the others, teach the network
# where the eigenvectors of the neighbour graph are. Their standard deviation is three
# times the distance at which a heavy tail pulls most, or .3 of the margin.
_START_SHARE, _START_SIZE, _MARGIN_SHARE = 6, 3.0, 0.3
# Of what is known about pairs, so many pairs of each kind join a step.
_KNOWN_PAIRS = 256
# Fewer held-out rows say too little; more cost more than they say.
_HELD_OUT = {"least": 200, "most": 2048}


class _Task(NamedTuple):
    """How the network is to be trained, every default resolved."""

    loss: str
    margin: float
    repulsion: float
    bfloat16: bool
    noise: float  # standard deviation, in the units of the standardised rows
    batch_size: int
    n_steps: int  # of an epoch
    device: torch.device


class _Draw(NamedTuple):
    """The rows of a step."""

    anchors: np.ndarray  # (b,)
    partners: np.ndarray  # (b,), a neighbour of each
    against: np.ndarray  # (64,), of both, which the anchors are held against


class _Goal(NamedTuple):
    """A network and the start that it is to learn."""

    network: torch.nn.Module
    pairs: Pairs
    start: Start
    task: _Task


class SiameseEmbedding(NetworkTransformer):
    r"""A learned space in which neighbours are close and other rows are not.

    A perceptron f sees pairs of rows, the two sides with the same weights (a siamese
    network, [1]_). Positive pairs are a row and one of its nearest neighbours,
    negative pairs a row and any other of the batch. With
    :math:`d = \lVert f(x) - f(x') \rVert` and :math:`q = 1 / (1 + d^2)` it minimises

    .. math::
        -\operatorname{mean}_{\text{positive}} \log q
        - r \operatorname{mean}_{\text{negative}} \log (1 - q)

    which is the loss of UMAP [2]_ as a mean over sampled pairs; ``loss="contrastive"``
    is that of [1]_, as [3]_ uses it before spectral clustering. Clusters that are
    long, curved or of uneven density in X become compact, and new rows are mapped by
    the same function.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Dimensions of the space. ``"auto"``: as many as columns, at most 10.
    n_neighbors : int, default=5
        Nearest neighbours of a row that are its positive pairs, copies of the row not
        counted (of dense rows); fewer where there are fewer distinct rows.
    neighbors_algorithm : {"auto", "exact", "cells", "pynndescent"}, default="auto"
        How the neighbours are found. ``"exact"``: by
        :class:`~sklearn.neighbors.NearestNeighbors`. ``"cells"``: among the rows of
        the nearest cells of k-means, enough of them for a recall of about .995.
        ``"pynndescent"``: by that package, which must be installed. ``"auto"``: exact
        up to 20,000 rows, cells beyond.
    loss : {"heavy_tailed", "contrastive"}, default="heavy_tailed"
        The loss above, or the contrastive loss: :math:`d^2 / 2` of positive and
        :math:`\max(c - d, 0)^2 / 2` of negative pairs, c the `margin`.
    margin : float, default=1.0
        Distance c beyond which negative pairs no longer repel each other. Only used
        with ``loss="contrastive"``.
    repulsion : float, default=5.0
        Weight r of the negative pairs. Only used with ``loss="heavy_tailed"``.
    init : {"spectral", "random"}, default="spectral"
        Where training begins. ``"spectral"``: the network first learns, in a sixth as
        many epochs, the leading eigenvectors of the neighbour graph (of 20,000 random
        rows where there are more): long clusters begin whole, as in [2]_, and are not
        torn. ``"random"``: from random weights.
    noise : float or "auto", default="auto"
        Standard deviation of the Gaussian noise that is added to the rows of each
        training step, as a share of the root mean square difference, per column,
        between a row and its neighbours: 1 moves a row about as far away as they are.
        ``"auto"``: 0.5 from 5,000 rows on, 0 below. New rows profit: they are placed
        as those seen in training are.
    hidden_layer_sizes : int or array-like of int, default=None
        Units of each hidden layer. None: (512, 256, 256), or (128, 128, 128) below
        5,000 rows; the first has at most two million weights, and so fewer units
        where there are very many columns. Their sums are normalised over the batch
        in training.
    activation : str, default="relu"
        Of the hidden layers: ``"relu"``, ``"tanh"``, ``"logistic"``, ``"gelu"``,
        ``"silu"`` or ``"identity"``.
    alpha : float, default=1e-4
        Weight decay of the AdamW steps.
    learning_rate_init : float, default=8e-3
        Largest learning rate: it rises to it over the first quarter of `max_iter`
        epochs and falls to nearly zero over the rest.
    batch_size : int or "auto", default="auto"
        Positive pairs of a step. ``"auto"``: a quarter of the rows, at least 64 and at
        most 512, or as many as have eight million entries where columns are very many.
    max_iter : int, default=36
        Epochs, unless training stops early. An epoch has a pair for each row, but at
        least 30 steps (5 to 30 of fewer than 3,000 rows) and at most 64.
    tol : float, default=1e-4
        An epoch improves when it lowers the loss by more than this share of it.
    n_iter_no_change : int, default=10
        Training stops early after this many epochs without improvement.
    early_stopping : bool, default=False
        Whether the loss of the pairs of held-out rows, rather than the training loss,
        decides about the end of training and the best weights. Where they would be
        fewer than 200, the training loss does.
    validation_fraction : float, default=0.1
        Share of the rows held out, at most 2,048 rows. Only used with
        `early_stopping`.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the matrix products in training; the weights are float32 either way.
        ``"auto"`` takes bfloat16 where the device has instructions for it and nine in
        ten pairs of neighbours differ by 10 % or more of the spread of the rows, and
        float32 elsewhere; asking for bfloat16 on a CPU without instructions is very
        slow.
        `transform` computes in float64.
    verbose : int, default=0
        Above 0, a progress bar on the standard error; the epochs of ``init="spectral"``
        are its first ones. Above 1, a line about the training as well.
    device : str, default="auto"
        ``"auto"`` (CUDA where torch sees it, else the CPU), ``"cpu"``, ``"cuda:1"``
        and so on. The learned weights are kept on the CPU, and `device` is looked at
        again in each call.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same result on every fit, bit for bit on one machine with
        one number of threads.

    Attributes
    ----------
    n_components_ : int
        Dimensions of the space.
    n_neighbors_ : int
        The neighbours used.
    graph_recall_ : float
        Share of the true nearest neighbours among those found: 1 where the search is
        exact, otherwise measured on up to 1,000 rows.
    loss_curve_ : list of float
        Mean training loss of each epoch.
    validation_loss_curve_ : list of float or None
        Loss of the held-out rows after each epoch.
    n_iter_ : int
        Epochs made.
    network_ : torch.nn.Module
        The map from rows to the space, on the CPU, in float64.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X had them.

    See Also
    --------
    SpectralNetClustering : Takes a siamese embedding as its `metric_learner`.
    Autoencoder : Codes in which to look for the neighbours.

    Notes
    -----
    Distances in the space say who is a neighbour of whom, not how far apart two
    clusters are. The rows are centred and divided by one common number; where columns
    have different units, scale them before.

    References
    ----------
    .. [1] R. Hadsell, S. Chopra, Y. LeCun, "Dimensionality Reduction by Learning an
       Invariant Mapping", CVPR 2006, https://doi.org/10.1109/CVPR.2006.100.
    .. [2] L. McInnes, J. Healy, J. Melville, "UMAP: Uniform Manifold Approximation and
       Projection for Dimension Reduction", 2018, https://arxiv.org/abs/1802.03426.
    .. [3] U. Shaham, K. Stanton, H. Li, B. Nadler, R. Basri, Y. Kluger,
       "SpectralNet: Spectral Clustering using Deep Neural Networks", ICLR 2018,
       https://arxiv.org/abs/1801.01587.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skspectralnet import SiameseEmbedding
    >>> X, _ = load_digits(return_X_y=True)
    >>> embedding = SiameseEmbedding(2, max_iter=2, random_state=0).fit(X[:1000])
    >>> embedding.transform(X[1000:]).shape
    (797, 2)
    """

    def __init__(
        self,
        n_components="auto",
        *,
        n_neighbors=5,
        neighbors_algorithm="auto",
        loss="heavy_tailed",
        margin=1.0,
        repulsion=5.0,
        init="spectral",
        noise="auto",
        hidden_layer_sizes=None,
        activation="relu",
        alpha=1e-4,
        learning_rate_init=8e-3,
        batch_size="auto",
        max_iter=36,
        tol=1e-4,
        n_iter_no_change=10,
        early_stopping=False,
        validation_fraction=0.1,
        precision="auto",
        verbose=0,
        device="auto",
        random_state=None,
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.neighbors_algorithm = neighbors_algorithm
        self.loss = loss
        self.margin = margin
        self.repulsion = repulsion
        self.init = init
        self.noise = noise
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.alpha = alpha
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.precision = precision
        self.verbose = verbose
        self.device = device
        self.random_state = random_state

    _parameter_constraints: dict = {
        "n_components": [at_least(1), StrOptions({"auto"})],
        "n_neighbors": [at_least(1)],
        "neighbors_algorithm": [StrOptions({"auto", "exact", "cells", "pynndescent"})],
        "loss": [StrOptions({"heavy_tailed", "contrastive"})],
        "margin": [above(0)],
        "repulsion": [at_least(0, Real)],
        "init": [StrOptions({"spectral", "random"})],
        "noise": [at_least(0, Real), StrOptions({"auto"})],
        "hidden_layer_sizes": ["array-like", at_least(1), None],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "alpha": [at_least(0, Real)],
        "learning_rate_init": [above(0)],
        "batch_size": [at_least(1), StrOptions({"auto"})],
        "max_iter": [at_least(1)],
        "tol": [at_least(0, Real)],
        "n_iter_no_change": [at_least(1)],
        "early_stopping": ["boolean"],
        "validation_fraction": [share()],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "verbose": ["verbose"],
        "device": [str],
        "random_state": ["random_state"],
    }

    def fit(
        self,
        X,
        y=None,
        *,
        partial_labels=None,
        must_link=None,
        cannot_link=None,
        sample_weight=None,
    ):
        """Learn the space from the rows of X, and from what is known about pairs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Sparse rows are densified a batch at a time.
        y : Ignored
            Present for API consistency; callbacks are given it.
        partial_labels : array-like of int of shape (n_samples,), default=None
            Label of each row, any number from 0; -1, NaN or None where it is unknown.
            Rows with the same label attract each other, rows with different ones repel
            each other, whatever the neighbours say.
        must_link, cannot_link : array-like of int of shape (n_pairs, 2), default=None
            Pairs of row numbers that belong together, or do not. Row numbers are those
            of the X of this call: they cannot be sliced in cross-validation.
        sample_weight : array-like of float of shape (n_samples,), default=None
            Weights of the rows, at least 0, of which only the ratios count: a row is
            drawn as often as it weighs, and not at all with 0, as if it occurred so
            often. None: all rows weigh the same.

        Returns
        -------
        self : object
            Unchanged where fitting fails.

        Raises
        ------
        ValueError, TypeError
            If a parameter, X, a label, a link or a weight cannot be used, or labels
            and links contradict each other; the message says which and why.
        """
        return self._replace_fit(
            X,
            y,
            partial_labels=partial_labels,
            must_link=must_link,
            cannot_link=cannot_link,
            sample_weight=sample_weight,
        )

    _stored = map_table(RowMap, n_neighbors_=Whole(), graph_recall_=Number())

    def _fit(self, X, fit_task, sample_weight=None, **known):
        X = validate_rows(self, X, reset=True)
        weights = checked_weights(sample_weight, X.shape[0])
        device = resolve_device(self.device)
        rng = check_random_state(self.random_state)
        constraints = known_pairs(X.shape[0], **known)
        weighing = None if weights is None else np.flatnonzero(weights)
        told, X = by_value(X, weighing, weights)
        if told is not None:
            constraints = of_rows(constraints, told)
        search = self.n_neighbors, self.neighbors_algorithm
        pairs = find_pairs(X, of_weights(weights, told), *search, constraints, rng)
        n_components = self.n_components
        if n_components == "auto":
            n_components = min(_defaults.MAX_SIAMESE_COMPONENTS, X.shape[1])
        trainer = self._trainer(fit_task, "noise")
        with gradients(device):
            network, history = self._train(pairs, n_components, device, rng, trainer)
        self.n_components_ = n_components
        self.n_neighbors_ = pairs.n_neighbors
        self.graph_recall_ = pairs.recall
        self._store_curves(history)
        self.network_ = RowMap(pairs.rows.units, network.folded())

    def _train(self, pairs, n_components, device, rng, trainer):
        """A trained network and its History."""
        generator = torch_generator(rng)
        order = rng.permutation(len(pairs.rows))
        share, bounds = self.validation_fraction * self.early_stopping, _HELD_OUT
        n_held_out = count_held_out(len(order), share, **bounds)
        held_out, learned = order[:n_held_out], order[n_held_out:]
        task = self._task(pairs, len(learned), device)
        draw = anchor_draws(learned, pairs.rows.multiplicities, rng)
        network = self._new_network(pairs.rows, n_components, generator).to(device)
        noise = GaussianNoise(task.noise, generator)
        goal, n_before = None, 0
        if self.init == "spectral":
            start = spectral_start(pairs, n_components, rng)
            goal = None if start is None else _Goal(network, pairs, start, task)
            n_before = -(-self.max_iter // _START_SHARE)

        def epoch_losses():
            for drawn in _draws(draw, pairs.partners, task, rng):
                yield _pair_loss(network, pairs, drawn, task, rng, noise)

        def validate():
            return _held_out_loss(network, pairs, held_out, task)

        watch = validate if n_held_out else None

        def training(schedule, *, interrupts, epochs):
            if goal is not None:
                hooks = {"interrupts": interrupts, "epochs": epochs.untold()}
                first = schedule._replace(max_iter=n_before)
                if not _begin(goal, first, generator, **hooks):
                    return _not_trained(watch)
            hooks = {"interrupts": interrupts, "epochs": epochs}
            return train(network, epoch_losses, schedule, validate=watch, **hooks)

        plan = {"policy": "one_cycle", "n_steps": task.n_steps, "n_untold": n_before}
        return network, trainer.run(training, "metric learner", "siamese loss", **plan)

    def _task(self, pairs, n_rows, device):
        """Resolve what the number of rows decides."""
        batch_size, noise = self.batch_size, self.noise
        if batch_size == "auto":
            batch_size = _defaults.siamese_batch_size(n_rows, pairs.rows.shape[1])
        batch_size = min(batch_size, n_rows)
        if noise == "auto":
            noise = _defaults.siamese_noise(len(pairs.rows))
        apart = neighbor_differences(pairs)
        return _Task(
            loss=self.loss,
            margin=float(self.margin),
            repulsion=float(self.repulsion),
            bfloat16=self._low_precision(apart, device),
            noise=float(noise) * np.sqrt(np.mean(apart**2)),
            batch_size=batch_size,
            n_steps=_defaults.siamese_steps(n_rows, batch_size),
            device=device,
        )

    def _low_precision(self, apart, device):
        if self.precision == "auto" and not _defaults.told_apart_by_bfloat16(apart):
            return False
        return takes_bfloat16(self.precision, device)

    def _new_network(self, rows, n_components, generator):
        """The perceptron with random weights, on the CPU."""
        hidden = self.hidden_layer_sizes
        if hidden is None:
            hidden = _defaults.siamese_layers(*rows.shape)
        sizes = [rows.shape[1], *layer_sizes(hidden), n_components]
        return BatchNormMLP(MLP(sizes, self.activation, generator))


def _not_trained(validate):
    """The History of a training that Ctrl-C ended before its first epoch."""
    return History(
        loss_curve=[],
        validation_loss_curve=None if validate is None else [],
        converged=False,
        interrupted=True,
        stopped=False,
    )


def _begin(goal, schedule, generator, **hooks):
    """Teach the network its start by regression; return False at Ctrl-C."""
    network, pairs, start, task = goal
    size = _START_SIZE
    if task.loss == "contrastive":
        size = _MARGIN_SHARE * task.margin
    places = size * to_tensor(start.places, device=task.device, dtype=torch.float32)

    def losses():
        for _ in range(n_steps):
            chosen = torch.randint(
                len(places), (n_rows,), generator=generator, device="cpu"
            ).numpy()
            outputs = _outputs(network, pairs, start.rows[chosen], task, noise)
            yield reconstruction_loss(outputs / size, places[chosen] / size)

    noise = GaussianNoise(task.noise, generator)
    n_rows = 2 * task.batch_size  # as in a later step
    n_steps = max(task.n_steps, _defaults.SIAMESE_STEPS[1])
    schedule = schedule._replace(
        tol=0.0, n_iter_no_change=schedule.max_iter, n_steps=n_steps
    )
    return not train(network, losses, schedule, **hooks).interrupted


def _draws(draw, partners, task, rng):
    """The steps of an epoch, drawn at once: a call of numpy costs as much as a layer.

    Parameters
    ----------
    draw : callable
        So many rows, as :func:`~skspectralnet._pairs.anchor_draws` makes it.
    partners : ndarray of int of shape (n_rows, k)
    task : _Task
    rng : RandomState

    Returns
    -------
    iterator of _Draw
    """
    n_steps, b = task.n_steps, task.batch_size
    anchors = draw(n_steps * b)
    partners = partners[anchors, rng.randint(partners.shape[1], size=n_steps * b)]
    against = rng.randint(2 * b, size=(n_steps, _NEGATIVES))
    return map(_Draw, anchors.reshape(-1, b), partners.reshape(-1, b), against)


def _outputs(network, pairs, rows, task, noise):
    """The outputs for some rows, with noise where it is given."""
    inputs = read_batch(pairs.rows, rows, device=task.device)
    if noise is not None:
        inputs = noise.add_to(inputs)
    low = task.bfloat16 and network.training
    return network(inputs, torch.bfloat16 if low else torch.float32)


def _pair_loss(network, pairs, draw, task, rng, noise=None):
    """The loss of a partner of each anchor, and of what is known besides."""
    together, apart = _known(pairs.constraints, task, rng)
    involved = np.concatenate([draw.anchors, draw.partners, *together.T, *apart.T])
    outputs = _outputs(network, pairs, involved, task, noise)
    # (b + b + 2 t + 2 a, n_components)
    b, t, places = len(draw.anchors), len(together), {"device": task.device}
    against = to_tensor(draw.against, dtype=torch.int64, **places)
    positive, negative = pair_distances(outputs, b, against)
    others, negative = involved[draw.against], negative.flatten()
    excluded = _same_row(draw.anchors, others, pairs.constraints)  # (b, 64)
    if excluded.any():
        kept = to_tensor(np.flatnonzero(~excluded), dtype=torch.int64, **places)
        negative = negative.index_select(0, kept)
    loss = _contrast(positive, negative, task)
    if t or len(apart):
        sides = outputs[2 * b :].split([t, t, len(apart), len(apart)])
        known = _squared(sides[0], sides[1]), _squared(sides[2], sides[3])
        loss = loss + _known_weight(pairs.constraints) * _contrast(*known, task)
    return loss


def _known(constraints, task, rng):
    """Pairs of rows known to belong together, and known not to; (m, 2) each."""
    if constraints is None:
        return np.empty((0, 2), dtype=np.int64), np.empty((0, 2), dtype=np.int64)
    size = min(_KNOWN_PAIRS, task.batch_size)
    return constraints.sample_together(size, rng), constraints.sample_apart(size, rng)


def _known_weight(constraints):
    """Weight of their loss beside that of the neighbours: the root of their share.

    Between 1, with which each pair counts alike, and the share of rows of which
    something is known, with which each row does: with 1 the labels of 2 % of USPS make
    it worse (benchmarks/supervised.py).
    """
    return float(np.sqrt(np.mean(constraints.groups >= 0)))


def _same_row(anchors, others, constraints):
    """Pairs that are no negative ones: a row with itself or with its group."""
    same = anchors[:, None] == others[None, :]
    if constraints is not None:
        groups = constraints.groups
        mine, theirs = groups[anchors][:, None], groups[others][None, :]
        same |= (mine == theirs) & (mine >= 0)
    return same


def _squared(a, b):
    return (a - b).square().sum(dim=1)


def _contrast(positive, negative, task):
    if task.loss == "contrastive":
        return margin_loss(positive, negative, task.margin)
    return heavy_tailed_loss(positive, negative, task.repulsion)


def _held_out_loss(network, pairs, rows, task):
    """The loss of held-out rows without noise, the same pairs each time."""
    network.eval()
    try:
        with torch.no_grad():
            rng = np.random.RandomState(0)
            of_rows = task._replace(n_steps=1, batch_size=len(rows))
            (drawn,) = _draws(lambda size: rows, pairs.partners, of_rows, rng)
            return float(_pair_loss(network, pairs, drawn, task, rng))
    finally:
        network.train()
