"""A training by all workers: begun, watched and, where one is lost, begun again."""

import contextlib
import time
from concurrent.futures import CancelledError
from functools import partial
from itertools import cycle
from uuid import uuid4

from distributed import Event, KilledWorker, Variable
from distributed.comm import CommClosedError

from skspectralnet.dask._cluster import given_up_on_error
from skspectralnet.dask._rank import AbandonedError, Meeting, Place, on_rank

# Where one of these ends a rank, a worker or a connection may be lost; others are
# errors of the training, which would come again. Those of gloo are RuntimeErrors.
_LOST = (RuntimeError, KilledWorker, CommClosedError, CancelledError)
# Seconds between looks at the ranks, and at which workers there are; in which ranks
# that are left say why they end; and in which a lost worker may be replaced.
_LOOK_EVERY, _COUNT_EVERY, _LAST_WORDS, _REPLACED_WITHIN = 0.05, 1.0, 20.0, 30.0
# Before other tasks that wait for a worker: the other ranks wait for each.
_PRIORITY = 100


class RanksLostError(RuntimeError):
    """Workers were lost while all of them trained, more often than `max_restarts`."""


def trained_by_ranks(client, shards, recipe, max_restarts):
    """The SpectralFit of a training by ranks, each of which has a Shard.

    A training is that of all ranks or of none. Where one is lost, all begin again at
    the end of the last epoch that was made, with the same shards and draws: the result
    is that of a training in which none was lost, bit for bit.

    Parameters
    ----------
    client : Client
    shards : list of Future
    recipe : Recipe
    max_restarts : int

    Returns
    -------
    SpectralFit

    Raises
    ------
    RanksLostError
        If as many attempts and one more were broken off.
    """
    kept = Variable(f"skspectralnet-{uuid4().hex}", client=client)
    kept.set(b"")
    last = None
    try:
        for _ in range(max_restarts + 1):
            try:
                _wait_for_workers(client, len(shards))
                return _attempt(client, shards, recipe, kept)
            except _LOST as error:
                if client.status != "running":
                    raise
                # Without the calls, which have the futures: workers may keep the error.
                last = error.with_traceback(None)
        raise RanksLostError(
            f"Training by {len(shards)} ranks was broken off {max_restarts + 1} times, "
            f"the last time by {type(last).__name__}: {last}\n"
            "Look into the logs of the workers for what ends them: where it is memory, "
            "more workers or a number as subsample help. max_restarts is how often a "
            "training is begun again."
        ) from last
    finally:
        last = None  # its traceback will have this call
        kept.delete()


def _attempt(client, shards, recipe, kept):
    """The SpectralFit of a training that goes on where another one was broken off."""
    goes_on = Event(client=client)
    goes_on.set()
    workers, state = _workers_of(client, shards), kept.get()
    submit = partial(
        client.submit, pure=False, allow_other_workers=False, priority=_PRIORITY
    )
    meeting = submit(Meeting, workers=workers[:1])
    ranks = []
    for rank, (shard, worker) in enumerate(zip(shards, workers, strict=True)):
        place = Place(rank, len(shards), goes_on.name, kept.name, state)
        ranks.append(
            submit(on_rank, shard, meeting, recipe, place, workers=[worker], retries=0)
        )
    with given_up_on_error(client, meeting, *ranks), _ended(client, goes_on):
        _watch(client, ranks, set(workers), goes_on)
        try:
            return ranks[0].result(timeout=_LAST_WORDS)
        except TimeoutError as error:
            raise AbandonedError("What was learned was lost with a worker.") from error


@contextlib.contextmanager
def _ended(client, goes_on):
    """The ranks see after the block that they were given up."""
    try:
        yield
    finally:
        if client.status == "running":
            goes_on.clear()


def _watch(client, ranks, workers, goes_on):
    """Wait for the end of all ranks; raise what ended one of them."""
    counted = time.monotonic()
    while not all(future.status == "finished" for future in ranks):
        if not all(future.status in ("pending", "finished") for future in ranks):
            goes_on.clear()  # ranks that wait for others end
            raise _reason(client, ranks, workers)
        if time.monotonic() - counted > _COUNT_EVERY:
            if gone := _gone(client, workers):
                raise gone
            counted = time.monotonic()
        time.sleep(_LOOK_EVERY)


def _gone(client, workers):
    """The error of workers that are no more; None: all are there."""
    gone = sorted(workers - set(client.nthreads()))
    return AbandonedError(f"{', '.join(gone)} was lost.") if gone else None


def _reason(client, ranks, workers):
    """The error of a rank: one of the training itself, if there is one."""
    ends = time.monotonic() + _LAST_WORDS
    while True:
        errors = [future.exception() for future in ranks if future.status == "error"]
        own = [error for error in errors if not isinstance(error, _LOST)]
        if own:
            return own[0]
        if gone := _gone(client, workers):
            return gone
        waiting = any(future.status == "pending" for future in ranks)
        if not waiting or time.monotonic() > ends:
            return errors[0] if errors else AbandonedError("A rank was lost.")
        time.sleep(_LOOK_EVERY)


def _wait_for_workers(client, n_workers):
    """Wait a while for so many workers: those lost may be replaced."""
    ends = time.monotonic() + _REPLACED_WITHIN
    while (n_left := len(client.nthreads())) < n_workers:
        if time.monotonic() > ends:
            break
        time.sleep(_LOOK_EVERY)
    if not n_left:
        raise AbandonedError("No worker was left.")


def _workers_of(client, shards):
    """The worker of each rank: one that has its shard, and a different one for each.

    Where there are fewer workers than ranks, some get several.
    """
    found, free = {}, sorted(client.nthreads())
    if not free:
        raise AbandonedError("No worker was left.")
    every, has = cycle(list(free)), client.who_has(shards)
    for rank, shard in enumerate(shards):
        near = [worker for worker in has.get(shard.key, ()) if worker in free]
        if near:
            found[rank] = near[0]
            free.remove(near[0])
    for rank in range(len(shards)):
        if rank not in found:
            found[rank] = free.pop() if free else next(every)
    return [found[rank] for rank in range(len(shards))]
