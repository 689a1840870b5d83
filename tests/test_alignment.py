"""From eigenpairs to columns: diffusion weights and signs, by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skspectralnet._alignment import diffusion, largest_positive


def test_a_given_time_by_hand():
    # (1 - .5)^2, and an eigenvalue above 1 leaves nothing.
    found = diffusion(np.array([0.0, 0.5, 1.5]), 2.0, n_leading=3)
    assert found.time == 2.0
    assert_array_equal(found.weights, [1.0, 0.25, 0.0])


@pytest.mark.parametrize("n_leading", [2, 3, 9])
def test_auto_leaves_the_last_leading_component_its_share(n_leading, rng):
    decays = np.sort(rng.uniform(0.01, 0.9, size=5))
    found = diffusion(decays, "auto", n_leading)
    last = min(n_leading, 5) - 1
    assert found.weights[last] == pytest.approx(np.exp(-0.5))
    assert (np.diff(found.weights) <= 0).all()
    assert_allclose(found.weights, (1 - decays) ** found.time)


def test_time_zero_keeps_every_component():
    assert_array_equal(diffusion(np.array([0.0, 1.0, 3.0]), 0, 1).weights, 1.0)


def test_auto_where_nothing_decays():
    found = diffusion(np.zeros(3), "auto", 3)
    assert_array_equal(found.weights, 1.0)


def test_signs_of_the_largest_entries():
    # In the last column two entries are as large: the first of them decides.
    Z = np.array([[1.0, -3.0, -2.0], [-0.5, 2.0, 2.0]])
    assert_array_equal(largest_positive(Z), [1.0, -1.0, -1.0])
