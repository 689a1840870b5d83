"""The rules behind "auto" and None at their borders, by hand."""

import pytest

from skspectralnet import _defaults


@pytest.mark.parametrize(
    ("shape", "n_components", "learned", "size"),
    [
        ((300, 50), 3, False, 300),  # all rows
        ((5000, 50), 3, False, 1024),  # the least without a learned space
        ((5000, 50), 3, True, 512),  # the least with one
        ((5000, 50), 20, True, 800),  # 40 for each component
        ((32_000, 50), 3, False, 2000),  # a sixteenth
        ((10_000, 50), 3, True, 1000),  # a tenth
        ((10**6, 50), 80, True, 2048),  # the most
        ((5000, 2**15), 3, False, 512),  # of wide rows so many entries
        ((5000, 2**15), 20, False, 800),  # but 40 for each component
    ],
)
def test_rows_of_a_batch(shape, n_components, learned, size):
    assert _defaults.map_batch_size(shape, n_components, learned) == size


@pytest.mark.parametrize(
    ("batch_size", "n_expected", "n_neighbors"),
    [
        (2048, 14, (37,)),  # 3.5 * 2048 / 196 = 36.6
        (2048, 10, (40,)),  # 71.7, the most
        (500, 14, (10,)),  # 8.9, the least
        (2048, 20, (40, 18)),  # many clusters: half of a mean one, 51, or 17.9
        (2000, 32, (31, 10)),  # half of 62.5, or 6.8
        (512, 60, (10, 10)),  # 4.3, the least
        (40, 2, (8,)),  # a fifth of the batch
        (5, 2, (2,)),
    ],
)
def test_neighbors_in_a_batch(batch_size, n_expected, n_neighbors):
    shares = _defaults.neighbor_shares(n_expected)
    found = tuple(_defaults.batch_neighbors(batch_size, share) for share in shares)
    assert found == n_neighbors
    assert _defaults.batch_neighbors(batch_size) == min(10, max(2, batch_size // 5))


@pytest.mark.parametrize(("n_clusters", "n"), [(1, 2), (2, 3), (3, 4), (10, 13)])
def test_components_beyond_the_clusters(n_clusters, n):
    assert _defaults.components_of(n_clusters) == n


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "n_steps"),
    [(100, 64, 5), (1000, 250, 10), (20_000, 512, 40), (10**6, 512, 64)],
)
def test_steps_of_the_siamese_network(n_rows, batch_size, n_steps):
    assert _defaults.siamese_steps(n_rows, batch_size) == n_steps


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "batch_size"),
    [(100, 5, 64), (1000, 50, 250), (10**6, 784, 512), (10**6, 20_000, 209)],
)
def test_batch_of_the_siamese_network(n_rows, n_columns, batch_size):
    assert _defaults.siamese_batch_size(n_rows, n_columns) == batch_size


@pytest.mark.parametrize(("directions", "width"), [(1, 2), (9, 4), (80, 16)])
def test_width_of_a_code(directions, width):
    assert _defaults.code_width(directions, 100) == width
    assert _defaults.code_width(directions, 2) == 1
