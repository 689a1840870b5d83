"""A client of dask, the parts of a collection as tasks, and what tasks give."""

from contextlib import contextmanager

import numpy as np
from dask import delayed
from distributed import default_client

from skspectralnet._partitions import check_collection, is_dask, is_frame

# Results that one task joins: of those that may be large two, and few of small ones.
LARGE, SMALL = 2, 8


def usable_client(client):
    """The client given, or the one made last, where it can run something.

    Raises
    ------
    ValueError
        If there is none, it is closed or asynchronous, or has no workers.
    """
    if client is None:
        try:
            client = default_client()
        except ValueError as error:
            raise ValueError(
                "There is no client of dask: make one, Client() of distributed, or "
                "pass one as client=..."
            ) from error
    if client.asynchronous:
        raise ValueError("client is asynchronous: one that waits was expected.")
    if client.status != "running":
        raise ValueError(
            f"client is {client.status}: expected one that is connected to its "
            "scheduler. Make a new one and set_params(client=...)."
        )
    if not client.nthreads():
        raise ValueError(
            "client has no workers, so nothing would ever be computed. "
            "client.wait_for_workers(1) waits for the first."
        )
    return client


def check_rows(X):
    """Whether X is a collection whose blocks hold whole rows of numbers."""
    if not is_dask(X):
        raise TypeError(
            f"X is a {type(X).__name__}: an array or a data frame of dask was expected."
            " dask.array.from_array makes one; for rows in memory there is the "
            "estimator without Dask in its name."
        )
    check_collection(X)


def lengths_of(X):
    """The rows of each part, or None where they are not known."""
    if is_frame(X) or np.isnan(X.shape[0]):
        return None
    return X.chunks[0]


def parts_of(X):
    """Each part of the rows as a task."""
    parts = X.to_delayed()
    return list(parts) if is_frame(X) else list(parts.ravel())


def joined(parts, n_at_once, join, *args):
    """One task of many, joined a few at a time: no task holds the results of all."""
    while len(parts) > 1:
        starts = range(0, len(parts), n_at_once)
        groups = [parts[i : i + n_at_once] for i in starts]
        parts = [delayed(join)(group, *args) for group in groups]
    return parts[0]


@contextmanager
def given_up_on_error(client, *futures):
    """Nothing of futures is left running where the block fails or is interrupted."""
    try:
        yield
    except BaseException:
        if client.status == "running":
            client.cancel(list(futures), force=True)
        raise


def result_of(client, task):
    """What a task gives, or its error."""
    future = client.compute(task)
    with given_up_on_error(client, future):
        return future.result()


def run(client, function, *args):
    """What a function gives on one worker; futures among its arguments are there."""
    future = client.submit(function, *args, pure=False)
    with given_up_on_error(client, future):
        return future.result()


def memory_of(client):
    """Bytes that all workers may use together; 0 for one without a limit."""
    limits = client.run(_memory_limit, on_error="ignore")
    return sum(limit or 0 for limit in limits.values())


def _memory_limit(dask_worker):
    return dask_worker.memory_manager.memory_limit
