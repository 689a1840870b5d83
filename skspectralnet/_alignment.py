"""From aligned eigenpairs to the columns of an embedding: size and sign."""

from typing import NamedTuple

import numpy as np

from skspectralnet._defaults import AUTO_DECAY


class Diffusion(NamedTuple):
    """A diffusion and the factor of each component after it."""

    time: float
    weights: np.ndarray  # (n_components,)


def diffusion(decays, time, n_leading):
    r"""The factor :math:`(1 - \lambda_i)^t` of each component.

    Parameters
    ----------
    decays : ndarray of shape (n_components,)
        :math:`\lambda_i`, ascending, of the random-walk or symmetric Laplacian.
    time : float or "auto"
        t. ``"auto"``: the last leading component keeps :math:`e^{-1/2}`.
    n_leading : int
        The last of these decides ``"auto"``.

    Returns
    -------
    Diffusion
    """
    remains = np.clip(1.0 - decays, 0.0, 1.0)
    if time == "auto":
        # Of three rows two eigenvalues are above 1: they are kept, too.
        remains = np.clip(remains, 1e-12, None)
        slowest = remains[min(n_leading, len(remains)) - 1]
        time = AUTO_DECAY / -np.log(min(slowest, 1.0 - 1e-12))
    return Diffusion(float(time), remains ** float(time))


def largest_positive(Z):
    """Signs that make the largest entry of each column positive, without a copy of Z.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_components)

    Returns
    -------
    ndarray of shape (n_components,)
        1.0 or -1.0.
    """
    columns = np.arange(Z.shape[1])
    high, low = Z.argmax(axis=0), Z.argmin(axis=0)
    most, least = Z[high, columns], -Z[low, columns]
    negative = (least > most) | ((least == most) & (low < high))
    return np.where(negative, -1.0, 1.0)
