"""What every benchmark does with its measurements: time them, summarise, write JSON."""

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"


class Stopwatch:
    """Wall and CPU seconds of a ``with`` block."""

    def __enter__(self):
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error):
        self.wall = time.perf_counter() - self._wall
        self.cpu = time.process_time() - self._cpu


def spread(values):
    """Mean, deviation, worst (least) and the values themselves, rounded."""
    values = np.asarray(values, dtype=float)
    return {
        "mean": round(float(values.mean()), 4),
        "std": round(float(values.std()), 4),
        "min": round(float(values.min()), 4),
        "max": round(float(values.max()), 4),
        "median": round(float(np.median(values)), 4),
        "values": [round(float(v), 4) for v in values],
    }


def write(name, command, results):
    """Write ``results/name.json`` with the versions and the processor."""
    import torch  # here: a process of another environment may only want the watch

    RESULTS.mkdir(exist_ok=True)
    record = {
        "command": command,
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "versions": {
            package: version(package)
            for package in ("numpy", "scipy", "scikit-learn", "torch")
        },
        "results": results,
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {path.relative_to(Path(__file__).parents[1])}")


def processor():
    """The processor's name and the number of cores."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        names = [line.split(":", 1)[1] for line in lines if line[:10] == "model name"]
        name = names[0].strip() if names else name
    return f"{name}, {os.cpu_count()} cores"
