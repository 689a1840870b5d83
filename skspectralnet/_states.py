"""What an estimator stores, as plain data, and how that is read again.

A state has dicts, lists, strings, numbers and arrays alone, beside what users have
passed: no name of a private class is in a file. A table says of each entry what it must
be, and an error names the one that is not.
"""

import inspect
import itertools
from dataclasses import dataclass
from numbers import Integral

from skspectralnet._fields import (
    Array,
    Curve,
    Maybe,
    Names,
    Number,
    Output,
    Sizes,
    Text,
    Whole,
    entries_of,
    expect,
    refuse,
    told,
)
from skspectralnet._network import ACTIVATIONS, CodeMap, SpectralMap

# Raised by one where an entry of a state changes its name or its meaning, with a
# function in `_OLDER` that makes the new state of the old one.
STATE_VERSION = 1

_PACKAGES = {"skspectralnet", "sklearn", "builtins"}


# --- networks


@dataclass(frozen=True)
class Map:
    """A RowMap, SpectralMap or CodeMap: its arrays, not the module of torch.

    Parameters
    ----------
    cls : type
    n_inputs, n_outputs : str
        Names of the numbers of columns before and behind it.
    """

    cls: type
    n_inputs: str
    n_outputs: str

    def pack(self, value):
        return value.__getstate__() if type(value) is self.cls else value

    def read(self, value, where, sizes):
        kinds = self.kinds()
        entries_of(value, kinds, where, optional=("reach", "_state_version"))
        made = self.cls.__new__(self.cls)
        made.__setstate__(
            {
                name: kind.read(value[name], f"{where}.{name}", sizes)
                for name, kind in kinds.items()
                if name in value
            }
        )
        return made

    def kinds(self):
        """{name: kind} of the entries."""
        is_spectral = issubclass(self.cls, SpectralMap)
        positive = Number(0.0, strict=True)
        kinds = {
            "_state_version": Whole(),
            "center": Array((self.n_inputs,)),
            "scale": positive,
            "reach": Maybe(positive),
            "mlp": Layers(self.n_inputs, "n_raw" if is_spectral else self.n_outputs),
        }
        if is_spectral:
            kinds["matrix"] = Array(("n_raw", self.n_outputs))
        if issubclass(self.cls, CodeMap):
            kinds["decoder"] = Layers(self.n_outputs, self.n_inputs)
        return kinds


@dataclass(frozen=True)
class Layers:
    """The arrays of a perceptron, each layer on the one before.

    Parameters
    ----------
    n_inputs, n_outputs : str
        Names of the numbers of its inputs and outputs.
    """

    n_inputs: str
    n_outputs: str

    def read(self, value, where, sizes):
        value = entries_of(value, ["activation", "weights", "biases"], where)
        name = f"{where}.activation"
        activation = Text(tuple(ACTIVATIONS)).read(value["activation"], name, sizes)
        made = {"activation": activation, "weights": [], "biases": []}
        for name in ("weights", "biases"):
            if not isinstance(value[name], list) or not value[name]:
                expect(value[name], f"{where}.{name}", "a list of arrays")
        weights, biases = value["weights"], value["biases"]
        if len(biases) != len(weights):
            refuse(f"{where}.biases", f"has {len(biases)} arrays for {len(weights)}")
        units = [f"units of {where}[{i}]" for i in range(len(weights) - 1)]
        layers = itertools.pairwise([self.n_inputs, *units, self.n_outputs])
        for i, (before, behind) in enumerate(layers):
            for name, shape in (("weights", (behind, before)), ("biases", (behind,))):
                entry = f"{where}.{name}[{i}]"
                made[name].append(Array(shape).read(value[name][i], entry, sizes))
        return made


# --- the state of an estimator


@dataclass(frozen=True)
class Table:
    """What a fitted estimator stores.

    Parameters
    ----------
    entries : dict
        {name: kind}, in the order in which they are read.
    optional : frozenset
        Those that a fitted one may lack.
    complete : callable, default=None
        Of all entries read and the sizes: checks what concerns several, and makes one
        of others.
    """

    entries: dict
    optional: frozenset = frozenset()
    complete: object = None


# Entries of each fit.
COLUMNS = {
    "n_features_in_": Whole(1, "n_features"),
    "feature_names_in_": Names("n_features"),
}
CURVES = {
    "loss_curve_": Curve(),
    "validation_loss_curve_": Maybe(Curve()),
    "n_iter_": Whole(),
}


def map_table(cls, **further):
    """The Table of an estimator whose whole map is one network, `network_`.

    Parameters
    ----------
    cls : type
        Of the network.
    **further : dict
        {name: kind} of what else it stores.
    """
    entries = {
        **COLUMNS,
        "n_components_": Whole(1, "n_components"),
        "network_": Map(cls, "n_features", "n_components"),
        **CURVES,
        **further,
    }
    return Table(entries, frozenset({"feature_names_in_"}))


def packed(state, table):
    """The attributes of an estimator as plain data.

    Parameters
    ----------
    state : dict
    table : Table

    Returns
    -------
    dict
    """
    kinds = table.entries
    return {n: kinds[n].pack(v) if n in kinds else v for n, v in state.items()}


def unpacked(state, version, cls):
    """The attributes that a state describes.

    Parameters
    ----------
    state : dict
        Without its versions.
    version : int
        That of the form of the state.
    cls : type
        An estimator, with its Table as `_stored`.

    Raises
    ------
    ValueError
        If an entry is not what it must be.
    """
    for older in range(version, STATE_VERSION):
        state = _OLDER[older](state, cls._stored)
    table, values, sizes = cls._stored, dict(state), Sizes()
    own = set(_parameters(cls))
    for name in values:
        _check_name(name, cls, own)
    values = {**_lacking_parameters(values, cls), **values}
    output = "_sklearn_output_config"  # of each estimator, fitted or not
    if output in values:
        Output().read(values[output], output, sizes)
    if not any(_is_fitted_name(name, table) for name in values if name not in own):
        return values
    if not isinstance(values.get("device", ""), str):
        expect(values["device"], "device", "a string")
    for name, kind in table.entries.items():
        if name in values:
            values[name] = kind.read(values[name], name, sizes)
        elif name not in table.optional:
            raise ValueError(f"The stored state lacks {name!r}, which a fit sets.")
    if table.complete is not None:
        table.complete(values, sizes)
    return values


def _is_fitted_name(name, table):
    return name in table.entries or (name.endswith("_") and not name.startswith("_"))


def _check_name(name, cls, own):
    """Refuse names that would take the place of what the class has."""
    if not isinstance(name, str):
        expect(name, "A name", "a string")
    classes = [c for c in cls.__mro__ if c.__module__.split(".")[0] in _PACKAGES]
    if name not in own and any(name in vars(c) for c in classes):
        refuse(repr(name), f"has the name of what every {cls.__name__} has")


def _parameters(cls):
    return inspect.signature(cls.__init__).parameters


def _lacking_parameters(values, cls):
    """Defaults of the parameters that came after a state was written."""
    found = {}
    for name in cls._get_param_names():
        if name not in values:
            found[name] = _parameters(cls)[name].default
            if found[name] is inspect.Parameter.empty:
                raise ValueError(f"The stored state lacks the parameter {name!r}.")
    return found


def opened(state):
    """A copy of a state, to take its versions out."""
    if not isinstance(state, dict):
        raise ValueError(f"A stored state is a dict of attributes; got {told(state)}.")
    return dict(state)


def checked_version(value, package, cls):
    """The version of the form of a state, unless it is unknown.

    Parameters
    ----------
    value : object
        As stored; 0 where states had none.
    package : tuple of str
        The versions of this package that wrote the state and that reads it.
    cls : type
    """
    name, (wrote, reads) = cls.__name__, package
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 0:
        expect(value, "_state_version", "an integer of at least 0")
    if value > STATE_VERSION:
        raise ValueError(
            f"This {name} was written by skspectralnet {wrote} with state version "
            f"{value}; skspectralnet {reads} reads those up to {STATE_VERSION}. "
            "Upgrade skspectralnet."
        )
    return int(value)


# {version: what makes the next one of it}. Parts of version 0, before states had one,
# were objects, not plain data.
_OLDER = {0: packed}
