"""One epoch of each stage of `spectralnet` 1.1.0 on X.npy; run by mnist_peer.py.

Prints one line of JSON: CPU seconds of an epoch of each stage, and of all that is done
once.
"""

import json
import time
from unittest import mock

import numpy as np
import torch
from methods import in_folder
from report import Stopwatch
from spectralnet import SpectralNet
from spectralnet._trainers import AETrainer, SiameseTrainer, SpectralTrainer

STAGES = {
    "autoencoder": AETrainer,
    "siamese": SiameseTrainer,
    "spectral": SpectralTrainer,
}


class Epochs:
    """Stands for the bar of a stage, and times what runs inside its loop."""

    def __init__(self, n_epochs, **ignored):
        self.n_epochs = n_epochs

    def __iter__(self):
        for epoch in range(self.n_epochs):
            start = time.process_time()
            yield epoch
            Epochs.last = time.process_time() - start

    def set_description(self, text):
        pass

    def refresh(self):
        pass


def timed(trainer, name, stages):
    """Note the seconds of the one epoch that a stage trains."""
    train = trainer.train

    def patched(self, *arguments, **named):
        result = train(self, *arguments, **named)
        stages[name] = Epochs.last
        return result

    return mock.patch.object(trainer, "train", patched)


def main():
    # As its example gets them: float32 pixels between 0 and 1.
    X = torch.tensor(np.load("X.npy"), dtype=torch.float32) / 255
    stages = {}
    model = SpectralNet(
        n_clusters=10,
        should_use_ae=True,
        should_use_siamese=True,
        ae_epochs=1,
        siamese_epochs=1,
        spectral_epochs=1,
    )
    patches = [
        patch
        for name, trainer in STAGES.items()
        for patch in (
            mock.patch(f"{trainer.__module__}.trange", Epochs),
            timed(trainer, name, stages),
        )
    ]
    patches += [in_folder(AETrainer), in_folder(SiameseTrainer)]
    for patch in patches:
        patch.start()
    with Stopwatch() as watch:
        model.fit(X)
        model.predict(X)
    mock.patch.stopall()
    once = watch.cpu - sum(stages.values())
    stages = {name: round(seconds, 3) for name, seconds in stages.items()}
    print(json.dumps({"stages": stages, "once": round(once, 3)}))


if __name__ == "__main__":
    main()
