"""Rows as dense float blocks; the centre and the scale."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skspectralnet import Autoencoder, SiameseEmbedding, SpectralNetClustering
from skspectralnet._distinct import distinct_rows
from skspectralnet._input import validate_rows
from skspectralnet._rows import (
    Rows,
    center_and_scale,
    dense_rows,
    in_memory,
    pulled_in,
    standardised,
)

FORMATS = [np.asarray, sparse.csr_matrix, sparse.csr_array]


@pytest.mark.parametrize("convert", FORMATS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dense_rows_keep_the_floats(convert, dtype, rng):
    X = rng.normal(size=(10, 3)).astype(dtype)
    for rows in (slice(2, 5), np.array([7, 0, 7]), slice(None)):
        block = dense_rows(convert(X), rows)
        assert type(block) is np.ndarray
        assert block.dtype == dtype
        assert_array_equal(block, X[rows])


@pytest.mark.parametrize("convert", FORMATS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
def test_dense_rows_of_small_integers(convert, dtype):
    ends = [np.iinfo(dtype).min, 0, np.iinfo(dtype).max]
    block = dense_rows(convert(np.array([ends, ends], dtype=dtype)), slice(0, 1))
    assert block.dtype == np.float32
    assert_array_equal(block, [ends])  # float32 holds them all


@pytest.mark.parametrize("convert", FORMATS)
def test_center_and_scale_by_hand(convert):
    # Columns (0, 2) and (1, 5): means 1 and 3, centred entries -1, 1, -2, 2.
    center, scale, _ = center_and_scale(convert([[0.0, 1.0], [2.0, 5.0]]))
    assert_allclose(center, [1.0, 3.0])
    assert scale == pytest.approx(np.sqrt(10 / 4))


@pytest.mark.parametrize("convert", FORMATS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_center_and_scale_over_several_blocks(convert, dtype, rng):
    X = rng.normal([3, -5], [1, 4], size=(20_000, 2)).astype(dtype)
    center, scale, _ = center_and_scale(convert(X))
    X = X.astype(np.float64)
    assert center.dtype == np.float64
    assert_allclose(center, X.mean(axis=0), rtol=1e-12)
    assert scale == pytest.approx(np.sqrt(X.var(axis=0).mean()), rel=1e-12)


def test_small_integers_are_averaged_without_overflow():
    X = np.full((30_000, 2), 255, dtype=np.uint8)
    X[::2, 0] = 0
    center, scale, _ = center_and_scale(X)
    assert_array_equal(center, [127.5, 255.0])
    assert scale == pytest.approx(127.5 / np.sqrt(2))


@pytest.mark.parametrize("exponent", [-1000, -40, 40, 1000])
def test_powers_of_two_change_no_bit(exponent, rng):
    X = rng.normal(size=(50, 3))
    unit = 2.0**exponent
    center, scale, _ = center_and_scale(X)
    other_center, other_scale, _ = center_and_scale(X * unit)
    assert_array_equal(other_center, center * unit)
    assert other_scale == scale * unit
    batch = Rows(X * unit, other_center, other_scale).batch(slice(None))
    assert_array_equal(batch, Rows(X, center, scale).batch(slice(None)))


@pytest.mark.parametrize("size", [1e-300, 1e300])
@pytest.mark.parametrize("convert", FORMATS)
def test_scale_at_the_ends_of_float64(size, convert, rng):
    X = rng.normal(size=(50, 3)) * size
    batch = Rows(convert(X), *center_and_scale(convert(X))).batch(np.arange(50))
    assert_allclose(batch.mean(axis=0), 0.0, atol=1e-12)
    assert np.mean(batch**2) == pytest.approx(1.0)


def test_offset_far_from_the_spread(rng):
    X = rng.normal(size=(200, 3))
    center, scale, _ = center_and_scale(X + 1e9)
    assert_allclose(center, 1e9 + X.mean(axis=0), rtol=1e-14)
    assert scale == pytest.approx(center_and_scale(X)[1], rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e300, 1e-300, 12345.678])
def test_equal_rows_have_a_positive_scale(value):
    X = np.full((1001, 3), value)
    center, scale, _ = center_and_scale(X)
    # In units of the value itself: the rounding of a mean is not a spread.
    assert scale > 0
    assert scale >= abs(value) / 4
    batch = Rows(X, center, scale).batch(slice(None))
    assert_allclose(batch, 0.0, atol=1e-10)


def test_spread_below_float64_is_named():
    with pytest.raises(ValueError, match=r"too large or too small .* Rescale X"):
        center_and_scale(np.array([[0.0], [5e-324]] * 3))


def test_differences_beyond_float64_are_named():
    # Each value is a float64 number, its distance from the mean is not.
    X = np.array([[1.7e308], [-1.7e308], [-1.7e308]] * 3)
    with pytest.raises(ValueError, match=r"too large or too small .* Rescale X"):
        center_and_scale(X)


def test_rows_copy_nothing_until_read(rng):
    X = rng.normal(size=(10, 3))
    rows = Rows(X, np.zeros(3), 1.0)
    assert rows.X is X
    assert len(rows) == 10
    X[4] = 7.0
    assert_array_equal(rows.batch(np.array([4])), [[7.0] * 3])


@pytest.mark.parametrize("convert", FORMATS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_batch_is_float64_and_leaves_the_rows_alone(convert, dtype, rng):
    X = rng.randint(0, 200, size=(10, 3)).astype(dtype)
    held = convert(X.copy())
    batch = Rows(held, np.array([1.0, 2.0, 3.0]), 4.0).batch(np.array([9, 1]))
    assert batch.dtype == np.float64
    assert_allclose(batch, (X[[9, 1]].astype(float) - [1, 2, 3]) / 4)
    assert_array_equal(dense_rows(held, slice(None)), X)


def test_distinct_rows(rng):
    X = np.array([[1.0, 0.0], [2.0, 1.0], [1.0, -0.0], [0.0, 1.0], [2.0, 1.0]])
    first, inverse = distinct_rows(X)
    assert first.tolist() == [0, 1, 3]
    assert inverse.tolist() == [0, 1, 0, 2, 1]
    first, inverse = distinct_rows(rng.normal(size=(50, 3)).astype(np.float32))
    assert first.tolist() == inverse.tolist() == list(range(50))


# --- rows that lie elsewhere


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_stored_rows_are_those_of_the_array(dtype, elsewhere, rng):
    X = rng.uniform(0, 200, size=(20_001, 3)).astype(dtype)
    rows = validate_rows(SpectralNetClustering(), elsewhere(X), reset=True)
    some = np.sort(rng.permutation(len(X))[:50])
    for which in (slice(5, 9), some, np.array([20_000]), np.array([], dtype=int)):
        block = rows[which]
        assert block.dtype == dtype
        assert_array_equal(block, X[which])
    assert_array_equal(in_memory(rows), X)
    for found, true in zip(center_and_scale(rows), center_and_scale(X), strict=True):
        assert_array_equal(found, true)


def test_other_types_are_read_as_float64(elsewhere):
    X = np.array([[1, 2], [3, 2**40]])
    rows = validate_rows(SpectralNetClustering(), elsewhere(X), reset=True)
    assert rows.dtype == rows[:1].dtype == np.float64
    assert_array_equal(in_memory(rows), X)


def test_validation_reads_each_row_once_in_blocks(elsewhere, rng):
    stored = elsewhere(rng.normal(size=(30_000, 2)))
    validate_rows(SpectralNetClustering(), stored, reset=True)
    assert stored.n_read == 30_000
    assert stored.largest_read <= 8192


def test_a_fit_reads_a_block_at_a_time(elsewhere, rng):
    X = np.r_[rng.normal(0, 1, (9_000, 2)), rng.normal(20, 1, (9_000, 2))]
    stored = elsewhere(X)
    model = SpectralNetClustering(2, subsample=600, random_state=0).fit(stored)
    assert stored.largest_read <= 8192
    # To check, to draw, to label, and to know later where they lay.
    assert stored.n_read <= 4 * len(X)
    assert_array_equal(model.labels_, np.arange(len(X)) // 9_000)
    same = SpectralNetClustering(2, subsample=600, random_state=0).fit(X)
    assert_array_equal(same.transform(X), model.transform(stored))
    assert same.score(X) == model.score(stored)


@pytest.mark.parametrize("stage", [Autoencoder(2), SiameseEmbedding()])
def test_stages_take_stored_rows(stage, elsewhere, blobs):
    X = blobs[0]
    stage.set_params(max_iter=2, random_state=0)
    expected = stage.fit_transform(X)
    assert_array_equal(stage.fit(elsewhere(X)).transform(elsewhere(X)), expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_stored_rows_are_checked(bad, elsewhere, blobs):
    X = blobs[0].copy()
    model = SpectralNetClustering(3, random_state=0).fit(X)
    with pytest.raises(ValueError, match=r"X has 2 features, .* expecting"):
        model.predict(elsewhere(X[:, :2]))
    with pytest.raises(ValueError, match="0 sample"):
        model.predict(elsewhere(X[:0]))
    X[-1, 0] = bad
    with pytest.raises(ValueError, match="X contains"):
        model.predict(elsewhere(X))


class SparseElsewhere:
    """Sparse rows in a file: slices of them, as anndata and dask give."""

    def __init__(self, X, kind):
        self._rows, self._kind = X, kind
        self.shape, self.dtype = X.shape, X.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self._kind(self._rows[rows])


class Lazy(NamedTuple):
    """Rows that are to be computed, as slices of dask are."""

    rows: object

    def compute(self):
        return self.rows


SPARSE = [sparse.csr_matrix, sparse.csc_array, lambda X: Lazy(sparse.coo_array(X))]


def twice(X):
    """Each entry as two halves of it."""
    X = sparse.coo_array(X)
    halves = np.tile(X.data / 2, 2), tuple(np.tile(place, 2) for place in X.coords)
    return sparse.csr_array(sparse.coo_matrix(halves, X.shape))


@pytest.mark.parametrize("kind", SPARSE, ids=["CSR", "CSC", "computed"])
def test_stored_sparse_rows_are_those_in_memory(kind, rng):
    X = sparse.csr_array(rng.poisson(0.2, size=(20_001, 3)).astype(np.float32))
    stored = SparseElsewhere(X, kind)
    rows = validate_rows(SpectralNetClustering(), stored, reset=True)
    some = np.sort(rng.permutation(X.shape[0])[:50])
    for which in (slice(5, 9), some, np.array([20_000])):
        block = rows[which]
        assert sparse.issparse(block)
        assert block.dtype == np.float32
        assert_array_equal(block.toarray(), X[which].toarray())
    assert rows[np.array([], dtype=int)].shape == (0, 3)
    for found, true in zip(center_and_scale(rows), center_and_scale(X), strict=True):
        assert_array_equal(found, true)


@pytest.mark.parametrize("kind", [*SPARSE, twice])
def test_a_fit_of_stored_sparse_rows(kind, rng):
    y = np.arange(300) % 3
    X = rng.poisson(np.where(np.arange(30) // 10 == y[:, None], 2.0, 0.05))
    X = sparse.csr_array(X.astype(np.float64))
    model = SpectralNetClustering(3, subsample=200, max_iter=5, random_state=0)
    expected, stored = clone(model).fit(X), SparseElsewhere(X, kind)
    assert_array_equal(model.fit_predict(stored), expected.labels_)
    assert_array_equal(model.transform(stored), expected.transform(X))
    assert model.score(stored) == expected.score(X)


def test_rows_of_unknown_number_are_refused(elsewhere, blobs):
    stored = elsewhere(blobs[0])
    stored.shape = (np.nan, 4)
    with pytest.raises(ValueError, match=r"shape \(nan, 4\).*compute_chunk_sizes"):
        SpectralNetClustering().fit(stored)


def test_hdf5(tmp_path, blobs):
    h5py = pytest.importorskip("h5py")
    X = blobs[0].astype(np.float32)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        stored = file.create_dataset("X", data=X)
        model = SpectralNetClustering(3, subsample=60, random_state=0).fit(stored)
        assert_array_equal(model.predict(stored), model.labels_)
        assert model.transform(stored).dtype == np.float32
    assert_array_equal(model.predict(X), model.labels_)


def test_distinct_rows_are_the_same_dense_and_sparse(rng):
    X = rng.randint(3, size=(500, 5)) * [1.0, -0.5, 1e300, 1e-300, 0.0]
    first, inverse = distinct_rows(X)
    assert len(first) == len(np.unique(X, axis=0))
    assert_array_equal(X[first[inverse]], X)
    for other in (sparse.csr_array(X), X + 0.0, np.asfortranarray(X)):
        assert_array_equal(distinct_rows(other)[0], first)
        assert_array_equal(distinct_rows(other)[1], inverse)


def test_distinct_wide_rows_that_differ_in_one_column(rng):
    X = np.repeat(rng.normal(size=(20, 300)), 3, axis=0)
    X[1::3, 7] += 1.0  # the second of three; the third equals the first
    X[5::6] = -0.0
    first, inverse = distinct_rows(X)
    assert_array_equal(X[first[inverse]], X)
    assert len(first) == len(np.unique(X, axis=0))
    for column in range(300):  # also of those that are not compared first
        Y = np.zeros((3, 300))
        Y[1, column] = 1e-300
        assert distinct_rows(Y).inverse.tolist() == [0, 1, 0]


def test_distinct_rows_of_columns_in_another_order(rng):
    # The same entries in other columns, and entries that add up to the same.
    X = np.array([[1, 2, 0], [2, 1, 0], [0, 1, 2], [1, 1, 1], [3, 0, 0], [0, 0, 3.0]])
    assert_array_equal(distinct_rows(np.r_[X, X])[0], np.arange(6))


def test_rows_of_different_kinds_are_not_copies():
    first, inverse = distinct_rows(np.ones((5, 2)), np.array([-1, 0, 1, 0, -1]))
    assert_array_equal(first, [0, 1, 2])
    assert_array_equal(inverse, [0, 1, 2, 1, 0])


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
def test_outliers_do_not_set_the_scale(together, rng):
    X = rng.normal(size=(600, 3))
    far = 1e4 * (
        np.ones((3, 3)) if together else np.array([[1, 0, 0], [0, -2, 0], [1, 1, 9]])
    )
    usual, found = center_and_scale(X), center_and_scale(np.r_[X, far])
    assert_allclose(found.center, usual.center, atol=1e-9)
    assert found.scale == pytest.approx(usual.scale)
    assert usual.reach is None
    assert np.linalg.norm(X / found.scale, axis=1).max() < found.reach < 100


def test_outliers_of_several_sizes(rng):
    # Against the first the others are nothing: they are seen when it is left out.
    X = rng.normal(size=(600, 2))
    far = np.array([[1e12, 0.0], [0.0, 1e7], [-300.0, 0.0]])
    assert_allclose(center_and_scale(np.r_[X, far])[:2][0], X.mean(axis=0), atol=1e-6)


def test_a_far_cluster_is_no_outlier(rng):
    # Three rows in twenty at one place, far from the others.
    X = np.r_[rng.normal(size=(170, 2)), 1e4 + rng.normal(size=(30, 2))]
    assert center_and_scale(X).reach is None


def test_rows_beyond_the_reach_are_pulled_in(rng):
    Z = rng.normal(size=(50, 3)) * 10.0 ** rng.uniform(-1, 5, size=(50, 1))
    near, lengths = pulled_in(Z, 4.0), np.linalg.norm(Z, axis=1)
    assert_array_equal(near[lengths <= 4.0], Z[lengths <= 4.0])
    pulled = np.linalg.norm(near, axis=1)
    assert_array_equal(np.argsort(pulled), np.argsort(lengths))
    assert_allclose(near / pulled[:, None], Z / lengths[:, None])
    # By hand: ten times the reach becomes 1 + ln 10 times it.
    assert_allclose(pulled_in([[40.0, 0.0]], 4.0), [[4.0 * (1 + np.log(10.0)), 0.0]])
    assert pulled_in(Z, None) is Z


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_columns_without_a_gap_are_centred_for_distances(dtype, rng):
    X = rng.randint(1, 9, size=(30, 6)) * (rng.uniform(size=(30, 6)) < 0.5) * 64.0
    X[:, 2] = 64.0 * rng.randint(1, 9, size=30)
    X[:, 4] = 2.0**23 + 64.0 * rng.randint(9, size=30)
    X, order = X.astype(dtype), rng.permutation(6)
    rows = Rows(sparse.csr_array(X[:, order]), *center_and_scale(X[:, order]))
    found = standardised(rows).toarray()
    expected = rows.batch(slice(None))
    apart = [Z[:, None] - Z[None, :] for Z in (found, expected)]
    assert_allclose(*apart, atol=1e-6)
    assert np.abs(found[:, order == 4]).max() < 10.0
    assert standardised(rows).nnz <= np.count_nonzero(X)
