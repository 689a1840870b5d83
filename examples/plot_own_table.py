"""
=============================================
Numbers, categories, missing values and dates
=============================================

A list of machines in a factory has dates, numbers, categorical columns and missing
values: when each machine was installed, the energy it has used, its temperature, its
maker and its hall. Which machines run alike? That depends on how much a maker or a hall
may weigh against a number.
"""

# %%
# The table
# ---------
# Four kinds of machines differ in the power they draw and in how hot they get. One kind
# has a maker of its own; the halls have nothing to do with it. Every tenth thermometer
# is broken.
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skspectralnet import SpectralNetClustering

rng = np.random.RandomState(0)
n_machines = 1200
kind = rng.choice(4, n_machines, p=[0.4, 0.3, 0.2, 0.1])
days = np.round(np.exp(rng.uniform(np.log(60), np.log(6000), n_machines)))
power = np.array([3, 11, 40, 150])[kind]  # kWh a day
temperature = np.array([40, 55, 45, 70])[kind] + 3 * rng.normal(size=n_machines)
temperature[rng.uniform(size=n_machines) < 0.1] = np.nan
today = pd.Timestamp("2026-01-01")
machines = pd.DataFrame(
    {
        "installed": today - pd.to_timedelta(days, unit="D"),
        "energy": np.round(days * power * np.exp(0.2 * rng.normal(size=n_machines))),
        "temperature": temperature,
        "maker": rng.choice(["Alm", "Brandt", "Cole"], n_machines),
        "hall": rng.choice([f"hall {i}" for i in range(1, 9)], n_machines),
    }
)
machines.loc[kind == 3, "maker"] = "Dietz"
machines.loc[rng.uniform(size=n_machines) < 0.05, "maker"] = None
print(machines.head().to_string())

# %%
# Columns that can be compared
# ----------------------------
# Dates become days, amounts their logarithms, a missing temperature the median and a
# missing maker a category of its own. All numbers are scaled; the zeros and ones of the
# categories are not, but multiplied by a weight.
table = machines.assign(days=(today - machines["installed"]).dt.days)


def columns(weight):
    logarithm = FunctionTransformer(np.log1p, feature_names_out="one-to-one")
    return ColumnTransformer(
        [
            ("amounts", make_pipeline(logarithm, StandardScaler()), ["energy", "days"]),
            (
                "numbers",
                make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
                ["temperature"],
            ),
            ("categories", OneHotEncoder(sparse_output=False), ["maker", "hall"]),
        ],
        transformer_weights={"categories": weight},
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")


# %%
# What the weight does
# --------------------
# With a weight of 1 the nearest neighbours of a machine are those of its own maker and
# hall, whatever their numbers are. With 0.3 the numbers decide, and the categories
# count where those leave it open. k-means, on the same columns, cuts old machines from
# new ones.
found = {}
for weight in (1, 0.3):
    model = make_pipeline(
        columns(weight), SpectralNetClustering(n_clusters=4, random_state=0)
    )
    found[f"categories weigh {weight}"] = model.fit_predict(table)
X = columns(0.3).fit_transform(table)
found["k-means"] = KMeans(4, n_init=10, random_state=0).fit_predict(X)
for name, labels in found.items():
    print(f"{name:22} adjusted Rand index {adjusted_rand_score(kind, labels):.2f}")

# %%
# Who is in a cluster
# -------------------
# The summary names the columns in which each cluster differs, and a table of medians
# says it in their units.
print(model[-1].summary(model[:-1].transform(table)))
by_cluster = machines.groupby(model.predict(table))
print(by_cluster[["energy", "temperature"]].median().round())

# %%
# The machines
# ------------
# Along each line are machines of one kind, from new to old.
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained", sharey=True)
for axis, (name, labels) in zip(axes, found.items(), strict=True):
    axis.scatter(table["days"], table["energy"], c=labels, cmap="viridis", s=6)
    axis.set(title=name, xlabel="days since installed", xscale="log", yscale="log")
axes[0].set_ylabel("energy in kWh")
plt.show()
