"""scikit-learn's callbacks: what they are told, how they stop a stage, what is left."""

import pickle
import subprocess
import sys
import warnings
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectralnet import (
    Autoencoder,
    SiameseEmbedding,
    SpectralNetClustering,
    SpectralNetEmbedding,
)
from skspectralnet._candidates import _BATCH_STAGES, _GRAPH_STAGES

callback = pytest.importorskip(
    "sklearn.callback", reason="scikit-learn has callbacks since 1.9"
)

LEFT_BEHIND = {
    "_callback_fit_ctx",
    "_skl_callbacks_to_teardown",
    "_parent_callback_ctx",
}


class Recorder:
    """Notes what it is told, in order; may ask for an epoch to be the last.

    Parameters
    ----------
    stop : int or None
        The epoch, from 1, after which to stop.
    stage : str or None
        Only in this stage.
    """

    def __init__(self, stop=None, stage=None):
        self.stop, self.stage = stop, stage
        self.calls = []

    def _note(self, hook, estimator, context, **told):
        self.calls.append((hook, estimator, context, told))

    def setup(self, estimator, context):
        self._note("setup", estimator, context)

    def teardown(self, estimator, context):
        self._note("teardown", estimator, context)

    def on_fit_task_begin(
        self, estimator, context, *, X=None, y=None, fitted_estimator=None
    ):
        told = {"X": X, "y": y, "fitted": fitted_estimator}
        self._note("begin", estimator, context, **told)

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, fitted_estimator=None
    ):
        told = {"X": X, "y": y, "fitted": fitted_estimator}
        self._note("end", estimator, context, **told)
        path = names(context)
        return (
            path[-1] == "epoch"
            and context.task_id + 1 == self.stop
            and self.stage in (None, path[-2])
        )

    def of(self, hook):
        return [call for call in self.calls if call[0] == hook]

    def begun(self):
        """The path of names of each task, in the order in which they began."""
        return [names(context) for _, _, context, _ in self.of("begin")]


class Everywhere(Recorder):
    """Is handed on to the stages, and by pipelines and searches."""

    max_propagation_depth = None


class Failing(Recorder):
    """Raises in one of its hooks, on the task of that name."""

    def __init__(self, hook, task="fit", error=ValueError):
        super().__init__()
        self.hook, self.task, self.error = hook, task, error

    def _note(self, hook, estimator, context, **told):
        super()._note(hook, estimator, context, **told)
        if hook == self.hook and context.task_name == self.task:
            raise self.error("the callback fails")


def names(context):
    """From the root: of a stage that another estimator fits, its name in this one."""
    path = []
    while context is not None:
        path.insert(0, context.source_task_name or context.task_name)
        context = context.parent
    return tuple(path)


def stages_of(recorder):
    return [path[1] for path in recorder.begun() if len(path) == 2]


CLUSTERING = SpectralNetClustering(3, random_state=0)
LEARNED = SpectralNetClustering(
    3,
    encoder=Autoencoder(2, hidden_layer_sizes=16, max_iter=4),
    metric_learner=SiameseEmbedding(2, hidden_layer_sizes=16, max_iter=5),
    random_state=0,
)
SPECTRAL = {
    "batches": CLUSTERING,
    "graph, random": SpectralNetClustering(3, neighbors_in="data", random_state=0),
    "graph, spectral": SpectralNetEmbedding(
        2, hidden_layer_sizes=32, max_iter=30, random_state=0
    ),
    "learned stages": LEARNED,
}
STAGES = {
    "autoencoder": Autoencoder(2, hidden_layer_sizes=16, max_iter=6, random_state=0),
    "siamese": SiameseEmbedding(2, hidden_layer_sizes=16, max_iter=6, random_state=0),
}


def over(models):
    return pytest.mark.parametrize("model", models.values(), ids=list(models))


each = over(SPECTRAL | STAGES)
# How well a few epochs learn is not the matter here.
any_quality = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)


def assert_tasks_are_whole(recorder, model):
    """The checks of scikit-learn's pull request 34904, for one call of fit.

    A single root; one setup and one teardown, before and after all else; every task
    begins once and ends once, inside its parent; the estimator is the one fitted.
    """
    hooks = [call[0] for call in recorder.calls]
    assert hooks[0] == "setup"
    assert hooks[-1] == "teardown"
    assert set(hooks[1:-1]) == {"begin", "end"}
    open_tasks, seen = [], []
    for hook, estimator, context, _ in recorder.calls[1:-1]:
        if hook == "begin":
            assert all(context is not other for other in seen)
            seen.append(context)
            assert context.parent is (open_tasks[-1] if open_tasks else None)
            open_tasks.append(context)
        else:
            assert open_tasks.pop() is context
        assert context.estimator_name == type(estimator).__name__
        if context.estimator_name == type(model).__name__:
            assert estimator is model
    assert not open_tasks
    assert len({context.root_uuid for context in seen}) == 1
    assert [context for context in seen if context.parent is None] == [seen[0]]
    for context in seen:
        children = [other for other in seen if other.parent is context]
        assert [child.task_id for child in children] == list(range(len(children)))
        assert len(children) <= context.max_subtasks
    assert recorder.calls[0][1] is recorder.calls[-1][1] is model


# --- the tasks


@any_quality
@each
@pytest.mark.parametrize("kind", [Recorder, Everywhere])
def test_every_task_begins_and_ends_once(model, kind, blobs):
    X, y = blobs
    recorder = kind()
    model = clone(model).set_callbacks(recorder).fit(X, y)
    assert_tasks_are_whole(recorder, model)
    begins = recorder.of("begin")
    assert begins[0][2].max_subtasks >= len(stages_of(recorder))


@any_quality
@over(STAGES)
def test_tasks_of_a_stage_are_its_epochs(model, blobs):
    recorder = Recorder()
    model = clone(model).set_callbacks(recorder).fit(blobs[0])
    assert recorder.begun() == [("fit",)] + [("fit", "epoch")] * model.n_iter_
    assert recorder.calls[0][2].max_subtasks == 6


@any_quality
@over(SPECTRAL)
def test_tasks_of_the_estimators_are_stages_and_their_epochs(model, blobs):
    recorder = Everywhere()
    model = clone(model).set_callbacks(recorder).fit(blobs[0])
    expected = list(_GRAPH_STAGES if model.neighbors_in == "data" else _BATCH_STAGES)
    if isinstance(model, SpectralNetClustering):
        expected.append("clusters")
    assert stages_of(recorder) == expected
    n_compared = {"auto": {"auto": 3, "data": 1}}  # simpler maps, of more rows
    most = n_compared.get(model.metric_learner, {}).get(model.neighbors_in, 0)
    assert recorder.calls[0][2].max_subtasks == len(expected) + most
    epochs = {
        "encoder": getattr(model.encoder_, "n_iter_", 0),
        "metric learner": getattr(model.metric_learner_, "n_iter_", 0),
        "spectral map": model.n_iter_,
        "alignment": 0,  # what it learned is near to the eigenvectors
    }
    found = recorder.begun()
    for stage in expected:
        assert found.count(("fit", stage, "epoch")) == epochs.get(stage, 0)
    assert len(found) == 1 + len(expected) + sum(epochs.values())


@any_quality
def test_a_graph_has_the_stages_of_a_graph(blobs):
    X, _ = blobs
    near = np.exp(-np.square(X[:, None] - X[None, :]).sum(axis=2))
    recorder = Recorder()
    clone(CLUSTERING).set_callbacks(recorder).fit(X, graph=near)
    assert stages_of(recorder) == [*_GRAPH_STAGES, "clusters"]


@any_quality
@each
def test_callbacks_are_given_the_rows_and_their_labels(model, blobs):
    X, y = blobs
    recorder = Recorder()
    clone(model).set_callbacks(recorder).fit(X, y)
    told = [call[3] for call in recorder.of("begin") + recorder.of("end")]
    assert all(these["X"] is X and these["y"] is y for these in told)


@any_quality
@each
def test_the_fitted_estimator_comes_at_the_end(model, blobs):
    X, _ = blobs
    recorder = Recorder()
    model = clone(model).set_callbacks(recorder).fit(X)
    told = [call[3]["fitted"] for call in recorder.of("begin") + recorder.of("end")]
    assert [fitted is None for fitted in told] == [True] * (len(told) - 1) + [False]
    assert told[-1] is not model
    assert_array_equal(told[-1].transform(X), model.transform(X))


@any_quality
@each
def test_results_are_the_same_with_callbacks_and_without(
    model, blobs, global_random_seed
):
    X, y = blobs
    model = clone(model).set_params(random_state=global_random_seed)
    plain = clone(model).fit(X)
    told = clone(model).set_callbacks(Recorder(), Everywhere()).fit(X, y)
    assert_array_equal(told.transform(X), plain.transform(X))
    assert told.loss_curve_ == plain.loss_curve_
    assert vars(told).keys() - vars(plain).keys() == {"_skl_callbacks"}


# --- stopping


def caught_in(function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [str(warning.message) for warning in caught]


@each
@pytest.mark.parametrize("epoch", [1, 3])
def test_a_callback_stops_a_training(model, epoch, blobs):
    X, _ = blobs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole = clone(model).fit(X)
    recorder = Recorder(stop=epoch)
    stopped = clone(model).set_callbacks(recorder)
    messages = caught_in(lambda: stopped.fit(X))
    # What has been learned may be far from the eigenvectors, and is said to be.
    assert all("not those of the graph" in message for message in messages)
    assert stopped.n_iter_ == epoch < whole.n_iter_
    assert stopped.loss_curve_ == whole.loss_curve_[:epoch]
    assert np.isfinite(stopped.transform(X)).all()
    assert_tasks_are_whole(recorder, stopped)


@pytest.mark.parametrize("epoch", [1, 4])
def test_stopped_is_as_if_no_more_epochs_were_allowed(epoch, blobs, global_random_seed):
    X, _ = blobs
    model = clone(CLUSTERING).set_params(random_state=global_random_seed)
    stopped = clone(model).set_callbacks(Recorder(stop=epoch)).fit(X)
    with pytest.warns(ConvergenceWarning, match="still falling"):
        short = clone(model).set_params(max_iter=epoch).fit(X)
    assert_array_equal(stopped.transform(X), short.transform(X))
    assert_array_equal(stopped.labels_, short.labels_)
    assert_array_equal(stopped.predict(X), stopped.labels_)


@any_quality
@pytest.mark.parametrize("stage", ["encoder", "metric learner", "spectral map"])
def test_only_the_stage_that_runs_is_stopped(stage, blobs):
    model = clone(LEARNED).set_callbacks(Everywhere(stop=2, stage=stage))
    model.fit(blobs[0])
    made = {
        "encoder": model.encoder_.n_iter_,
        "metric learner": model.metric_learner_.n_iter_,
        "spectral map": model.n_iter_,
    }
    assert [name for name, n_iter in made.items() if n_iter == 2] == [stage]


@any_quality
def test_polishing_is_stopped_too(blobs):
    recorder = Recorder(stop=3, stage="alignment")
    model = clone(SPECTRAL["graph, spectral"]).set_callbacks(recorder)
    model.set_params(hidden_layer_sizes=(1,), max_iter=2).fit(blobs[0])  # far from them
    assert recorder.begun().count(("fit", "alignment", "epoch")) == 3
    assert model.n_iter_ == 2


# --- scikit-learn's own callbacks


@any_quality
@each
def test_progress_bar(model, blobs, capsys):
    pytest.importorskip("rich", reason="scikit-learn's ProgressBar needs rich")
    model = clone(model).set_callbacks(callback.ProgressBar()).fit(blobs[0])
    shown = capsys.readouterr().out
    assert f"{type(model).__name__} - fit" in shown
    assert "100%" in shown
    if isinstance(model, SpectralNetClustering | SpectralNetEmbedding):
        assert f"{type(model).__name__} - spectral map" in shown
    if isinstance(model.get_params(deep=False).get("encoder"), Autoencoder):
        assert "encoder | Autoencoder - fit" in shown
        assert "metric learner | SiameseEmbedding - fit" in shown


def monitor(scoring="adjusted_rand_score"):
    return callback.ScoringMonitor(scoring=scoring)


def test_scoring_monitor(blobs):
    X, y = blobs
    scores = monitor()
    model = clone(CLUSTERING).set_callbacks(scores).fit(X, y)
    (row,) = scores.get_logs().data
    assert row["task_name"] == "fit"
    assert row["task_id_path"] == (0,)
    assert row["adjusted_rand_score"] == adjusted_rand_score(y, model.labels_)


def test_scoring_monitor_with_the_score_of_the_model(blobs):
    X, y = blobs
    scores = monitor({"modularity": lambda model, X, y: model.score(X)})
    model = clone(CLUSTERING).set_callbacks(scores).fit(X, y)
    (row,) = scores.get_logs().data
    assert row["modularity"] == model.score(X)


def test_scoring_monitor_needs_labels(blobs):
    scores = monitor()
    clone(CLUSTERING).set_callbacks(scores).fit(blobs[0])
    assert "adjusted_rand_score" not in scores.get_logs().data[0]


# --- other estimators around and inside


class Scaled(StandardScaler):
    """A transformer of the user's that raises Ctrl-C when it is asked to."""

    def __init__(self, interrupted=False):
        super().__init__()
        self.interrupted = interrupted

    def fit(self, X, y=None):
        if self.interrupted:
            raise KeyboardInterrupt
        return super().fit(X, y)


def test_a_pipeline_hands_its_callbacks_on(blobs):
    X, _ = blobs
    recorder = Everywhere()
    pipeline = make_pipeline(StandardScaler(), clone(LEARNED)).set_callbacks(recorder)
    pipeline.fit(X)
    assert_tasks_are_whole(recorder, pipeline)
    model = pipeline[-1]
    inside = ("fit", "fit-final-estimator")
    begun = recorder.begun()
    assert begun.count((*inside, "spectral map", "epoch")) == model.n_iter_
    encoder = model.encoder_
    assert begun.count((*inside, "encoder", "epoch")) == encoder.n_iter_
    for fitted in (model, encoder, model.metric_learner_):
        assert not vars(fitted).keys() & {"_skl_callbacks", *LEFT_BEHIND}


def test_a_stage_inside_a_pipeline(blobs):
    recorder = Everywhere()
    encoder = make_pipeline(StandardScaler(), LEARNED.encoder)
    model = clone(CLUSTERING).set_params(encoder=encoder).set_callbacks(recorder)
    model.fit(blobs[0])
    assert_tasks_are_whole(recorder, model)
    path = ("fit", "encoder", "fit-final-estimator", "epoch")
    assert recorder.begun().count(path) == model.encoder_[-1].n_iter_


@pytest.mark.parametrize("refit", [True, False])
def test_a_search_hands_its_callbacks_on(refit, blobs):
    X, y = blobs
    recorder, scores = Everywhere(), monitor()
    model = clone(CLUSTERING).set_callbacks(scores)
    grid = {"n_clusters": [2, 3]}
    search = GridSearchCV(
        model, grid, cv=2, scoring="adjusted_rand_score", refit=refit
    ).set_callbacks(recorder)
    search.fit(X, y)
    assert_tasks_are_whole(recorder, search)
    fits = 2 * 2 + refit
    ends = [path for path in recorder.begun() if path[-1] == "clusters"]
    assert len(ends) == fits
    rows = scores.get_logs().data
    assert len(rows) == fits
    assert all(-1 <= row["adjusted_rand_score"] <= 1 for row in rows)
    assert not hasattr(model, "labels_")


@pytest.mark.parametrize("encoder", [PCA(2), KMeans(3, n_init=1)])
def test_a_stage_without_callbacks_is_one_task_and_no_warning(encoder, blobs):
    recorder = Everywhere()
    model = clone(CLUSTERING).set_params(encoder=encoder).set_callbacks(recorder)
    assert caught_in(lambda: model.fit(blobs[0])) == []
    assert stages_of(recorder) == [*_BATCH_STAGES, "clusters"]


def test_a_stage_keeps_its_own_callbacks(blobs):
    recorder = Recorder()
    encoder = clone(LEARNED.encoder).set_callbacks(recorder)
    model = clone(CLUSTERING).set_params(encoder=encoder).fit(blobs[0])
    assert model.encoder_._skl_callbacks == [recorder]
    assert recorder.begun().count(("fit", "encoder", "epoch")) == 4
    assert [call[0] for call in recorder.calls].count("teardown") == 1


def test_callbacks_for_all_levels_belong_to_the_outermost(blobs):
    X, _ = blobs
    model = clone(CLUSTERING).fit(X)
    Z = model.transform(X)
    model.set_params(encoder=clone(LEARNED.encoder).set_callbacks(Everywhere()))
    with pytest.raises(TypeError, match="Register them directly"):
        model.fit(X)
    assert_array_equal(model.transform(X), Z)


# --- failures, interrupts, and what is left


@any_quality
@each
def test_nothing_is_left_behind(model, blobs, tmp_path):
    X, _ = blobs
    recorder = Recorder()
    model = clone(model).set_callbacks(recorder).fit(X)
    for fitted in (model, getattr(model, "encoder_", None)):
        assert fitted is None or not vars(fitted).keys() & LEFT_BEHIND
    assert clone(model)._skl_callbacks == [recorder]
    assert model.fit(X).set_callbacks() is model
    assert len(recorder.of("teardown")) == 2
    assert "_skl_callbacks" not in vars(model)
    n_calls = len(recorder.calls)
    loaded = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert_array_equal(loaded.fit(X).transform(X), model.transform(X))
    assert len(recorder.calls) == n_calls


def test_a_fitted_model_is_pickled_with_its_callbacks(blobs):
    X, y = blobs
    model = clone(CLUSTERING).set_callbacks(monitor()).fit(X, y)
    loaded = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert_array_equal(loaded.predict(X), model.labels_)
    loaded.fit(X, y)
    (scores,) = loaded._skl_callbacks
    assert len(scores.get_logs(select="all")) == 2


@any_quality
@each
def test_torn_down_after_rows_that_cannot_be_used(model, blobs):
    X, _ = blobs
    recorder = Recorder()
    model = clone(model).fit(X).set_callbacks(recorder)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="infinity"):
        model.fit(np.full((9, 2), np.inf))
    assert [call[0] for call in recorder.calls] == ["setup", "begin", "teardown"]
    assert vars(model) == before


@pytest.mark.parametrize("refitted", [True, False])
def test_torn_down_after_an_interrupt(refitted, blobs):
    X, _ = blobs
    recorder = Everywhere()
    model = clone(CLUSTERING).set_callbacks(recorder)
    if refitted:
        model.fit(X)
        recorder.calls.clear()
        Z = model.transform(X)
    model.set_params(encoder=Scaled(interrupted=True))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert recorder.calls[-1][0] == "teardown"
    assert not vars(model).keys() & LEFT_BEHIND
    if refitted:
        assert_array_equal(model.transform(X), Z)
    else:
        with pytest.raises(NotFittedError):
            model.transform(X)
    model.set_params(encoder=Scaled()).fit(X)
    assert_array_equal(model.predict(X), model.labels_)


@pytest.mark.parametrize(
    ("hook", "task"),
    [
        ("setup", "fit"),  # it is called with the whole fit alone
        *product(["begin", "end"], ["fit", "spectral map", "epoch"]),
    ],
)
def test_a_callback_that_fails_fails_the_fit(hook, task, blobs):
    X, _ = blobs
    model = clone(CLUSTERING).fit(X)
    recorder, failing = Recorder(), Failing(hook, task)
    model.set_callbacks(recorder, failing)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="the callback fails"):
        model.fit(X)
    assert vars(model) == before
    for each_of_them in (recorder, failing):
        assert len(each_of_them.of("teardown")) == 1


def test_a_callback_that_interrupts_is_a_ctrl_c(blobs):
    X, _ = blobs
    model = clone(CLUSTERING).set_callbacks(Failing("end", "epoch", KeyboardInterrupt))
    (message,) = caught_in(lambda: model.fit(X))
    assert "interrupted by user" in message
    assert model.n_iter_ == len(model.loss_curve_) == 1
    assert_array_equal(model.predict(X), model.labels_)
    # Before the first epoch there is nothing to keep.
    model.set_callbacks(Failing("begin", "epoch", KeyboardInterrupt))
    before = dict(vars(model))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert vars(model) == before


def test_an_interrupted_epoch_ends(blobs):
    X, _ = blobs
    calls = []

    def affinity(points):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return 1.0 / (1.0 + (points[:, None] - points[None, :]).square().sum(dim=2))

    recorder = Recorder()
    model = clone(CLUSTERING).set_params(affinity=affinity, batch_size=50)
    model.set_callbacks(recorder)
    (message,) = caught_in(lambda: model.fit(X))
    assert "interrupted by user" in message
    assert_tasks_are_whole(recorder, model)
    epochs = recorder.begun().count(("fit", "spectral map", "epoch"))
    assert epochs == model.n_iter_ + 1


# --- scikit-learn without callbacks


WITHOUT = """
import hashlib, sys
from sklearn.datasets import make_blobs
if {absent}:
    import skspectralnet  # and all of scikit-learn that it needs
    for name in [n for n in sys.modules if n.startswith("skspectralnet")]:
        del sys.modules[name]
    sys.modules["sklearn.callback"] = None  # its import raises ModuleNotFoundError
from skspectralnet import *
X, _ = make_blobs(150, n_features=4, random_state=0)
small = {{"hidden_layer_sizes": 16, "max_iter": 3, "random_state": 0}}
autoencoder, siamese = Autoencoder(2, **small), SiameseEmbedding(2, **small)
for model in (
    autoencoder,
    siamese,
    SpectralNetClustering(
        3, encoder=autoencoder, metric_learner=siamese, max_iter=9, random_state=0
    ),
    SpectralNetEmbedding(2, hidden_layer_sizes=16, max_iter=9, random_state=0),
):
    Z = model.fit(X).transform(X)
    print(hasattr(model, "set_callbacks"), hashlib.sha256(Z.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_nothing_changes_where_scikit_learn_has_no_callbacks(tmp_path):
    shown = {}
    for absent in (True, False):
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", WITHOUT.format(absent=absent)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        shown[absent] = [line.split() for line in done.stdout.splitlines()]
    assert [has for has, _ in shown[True]] == ["False"] * 4
    assert [has for has, _ in shown[False]] == ["True"] * 4
    assert [Z for _, Z in shown[True]] == [Z for _, Z in shown[False]]
