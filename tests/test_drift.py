"""Landmarks: where the rows of a fit lay."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skspectralnet._drift import Landmarks


def test_by_hand():
    landmarks = Landmarks(np.array([[0.0], [10.0]]), radius=2.0)
    assert landmarks.share_outside(np.array([[1.0], [5.0], [12.0], [-3.0]])) == 0.5


def test_one_in_a_hundred_rows_of_the_same_kind_is_outside(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    rows = rng.normal(size=(40_000, 3))
    landmarks = Landmarks.fit(rows[:20_000], rng)
    assert landmarks.share_outside(rows[20_000:]) == pytest.approx(0.01, abs=0.006)


def test_nothing_grows_with_the_rows(rng):
    few, many = (Landmarks.fit(rng.normal(size=(n, 3)), rng) for n in (2000, 20_000))
    assert len(few.points) == len(many.points) == 64


@pytest.mark.parametrize("n", [2, 3, 19])
def test_few_rows(n, rng):
    rows = rng.normal(size=(n, 2)).astype(np.float32)
    landmarks = Landmarks.fit(rows, np.random.RandomState(0))
    assert 0.0 <= landmarks.share_outside(rows) < 1.0
    again = Landmarks.fit(rows, np.random.RandomState(0))
    assert_array_equal(again.points, landmarks.points)
