"""The autoencoder: codes from which a network can rebuild the rows."""

import contextlib
from functools import partial
from numbers import Real
from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils import check_array, check_random_state
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from skspectralnet import _defaults
from skspectralnet._calls import guarded
from skspectralnet._estimator import NetworkTransformer, layer_sizes, precision_of
from skspectralnet._fields import Number
from skspectralnet._input import validate_rows
from skspectralnet._losses import reconstruction_loss
from skspectralnet._network import ACTIVATIONS, MLP, CodeMap
from skspectralnet._rows import Rows, center_and_scale, in_memory, row_blocks
from skspectralnet._states import map_table
from skspectralnet._tensors import (
    Blocks,
    GaussianNoise,
    forward_in_blocks,
    in_bfloat16,
    read_batch,
    resolve_device,
    takes_bfloat16,
    torch_generator,
)
from skspectralnet._training import count_held_out, gradients, train
from skspectralnet._validation import StrOptions, above, at_least, share

# The directions are counted on a sample of at most this many rows and entries.
_SAMPLE_ROWS, _SAMPLE_ENTRIES = 2000, 2**22
# Fewer held-out rows say too little; more cost more than they say.
_MIN_HELD_OUT, _MAX_HELD_OUT = 50, 2000


class _Task(NamedTuple):
    """How the autoencoder is to be trained, every default resolved."""

    batch_size: int
    n_steps: int  # of an epoch
    n_held_out: int
    noise: float
    bfloat16: bool
    device: torch.device


class Autoencoder(NetworkTransformer):
    r"""Codes of the rows from which a network can rebuild them.

    Two perceptrons, an encoder f and its mirror image g, are trained together to
    rebuild each row x from its code z = f(x) [1]_:

    .. math::
        \min_{f, g} \frac{1}{n d} \sum_i \lVert g(f(x_i + \epsilon_i)) - x_i \rVert^2

    where n rows of d columns are centred and divided by one common scale, the root
    mean square of their entries, and :math:`\epsilon_i` is Gaussian noise, if any
    [2]_. Labels play no part. Where rows lie near a bent surface, a few codes tell
    more of them than as many principal components.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Width of the code. ``"auto"``: half the number of directions that the rows
        fill, at least 2, at most 16, and fewer than the columns. The directions are
        counted by the participation ratio
        :math:`(\sum_j \lambda_j)^2 / \sum_j \lambda_j^2` of the eigenvalues of the
        covariance of up to 2,000 rows.
    hidden_layer_sizes : int or array-like of int, default=None
        Units of each hidden layer of the encoder; the decoder has the same in reverse.
        None: (512, 512, 1024) where X has a million entries or more, (256, 256) from
        30,000, and (128, 128) below; the first has at most two million weights, and
        so fewer units where there are more than 4,096 columns.
    activation : str, default="relu"
        Of the hidden layers: ``"relu"``, ``"tanh"``, ``"logistic"``, ``"gelu"``,
        ``"silu"`` or ``"identity"``.
    noise : float or "auto", default="auto"
        Standard deviation of the Gaussian noise that is added to the rows of each
        training step, in units of the common scale; the network is to rebuild the
        rows without it. ``"auto"``: 0.3 for rows of more than 50 columns, which tell
        of each other; 0 for others.
    alpha : float, default=1e-4
        Weight decay of the AdamW steps.
    learning_rate_init : float or "auto", default="auto"
        Largest learning rate: it rises to it over the first quarter of `max_iter`
        epochs and falls to nearly zero over the rest [3]_. ``"auto"``: 5e-3 for hidden
        layers of at most 256 units, 2e-3 for wider ones.
    batch_size : int or "auto", default="auto"
        Rows of a training step. ``"auto"``: an eighth of the rows, at least 32 and at
        most 256, and at most a million entries.
    max_iter : int, default=30
        Epochs, unless training stops early. An epoch is a pass over the rows, but at
        least 30 batches (10 to 30 of fewer than 300 rows) and at most 300.
    tol : float, default=1e-3
        An epoch improves when it lowers the loss by more than this share of it.
    n_iter_no_change : int, default=5
        Training stops early after this many epochs without improvement.
    early_stopping : bool, default=True
        Whether the loss of held-out rows, rather than the training loss, decides about
        the end of training and the best weights, which are kept. Where they would be
        fewer than 50, the training loss does.
    validation_fraction : float, default=0.1
        Share of the rows held out, at most 2,000 rows. Only used with
        `early_stopping`.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the matrix products in training; weights and losses are in float32.
        ``"auto"`` takes bfloat16 where the device has instructions for it, float32
        elsewhere; asking for bfloat16 on a CPU without them is very slow. `transform`
        is not concerned: it calculates in float64.
    verbose : int, default=0
        Above 0, a progress bar on the standard error; above 1, a line about the
        training as well.
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
        Width of the code.
    reconstruction_error_ : float
        Mean square of an entry of the rows minus their reconstruction, as a share of
        the variance: 0 is perfect, 1 is what the mean of all rows reaches. Of the
        held-out rows, or of up to 2,000 training rows where none are.
    loss_curve_ : list of float
        Mean training loss of each epoch, in the same unit.
    validation_loss_curve_ : list of float or None
        Loss of the held-out rows after each epoch, in the same unit and without noise.
    n_iter_ : int
        Epochs made.
    network_ : torch.nn.Module
        The map from rows to codes, and with its method ``decode`` back, on the CPU, in
        float64.
    n_features_in_ : int
        Columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X had them.

    See Also
    --------
    SpectralNetClustering : Takes an autoencoder as its `encoder`.
    sklearn.decomposition.PCA : The best codes of a linear encoder and decoder.

    Notes
    -----
    Nothing orders the components or gives them a unit, and another seed gives other
    ones: what means something is which rows have codes close to each other.

    References
    ----------
    .. [1] G. E. Hinton, R. R. Salakhutdinov, "Reducing the Dimensionality of Data with
       Neural Networks", Science 313, 2006, https://doi.org/10.1126/science.1127647.
    .. [2] P. Vincent, H. Larochelle, Y. Bengio, P.-A. Manzagol, "Extracting and
       Composing Robust Features with Denoising Autoencoders", ICML 2008,
       https://doi.org/10.1145/1390156.1390294.
    .. [3] L. N. Smith, N. Topin, "Super-Convergence: Very Fast Training of Neural
       Networks Using Large Learning Rates", 2019, https://arxiv.org/abs/1708.07120.

    Examples
    --------
    >>> from sklearn.datasets import make_swiss_roll
    >>> from skspectralnet import Autoencoder
    >>> X, _ = make_swiss_roll(500, random_state=0)
    >>> autoencoder = Autoencoder(2, random_state=0).fit(X)
    >>> codes = autoencoder.transform(X)
    >>> codes.shape
    (500, 2)
    >>> autoencoder.inverse_transform(codes).shape
    (500, 3)
    """

    # Codes are rows, no metadata to route, as the X of other methods is none.
    __metadata_request__inverse_transform = {"Z": UNUSED}

    def __init__(
        self,
        n_components="auto",
        *,
        hidden_layer_sizes=None,
        activation="relu",
        noise="auto",
        alpha=1e-4,
        learning_rate_init="auto",
        batch_size="auto",
        max_iter=30,
        tol=1e-3,
        n_iter_no_change=5,
        early_stopping=True,
        validation_fraction=0.1,
        precision="auto",
        verbose=0,
        device="auto",
        random_state=None,
    ):
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.noise = noise
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
        "hidden_layer_sizes": ["array-like", at_least(1), None],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "noise": [at_least(0, Real), StrOptions({"auto"})],
        "alpha": [at_least(0, Real)],
        "learning_rate_init": [above(0), StrOptions({"auto"})],
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

    _stored = map_table(CodeMap, reconstruction_error_=Number())

    def _fit(self, X, fit_task):
        X = in_memory(validate_rows(self, X, reset=True))
        device = resolve_device(self.device)
        generator = torch_generator(check_random_state(self.random_state))
        rows = Rows(X, *center_and_scale(X))
        order = torch.randperm(len(rows), generator=generator, device="cpu").numpy()
        n_components = self.n_components
        if n_components == "auto":
            n_components = _code_width(rows, order)
        task = self._task(X.shape, device)
        trainer = self._trainer(fit_task, "noise")
        with gradients(device):
            network = self._new_network(X.shape, n_components, generator).to(device)
            trainer = trainer.at_rate(self._learning_rate(network))
            history = _train(network, rows, order, task, generator, trainer)
            test = order[: task.n_held_out or _MAX_HELD_OUT]
            error = _mean_loss(network, rows, test, task)
        self.n_components_ = n_components
        self._store_curves(history)
        self.reconstruction_error_ = error
        self.network_ = CodeMap(rows.units, *network)

    def _task(self, shape, device):
        """Resolve what the size of X and the device decide."""
        n_samples, n_features = shape
        n_held_out = count_held_out(
            n_samples,
            self.validation_fraction * self.early_stopping,
            least=_MIN_HELD_OUT,
            most=_MAX_HELD_OUT,
        )
        n_rows = n_samples - n_held_out
        batch_size, noise = self.batch_size, self.noise
        if batch_size == "auto":
            batch_size = _defaults.coder_batch_size(n_rows, n_features)
        batch_size = min(batch_size, n_rows)
        if noise == "auto":
            noise = _defaults.coder_noise(n_features)
        return _Task(
            batch_size=batch_size,
            n_steps=_defaults.coder_steps(n_rows, batch_size),
            n_held_out=n_held_out,
            noise=float(noise),
            bfloat16=takes_bfloat16(self.precision, device),
            device=device,
        )

    def _new_network(self, shape, n_components, generator):
        """The encoder and its mirror image, with random weights, on the CPU."""
        hidden = self.hidden_layer_sizes
        if hidden is None:
            hidden = _defaults.coder_layers(*shape)
        sizes = [shape[1], *layer_sizes(hidden), n_components]
        return torch.nn.Sequential(
            MLP(sizes, self.activation, generator),
            MLP(sizes[::-1], self.activation, generator),
        )

    def _learning_rate(self, network):
        if self.learning_rate_init != "auto":
            return self.learning_rate_init
        return _defaults.coder_rate(max(len(b) for b in network[0].biases[:-1]))

    @guarded
    def inverse_transform(self, Z):
        """Rebuild rows from their codes.

        Parameters
        ----------
        Z : array-like of shape (n_samples, `n_components_`)
            Codes, as `transform` makes them.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the units of the rows of `fit`; float32 for float32 codes, float64 for
            others.

        Raises
        ------
        ValueError
            If the codes do not have `n_components_` columns.
        """
        check_is_fitted(self)
        Z = check_array(Z, dtype=[np.float64, np.float32], input_name="Z")
        if Z.shape[1] != self.n_components_:
            raise ValueError(
                f"Z has {Z.shape[1]} columns, but {type(self).__name__} makes codes of "
                f"n_components_={self.n_components_}."
            )
        return forward_in_blocks(
            self.network_,
            Blocks(lambda rows: Z[rows], Z.shape[0]),
            device=resolve_device(self.device),
            method="decode",
            dtype=precision_of(Z),
        )


def _code_width(rows, order):
    r"""Half the directions that the rows fill, between 2 and 16, below their columns.

    The number of directions is the participation ratio of the covariance C of a
    sample, :math:`(\mathrm{tr}\, C)^2 / \mathrm{tr}\, C^2`: k for rows that spread
    equally in k directions.
    """
    n_features = rows.shape[1]
    size = int(np.clip(_SAMPLE_ENTRIES // n_features, 64, _SAMPLE_ROWS))
    gram = _gram(rows.batch(order[:size], np.float32))
    total = float(np.trace(gram))
    directions = total * total / max(float(np.square(gram).sum()), 1e-300)
    return _defaults.code_width(directions, n_features)


def _gram(sample):
    """X^T X or X X^T of centred rows, the smaller one: tr C^2 is that of both.

    Parameters
    ----------
    sample : ndarray of shape (m, n_features)

    Returns
    -------
    ndarray of shape (n, n), float64
        n is m or n_features.
    """
    if sample.shape[0] > sample.shape[1]:
        Z = sample - sample.mean(axis=0, dtype=np.float64)
        return Z.T @ Z
    gram = 0.0
    for block in row_blocks(sample.shape[::-1]):  # of columns
        Z = sample[:, block] - sample[:, block].mean(axis=0, dtype=np.float64)
        gram = gram + Z @ Z.T
    return gram


def _train(network, rows, order, task, generator, trainer):
    """Train encoder and decoder in place; return the History."""
    held_out = order[: task.n_held_out]
    batches = _random_batches(order[task.n_held_out :], task.batch_size, generator)
    noise = GaussianNoise(task.noise, generator)

    def epoch_losses():
        for _ in range(task.n_steps):
            # A name would hold the batch while the next one is read.
            yield _denoising_loss(
                network,
                read_batch(rows, next(batches), device=task.device),
                task,
                noise,
            )

    def validate():
        return _mean_loss(network, rows, held_out, task)

    watch = validate if len(held_out) else None
    # A Ctrl-C while the endless generator is finalised would be lost.
    with contextlib.closing(batches):
        return trainer.run(
            partial(train, network, epoch_losses, validate=watch),
            "encoder",
            "reconstruction loss",
            policy="one_cycle",
            n_steps=task.n_steps,
        )


def _random_batches(rows, batch_size, generator):
    """Yield nearly equal parts of the shuffled row numbers for ever."""
    n_batches = -(-len(rows) // batch_size)
    while True:
        order = torch.randperm(len(rows), generator=generator, device="cpu").numpy()
        yield from np.array_split(rows[order], n_batches)


def _denoising_loss(network, inputs, task, noise):
    """Loss of the clean rows, rebuilt from rows with Gaussian noise (if any)."""
    seen = noise.add_to(inputs)
    outputs = in_bfloat16(network, seen) if task.bfloat16 else network(seen)
    return reconstruction_loss(outputs, inputs)


def _mean_loss(network, rows, which, task):
    """The loss of some rows without noise, in blocks of the size of a batch."""
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(which), task.batch_size):
            block = which[start : start + task.batch_size]
            inputs = read_batch(rows, block, device=task.device)
            loss = reconstruction_loss(network(inputs), inputs)
            total += float(loss) * len(block)
    return total / len(which)
