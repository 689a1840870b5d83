"""The benchmark of quality: its data sets, one small run, and that it goes on."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def module(monkeypatch):
    """Import a file of benchmarks/ as its scripts do, and forget it afterwards."""
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
    assert not data.DEVELOPMENT.keys() & data.HELD_OUT.keys()
    assert set(data.STANDARDISED) <= data.DEVELOPMENT.keys() | data.HELD_OUT.keys()


def test_data_sets_have_the_stated_shapes(module):
    data = module("data")
    missing = []
    for name, shape in (data.DEVELOPMENT | data.HELD_OUT).items():
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
