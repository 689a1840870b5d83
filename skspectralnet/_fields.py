"""Kinds of entries of a stored state: plain data, and the checks when it is read.

A kind has `pack`, which makes plain data of a value, and `read`, which makes the value
of these; it raises a ValueError that names the entry where they are not what they must
be. `sizes` are those of the arrays read so far, by their names.
"""

from dataclasses import dataclass, fields
from numbers import Integral, Real

import numpy as np

_LARGEST = 2**63 - 1
_KINDS = {"f": "floating-point numbers", "i": "integers", "n": "numbers"}


def refuse(where, what):
    """Raise the ValueError of an entry."""
    raise ValueError(f"{where} of the stored state {what}.")


def told(value):
    """A value in few words."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    kind = type(value).__name__
    whole = isinstance(value, int)  # repr and numpy refuse one of very many digits
    if type(value) in (str, float, int, bool) and not (whole and abs(value) >= 10**40):
        text = repr(value)
        return f"{text if len(text) <= 40 else f'{text[:37]}...'} ({kind})"
    # The repr of an object that is not whole, or of a list of such, may raise.
    return "None" if value is None else f"of type {kind}"


def expect(value, where, what):
    """Raise the ValueError of an entry that is not what it must be."""
    refuse(where, f"is {told(value)}; expected {what}")


class Sizes(dict):
    """The sizes of arrays by name, with the entry that said each one first."""

    def __init__(self):
        super().__init__()
        self.said_by = {}

    def agreed(self, name, size, where):
        """The size of a name: this one where none was said before."""
        self.said_by.setdefault(name, where)
        return self.setdefault(name, size)

    def told(self, name):
        """A size and where it is from, for an error message."""
        return f"{name} is {self[name]}, as in {self.said_by[name]}"


# --- single entries


class _Plain:
    """An entry that is plain data as it is."""

    def pack(self, value):
        return value


@dataclass(frozen=True)
class Array(_Plain):
    """An array of numbers.

    Parameters
    ----------
    shape : tuple
        Of each dimension a number, None for any, or the name of a size of at least 1,
        which is the same wherever it occurs.
    kind : {"f", "i", "n"}, default="f"
        Float32 or float64, kept as they are, or integers, read as int64; numbers are
        either.
    low, high : float
        Bounds of the entries.
    finite : bool, default=True
        Whether NaN and infinite entries are refused.
    """

    shape: tuple
    kind: str = "f"
    low: float = -np.inf
    high: float = np.inf
    finite: bool = True

    def read(self, value, where, sizes):
        named = ", ".join("any" if n is None else str(n) for n in self.shape)
        wanted = f"an array of {_KINDS[self.kind]} of shape ({named})"
        if type(value) not in (np.ndarray, np.memmap) or not self._is_kind(value):
            expect(value, where, wanted)
        if len(value.shape) != len(self.shape):
            expect(value, where, wanted)
        for name, size in zip(self.shape, value.shape, strict=True):
            if isinstance(name, int) and name != size:
                expect(value, where, wanted)
            elif isinstance(name, str) and size < 1:
                expect(value, where, f"{wanted}, where {name} is at least 1")
            elif isinstance(name, str) and sizes.agreed(name, size, where) != size:
                expect(value, where, f"{wanted}, where {sizes.told(name)}")
        self._check_entries(value, where)
        if value.dtype.kind == "i":
            return value.astype(np.int64, copy=False)
        return value.astype(value.dtype.newbyteorder("="), copy=False)

    def _is_kind(self, value):
        kinds = "fi" if self.kind == "n" else self.kind
        is_float = value.dtype.kind == "f"
        return value.dtype.kind in kinds and (
            not is_float or value.dtype.itemsize in (4, 8)
        )

    def _check_entries(self, value, where):
        if value.dtype.kind == "f" and self.finite and not np.isfinite(value).all():
            refuse(where, "has entries that are NaN or infinite")
        if value.size and self.low > -np.inf and not np.min(value) >= self.low:
            refuse(where, f"has entries below {self.low}")
        if value.size and self.high < np.inf and not np.max(value) <= self.high:
            refuse(where, f"has entries above {self.high}")


@dataclass(frozen=True)
class Number(_Plain):
    """A float; of at least `low`, or above it where that is `strict`."""

    low: float = -np.inf
    high: float = np.inf
    strict: bool = False
    finite: bool = True

    def read(self, value, where, sizes):
        number = _as_float(value)
        ends = f"{'(' if self.strict else '['}{self.low}, {self.high}]"
        if number is None or (self.finite and not np.isfinite(number)):
            expect(value, where, f"a number in {ends}")
        inside = self.low <= number <= self.high
        if self.finite and not (inside and (number > self.low or not self.strict)):
            expect(value, where, f"a number in {ends}")
        return number


def _as_float(value):
    """None where it is no number, or one beyond all floats."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except (OverflowError, ValueError):
        return None


@dataclass(frozen=True)
class Whole(_Plain):
    """An int of at least `low`, which may be one of the sizes of arrays."""

    low: int = 0
    size: str | None = None

    def read(self, value, where, sizes):
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not whole or not self.low <= value <= _LARGEST:
            expect(value, where, f"an integer of at least {self.low}")
        if self.size and sizes.agreed(self.size, int(value), where) != value:
            expect(value, where, f"an integer, where {sizes.told(self.size)}")
        return int(value)


class Flag(_Plain):
    """True or False."""

    def read(self, value, where, sizes):
        if not isinstance(value, bool | np.bool_):
            expect(value, where, "True or False")
        return bool(value)


@dataclass(frozen=True)
class Text(_Plain):
    """A str; one of the `choices` where there are some."""

    choices: tuple = ()

    def read(self, value, where, sizes):
        if not isinstance(value, str) or (self.choices and value not in self.choices):
            wanted = ", ".join(map(repr, self.choices)) or "a string"
            expect(value, where, wanted)
        return str(value)


class TextOrCallable(Text):
    """A str, or a function that a user has passed."""

    def read(self, value, where, sizes):
        return value if callable(value) else super().read(value, where, sizes)


class Texts(_Plain):
    """A tuple of str."""

    def read(self, value, where, sizes):
        if not isinstance(value, tuple) or not all(isinstance(v, str) for v in value):
            expect(value, where, "a tuple of strings")
        return value


@dataclass(frozen=True)
class Names(_Plain):
    """The names of columns: an array of str objects."""

    size: str

    def read(self, value, where, sizes):
        wanted = f"an array of strings of shape ({self.size},)"
        if type(value) is not np.ndarray or value.dtype != object or value.ndim != 1:
            expect(value, where, wanted)
        if not all(isinstance(name, str) for name in value):
            expect(value, where, wanted)
        if len(value) != sizes.agreed(self.size, len(value), where):
            expect(value, where, f"{wanted}, where {sizes.told(self.size)}")
        return value


@dataclass(frozen=True)
class Maybe:
    """None, or the entry."""

    kind: object

    def pack(self, value):
        return None if value is None else self.kind.pack(value)

    def read(self, value, where, sizes):
        return None if value is None else self.kind.read(value, where, sizes)


class Curve:
    """A list of floats, stored as an array: in a file a list has a page for each."""

    def pack(self, value):
        if isinstance(value, list) and all(type(v) is float for v in value):
            return np.array(value, dtype=np.float64)
        return value

    def read(self, value, where, sizes):
        return Array((None,)).read(value, where, sizes).tolist()


class Output(_Plain):
    """What `set_output` has set."""

    def read(self, value, where, sizes):
        choices = (None, "default", "pandas", "polars")
        kept = isinstance(value, dict) and set(value) == {"transform"}
        if not kept or value["transform"] not in choices:
            expect(value, where, f"{{'transform': one of {choices}}}")
        return value


# --- entries with entries of their own


def entries_of(value, names, where, optional=()):
    """The value, which must be a dict with these names, but for optional ones."""
    if not isinstance(value, dict):
        expect(value, where, f"a dict with {', '.join(names)}")
    unknown = [name for name in value if name not in names]
    if unknown:
        refuse(where, f"has an unknown entry {told(unknown[0])}")
    lacking = [n for n in names if n not in value and n not in optional]
    if lacking:
        refuse(where, f"lacks {lacking[0]!r}")
    return value


@dataclass(frozen=True)
class Record:
    """A dataclass or NamedTuple with a kind for each of its fields, in their order.

    Parameters
    ----------
    cls : type
    of : tuple
        The kinds.
    check : callable, default=None
        Of the object and its name: calls `refuse` where fields do not fit together.
    """

    cls: type
    of: tuple
    check: object = None

    def kinds(self):
        tuples = getattr(self.cls, "_fields", None)
        names = tuples or [field.name for field in fields(self.cls)]
        return dict(zip(names, self.of, strict=True))

    def pack(self, value):
        if not isinstance(value, self.cls):
            return value
        return {
            name: kind.pack(getattr(value, name))
            for name, kind in self.kinds().items()
            if hasattr(value, name)
        }

    def read(self, value, where, sizes):
        kinds = self.kinds()
        value = entries_of(value, kinds, where)
        made = self.cls(
            **{n: k.read(value[n], f"{where}.{n}", sizes) for n, k in kinds.items()}
        )
        if self.check is not None:
            self.check(made, where)
        return made


@dataclass(frozen=True)
class OneOf:
    """One of several records, by a word for each: {word: Record}."""

    records: dict

    def pack(self, value):
        for word, record in self.records.items():
            if isinstance(value, record.cls):
                return {"kind": word, **record.pack(value)}
        return value

    def read(self, value, where, sizes):
        word = value.get("kind") if isinstance(value, dict) else None
        if not isinstance(word, str) or word not in self.records:
            expect(word, f"{where}.kind", f"one of {', '.join(self.records)}")
        rest = {name: entry for name, entry in value.items() if name != "kind"}
        return self.records[word].read(rest, where, sizes)
