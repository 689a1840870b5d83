"""What a worker does as a rank: it meets the others, trains and keeps where it is."""

import time
import traceback
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlparse

import numpy as np
from distributed import Event, Variable, get_worker, secede
from distributed.protocol import deserialize_bytes, serialize_bytes
from torch import distributed

from skspectralnet import _batch_graph, _whole_graph
from skspectralnet._calls import guarded
from skspectralnet._constraints import groups_of, known_pairs, of_distinct
from skspectralnet._distinct import distinct_rows
from skspectralnet._neighbor_graph import GraphPart, PartReader
from skspectralnet._rows import Rows
from skspectralnet._stages import only_distinct
from skspectralnet._tasks import FitTask
from skspectralnet._tensors import resolve_device
from skspectralnet._training import gradients
from skspectralnet._validation import NoContext

# Seconds that a rank waits for the others to begin, whose workers may have other tasks
# to do first, and for what they send in a step: one that is killed is noticed at once,
# by its connections, and only one that no longer answers after this time.
MEETING_SECONDS, ANSWER_SECONDS = 600, 300
_LOOK_EVERY = 0.05


class AbandonedError(RuntimeError):
    """The training of all ranks goes on elsewhere, or not at all."""


class Place(NamedTuple):
    """A rank of an attempt to train."""

    rank: int
    n_ranks: int
    goes_on: str  # the name of an Event, which is set until the attempt is given up
    kept: str  # the name of a Variable, which has the last state of all attempts
    state: bytes  # where an earlier attempt was; empty: nowhere


class Meeting:
    """Where ranks find each other: a store of torch.distributed on this worker.

    Elsewhere, after a pickle, it is the address alone.
    """

    def __init__(self):
        if not (distributed.is_available() and distributed.is_gloo_available()):
            raise ImportError(
                "torch was built without torch.distributed or without gloo, by which "
                "workers train together: give subsample a number."
            )
        self.host = _own_host()
        self._served = distributed.TCPStore(
            self.host, 0, is_master=True, wait_for_workers=False, timeout=_answer()
        )
        self.port = self._served.port

    def __getstate__(self):
        return {"host": self.host, "port": self.port}

    def group(self, place, over):
        """The ProcessGroup of all ranks of an attempt, when all of them are here.

        It is known to nobody but who holds it: several may be in a process, and it
        ends with the last name for it.

        Parameters
        ----------
        place : Place
        over : callable
            Whether the attempt was given up.
        """
        address = self.host, self.port
        store = distributed.TCPStore(*address, is_master=False, timeout=_answer())
        if store.add(f"rank {place.rank}", 1) > 1:
            raise AbandonedError(f"Rank {place.rank} was begun a second time.")
        store.add("begun", 1)
        ends = time.monotonic() + MEETING_SECONDS
        while store.add("begun", 0) < place.n_ranks:
            if over():
                raise AbandonedError("Another rank was lost before all had begun.")
            if time.monotonic() > ends:
                raise TimeoutError(
                    f"Not all {place.n_ranks} workers began to train within "
                    f"{MEETING_SECONDS} seconds: other tasks keep them busy, or they "
                    "no longer answer. Fit when they do, or give subsample a number."
                )
            time.sleep(_LOOK_EVERY)
        options = distributed.ProcessGroupGloo._Options()
        # By the interface that dask uses: others can be out of reach for the workers.
        device = distributed.ProcessGroupGloo.create_device(hostname=_own_host())
        options._devices, options._timeout = [device], _answer()
        return distributed.ProcessGroupGloo(store, place.rank, place.n_ranks, options)


def _answer():
    return timedelta(seconds=ANSWER_SECONDS)


def _own_host():
    """The host of this worker, as others reach it."""
    address = urlparse(get_worker().address)
    # Of workers that are threads of one process it is a name, not an address.
    return "127.0.0.1" if address.scheme == "inproc" else address.hostname


class Checkpoints:
    """The state after each epoch, which the scheduler holds: see `Epochs`.

    Parameters
    ----------
    place : Place
    seed : int
        Of the draws of this rank.
    over : callable
        Whether the attempt was given up.
    """

    def __init__(self, place, seed, over):
        self.state, self._n_begun = None, 0
        if place.state:
            self.state = deserialize_bytes(place.state)
            self._n_begun = len(self.state["curves"]) + self.state["n_failures"]
        self._held = Variable(place.kept) if place.rank == 0 else None
        self._seed, self._over = seed, over

    def next_seed(self):
        """The seed of the next epoch's draws."""
        self._n_begun += 1
        return self._seed + self._n_begun

    def keep(self, state):
        """Keep what a function makes, that of the first rank for all: they are equal.

        Raises
        ------
        AbandonedError
            If the attempt was given up.
        """
        if self._over():
            raise AbandonedError("The training was given up.")
        if self._held is not None:
            self._held.set(serialize_bytes(state()))


def on_rank(shard, meeting, recipe, place):
    """Train on the rows of one rank, together with the others.

    Parameters
    ----------
    shard : Shard or GraphPart
    meeting : Meeting
    recipe : Recipe
    place : Place

    Returns
    -------
    SpectralFit
        Of the first rank; of others None, since all have the same.
    """
    # Ranks wait for each other. What they wait for may need this thread of the worker:
    # a rank of theirs, or one of another fit for which its others wait.
    secede()
    goes_on = Event(place.goes_on)

    def over():
        return not goes_on.is_set()

    try:
        fit = _trained(shard, recipe, place, meeting.group(place, over), over)
    except Exception as error:
        # Others wait for this rank until its connections are closed: until nothing has
        # the group, and the error is kept.
        _let_go(error)
        raise
    return fit if place.rank == 0 else None


def _let_go(error):
    """Give up what the calls hold that an error has ended; it tells their lines."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


@guarded
def _trained(shard, recipe, place, group, over):
    """The SpectralFit of the rows, or the graph, of all ranks, on one of them."""
    rng = np.random.RandomState([recipe.seed, place.rank])
    kept = Checkpoints(place, int(rng.randint(2**31)) << 20, over)
    params = recipe.params
    task, first = FitTask(NoContext(), params, None, None), place.rank == 0
    trainer = params._trainer(task if first else task.holding())._replace(kept=kept)
    if not first:
        trainer = trainer._replace(verbose=0)
    device = resolve_device(params.device)
    with gradients(device):
        of_all = recipe.task._replace(group=group, device=device)
        if isinstance(shard, GraphPart):
            reader = PartReader(Rows(shard.inputs, *recipe.inputs), shard, of_all)
            return _whole_graph.fit_part(reader, recipe.mlp, trainer, rng)
        inputs, points, known = _told(shard, recipe)
        return _batch_graph.fit(inputs, points, of_all, known, trainer, rng)


def _told(shard, recipe):
    """What the stage is told of a Shard: inputs and points, each row once; labels."""
    known = known_pairs(shard.points.shape[0], partial_labels=shard.labels)
    points = inputs = Rows(shard.points, *recipe.points)
    if shard.inputs is not None:
        inputs = Rows(shard.inputs, *recipe.inputs)
    distinct = distinct_rows(inputs.X, groups_of(known))
    if 1 < len(distinct.first) < len(inputs):
        inputs, points = only_distinct(distinct, inputs, points)
        known = of_distinct(known, *distinct)
    return inputs, points, known
