"""The only border between numpy and torch: devices, generators, blocks of rows."""

import copy
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse

_NUMPY_FLOATS = {torch.float16, torch.float32, torch.float64}


def resolve_device(device):
    """Turn a user's device into a ``torch.device`` that exists here.

    Parameters
    ----------
    device : str
        ``"auto"`` (a CUDA device where torch can use one, else the CPU) or any name
        that torch knows, such as ``"cpu"`` or ``"cuda:1"``.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If the name is unknown to torch or the device cannot hold a tensor.
    """
    if device == "auto":
        # A process forked from one that has used CUDA cannot; torch has no public name
        # for that.
        found = torch.cuda.is_available() and not torch.cuda._is_in_bad_fork()
        return torch.device("cuda" if found else "cpu")
    try:
        resolved = torch.device(device)
        torch.zeros(1, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        raise ValueError(
            f"device={device!r} cannot be used on this machine, or not in a forked "
            f"process; expected 'auto', 'cpu' or the name of an available accelerator "
            f"such as 'cuda:0'."
        ) from error
    if resolved.type == "meta":
        raise ValueError("device='meta' holds no numbers; expected 'auto' or 'cpu'.")
    return resolved


def torch_generator(random_state):
    """Draw one seed from a numpy ``RandomState`` for a private torch generator.

    The generator lives on the CPU, so that a seed means the same random numbers
    on every device; torch's global generator is never touched.
    """
    generator = torch.Generator(device="cpu")
    generator.manual_seed(int(random_state.randint(np.iinfo(np.int32).max)))
    return generator


def to_tensor(array, *, device, dtype):
    """Copy an array into a tensor.

    Always a copy: read-only and memory-mapped arrays may not be shared with torch, and
    torch has no negative strides.
    """
    return torch.tensor(np.ascontiguousarray(array), dtype=dtype, device=device)


def read_batch(rows, which, *, device, dtype=torch.float32):
    """Read some standardised rows into a tensor.

    Parameters
    ----------
    rows : Rows
    which : ndarray of int of shape (b,)
    device : torch.device
    dtype : torch.dtype, default=torch.float32
        float32 or float64.

    Returns
    -------
    tensor of shape (b, n_features)
    """
    wanted = np.float64 if dtype == torch.float64 else np.float32
    return torch.from_numpy(rows.batch(which, wanted)).to(device)


def without_tensors(value):
    """A tensor of a user as an array or CSR array; anything else as it is.

    Parameters
    ----------
    value : object

    Returns
    -------
    object
        A dense tensor on the CPU shares its memory. What numpy has no type for
        (bfloat16) becomes float32.

    Raises
    ------
    ValueError
        If the tensor has no values (device "meta").
    """
    if not isinstance(value, torch.Tensor):
        return value
    if value.is_meta:
        raise ValueError(
            "A tensor on device 'meta' has no values: expected one on a device with "
            "memory, such as the CPU."
        )
    value = value.detach().cpu().resolve_conj().resolve_neg()
    if value.is_quantized:
        value = value.dequantize()
    if value.dtype.is_floating_point and value.dtype not in _NUMPY_FLOATS:
        value = value.to(torch.float32)
    if value.layout == torch.strided:
        return value.numpy()
    value = value.to_sparse_coo().coalesce()
    places = tuple(value.indices().numpy())
    return sparse.coo_array((value.values().numpy(), places), value.shape).tocsr()


def to_numpy(tensor):
    """Return a tensor's values as an array of its own on the CPU."""
    return tensor.detach().cpu().numpy().copy()


def fast_bfloat16(device):
    """Whether matrix products in bfloat16 are faster here than in float32.

    On a CPU they are where it has instructions for them (AVX512-BF16 or AMX) and torch
    the library that uses them; elsewhere they are hundreds of times slower. Where
    torch cannot tell, the answer is no.

    Parameters
    ----------
    device : torch.device

    Returns
    -------
    bool
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    # Older versions of torch have private names for it only.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def takes_bfloat16(precision, device):
    """Whether a `precision` means bfloat16 on a device; ``"auto"`` where it is fast."""
    return precision == "bfloat16" or (precision == "auto" and fast_bfloat16(device))


class GaussianNoise:
    """Adds Gaussian noise to batches: a part of a pool of it, from a random place.

    To draw so many normal numbers costs as much as a layer of a network. The pool is
    drawn on the CPU, so that it is the same on every device, and drawn again after
    some batches.

    Parameters
    ----------
    deviation : float
        0 adds nothing.
    generator : torch.Generator
    """

    # Numbers in the pool: of _BATCHES batches, but at least _LEAST, and at most _MOST
    # beyond one batch.
    _BATCHES, _LEAST, _MOST = 4, 2**14, 2**20
    _USES = 64  # of a pool
    _STEP = 16  # between places: a line of a cache

    def __init__(self, deviation, generator):
        self._deviation = deviation
        self._generator = generator
        self._pool, self._n_left = None, 0

    def add_to(self, inputs):
        """A tensor of float32 plus noise, on its device."""
        if not self._deviation:
            return inputs
        size = inputs.numel()
        if self._n_left == 0 or len(self._pool) < size:
            self._pool = None  # before the next one is there
            self._pool = torch.randn(
                max(min(self._BATCHES * size, size + self._MOST), self._LEAST),
                generator=self._generator,
                dtype=torch.float32,
                device="cpu",
            ).mul_(self._deviation)
            self._n_left = self._USES
        self._n_left -= 1
        places = (len(self._pool) - size) // self._STEP + 1
        start = self._STEP * int(
            torch.randint(places, (1,), generator=self._generator, device="cpu")
        )
        noise = self._pool[start : start + size].view(inputs.shape)
        return inputs + noise.to(inputs.device)


def in_bfloat16(module, inputs):
    """Apply a module with its matrix products in bfloat16, gradients kept.

    Parameters
    ----------
    module : torch.nn.Module
        With weights in float32.
    inputs : tensor of float32

    Returns
    -------
    tensor of float32
    """
    # Without the cache of cast weights: inside another autocast it would outlive a
    # step, and the weights in it with it.
    with torch.autocast(inputs.device.type, dtype=torch.bfloat16, cache_enabled=False):
        outputs = module(inputs)
    return outputs.to(inputs.dtype)


# Rows of a block that go through the layers at once, and the entries that they have at
# most: what is between the layers stays in the caches (benchmarks/roofline.py).
_CACHED_ROWS, _CACHED_ENTRIES = 1024, 2**20


class Blocks(NamedTuple):
    """Rows to read a block at a time: the workspace does not grow with them."""

    read: object  # callable: a slice -> the rows of that slice as an array
    n_rows: int
    size: int = 8192


def forward_in_blocks(
    module, blocks, *, device, method="forward", weights=None, dtype=np.float64
):
    """Apply a module to rows, a block at a time.

    Parameters
    ----------
    module : torch.nn.Module
        On the CPU; maps a float64 tensor of shape (b, n_features) to one of shape
        (b, n_outputs), each row on its own.
    blocks : Blocks
    device : torch.device
    method : str, default="forward"
        What of the module to apply.
    weights : ndarray of shape (n_outputs,), default=None
        The outputs are multiplied by them, in float64.
    dtype : dtype, default=float64
        Of what is returned.

    Returns
    -------
    ndarray of shape (n_rows, n_outputs)
    """
    device = torch.device(device)
    if device.type != "cpu":  # a copy: the stored module stays on the CPU
        module = copy.deepcopy(module).to(device)
    apply, outputs, n_rows = getattr(module, method), None, blocks.n_rows
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        for start in range(0, n_rows, blocks.size):
            block = blocks.read(slice(start, min(start + blocks.size, n_rows)))
            size = min(_CACHED_ROWS, max(_CACHED_ENTRIES // block.shape[1], 1))
            for first in range(0, len(block), size):
                part = block[first : first + size]
                tensor = to_tensor(part, device=device, dtype=torch.float64)
                found = to_numpy(apply(tensor))
                if weights is not None:
                    found *= weights
                if outputs is None:
                    outputs = np.empty((n_rows, found.shape[1]), dtype=dtype)
                outputs[start + first : start + first + len(part)] = found
    return outputs
