"""What all estimators share: a fit that replaces the old one, a training, tags."""

from html import escape
from importlib.metadata import version
from numbers import Integral

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.validation import check_is_fitted

from skspectralnet._calls import guarded
from skspectralnet._habits import hint_of_name, hint_of_value, marks_unknown
from skspectralnet._input import validate_rows
from skspectralnet._partitions import by_blocks
from skspectralnet._rows import dense_rows, rows_of_a_block
from skspectralnet._states import (
    STATE_VERSION,
    Table,
    checked_version,
    opened,
    packed,
    unpacked,
)
from skspectralnet._tasks import FitTask, warn
from skspectralnet._tensors import Blocks, forward_in_blocks, resolve_device
from skspectralnet._trainer import Trainer
from skspectralnet._training import Schedule
from skspectralnet._validation import (
    CallbackSupportMixin,
    check_parameters,
    fit_context,
    takes_any_name,
    with_callbacks,
)

# As in [project.urls] of pyproject.toml.
DOCUMENTATION = "https://skspectralnet.readthedocs.io/en/latest"


def _fresh(estimator):
    """Another one with the same parameters and nothing that a fit has found."""
    fresh = type(estimator).__new__(type(estimator))
    kept = {n: v for n, v in vars(estimator).items() if n[0] == "_" or n[-1] != "_"}
    # A parameter of eight bits, as the largest of uint8 labels, would overflow.
    plain = {n: v.item() for n, v in kept.items() if isinstance(v, np.generic)}
    vars(fresh).update(kept | plain)
    return fresh


class RowTransformer(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """A transformer of rows that a network learns.

    A subclass has ``_fit(X, fit_task, **known)``, which sets the fitted attributes.
    """

    # Of the fit that the next one is a stage of: a FitTask sets it.
    _handed_interrupts = None

    # {parameter that takes an estimator: one of this package}, for an error message.
    _own_stages: dict = {}

    # What a fit sets, as it is stored.
    _stored = Table({})

    _doc_link_module = "skspectralnet"
    # For scikit-learn, which fills in the names, in the HTML of an estimator.
    _doc_link_template = (
        f"{DOCUMENTATION}/api/{{estimator_module}}.{{estimator_name}}.html"
    )

    def __new__(cls, *args, **kwargs):
        """Say in an error what a parameter of another package is called here."""
        for name in kwargs:
            hint = hint_of_name(name)
            if hint is None or takes_any_name(cls.__init__):
                continue
            if name not in cls._get_param_names():
                raise TypeError(
                    f"{cls.__name__} has no parameter {name!r}; got "
                    f"{name}={kwargs[name]!r}. {hint}"
                )
        return super().__new__(cls)

    def _validate_params(self):
        check_parameters(
            self._parameter_constraints,
            self.get_params(deep=False),
            type(self).__name__,
            hint_of_value,
        )

    def set_params(self, **params):
        """Set parameters, and as ``name__parameter`` those of an estimator among them.

        Parameters
        ----------
        **params : dict
            New values by name. ``metric_learner__n_neighbors`` is the `n_neighbors` of
            the estimator that was given as `metric_learner`.

        Returns
        -------
        self : object
            Not fitted anew.

        Raises
        ------
        ValueError
            If there is no such parameter, or a parameter of a parameter that is no
            estimator is set: a string names a stage, which is made in `fit`.
        """
        values = {**self.get_params(deep=False), **params}
        for name, _, inner in (key.partition("__") for key in params):
            if inner and name in values and not hasattr(values[name], "set_params"):
                message = f"{name}__{inner} cannot be set: {name}={values[name]!r} "
                message += "is no estimator with parameters of its own."
                if name in self._own_stages:
                    message += f" Pass one, such as {name}={self._own_stages[name]}."
                raise ValueError(message)
        return super().set_params(**params)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _found_lines(self):
        """What a fit has found, line by line, for the HTML of a notebook."""
        return []

    def _with_findings(self, html):
        """The HTML of an estimator, and below it what was found."""
        lines = self._found_lines() if hasattr(self, "n_features_in_") else []
        return html + "".join(f"<p>{escape(line)}</p>" for line in lines)

    def _repr_html_inner(self):
        return self._with_findings(super()._repr_html_inner())

    def _repr_mimebundle_(self, **kwargs):
        shown = super()._repr_mimebundle_(**kwargs)
        if "text/html" in shown:
            shown["text/html"] = self._with_findings(shown["text/html"])
        return shown

    def __getstate__(self):
        return {
            **packed(super().__getstate__(), self._stored),
            "_skspectralnet_version": version("skspectralnet"),
            "_state_version": STATE_VERSION,
        }

    def __setstate__(self, state):
        cls, mine, state = type(self), version("skspectralnet"), opened(state)
        wrote = str(state.pop("_skspectralnet_version", "unknown"))
        form = checked_version(state.pop("_state_version", 0), (wrote, mine), cls)
        if wrote != mine:
            warning = InconsistentVersionWarning(
                estimator_name=cls.__name__,
                current_sklearn_version=mine,
                original_sklearn_version=wrote,
            )
            warn(warning, InconsistentVersionWarning)
        super().__setstate__(unpacked(state, form, cls))

    def fit(self, X, y=None):
        """Learn the map from the rows of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Sparse rows are densified a batch at a time.
        y : Ignored
            Present for API consistency; callbacks are given it.

        Returns
        -------
        self : object
            Unchanged where fitting fails.

        Raises
        ------
        ValueError, TypeError
            If a parameter or X cannot be used; the message says which and why.
        """
        return self._replace_fit(X, y)

    def fit_transform(self, X, y=None, **known):
        """Learn the map from the rows of X and map them.

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
        Z : ndarray of shape (n_samples, n_columns)
            ``fit(X).transform(X)``.
        """
        return self.fit(X, y, **known).transform(X)

    def set_output(self, *, transform=None):
        """Choose what `transform` and `fit_transform` return.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            ``"default"``: arrays; ``"pandas"`` and ``"polars"``: data frames of that
            package, with the names of `get_feature_names_out`. None: as before.

        Returns
        -------
        self : object
            Changed from the next call on.
        """
        return super().set_output(transform=transform)

    @guarded
    @fit_context(prefer_skip_nested_validation=False)
    @with_callbacks
    def _replace_fit(self, X, y, **known):
        """Fit a fresh state and put it in the place of the old one at the end."""
        self._check_labels(y, **known)
        context = self._init_callback_context(max_subtasks=self._n_tasks(**known))
        interrupts = vars(self).pop("_handed_interrupts", None)
        fit_task = FitTask(context, self, X, y, interrupts)
        fit_task.begin()
        fresh = _fresh(self)
        fresh._fit(X, fit_task, **known)
        vars(fresh).update(self.get_params(deep=False))
        before, self.__dict__ = vars(self), vars(fresh)
        try:
            fit_task.end(reconstruction_attributes={})
        except BaseException:
            self.__dict__ = before
            raise
        return self

    def _check_labels(self, y, **known):
        """Warn where y looks like labels to learn from, which it is not."""
        if known.get("partial_labels", y) is None and marks_unknown(y):
            warn(
                "y is ignored, but -1 or NaN beside labels mark rows whose label is "
                "unknown. To learn from the others: fit(X, partial_labels=y).",
                UserWarning,
            )

    def _n_tasks(self, **known):
        """Maximum number of callback subtasks of a fit: here, epochs."""
        return self.max_iter

    def _store_curves(self, history):
        """Set the attributes of a training."""
        self.loss_curve_ = history.loss_curve
        self.validation_loss_curve_ = history.validation_loss_curve
        self.n_iter_ = len(history.loss_curve)

    def _trainer(self, fit_task, *lower):
        """The Trainer of a fit; its error names these parameters, too."""
        if self.alpha > 1.0:  # times the rate, a step may turn the weights around
            lower = ("alpha", *lower)
        return Trainer(
            fit_task,
            Schedule(
                max_iter=self.max_iter,
                learning_rate=self.learning_rate_init,
                weight_decay=self.alpha,
                tol=self.tol,
                n_iter_no_change=self.n_iter_no_change,
            ),
            self.verbose,
            {name: getattr(self, name) for name in ("learning_rate_init", *lower)},
        )


class NetworkTransformer(RowTransformer):
    """A transformer whose whole map is one network, `network_`."""

    @property
    def _n_features_out(self):
        return self.n_components_

    @by_blocks
    @guarded
    def transform(self, X):
        """Map rows to the learned space.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            An array or a data frame of dask is mapped a block at a time, when the
            array of dask that is returned is computed.

        Returns
        -------
        Z : ndarray of shape (n_samples, `n_components_`)
            Codes or points: float32 for float32 rows, float64 for others. Each row is
            mapped on its own, in float64.
        """
        check_is_fitted(self)
        X = validate_rows(self, X, reset=False)
        return forward_in_blocks(
            self.network_,
            Blocks(lambda rows: dense_rows(X, rows), X.shape[0], rows_of_a_block(X)),
            device=resolve_device(self.device),
            dtype=precision_of(X),
        )


def layer_sizes(hidden):
    """The units of each hidden layer as a list of positive integers."""
    layers = [hidden] if isinstance(hidden, Integral) else list(hidden)
    if not layers or not all(isinstance(n, Integral) and n > 0 for n in layers):
        raise ValueError(
            "hidden_layer_sizes must be a positive integer or a sequence of them; got "
            f"{hidden!r}."
        )
    return [int(n) for n in layers]


def precision_of(X):
    """The type of what is made of rows: float32 for float32 ones, else float64."""
    return np.float32 if X.dtype == np.float32 else np.float64
