"""Broken and hostile files of skops, made of a good one.

- `mutants` of a state: an entry missing, of another type, shape, size or value;
- `hostile` files: types and functions that a model does not have, with a canary that
  tells of code that was run, archives that are no good;
- `flipped` files: one bit of a good file turned over.
"""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import skops.io

# What is tried in the place of any entry.
ANYTHING = (
    *(None, True, -1, 0, 2, 10**6, 10**18, 10**30, -1e300, 0.5),
    *(float("nan"), float("inf"), "", "x", b"x", (), [], {}, (1, 2), ["x"], {"x": 1}),
    np.array(0.5),
    np.zeros(0),
    np.zeros((0, 0)),
    np.array(["x", None], dtype=object),
    np.array(["x"]),
    np.zeros((2, 3, 4)),
    np.float32(0.5),
    np.int8(3),
)


class Missing:
    """Stands for an entry that is left out."""


MISSING = Missing()


def places(value, path=()):
    """The path of each entry of a state, those of dicts and lists included."""
    if path:
        yield path
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], (*path, name))
    elif isinstance(value, list | tuple):
        for i, entry in enumerate(value):
            yield from places(entry, (*path, i))


def entry_at(state, path):
    for name in path:
        state = state[name]
    return state


def replaced(state, path, entry):
    """A copy of a state with another entry, or without it."""
    if not path:
        return entry
    first, rest = path[0], path[1:]
    if isinstance(state, dict):
        made = dict(state)
        if not rest and entry is MISSING:
            del made[first]
        else:
            made[first] = replaced(state[first], rest, entry)
        return made
    made = list(state)
    if not rest and entry is MISSING:
        del made[first]
    else:
        made[first] = replaced(state[first], rest, entry)
    return type(state)(made)


def mutants(value):
    """What is tried in the place of an entry."""
    yield MISSING
    yield from ANYTHING
    if isinstance(value, np.ndarray) and value.dtype.kind in "fi":
        yield from _arrays(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from (-value, value + 1, value - 1, value * 2, str(value), [value])
    elif isinstance(value, list | tuple):
        yield from (value[:-1], value * 2, value[::-1], dict(enumerate(value)))
    elif isinstance(value, dict):
        yield from ({**value, "extra": 1}, list(value.values()))


def _arrays(value):
    """Other arrays in the place of one."""
    yield from (value[None], value[:-1], value.T, value.ravel(), value.tolist())
    yield np.concatenate([value, value])
    for dtype in ("f2", "c16", "U3", "O", "?", "i1", "u8", "f4", "f8", ">f8", "M8[s]"):
        yield value.astype(dtype)
    for entry in (-1, 0, 10**6, 2**62):
        yield np.full_like(value, entry)
    if value.dtype.kind == "f":
        for entry in (np.nan, np.inf, -1e308):
            some = value.copy()
            some.flat[-1:] = entry
            yield some
    else:
        some = value.copy()
        some.flat[-1:] = 10**9
        yield some


def crafted_states(state, number, rng):
    """Some of the mutants of a state, with the path of what was changed."""
    every = list(places(state))
    for _ in range(number):
        path = every[rng.randint(len(every))]
        among = list(mutants(entry_at(state, path)))
        yield path, replaced(state, path, among[rng.randint(len(among))])


def file_of(cls, state):
    """A file that says it has an object of a class, with any state."""
    names = {"__module__": cls.__module__, "__getstate__": lambda self: state}
    names |= {"__qualname__": cls.__qualname__}
    return skops.io.dumps(type(cls.__name__, (), names)())


# --- hostile files


def _unpacked(data):
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def _packed(entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in entries.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def _node(module, name, loader, **entries):
    return {"__class__": name, "__module__": module, "__loader__": loader, **entries}


def _json(value):
    return _node("builtins", "str", "JsonNode", content=json.dumps(value), is_json=True)


def _tuple(*nodes):
    return _node("builtins", "tuple", "TupleNode", content=list(nodes))


def _dict(**nodes):
    key = _node("builtins", "str", "TypeNode")
    keys = _node("builtins", "list", "ListNode", content=[key] * len(nodes))
    return _node("builtins", "dict", "DictNode", content=nodes, key_types=keys)


def nodes_of_code(canary):
    """Nodes that would make the file `canary`, or call what a file has named."""
    command = f"touch {canary}"
    call, kinds = _tuple(_json(command)), "ConstructorFromReduceNode"
    for module, name in (
        ("os", "system"),
        ("subprocess", "Popen"),
        ("builtins", "exec"),
    ):
        yield _node(module, name, kinds, content=call)
        yield _node(module, name, "FunctionNode")
        yield _node(module, name, "TypeNode")
        function, kwds = _node(module, name, "FunctionNode"), _dict()
        content = {"func": function, "args": call, "kwds": kwds}
        content["namespace"] = _json(None)
        yield _node("functools", "partial", "PartialNode", content=content)
    yield _node("pathlib", "Path", kinds, content=_tuple(_json(str(canary))))
    methods = ("touch", "write_text")
    of_path = _node("pathlib", "Path", kinds, content=_tuple(_json(str(canary))))
    for method in methods:
        content = {"obj": of_path, "func": method}
        yield _node("pathlib", "Path", "MethodNode", content=content)
        attrs = _tuple(_json(method))
        yield _node("operator", "methodcaller", "OperatorFuncNode", attrs=attrs)
    content = {"main": _dict(), "default_factory": _node("os", "system", "TypeNode")}
    yield _node("collections", "defaultdict", "DefaultDictNode", content=content)
    state = _dict(bit_generator=_json("seed"))
    content = {"bit_generator": state, "seed_seq": _dict()}
    yield _node("numpy.random", "Generator", "RandomGeneratorNode", content=content)
    for module in ("torch", "sklearn.base", "skspectralnet._network"):
        yield _node(module, "load", "ObjectNode", content=_dict(x=_json(command)))
    yield _node("skspectralnet._network", "SpectralMap", "ObjectNode", content=_dict())
    yield _node("skspectralnet._assignment", "Centers", "ObjectNode", content=_dict())
    yield from _trusted_nodes()


def _trusted_nodes():
    """Nodes of types that are trusted, in ways that no model stores them."""
    module, name = "skspectralnet._clustering", "SpectralNetClustering"
    arguments = _tuple(_json("x"))
    yield _node(module, name, "ConstructorFromReduceNode", content=arguments)
    yield _node(module, name, "ObjectNode")
    for loader in ("TypeNode", "FunctionNode", "JsonNode", "DictNode", "ListNode"):
        content = [] if loader == "ListNode" else {}
        content = "1" if loader == "JsonNode" else content
        keys = _node("builtins", "list", "ListNode", content=[])
        yield _node(module, name, loader, content=content, key_types=keys)
    own = _node(module, name, "ObjectNode", content=_dict())
    content = {"obj": own, "func": "fit"}
    yield _node(module, name, "MethodNode", content=content)
    scaler = "sklearn.preprocessing._data", "StandardScaler"
    yield _node(*scaler, "ObjectNode", content=_dict())
    yield _node(*scaler, "ObjectNode", content=_dict(n_features_in_=_json(3)))
    yield _node("sklearn.decomposition._pca", "PCA", "ObjectNode", content=_json(5))
    yield _node("sklearn.cluster._kmeans", "KMeans", "ObjectNode", content=_dict())
    steps = _node("builtins", "list", "ListNode", content=[_json(1), own])
    yield _node(
        "sklearn.pipeline", "Pipeline", "ObjectNode", content=_dict(steps=steps)
    )
    function = _node("numpy", "exp", "FunctionNode")
    content = _dict(func=function, validate=_json(False), kw_args=_json(None))
    names = "sklearn.preprocessing._function_transformer", "FunctionTransformer"
    yield _node(*names, "ObjectNode", content=content)


class Touch:
    """Pickled: makes the file when it is loaded."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return Path.touch, (Path(self.canary),)


def hostile(data, canary, rng):
    """Files that were made of a good one to run code, or to break its reader.

    Parameters
    ----------
    data : bytes
        The good one.
    canary : path
        What a file that runs code would make.
    rng : RandomState

    Yields
    ------
    name : str
    bytes
    """
    entries = _unpacked(data)
    schema = json.loads(entries["schema.json"])
    for i, node in enumerate(nodes_of_code(canary)):
        for place in ("network_", "encoder_", "random_state", "x_"):
            made = json.loads(entries["schema.json"])
            attributes = made["content"]["content"]
            attributes[place] = node
            key_types = made["content"]["key_types"]["content"]
            key_types += [key_types[0]] * (len(attributes) - len(key_types))
            yield f"code {i} as {place}", _with_schema(entries, made)
        top = {**node, "protocol": schema["protocol"], "_skops_version": "0"}
        yield f"code {i} alone", _with_schema(entries, top)
    arrays = [name for name in entries if name.endswith(".npy")]
    yield "a pickle as array", _packed({**entries, arrays[0]: _pickled_array(canary)})
    pickled = pickle.dumps(Touch(canary))
    yield "a pickle as schema", _packed({**entries, "schema.json": pickled})
    yield "a pickle", pickled
    yield from _bad_archives(data, entries, schema, arrays)
    for i in range(12):
        n_kept = int(len(data) * rng.uniform())
        yield f"truncated {i}", data[:n_kept]


def _with_schema(entries, schema):
    return _packed({**entries, "schema.json": json.dumps(schema)})


def _pickled_array(canary):
    buffer = io.BytesIO()
    np.save(buffer, np.array([Touch(canary)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _bad_archives(data, entries, schema, arrays):
    """Archives that lack something, or have too much of it."""
    yield "empty", b""
    yield "no archive", b"x" * 1000
    yield "no schema", _packed({n: v for n, v in entries.items() if n in arrays})
    yield "no arrays", _packed({"schema.json": entries["schema.json"]})
    yield "schema that is no JSON", _packed({**entries, "schema.json": b"{"})
    for text in ("[]", "1", '"x"', "{}", "null"):
        yield f"schema {text}", _packed({**entries, "schema.json": text})
    for protocol in (None, -1, True, 10**6, "2"):
        made = _with_schema(entries, {**schema, "protocol": protocol})
        yield f"protocol {protocol}", made
    deep = "[" * 100_000 + "]" * 100_000
    yield "deep JSON", _packed({**entries, "schema.json": deep})
    text = entries["schema.json"].decode()
    for name in ("../../x.npy", "/etc/passwd", "schema.json", "missing.npy"):
        made = text.replace(json.dumps(arrays[0]), json.dumps(name))
        yield f"array in {name}", _packed({**entries, "schema.json": made})
    for shape in ("(99999999999,)", "(-1,)", "(1,) * 9"):
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
        yield f"array of shape {shape}", _packed({**entries, arrays[0]: _npy(header)})
    same = json.loads(entries["schema.json"])  # an object inside itself
    attributes = same["content"]["content"]
    attributes["random_state"] = {
        **attributes["random_state"],
        "__id__": same["__id__"],
    }
    yield "an object inside itself", _with_schema(entries, same)
    bomb = json.dumps({**schema, "x": " " * 50_000_000})
    yield "fifty million spaces", _packed({**entries, "schema.json": bomb})


def _npy(header):
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def flipped(data, rng):
    """A file with one bit turned over."""
    made = bytearray(data)
    made[rng.randint(len(made))] ^= 1 << rng.randint(8)
    return bytes(made)


# --- what became of a file


def outcome(load, methods):
    """What a file does: a word, and the error where there is one.

    - "refused": a ValueError or TypeError of this package, or of skops that names the
      types it does not trust;
    - "unreadable": an error of skops, zipfile, json or numpy, before an object of this
      package has been made;
    - "answers": it loads, and each method answers;
    - "declines": it loads, and a method raises a ValueError or TypeError;
    - "stranger": it loads, and holds no model of this package;
    - "foreign": any other error, which passes through this package.

    Parameters
    ----------
    load : callable
        Nothing -> an object.
    methods : callable
        That object -> what its methods say.
    """
    try:
        model = load()
    except Exception as error:
        if not _passes_through_package(error):
            named = type(error).__name__ == "UntrustedTypesFoundException"
            return "refused" if named else "unreadable", error
        own = isinstance(error, ValueError | TypeError)
        return "refused" if own else "foreign", error
    if not type(model).__module__.startswith("skspectralnet."):
        return "stranger", None
    try:
        methods(model)
    except (ValueError, TypeError) as error:
        return "declines", error
    except Exception as error:
        return "foreign", error
    return "answers", None


def _passes_through_package(error):
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_globals.get("__name__", "").startswith("skspectralnet"):
            return True
        step = step.tb_next
    return False
