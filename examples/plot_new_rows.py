"""
==================================
Labels for rows that arrive later
==================================

Clusters were found today, and the model is saved. Tomorrow new rows arrive, one by one
and on another machine. Which cluster does each belong to, and how would one notice that
the clusters of today no longer fit?
"""

# %%
# A model of today
# ----------------
# The rows are readings of a sensor on a machine with two states, 600 a day. Later the
# sensor comes loose and turns.
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

from skspectralnet import SpectralNetClustering


def readings(day, degrees=0):
    """Rows of a day and their true states, by a sensor turned by so many degrees."""
    X, y = make_moons(600, noise=0.07, random_state=day)
    angle = np.deg2rad(degrees)
    turn = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    return (X - [0.5, 0.25]) @ turn, y


X, y = readings(day=0)
model = SpectralNetClustering(n_clusters=2, random_state=0).fit(X)
print(f"today: adjusted Rand score {adjusted_rand_score(y, model.labels_):.3f}")

# %%
# One by one
# ----------
# ``predict`` takes each row on its own: no graph, no neighbours, no new fit. Alone and
# among others a row gets the same label.
X_new, y_new = readings(day=1)
together = model.predict(X_new)
alone = np.array([model.predict(row[None])[0] for row in X_new])
print(f"tomorrow: adjusted Rand score {adjusted_rand_score(y_new, together):.3f}")
print(f"rows with the same label alone: {np.sum(alone == together)} of {len(X_new)}")

# %%
# On another machine
# ------------------
# A fitted model can be stored by joblib or pickle. It has weights, centres and the
# labels of its rows, not the rows. Load such files only from where you trust: they can
# run code.
with TemporaryDirectory() as folder:
    path = Path(folder) / "states.joblib"
    joblib.dump(model, path)
    loaded = joblib.load(path)
    print(f"{path.stat().st_size / 1024:.0f} KiB")
print("labels of the loaded model agree:", np.array_equal(loaded.predict(X_new), alone))

# %%
# Day after day
# -------------
# ``partial_fit`` takes the rows of each day: the map stays, the centres follow, and
# ``drift_`` is the share of the rows that lie outside of where 99 % of the first ones
# lay. From the sixth day on the sensor turns. One stream goes on as it is; the other
# starts again with the rows of the day whenever more of them lie outside than chance
# explains, ``drift_limit_``.


def stream(X):
    """A stream whose first batch, a fit, is these rows."""
    return SpectralNetClustering(n_clusters=2, random_state=0).partial_fit(X)


kept, renewed = stream(X), stream(X)
record = []
for day in range(1, 16):
    X_day, y_day = readings(day, degrees=6 * max(0, day - 5))
    kept.partial_fit(X_day)
    renewed.partial_fit(X_day)
    drifts = kept.drift_, renewed.drift_
    again = renewed.drift_ > renewed.drift_limit_
    if again:
        renewed = stream(X_day)
    scores = [adjusted_rand_score(y_day, m.labels_) for m in (kept, renewed)]
    record.append([*drifts, *scores])
    print(
        f"day {day:2}: drift {drifts[0]:.3f}, ARI {scores[0]:.3f};  "
        f"with new fits {drifts[1]:.3f}, ARI {scores[1]:.3f}{' (fitted)' * again}"
    )

# %%
# Where nothing changes, ``drift_`` stays below the limit. It compares rows and needs no
# labels; the scores do, and say here that it asks for a new fit before the old one goes
# wrong. After one, clusters are numbered anew, by size.
#
# The two streams
# ---------------
days = 1 + np.arange(len(record))
record = np.array(record)
figure, axes = plt.subplots(1, 3, figsize=(11, 3.3), layout="constrained")
axes[0].scatter(*X_day.T, s=5, c=kept.labels_, cmap="coolwarm", linewidths=0)
axes[0].set(title="last day, map of the first", xticks=[], yticks=[], aspect="equal")
for i, (title, axis) in enumerate(
    zip(["drift_", "adjusted Rand score"], axes[1:], strict=True)
):
    axis.plot(days, record[:, 2 * i], "o-", label="one fit")
    axis.plot(days, record[:, 2 * i + 1], "s-", label="new fits")
    axis.set(title=title, xlabel="day")
axes[1].axhline(kept.drift_limit_, color="0.5", linestyle=":", label="limit")
axes[1].legend()
plt.show()
