"""Public calls: neither a fork nor the error state of numpy breaks them."""

import contextlib
import functools
import os
import threading

import numpy as np
import torch
from threadpoolctl import ThreadpoolController  # which scikit-learn requires

from skspectralnet._tensors import without_tensors

_IMPORTED_IN = os.getpid()


def is_forked():
    """Whether this process is a fork of the one that has imported the package."""
    return os.getpid() != _IMPORTED_IN


@functools.cache
def _openmp():
    """The OpenMP libraries of the process: to look for them takes milliseconds."""
    return ThreadpoolController().select(user_api="openmp")


@functools.cache
def _lock_of(pid):
    return threading.Lock()


def guarded(method):
    """Decorate a public method or function: what surrounds the call cannot break it.

    What is too small for a float is 0 in it, as it is in torch, whatever numpy is to
    raise.

    Tensors of torch that it is given become arrays.

    And it does not wait for threads that a fork left behind. GNU's OpenMP, with which
    torch and scikit-learn run loops and matrix products, keeps a pool of threads for
    each thread that has started such a loop. A fork copies what the thread that forks
    knows of its pool, but none of the pool: the next loop there would wait for ever. So
    in a forked process that thread does all itself while the call lasts; others have
    pools of their own. Anywhere else nothing changes.
    """

    @functools.wraps(method)
    def called(*args, **kwargs):
        with np.errstate(under="ignore"), _one_thread_where_forked():
            args = map(without_tensors, args)
            kwargs = {name: without_tensors(value) for name, value in kwargs.items()}
            return method(*args, **kwargs)

    return called


@contextlib.contextmanager
def _one_thread_where_forked():
    if not is_forked():
        yield
        return
    # This sets up the threads of torch, and two threads that do so at once may wait for
    # ever. The lock is of this process: one from before the fork may have been held.
    with _lock_of(os.getpid()):
        n_threads = torch.get_num_threads()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # For torch by its own function, too: after a call of it, its matrix products do not
    # follow OpenMP.
    torch.set_num_threads(1)
    try:
        with _openmp().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(n_threads)
