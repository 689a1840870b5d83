"""The benchmarks: their data sets, small runs, and that they go on."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def module(monkeypatch):
    """Import a file of benchmarks/ as its scripts do, and forget it afterwards."""
    pytest.importorskip("resource", reason="they measure memory as only Unix can")
    files = [path.stem for path in BENCHMARKS.glob("*.py")]
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = {name: sys.modules.pop(name, None) for name in files}
    yield importlib.import_module
    for name in files:
        sys.modules.pop(name, None)
        if before[name] is not None:
            sys.modules[name] = before[name]


def test_the_lists_share_nothing(module):
    data = module("data")
    lists = data.DEVELOPMENT, data.SECOND, data.HELD_OUT
    assert len(set().union(*lists)) == sum(map(len, lists))
    assert set(data.STANDARDISED) <= data.DEVELOPMENT.keys() | data.HELD_OUT.keys()


def test_data_sets_have_the_stated_shapes(module):
    data = module("data")
    missing = []
    for name, shape in (data.DEVELOPMENT | data.SECOND | data.HELD_OUT).items():
        try:
            X, y = data.named(name)
        except data.MissingDataError:
            missing.append(name)
            continue
        assert (*X.shape, len(np.unique(y))) == shape, name
        assert y.dtype.kind in "iu", name
        if name in data.STANDARDISED:
            np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-9)
    if missing:
        pytest.skip(f"{', '.join(missing)} are not there; the others are right")


@pytest.mark.parametrize("name", ["curved_clusters", "topics"])
def test_generated_rows_follow_their_seed(module, name, global_random_seed):
    make = getattr(module("data"), name)
    (a, y), (b, z), (c, _) = (make(s) for s in (global_random_seed,) * 2 + (999,))
    assert abs(a - b).max() == 0
    np.testing.assert_array_equal(y, z)
    assert abs(a - c).max() > 0


def test_a_call_goes_on_where_the_last_one_stopped(module, tmp_path, capsys):
    quality, path = module("quality"), tmp_path / "new" / "quality.json"
    call = ["--held-out", "--data", "iris", "--methods", "k-means"]
    call += ["--results", str(path)]
    assert quality.main([*call, "--seeds", "1"]) == 0
    first = json.loads(path.read_text())["runs"]
    assert [(run["data"], run["method"], run["seed"]) for run in first] == [
        ("iris", "k-means", 0)
    ]
    assert 0.6 < first[0]["nmi"] < 0.9
    assert first[0]["peak_mib"] > 10
    capsys.readouterr()
    assert quality.main([*call, "--seeds", "1"]) == 0
    assert "k-means" not in capsys.readouterr().err
    assert quality.main([*call, "--seeds", "2"]) == 0
    runs = json.loads(path.read_text())["runs"]
    assert runs[0] == first[0]  # measured once
    assert [run["seed"] for run in runs] == [0, 1]
    capsys.readouterr()
    quality.main(["--table", "--results", str(path)])
    line = next(x for x in capsys.readouterr().out.splitlines() if x[:4] == "iris")
    assert f"{np.mean([run['nmi'] for run in runs]):.3f}" in line


def test_what_is_there_depends_on_the_package_and_the_machine(module, tmp_path):
    quality = module("quality")
    book = quality.QualityBook(tmp_path / "quality.json")
    run = {"data": "iris", "method": "skspectralnet", "seed": 0, "source": "old"}
    book.add(run, {})
    assert not book.has("iris", "skspectralnet", 0, busy=True)
    book.add(run | {"source": quality.source(), "busy": True}, {})
    assert len(book.record["runs"]) == 1
    assert book.has("iris", "skspectralnet", 0, busy=True)
    assert not book.has("iris", "skspectralnet", 0, busy=False)
    assert not book.has("iris", "skspectralnet", 1, busy=True)


def test_held_out_data_need_their_option(module, tmp_path):
    call = ["--data", "iris", "--results", str(tmp_path / "quality.json")]
    with pytest.raises(SystemExit):
        module("quality").main(call)
    assert not any(tmp_path.iterdir())


def test_what_is_missing_is_named_and_left_out(module, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SKSPECTRALNET_KEEL", str(tmp_path))
    call = ["--held-out", "--data", "vowel", "--methods", "k-means", "UMAP + mixture"]
    assert module("quality").main([*call, "--results", str(tmp_path / "q.json")]) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in said] == ["UMAP", "vowel"]


def _runs(**nmi):
    names = {"ours": "skspectralnet", "kmeans": "k-means", "umap": "UMAP + mixture"}
    rest = dict.fromkeys(("acc", "ari", "wall", "cpu", "peak_mib"), 1.0)
    return [
        {"data": "iris", "method": names[key], "seed": seed, "nmi": value, **rest}
        for key, values in nmi.items()
        for seed, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("ours", "expected"),
    [([0.9, 0.8], 0), ([0.9, 0.83], 1), ([0.9, 0.77], -1), ([0.845], 0)],
)
def test_a_verdict_is_by_the_mean_against_the_best_peer(module, ours, expected):
    # Best peer: k-means with a mean of .85, though UMAP has the best single seed.
    summary = module("quality_summary")
    runs = _runs(ours=ours, kmeans=[0.85, 0.85], umap=[0.95, 0.7])
    found = summary.summarise(runs)["iris"]
    assert summary.verdict(found, "skspectralnet") == expected
    assert summary.verdict(found, "never run") is None


@pytest.mark.parametrize(
    "name",
    [
        *("converted", "eigengap", "eigensolvers", "fidelity", "mnist"),
        *("neighbors", "neighbors_large", "peers", "scale", "siamese", "supervised"),
    ],
)
def test_help_says_what_a_benchmark_measures(module, name, capsys):
    with pytest.raises(SystemExit) as stop:
        module(name).main(["--help"])
    assert stop.value.code == 0
    assert f"python benchmarks/{name}.py" in capsys.readouterr().out


def test_settings_of_the_benchmarks_are_valid(module):
    X, y = np.random.RandomState(0).uniform(size=(60, 4)), np.arange(60) % 3
    settings = [*module("mnist").SETTINGS.items(), *module("siamese").VARIANTS.items()]
    for name, parameters in settings:
        model = SpectralNetClustering(3, max_iter=1).set_params(**parameters)
        # Labels of a wrong length are refused after the parameters are checked.
        with pytest.raises(ValueError, match="partial_labels has 59 entries"):
            model.fit(X, partial_labels=y[1:])
        assert name


def test_runs_are_made_once_and_after_a_change_again(module, tmp_path, monkeypatch):
    report, made = module("report"), []

    def measure(name, seed):
        made.append((name, seed))
        if name == "gone":
            raise module("data").MissingDataError("gone is missing")
        if len(made) == 3:
            raise KeyboardInterrupt
        return {"value": seed / 3}

    def go():
        book = report.Book(tmp_path / "new" / "book.json", ("name", "seed"))
        wanted = [("a", 0), ("gone", 0), ("a", 1)]
        status = report.go_through(book, "command", wanted, measure)
        return status, [(run["name"], run["seed"]) for run in book.record["runs"]]

    assert go() == (130, [("a", 0)])  # the third is interrupted
    assert go() == (0, [("a", 0), ("a", 1)])
    assert made[3:] == [("gone", 0), ("a", 1)]
    record = json.loads((tmp_path / "new" / "book.json").read_text())
    assert record["runs"][1]["value"] == 0.3333
    assert {"command", "processor", "threads", "versions"} < record.keys()
    monkeypatch.setattr(report, "source", lambda: "another text")
    go()
    assert made[5:] == [("a", 0), ("gone", 0), ("a", 1)]


def test_a_small_run_with_labels_and_without(module, tmp_path, capsys):
    supervised, path = module("supervised"), tmp_path / "supervised.json"
    call = ["--data", "nested C's", "--max-rows", "300", "--seeds", "1"]
    assert supervised.main([*call, "--results", str(path)]) == 0
    assert "nested C's" in capsys.readouterr().out
    runs = json.loads(path.read_text())["runs"]
    assert [run["labels"] for run in runs] == ["without", "with"]
    assert all(run["rows"] == 300 for run in runs)
    assert all(0 < run["hidden_acc"] <= 1 for run in runs)
    difference = supervised.summarise(runs)["nested C's"]["ari"]["difference"]
    assert difference["min"] == pytest.approx(runs[1]["ari"] - runs[0]["ari"], abs=2e-4)


def test_both_fits_of_a_seed_see_the_same_rows(module, global_random_seed):
    supervised = module("supervised")
    name = "nested C's"
    X, y, partial = supervised.rows_of(name, global_random_seed, None)
    again = supervised.rows_of(name, global_random_seed, None)
    for a, b in zip((X, y, partial), again, strict=True):
        np.testing.assert_array_equal(a, b)
    known = partial >= 0
    assert known.sum() == 60  # 2 % of 3,000
    np.testing.assert_array_equal(partial[known], y[known])


def test_small_searches_are_measured(module, tmp_path, monkeypatch):
    neighbors, path = module("neighbors"), tmp_path / "neighbors.json"
    monkeypatch.setattr(neighbors, "SIZES", (400, 500))
    rows = np.random.RandomState(0).standard_normal((500, 3)).astype(np.float32)
    monkeypatch.setattr(neighbors, "rows_of", lambda n_rows: rows[:n_rows])
    call = ["--algorithms", "exact", "cells", "--results", str(path)]
    assert neighbors.main([*call, "--max-rows", "400", "--seeds", "2"]) == 0
    found = neighbors.summarise(json.loads(path.read_text())["runs"])
    assert list(found) == [(400, "exact"), (400, "cells")]
    assert found[400, "exact"]["recall"]["values"] == [1.0]
    assert len(found[400, "cells"]["recall"]["values"]) == 2


def test_a_variant_is_summed_up_over_its_data(module):
    siamese = module("siamese")
    rest = dict.fromkeys(("acc", "ari"), 1.0)
    runs = [
        {
            "variant": "default",
            "data": name,
            "seed": seed,
            "nmi": nmi,
            "cpu": 2.0,
            **rest,
        }
        for name, values in {"digits": [0.8, 0.9], "usps": [0.6, 0.6]}.items()
        for seed, nmi in enumerate(values)
    ]
    found = siamese.summarise(runs)
    assert list(found) == ["default"]
    # Means .85 and .6, worst .8 and .6; two seconds for each of two data sets.
    assert siamese.overall(found["default"]) == pytest.approx((0.725, 0.7, 4.0, 2))


def test_fidelity_goes_on_and_summarises(module, tmp_path, monkeypatch):
    fidelity, path = module("fidelity"), tmp_path / "fidelity.json"
    rows = np.random.RandomState(0).uniform(size=(150, 2))
    monkeypatch.setattr(fidelity, "rows_of", lambda name: rows)
    call = ["--output", str(path), "--data", "moons", "--seeds", "1"]
    assert fidelity.main(call) == 0
    written = path.read_text()
    assert fidelity.main(call) == 0
    assert path.read_text() == written  # nothing is left to run
    found = fidelity.summarise(json.loads(written)["runs"])
    assert list(found) == [("moons", method) for method in fidelity.METHODS]
    spectral = found["moons", "spectral"]
    assert 0 <= spectral["distance"]["mean"] < 2
    assert spectral["wall"]["mean"] > 0


def test_eigengap_goes_on_and_counts_what_is_right(module, tmp_path, monkeypatch):
    eigengap, path = module("eigengap"), tmp_path / "eigengap.json"
    call = ["--results", str(path), "--data", "blobs 3", "digits", "--seeds", "1"]
    few = eigengap.blobs(2, 0)
    monkeypatch.setattr(eigengap, "rows_of", lambda name, seed: few)
    assert eigengap.main(call) == 0
    written = path.read_text()
    assert eigengap.main(call) == 0
    assert path.read_text() == written  # nothing is left to run
    runs = json.loads(written)["runs"]
    assert [run["classes"] for run in runs] == [2, 2, 2, 2]
    assert [run["rule"] for run in runs] == ["gap", "support"] * 2
    for rule in eigengap.RULES:
        assert eigengap.share_right(runs, rule) == 1.0
        assert eigengap.times_off(runs, rule) == 1.0
    runs[1]["found"], runs[3]["found"] = 3, 6
    assert eigengap.share_right(runs) == 0.0
    assert eigengap.times_off(runs) == pytest.approx(3.0)


@pytest.mark.parametrize("name", ["square", "band", "two moons", "unequal densities"])
def test_rows_of_the_eigengap_have_their_classes(name, module):
    X, y = module("eigengap").rows_of(name, 0)
    assert len(X) == len(y) == 1000
    assert len(np.unique(y)) == {"two moons": 2, "unequal densities": 3}.get(name, 1)


@pytest.mark.parametrize("solver", ["eigsh", "lobpcg"])
def test_eigensolvers_find_the_same_pairs(solver, module):
    solvers = module("eigensolvers")
    run = {"data": "curved 1500"} | solvers.measure("curved 1500", solver)
    assert float(run["residual"]) < 1e-4
    laplacian = solvers.graph_of("curved 1500")[1].toarray()
    exact = np.linalg.eigvalsh(laplacian)[: solvers.N_VECTORS]
    np.testing.assert_allclose(run["eigenvalues"], exact, atol=1e-5)
    worse = run | {"eigenvalues": [value + 0.5 for value in run["eigenvalues"]]}
    missed = [r["missed"] for r in solvers.compared([run, worse])]
    assert missed == pytest.approx([0.0, 0.5])


@pytest.mark.parametrize("k", [2, 7, 20])
def test_blobs_of_the_eigengap_are_apart(k, module):
    X, y = module("eigengap").blobs(k, 0)
    centers = np.array([X[y == label].mean(axis=0) for label in range(k)])
    distances = np.linalg.norm(centers[:, None] - centers, axis=2)
    assert distances[~np.eye(k, dtype=bool)].min() > 7


@pytest.mark.slow
def test_scale_runs_and_its_numbers_are_those_of_the_estimator(module, tmp_path):
    scale = module("scale")
    numbers = scale.run(tmp_path, 3000, 1000)
    X, y = scale.rows_of(tmp_path, 3000)  # the file that is there
    model = SpectralNetClustering(20, subsample=1000, random_state=0).fit(X)
    assert numbers["ari"] == pytest.approx(adjusted_rand_score(y, model.labels_))
    assert set(numbers["seconds"]) == set(scale.STAGES.values())
    assert sum(numbers["seconds"].values()) <= numbers["wall"] + 0.1
    assert set(numbers["rows_per_second"]) == {"array", "file", "CSR"}


def test_large_neighbours_are_found_in_the_file(module, tmp_path):
    numbers = module("neighbors_large").run(tmp_path, 3000)
    assert numbers["recall"] == 1.0  # so few are searched exactly
    assert numbers["wall"] > 0.0


def test_a_converted_model_is_compared(module, tmp_path, monkeypatch):
    for name in ("onnxruntime", "skl2onnx"):
        pytest.importorskip(name)
    converted, path = module("converted"), tmp_path / "converted.json"
    X = np.random.RandomState(0).normal(size=(90, 3))
    model = SpectralNetClustering(3, max_iter=1, random_state=0).fit(X)
    monkeypatch.setattr(converted, "fitted", lambda name: (model, X))
    assert converted.main(["--data", "iris", "--results", str(path)]) == 0
    record = json.loads(path.read_text())
    assert [run["type"] for run in record["runs"]] == ["float64", "float32"]
    assert all(run["equal"] == 1.0 for run in record["runs"])
    assert float(record["runs"][0]["difference"]) < 1e-12
    assert "100.00 %" in converted.tables(record)["converted"]


@pytest.mark.slow
def test_footprint_counts_what_stays(module, monkeypatch):
    footprint = module("footprint")
    monkeypatch.setattr(footprint, "BEFORE", 1)
    found = footprint.cycles(2)
    assert found["growth"] == found["last"] - found["first"]
    assert footprint.rows(30, 4, 0).dtype == np.float32


def test_exponent_by_hand(module):
    # Ten times the rows, a hundred times the seconds.
    runs = [
        {"rows": n, "subsample": 200_000, "wall": w}
        for n, w in [(10**5, 1.0), (10**6, 100.0), (10**4, 50.0)]
    ]
    assert module("scale").exponent(runs) == pytest.approx(2.0)
    assert module("scale").exponent(runs[:1]) is None


def test_the_plan_scales_what_grows_with_the_rows_alone(module):
    scale = module("scale")
    stages = {"metric learner": 30.0, scale.EVERY_ROW: 5.0}
    more = {"metric learner": 30.0, scale.EVERY_ROW: 65.0}
    runs = [
        {"rows": 10**6, "subsample": scale.DEFAULT, "wall": 40.0, "seconds": stages},
        {"rows": 10**7, "subsample": scale.DEFAULT, "wall": 100.0, "seconds": more},
    ]
    assert scale.stage_seconds(runs[0])[scale.REST] == 5.0
    # 30 + 50 + 5 foretold of 100; 50 s for 10^7 rows, twice, on 100 machines.
    text = scale._plan(runs)
    assert "differs by -15 %" in text
    assert "135" in text  # of the sum


def test_rows_of_the_mixture_lie_around_their_arcs(module, global_random_seed):
    mixture = module("data").CurvedMixture(0)
    X, y = mixture.sample(5000, np.random.RandomState(global_random_seed))
    assert X.dtype == np.float32
    assert X.shape == (5000, 32)
    latent = X @ mixture.basis - mixture.centers[y]
    radius = np.linalg.norm(np.einsum("ij,ijk->ik", latent, mixture.planes[y]), axis=1)
    assert radius.mean() == pytest.approx(1.0, abs=0.03)
    assert np.bincount(y, minlength=20).min() > 0


def test_a_method_that_ended_early_is_given_up(module, tmp_path):
    peers = module("peers")
    book = module("report").Book(tmp_path / "book.json", ("method", "rows"))
    book.replace({"method": "slow", "rows": 1000, "ended": "stopped after 9 s"})
    assert peers.given_up(book, "slow", 10_000)
    assert not peers.given_up(book, "slow", 1000)
    assert not peers.given_up(book, "quick", 10_000)


def test_gpu_script_runs_without_one(module, monkeypatch, capsys):
    gpu = module("gpu")
    X, y = make_blobs(60, 3, centers=3, random_state=0)
    monkeypatch.setitem(gpu.TABLES, "MNIST", lambda: (X, y))
    monkeypatch.setattr(gpu, "write", lambda *args: pytest.fail("wrote a result"))
    assert gpu.main(["--device", "cpu", "--tables", "MNIST"]) == 0
    assert "MNIST            cpu    acc 1.000" in capsys.readouterr().err
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 1


def test_peers_on_data_in_a_table(module, tmp_path):
    peers = module("peers")
    run = {"data": "mnist", "method": "EVoC", "nmi": 0.9, "ari": 0.8, "wall": 2.0}
    run |= {"cpu": 3.0, "clusters": 11, "left_out": 0.25}
    ended = {"data": "mnist", "method": "k-means", "seed": 0, "ended": "stopped"}
    runs = [run | {"seed": seed, "nmi": 0.9 - 0.1 * seed} for seed in range(2)]
    table = peers.data_tables({"runs": [*runs, ended]})["peers_data"]
    for cell in ("EVoC", "0.850", "0.800", "11", "0.25"):
        assert cell in table
    assert "k-means" not in table


def test_a_table_of_mutants_by_hand(module):
    mutation = module("mutation")
    results = [*["killed"] * 5, "late", "survived", "survived", "equivalent"]
    runs = [
        {"module": name, "places": 10, "result": result}
        for name in mutation.TESTS
        for result in (results if name == "_graph" else ["killed"])
    ]
    lines = mutation.tables({"runs": runs})["mutation"].split("   * - ")
    (graph,) = (line for line in lines if line.startswith("``_graph.py``"))
    # 6 of 8 that are not equivalent; with four of other modules 10 of 12.
    assert graph.split("\n     - ")[1:-1] == ["10", "9", "5", "1", "2", "1"]
    assert graph.rstrip().endswith("- 75 %")
    assert lines[-1].rstrip().endswith("- 83 %")


def test_every_mutant_taken_for_equivalent_is_one_of_the_text(module):
    mutation = module("mutation")
    for name, before, after in mutation.EQUIVALENT:
        lines = [line.strip() for line in mutation.text_of(name).splitlines()]
        assert before in lines
        assert after not in lines or not after


def test_what_a_campaign_reports_is_read(module):
    promises, journal = module("promises"), module("promises").journal
    said = (
        "tests/test_fuzz.py .\n30 calls, 4 distinct messages\n      12 fit worked\n"
        "       9 transform worked\n       4 fit refused: ValueError\n"
        "slowest: 2.5 s, blobs, float64, array, (30, 3)\n\n== 1 passed in 9.00s =="
    )
    found = journal(said)
    assert (found["calls"], found["messages"], found["slowest"]) == (30, 4, 2.5)
    assert (found["fits"], found["fits that worked"]) == (16, 12)
    assert found["slowest rows"] == "blobs, float64, array, (30, 3)"
    assert promises.counted("passed", said) == 1
    assert promises.counted("failed", said) == 0


def test_floors_and_rises_of_the_promises(module):
    promises = module("promises")
    found = promises.run_floor("blobs", 2)
    assert (found["tried"], found["broken"], found["values"]) == (2, 0, [1.0, 1.0])
    # Twice the memory for four times the rows, then eight times for twice as many.
    assert promises.steepest_rise((100, 400, 800), [5, 10, 80]) == pytest.approx(3.0)
    rows = promises.rows_of("sparse, 5,000 columns", 30)
    assert rows.shape == (30, 5000)
    assert rows.sum(axis=1).min() == 20


def test_make_runs_every_benchmark():
    makefile = (BENCHMARKS.parent / "Makefile").read_text("utf-8")
    scripts = [
        path.name
        for path in BENCHMARKS.glob("*.py")
        if '__name__ == "__main__"' in path.read_text("utf-8")
    ]
    assert len(scripts) > 15
    assert [x for x in scripts if f"$(RUN) benchmarks/{x}" not in makefile] == []


def test_every_script_of_peers_is_started_by_a_benchmark():
    started = "".join(path.read_text("utf-8") for path in BENCHMARKS.glob("*.py"))
    scripts = [path.name for path in (BENCHMARKS / "peers").glob("*.py")]
    assert len(scripts) > 3
    assert [name for name in scripts if f'"{name}"' not in started] == []


def test_a_fit_of_this_package_in_its_own_process(module, tmp_path):
    rows = np.random.RandomState(0).randint(256, size=(300, 20)).astype(np.uint8)
    peer = module("mnist_peer")
    found = peer.in_process(sys.executable, "mnist_own_run.py", rows, tmp_path)
    assert len(found["labels"]) == 300
    assert found["cpu"] > 0


STANDS_FOR_THE_PEER = """
import numpy as np
class SpectralNet:
    def __init__(self, n_clusters, **settings):
        self.n_clusters = n_clusters
    def fit(self, X):
        self.embeddings_ = np.asarray(X)[:, :1] ** np.arange(self.n_clusters)
    def predict(self, X):
        return np.asarray(X)[:, 1] > 0.25
"""


def test_other_packages_are_run_in_their_own_process(module, tmp_path, monkeypatch):
    (tmp_path / "spectralnet.py").write_text(STANDS_FOR_THE_PEER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ari, wall, _ = module("shapes").measure_peer(sys.executable, 0)
    assert 0.2 < ari < 0.9
    assert wall > 0
    X = np.random.RandomState(0).uniform(size=(30, 2)).astype(np.float32)
    found = module("fidelity").run_peer(sys.executable, "spectralnet", X, 0)
    assert np.shape(found["embedding"]) == (30, 10)
    assert found["eigenvalues"] is None


def test_regret_by_hand(module):
    regret = module("regret")

    def runs(data, default, **aris):
        taken = [(default, aris.pop(default))]
        of = {"data": data, "seed": 0}
        names = {"fine": "plain, fine", "coarse": "plain, coarse", "learned": "learned"}
        made = [
            of | {"method": "default", "taken": names[n], "ari": a} for n, a in taken
        ]
        for name, ari in aris.items():
            made.append(of | {"method": names[name], "taken": names[name], "ari": ari})
        return made

    record = runs("usps", "learned", fine=0.5, coarse=0.6, learned=0.9)
    record += runs("moons", "coarse", fine=1.0, coarse=0.8, learned=0.1)
    record += runs("digits", "learned", fine=0.5, learned=0.9)  # not complete
    found = regret.fits_of(record)
    assert list(found) == ["usps", "moons"]
    assert found["moons"][0][0] == "plain, coarse"
    text = regret.tables({"runs": record})["regret"]
    assert "The mean regret is 0.100." in text
    assert "+0.350 in the mean and +0.000 where it is worst" in text
