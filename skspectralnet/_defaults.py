"""Every rule behind "auto" and None, as functions of sizes and of measured numbers."""

import math

import numpy as np

# encoder="auto": rows of more columns are reduced to this many.
AUTO_WIDTH = 50

# metric_learner="auto" tries a learned space from this many different rows on: fewer
# are too few to learn one from (benchmarks/quality.py).
LEARNED_ROWS = 500

# n_neighbors=None. In a batch of a learned space few neighbours split large clusters
# and many join small ones (benchmarks/siamese.py): this many times the rows that the
# smallest of k clusters of random sizes has, a share of 1 / k^2 (as the shortest piece
# of a stick that is broken at random places).
NEIGHBORS, MOST_NEIGHBORS, SMALLEST_SHARE = 10, 40, 3.5
# From this many clusters on that may be fewer neighbours than hold a graph together:
# then this share of the rows of a mean cluster (benchmarks/quality.py), unless the
# clusters of the former are better.
MANY_CLUSTERS, MEAN_SHARE = 15, 0.5

# batch_size="auto": the part of the rows that a batch is. Without a metric learner,
# nearby manifolds need larger batches (benchmarks/shapes.py).
PLAIN_BATCHES, LEARNED_BATCHES = 16, 10
MIN_PLAIN, MIN_LEARNED, MAX_BATCH = 1024, 512, 2048
ROWS_PER_COMPONENT = 40
# Wide rows are fewer: a step holds a batch several times (benchmarks/footprint.py).
MOST_MAP_ENTRIES = 2**24

# tol=None: of a loss that every step sees whole, and of one over random batches, which
# can look settled long before a thin cluster is found (tests/test_quality.py).
WHOLE_TOL, SAMPLED_TOL = 1e-2, 2e-3
# n_iter_no_change=None: with less patience a training on plain rows ends now and then
# before it tells nested C's apart (benchmarks/shapes.py). In a learned space clusters
# are compact.
PATIENCE, PLAIN_PATIENCE = 4, 6

# hidden_layer_sizes=None: below this many rows, on batches of more, on a graph of more.
SMALL_SAMPLE = 1000
SMALL_LAYERS, BATCH_LAYERS, GRAPH_LAYERS = (64, 64), (128, 128), (256, 256, 256)
# The last of the latter has at least so many for each eigenvector: fewer units than
# these span fewer dimensions, and with half as many training takes longer.
UNITS_PER_OUTPUT = 2
# The first of them has at most this many weights, but at least this many units.
MOST_WEIGHTS, LEAST_UNITS = 2**21, 16

# diffusion_time="auto": the K-th eigenvector keeps exp(-1/2) of its length. Those
# after a gap vanish, those before it stay (benchmarks/assignment.py).
AUTO_DECAY = 0.5

# n_components=None: eigenvectors beyond the clusters tell touching ones apart.
COMPONENTS_PER_CLUSTER = 1.3
# n_clusters="auto" looks no further: the eigenvectors are solved for in seconds. Those
# of a given graph of more nodes are not.
MOST_CLUSTERS, LARGE_GRAPH, LARGE_GRAPH_CLUSTERS = 128, 20_000, 30


def activation(learned, regression):
    """That of the map's hidden layers.

    Parameters
    ----------
    learned : bool
        Whether its inputs are a learned space.
    regression : bool
        Whether it is taught exact eigenvectors.
    """
    if learned:
        return "relu"
    return "gelu" if regression else "tanh"


def map_batch_size(shape, n_components, learned):
    """Rows of a batch of the spectral map."""
    (n_samples, n_columns), parts, least = shape, PLAIN_BATCHES, MIN_PLAIN
    if learned:
        parts, least = LEARNED_BATCHES, MIN_LEARNED
    needed = ROWS_PER_COMPONENT * n_components
    most = max(MOST_MAP_ENTRIES // n_columns, needed)
    return min(max(n_samples // parts, needed, least), MAX_BATCH, n_samples, most)


def neighbor_shares(n_expected):
    """Shares of a batch that a wide neighbourhood may have, the usual one first."""
    smallest = SMALLEST_SHARE / n_expected**2
    if n_expected < MANY_CLUSTERS:
        return (smallest,)
    return MEAN_SHARE / n_expected, smallest


def batch_neighbors(batch_size, share=None):
    """Neighbours of a row in a batch: few, or a share of the batch."""
    wanted = NEIGHBORS
    if share is not None:
        wanted = int(np.clip(round(share * batch_size), NEIGHBORS, MOST_NEIGHBORS))
    return min(wanted, max(2, batch_size // 5))  # not all rows of a small batch


def patience(one_batch, learned):
    """`tol` and `n_iter_no_change` of a training on batches, all rows in one or not."""
    if one_batch:
        return WHOLE_TOL, PATIENCE
    return SAMPLED_TOL, PATIENCE if learned else PLAIN_PATIENCE


def batch_layers(n_samples, n_columns):
    """Units of the hidden layers of a map trained on batches."""
    layers = SMALL_LAYERS if n_samples < SMALL_SAMPLE else BATCH_LAYERS
    return of_columns(layers, n_columns)


def graph_layers(n_samples, n_columns, n_outputs):
    """Units of the hidden layers of a map trained on the graph of all rows."""
    *layers, last = SMALL_LAYERS if n_samples < SMALL_SAMPLE else GRAPH_LAYERS
    last = max(last, UNITS_PER_OUTPUT * n_outputs)
    return of_columns((*layers, last), n_columns)


def of_columns(layers, n_columns):
    """Hidden layers, the first one with fewer units where there are very many columns.

    A training holds each weight five times, and a layer as wide as the others would
    outweigh the rows.
    """
    most = max(MOST_WEIGHTS // n_columns, LEAST_UNITS)
    return min(layers[0], most), *layers[1:]


def components_of(n_clusters):
    """Eigenvectors for a number of clusters, the trivial one included."""
    return max(math.ceil(COMPONENTS_PER_CLUSTER * n_clusters), n_clusters + 1)


# --- the siamese network

MAX_SIAMESE_COMPONENTS = 10
# neighbors_algorithm="auto": exact neighbours up to this many rows
# (benchmarks/neighbors.py).
EXACT_ROWS = 20_000
# hidden_layer_sizes=None: {rows: units}, the units from that many rows on.
SIAMESE_LAYERS = {5000: (512, 256, 256), 0: (128, 128, 128)}
SIAMESE_BATCHES, MIN_SIAMESE_BATCH, MAX_SIAMESE_BATCH = 4, 64, 512
# batch_size="auto": a step holds its rows several times (benchmarks/footprint.py).
MOST_ENTRIES = 2**23
# Steps of an epoch, a pass over the rows: at least one for this many rows, within these
# bounds, so that few rows are learned at all; and at most MAX_SIAMESE_STEPS, so that
# the cost does not grow with the rows.
SIAMESE_ROWS_PER_STEP, SIAMESE_STEPS, MAX_SIAMESE_STEPS = 100, (5, 30), 64
# noise="auto": from this many rows on, where the network would overfit the training
# rows (benchmarks/siamese.py).
NOISE_ROWS, SIAMESE_NOISE = 5000, 0.5
# precision="auto": neighbours that lie closer, of rows of size 1, are not told apart by
# the eight bits of bfloat16.
COARSE = 0.1


def siamese_layers(n_samples, n_columns):
    """Units of the hidden layers of the siamese network."""
    return of_columns(_at_least(SIAMESE_LAYERS, n_samples), n_columns)


def siamese_batch_size(n_rows, n_columns):
    """Positive pairs of a step."""
    most = min(n_rows // SIAMESE_BATCHES, MOST_ENTRIES // (2 * n_columns))
    return int(np.clip(most, MIN_SIAMESE_BATCH, MAX_SIAMESE_BATCH))


def siamese_steps(n_rows, batch_size):
    """Steps of an epoch of the siamese network."""
    least = np.clip(n_rows // SIAMESE_ROWS_PER_STEP, *SIAMESE_STEPS)
    return int(np.clip(-(-n_rows // batch_size), least, MAX_SIAMESE_STEPS))


def siamese_noise(n_samples):
    """Noise as a share of the distance of neighbours."""
    return SIAMESE_NOISE if n_samples >= NOISE_ROWS else 0.0


def told_apart_by_bfloat16(distances):
    """Whether nine in ten neighbours of rows of size 1 are far enough apart for it."""
    return np.quantile(distances, 0.1) >= COARSE


# --- the autoencoder

# n_components="auto": a manifold that bends fills about twice the directions it has.
DIRECTIONS_PER_COMPONENT = 2.0
MIN_CODES, MAX_CODES = 2, 16
# hidden_layer_sizes=None: {entries of X: units}, the units from that many entries on.
CODER_LAYERS = {1_000_000: (512, 512, 1024), 30_000: (256, 256), 0: (128, 128)}
CODER_BATCHES, MIN_CODER_BATCH, MAX_CODER_BATCH = 8, 32, 256
MAX_CODER_ENTRIES = 2**20  # of a batch
# As for the siamese network, a step for ten rows.
CODER_ROWS_PER_STEP, CODER_STEPS, MAX_CODER_STEPS = 10, (10, 30), 300
# learning_rate_init="auto": of layers up to this many units, and of wider ones.
NARROW, NARROW_RATE, WIDE_RATE = 256, 5e-3, 2e-3
# noise="auto": of rows with more columns than that (benchmarks/mnist.py).
NARROW_ROWS, WIDE_NOISE = 50, 0.3


def code_width(directions, n_features):
    """Components of a code for rows that fill a number of directions."""
    width = np.clip(round(directions / DIRECTIONS_PER_COMPONENT), MIN_CODES, MAX_CODES)
    return max(1, min(int(width), n_features - 1))


def coder_layers(n_samples, n_columns):
    """Units of the hidden layers of the encoder.

    Its decoder ends with a layer as wide as its first one.
    """
    return of_columns(_at_least(CODER_LAYERS, n_samples * n_columns), 2 * n_columns)


def coder_batch_size(n_rows, n_columns):
    """Rows of a step, fewer where there are very many columns."""
    most = min(MAX_CODER_BATCH, MAX_CODER_ENTRIES // n_columns)
    return max(MIN_CODER_BATCH, min(n_rows // CODER_BATCHES, most))


def coder_steps(n_rows, batch_size):
    """Steps of an epoch of the autoencoder."""
    least = np.clip(n_rows // CODER_ROWS_PER_STEP, *CODER_STEPS)
    return int(np.clip(-(-n_rows // batch_size), least, MAX_CODER_STEPS))


def coder_rate(widest):
    """The largest learning rate, by the units of the widest hidden layer."""
    return NARROW_RATE if widest <= NARROW else WIDE_RATE


def coder_noise(n_features):
    """Standard deviation of the noise in rows of size 1."""
    return WIDE_NOISE if n_features > NARROW_ROWS else 0.0


def _at_least(values, size):
    """The value of the largest key that is at most `size`; keys descend."""
    return next(value for key, value in values.items() if size >= key)
