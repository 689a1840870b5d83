"""DaskSpectralNetClustering and DaskSpectralNetEmbedding."""

import copy
import inspect
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skspectralnet._calls import guarded
from skspectralnet._clustering import SpectralNetClustering
from skspectralnet._embedding import SpectralNetEmbedding
from skspectralnet._estimator import RowTransformer
from skspectralnet._selection import CRITERION_ROWS
from skspectralnet.dask._cluster import (
    check_rows,
    given_up_on_error,
    run,
    usable_client,
)
from skspectralnet.dask._fits import (
    Given,
    OfAll,
    check_by_ranks,
    columns_of,
    learned,
    learned_by_all,
    scored,
)
from skspectralnet.dask._refine import refined
from skspectralnet.dask._sample import Wanted, drawn, type_of

# Of an embedding as well, which learns from all rows where they are in one memory.
_SUBSAMPLE = 200_000


# Parameters beside those of the plain estimator.
_OWN = {"client": None, "max_restarts": 2}


def _with_own(plain):
    """The constructor of an estimator with the parameters more."""
    signature = inspect.signature(plain.__init__)
    parameters = [
        p.replace(default=_SUBSAMPLE) if name == "subsample" else p
        for name, p in signature.parameters.items()
    ]
    only = inspect.Parameter.KEYWORD_ONLY
    own = [inspect.Parameter(n, only, default=value) for n, value in _OWN.items()]
    signature = signature.replace(parameters=[*parameters, *own])

    def assign(self, *args, **kwargs):
        given = signature.bind(self, *args, **kwargs)
        given.apply_defaults()
        for name, value in list(given.arguments.items())[1:]:
            setattr(self, name, value)

    assign.__name__, assign.__signature__ = "__init__", signature
    return assign


def _check_known(known):
    """Refuse what is known about numbered rows, and all else."""
    for name, value in known.items():
        if name not in ("must_link", "cannot_link", "graph"):
            raise TypeError(f"fit() got an unexpected keyword argument {name!r}")
        if value is not None:
            raise ValueError(
                f"{name} numbers the rows of X, which lie in parts on many workers: it "
                "is not taken here. partial_labels says which rows belong together or "
                "do not; the estimator without Dask in its name takes all of them."
            )


def _has(name):
    """Whether the model has a method: before a fit, whether it may have it."""

    def has(self):
        return hasattr(vars(self).get("_local", self._plain()), name)

    return has


class _DaskSpectralNet(BaseEstimator):
    """What both share: parameters, the sample, the model, its lazy results.

    A subclass has `_plain`, the estimator that learns, `_of_rows`, the name of its
    result for the rows of the fit and the method that makes it, and
    ``_with_all_rows(client, X, model, n_samples, of_all)``, the model after a look
    at them.
    """

    _doc_link_module = RowTransformer._doc_link_module
    _doc_link_template = RowTransformer._doc_link_template

    # --- parameters, and copies

    def _plain_as_set(self):
        params = self.get_params(deep=False).items()
        return self._plain(**{n: value for n, value in params if n not in _OWN})

    def set_params(self, **params):
        """Set parameters, those of an estimator that is one as ``name__parameter``.

        Parameters
        ----------
        **params : dict
            New values by name.

        Returns
        -------
        self : object
            Not fitted anew.

        Raises
        ------
        ValueError
            If there is no such parameter, or one of a parameter that is no estimator.
        """
        others = {name: value for name, value in params.items() if name not in _OWN}
        self._plain_as_set().set_params(**others)  # with its errors
        return super().set_params(**params)

    def __sklearn_clone__(self):
        # A client cannot be copied, and the copy is to use the same one.
        params = self.get_params(deep=False)
        client = params.pop("client")
        copied = {name: clone(p, safe=False) for name, p in params.items()}
        return type(self)(**copied, client=client)

    def __getstate__(self):
        state = {**super().__getstate__(), "client": None}
        state.pop(self._of_rows[0], None)  # tasks of a cluster
        return state

    def __sklearn_is_fitted__(self):
        return "_local" in vars(self)

    def __getattr__(self, name):
        if name.endswith("_") and name[0] != "_" and "_local" in vars(self):
            return getattr(self._local, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")

    @property
    def client_(self):
        """The client that is used: `client`, or the one made last."""
        return usable_client(self.client)

    def to_local(self):
        """The model as an estimator that needs no dask.

        Returns
        -------
        model : SpectralNetClustering or SpectralNetEmbedding
            Fitted, with the parameters of this one but `client`: to be stored, and to
            be used where there is no cluster. It has nothing of the rows of the fit:
            no `labels_` or `embedding_`.
        """
        check_is_fitted(self)
        return copy.copy(self._local)

    # --- the fit

    @guarded
    def fit(self, X, y=None, *, partial_labels=None, **known):
        """Learn the map from a sample of the rows of X on one of the workers, or from
        all rows on all of them.

        Parameters
        ----------
        X : dask array or dask data frame of shape (n_samples, n_features)
            Of one chunk along its columns. Read once for the sample, and by
            `DaskSpectralNetClustering` again for each step of its centres: rows that
            fit into the memory of the workers should be persisted.
        y : Ignored
            Present for API consistency.
        partial_labels : dask array, series or array-like of shape (n_samples,), \
                default=None
            Label of each row, -1, NaN or None where it is unknown. Where the parts of X
            have no known lengths, a collection with the same parts.
        **known : dict
            `must_link`, `cannot_link` and `graph` of the plain estimator are errors:
            they number rows.

        Returns
        -------
        self : object
            Unchanged where fitting fails; nothing is left running then.

        Raises
        ------
        ValueError, TypeError
            If a parameter, X, a label or the client cannot be used; the message says
            which and why. Of the contents of X it names the part.
        RanksLostError
            If workers were lost while all of them trained, more often than
            `max_restarts`.
        """
        _check_known(known)
        plain = self._checked_plain(partial_labels)
        check_rows(X)
        client = usable_client(self.client)
        n_workers = len(client.nthreads())
        rng = check_random_state(plain.random_state)
        seed, *seeds = (int(rng.randint(np.iinfo(np.int32).max)) for _ in range(3))
        wanted = Wanted(
            size=plain.subsample or _SUBSAMPLE,
            seed=seed,
            dtype=type_of(X),
            directed=plain._sees_zeros(),
        )
        sample, n_samples = drawn(client, X, wanted, partial_labels)
        with given_up_on_error(client, sample):
            if plain.subsample is None:
                given = Given(X, partial_labels, sample, n_samples, n_workers)
                restarts = self.max_restarts
                found = learned_by_all(client, given, plain, seeds, restarts)
            else:
                found = OfAll(run(client, learned, plain, sample, columns_of(X)), None)
        of_all = n_samples <= wanted.size
        model = self._with_all_rows(client, X, found.model, n_samples, of_all)
        self._store(X, model, found.recall)
        return self

    def _checked_plain(self, labels):
        """The estimator that learns, its parameters checked."""
        plain = self._plain_as_set()
        plain._validate_params()
        if not isinstance(self.max_restarts, Integral) or self.max_restarts < 0:
            raise ValueError(
                f"max_restarts={self.max_restarts!r}: expected how often a training by "
                "all workers is begun again, a whole number from 0."
            )
        if plain.subsample is None:
            check_by_ranks(plain, labels)
        return plain

    def _store(self, X, model, recall):
        name, method = self._of_rows
        of_rows = getattr(model, method)(X)
        self._local = model
        setattr(self, name, of_rows)
        vars(self).pop("neighbors_recall_", None)
        if recall is not None:
            self.neighbors_recall_ = recall

    # --- rows, those of the fit or new ones

    def transform(self, X):
        """Map rows to their spectral embedding.

        Parameters
        ----------
        X : dask array or dask data frame of shape (n_samples, n_features)

        Returns
        -------
        Z : dask array of shape (n_samples, n_components), not computed
            In the chunks of X.
        """
        check_is_fitted(self)
        return self._local.transform(X)


class DaskSpectralNetClustering(ClusterMixin, _DaskSpectralNet):
    """:class:`~skspectralnet.SpectralNetClustering` for rows on many machines.

    The map and the clusters are learned from a uniform sample of at most `subsample`
    rows, on one worker; then the centres are moved to the means of all rows, and labels
    are made where the rows are. Nothing that grows with the rows comes to the client.

    Parameters
    ----------
    n_clusters : int or "auto", default=8
        Number of clusters.
    subsample : int or None, default=200_000
        Rows of the sample, those with labels first. Of fewer rows the model is that of
        the estimator without Dask in its name. None: a sample of 200,000 rows settles
        the stages before the map and what is compared, and then all workers train the
        map together, each on its share of all rows; see :ref:`dask-all`. With
        ``neighbors_in="data"`` they learn from edges of the graph of all rows, which
        is made where these are; see :ref:`dask-graph`.
    client : Client, default=None
        Of `distributed`. None: the one made last. It is no part of copies that are
        stored.
    max_restarts : int, default=2
        How often a training by all workers is begun again where it was broken off.
    **others
        All other parameters are those of
        :class:`~skspectralnet.SpectralNetClustering`, with the same defaults.

    Attributes
    ----------
    labels_ : dask array of shape (n_samples,), int64
        Cluster of each row of `fit`, when it is computed. Its chunks are those of X.
    cluster_centers_ : ndarray of shape (`n_clusters_`, n_components)
        Centres in the embedding. With ``assign_labels="kmeans"`` those of the sample
        after at most ten steps of k-means over all rows, fewer where their squared
        shift is below 1e-4 of the mean variance of a component; else those of the
        sample.
    inertia_ : float
        Sum of squared distances of all rows to their centre in the embedding. Only with
        ``assign_labels="kmeans"``.
    drift_ : float
        The share of all rows that lie outside of where 99 % of the sample lay: near
        0.01, or it is no sample of them.
    drift_limit_ : float
        What `drift_` exceeds by chance once in a thousand fits.
    n_samples_seen_ : int
        All rows.
    outlier_share_ : float
        Only with `contamination`: the share of -1 in `labels_`. `offset_` is that of
        the sample.
    neighbors_recall_ : float
        The share of the exact neighbours that the graph of all rows has, measured on
        1,000 of them. Only with ``neighbors_in="data"`` and ``subsample=None``.
    **others
        All other attributes are those of
        :class:`~skspectralnet.SpectralNetClustering`, of the sample.

    See Also
    --------
    skspectralnet.SpectralNetClustering : The same for rows on one machine.

    Notes
    -----
    Each row has a random number and those with the smallest are the sample. Where the
    lengths of the chunks of X are known, the number is that of the row, and the model
    does not depend on the chunks. Of data frames, and of arrays with chunks of unknown
    lengths, it is that of the place in a partition.

    Warnings of the fit are in the log of the worker, as callbacks are.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn.datasets import make_blobs
    >>> from skspectralnet.dask import DaskSpectralNetClustering
    >>> X, _ = make_blobs(1000, centers=3, cluster_std=0.5, random_state=0)
    >>> X = da.from_array(X, chunks=(250, 2))
    >>> model = DaskSpectralNetClustering(3, subsample=300, random_state=0)
    >>> with Client(processes=False, dashboard_address=":0") as client:
    ...     labels = model.fit(X).labels_.compute()
    >>> labels.shape
    (1000,)
    """

    _plain = SpectralNetClustering
    _of_rows = ("labels_", "predict")

    __init__ = _with_own(SpectralNetClustering)

    def _with_all_rows(self, client, X, model, n_samples, of_all):
        return refined(client, X, model, n_samples, of_all=of_all)

    def fit_predict(self, X, y=None, **known):
        """Learn the map from rows of X; the labels of all.

        Parameters
        ----------
        X : dask array or dask data frame of shape (n_samples, n_features)
        y : Ignored
            Present for API consistency.
        **known : dict
            The `partial_labels`, as `fit` takes them.

        Returns
        -------
        labels : dask array of shape (n_samples,), int64, not computed
            The `labels_`.
        """
        return self.fit(X, y, **known).labels_

    def predict(self, X):
        """Label each row by its place in the embedding.

        Parameters
        ----------
        X : dask array or dask data frame of shape (n_samples, n_features)

        Returns
        -------
        labels : dask array of shape (n_samples,), int64, not computed
            In the chunks of X, of `classes_`; -1 for outliers of a fit with a
            `contamination`.
        """
        check_is_fitted(self)
        return self._local.predict(X)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X):
        """Membership of each row in each cluster, by its place in the embedding.

        Parameters
        ----------
        X : dask array or dask data frame of shape (n_samples, n_features)

        Returns
        -------
        probabilities : dask array of shape (n_samples, `n_clusters_`), not computed
            float64, in the chunks of X; columns in the order of `classes_`.
        """
        check_is_fitted(self)
        return self._local.predict_proba(X)

    def score_samples(self, X):
        """How typical each row is for where the rows of the sample lay.

        Parameters
        ----------
        X : dask array or dask data frame of shape (n_samples, n_features)

        Returns
        -------
        scores : dask array of shape (n_samples,), float64, not computed
            At most 0; higher is more typical.
        """
        check_is_fitted(self)
        return self._local.score_samples(X)

    def score(self, X, y=None):
        """How well the labels cut a fixed neighbour graph of a sample of the rows.

        The modularity that :class:`~skspectralnet.SpectralNetClustering` has as its
        score, of 10,000 rows drawn uniformly from all, the same ones on each call, on
        one of the workers.

        Parameters
        ----------
        X : dask array or dask data frame of shape (n_samples, n_features)
            At least 2 rows.
        y : Ignored
            Present for API consistency.

        Returns
        -------
        score : float
            Below 1; higher is better. 0 for a single cluster.

        Raises
        ------
        ValueError, TypeError
            If X or the client cannot be used.
        """
        check_is_fitted(self)
        check_rows(X)
        client = usable_client(self.client)
        wanted = Wanted(size=CRITERION_ROWS, seed=0, dtype=type_of(X), directed=False)
        sample, _ = drawn(client, X, wanted)
        with given_up_on_error(client, sample):
            return run(client, scored, self._local, sample, columns_of(X))


class DaskSpectralNetEmbedding(_DaskSpectralNet):
    """:class:`~skspectralnet.SpectralNetEmbedding` for rows on many machines.

    The map is learned from a uniform sample of at most `subsample` rows, on one worker,
    and rows are mapped where they are.

    Parameters
    ----------
    n_components : int, default=2
        Number of eigenvectors.
    subsample : int or None, default=200_000
        Rows of the sample, those with labels first. Of fewer rows the model is that of
        the estimator without Dask in its name, whose default is to learn from all.
        None: all workers train the map together on the graph of all rows, or with
        ``neighbors_in="batch"`` and ``init="random"`` on batches, as in
        :class:`DaskSpectralNetClustering`.
    client : Client, default=None
        Of `distributed`. None: the one made last. It is no part of copies that are
        stored.
    max_restarts : int, default=2
        How often a training by all workers is begun again where it was broken off.
    **others
        All other parameters are those of
        :class:`~skspectralnet.SpectralNetEmbedding`, with the same defaults.

    Attributes
    ----------
    embedding_ : dask array of shape (n_samples, n_components)
        `transform` of the rows of `fit`, when it is computed.
    neighbors_recall_ : float
        The share of the exact neighbours that the graph of all rows has, measured on
        1,000 of them. Only with ``neighbors_in="data"`` and ``subsample=None``.
    **others
        All other attributes are those of
        :class:`~skspectralnet.SpectralNetEmbedding`, of the sample.

    See Also
    --------
    skspectralnet.SpectralNetEmbedding : The same for rows on one machine.
    DaskSpectralNetClustering : The same embedding, with clusters; how the sample is
        drawn.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn.datasets import make_moons
    >>> from skspectralnet.dask import DaskSpectralNetEmbedding
    >>> X = da.from_array(make_moons(500, noise=0.05, random_state=0)[0], (250, 2))
    >>> with Client(processes=False, dashboard_address=":0") as client:
    ...     model = DaskSpectralNetEmbedding(1, max_iter=5, random_state=0).fit(X)
    ...     Z = model.transform(X).compute()
    >>> Z.shape
    (500, 1)
    """

    _plain = SpectralNetEmbedding
    _of_rows = ("embedding_", "transform")

    __init__ = _with_own(SpectralNetEmbedding)

    def _with_all_rows(self, client, X, model, n_samples, of_all):
        return model

    def fit_transform(self, X, y=None, **known):
        """Learn the map from rows of X and map all.

        Parameters
        ----------
        X : dask array or dask data frame of shape (n_samples, n_features)
        y : Ignored
            Present for API consistency.
        **known : dict
            The `partial_labels`, as `fit` takes them.

        Returns
        -------
        Z : dask array of shape (n_samples, n_components), not computed
            The `embedding_`.
        """
        return self.fit(X, y, **known).embedding_
