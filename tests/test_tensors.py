"""The border between numpy and torch."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skspectralnet._tensors import (
    Blocks,
    GaussianNoise,
    forward_in_blocks,
    resolve_device,
    to_numpy,
    to_tensor,
    torch_generator,
)

CPU = torch.device("cpu")
# What torch.device accepts as a name without any such device on a usual machine.
ABSENT = ["ipu", "hip", "ve", "fpga", "maia", "xla", "lazy", "vulkan", "hpu", "mtia"]


def test_auto_is_the_cpu_without_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")


def test_auto_is_cuda_where_torch_sees_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto").type == "cuda"


def test_cpu():
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    "name",
    ["", "gpu", "CPU", "cpu:-1", "cpu:x", "cuda:99", "privateuseone", "meta", *ABSENT],
)
def test_devices_that_cannot_be_used_are_named(name):
    with pytest.raises(ValueError, match=r"^device=.*expected 'auto'") as error:
        resolve_device(name)
    assert repr(name) in str(error.value)


def test_generator_repeats_and_draws_one_number():
    one, two = np.random.RandomState(3), np.random.RandomState(3)
    a, b = torch_generator(one), torch_generator(two)
    assert a.device.type == "cpu"
    assert torch.rand(5, generator=a).tolist() == torch.rand(5, generator=b).tolist()
    two = np.random.RandomState(3)
    two.randint(2**31 - 1)
    assert one.randint(1000) == two.randint(1000)


def test_generator_leaves_the_global_one_alone():
    before = torch.get_rng_state()
    torch.rand(3, generator=torch_generator(np.random.RandomState(0)))
    assert_array_equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_to_tensor_copies(dtype):
    X = np.ones((2, 3), dtype=np.float64)
    tensor = to_tensor(X, device=torch.device("cpu"), dtype=dtype)
    assert tensor.dtype == dtype
    X[:] = 7
    assert (tensor == 1).all()


def test_to_tensor_of_memory_that_may_not_be_written(tmp_path):
    X = np.memmap(tmp_path / "x", dtype=np.float64, mode="w+", shape=(2, 3))
    X[:] = 5.0
    X.flush()
    mapped = np.memmap(tmp_path / "x", dtype=np.float64, mode="r", shape=(2, 3))
    frozen = np.ones((2, 3))
    frozen.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for array in (mapped, frozen, np.asfortranarray(frozen), frozen[::-1]):
            tensor = to_tensor(array, device="cpu", dtype=torch.float64)
            tensor += 1
            assert_array_equal(tensor.numpy(), array + 1)


def test_to_numpy_owns_its_memory():
    tensor = torch.ones(3, requires_grad=True)
    array = to_numpy(tensor)
    array[0] = 7
    assert tensor.tolist() == [1, 1, 1]


@pytest.mark.parametrize("block_size", [1, 3, 10, 8192])
def test_blocks_make_no_difference(block_size, rng):
    X = rng.normal(size=(10, 4))
    layer = torch.nn.Linear(4, 2).double()
    sizes = []

    def read(rows):
        sizes.append(rows.stop - rows.start)
        return X[rows]

    Y = forward_in_blocks(
        layer, Blocks(read, 10, block_size), device=torch.device("cpu")
    )
    np.testing.assert_allclose(Y, layer(torch.tensor(X)).detach(), rtol=1e-12)
    assert Y.dtype == np.float64
    assert max(sizes) <= block_size
    assert sum(sizes) == 10


def test_forward_records_no_gradient(rng):
    class Spy(torch.nn.Module):
        def forward(self, x):
            assert not torch.is_grad_enabled()
            return x

    X = rng.normal(size=(5, 2)).astype(np.float32)
    Y = forward_in_blocks(
        Spy(), Blocks(lambda rows: X[rows], 5, 2), device=torch.device("cpu")
    )
    assert_array_equal(Y, X)
    assert torch.is_grad_enabled()


def noises(seed, shapes, deviation=0.5):
    """What is added to batches of zeros, one after the other."""
    noise = GaussianNoise(deviation, torch.Generator().manual_seed(seed))
    batches = (torch.zeros(shape, dtype=torch.float32) for shape in shapes)
    return [noise.add_to(batch).numpy() for batch in batches]


def test_noise_has_the_deviation_asked_for(global_random_seed):
    found = np.concatenate(noises(global_random_seed, 130 * [(40, 50)]))
    assert found.mean() == pytest.approx(0.0, abs=0.02)
    assert found.std() == pytest.approx(0.5, rel=0.02)
    fourth = np.mean((found / 0.5) ** 4)
    assert fourth == pytest.approx(3.0, abs=0.3)  # that of a Gaussian


def test_every_batch_and_every_row_gets_other_noise(global_random_seed):
    found = noises(global_random_seed, 200 * [(8, 5)])
    within = [len(np.unique(batch)) for batch in found]
    assert within == 200 * [40]
    pairs = itertools.pairwise(found)
    assert np.mean([np.array_equal(a, b) for a, b in pairs]) < 0.05
    # a pool is not used for ever
    assert not np.isin(found[-1], np.concatenate(found[:64])).all()


def test_noise_for_batches_of_any_size():
    shapes = [(3, 2), (1000, 7), (1, 1), (5, 3)]
    assert [batch.shape for batch in noises(0, shapes)] == shapes


def test_noise_follows_its_generator():
    one, two, other = (noises(seed, 3 * [(20, 3)]) for seed in (0, 0, 1))
    assert_array_equal(one, two)
    assert (np.array(one) != np.array(other)).all()


def test_noise_is_float32_whatever_torch_has_for_a_default():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        (found,) = noises(0, [(3, 2)])
    finally:
        torch.set_default_dtype(default)
    assert found.dtype == np.float32


def test_no_noise_is_the_batch_itself():
    batch = torch.ones(3, 2)
    assert GaussianNoise(0.0, torch.Generator()).add_to(batch) is batch
