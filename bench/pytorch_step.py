"""The training step of the `birbs` network in PyTorch, one step a line of input.

    python pytorch_step.py IMAGE_SIZE BATCH_SIZE THREADS OPTIMIZER

First prints its version and a JSON list of the ways it knows: each memory format with each of torch's own
ways to update. Then, for each line with the number of a way, does one step and prints its milliseconds. The
images are ready in memory, already float and normalised, which ours are not.
"""

import json
import sys
import time

import torch
from torch import nn


def network(size: int) -> nn.Module:
    layers: list[nn.Module] = []
    for inputs, outputs in [(3, 32), (32, 64), (64, 128)]:
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    features = 128 * (size // 8) ** 2
    layers += [nn.Flatten(), nn.Linear(features, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 2)]
    return nn.Sequential(*layers)


class Way:
    """A model, its batch and its optimizer."""

    def __init__(self, size: int, count: int, optimizer: str, memory_format: torch.memory_format, **options):
        torch.manual_seed(1)
        self.model = network(size).to(memory_format=memory_format)
        self.images = torch.randn(count, 3, size, size).to(memory_format=memory_format)
        self.labels = torch.randint(0, 2, (count,))
        kind = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[optimizer]
        self.optimizer = kind(self.model.parameters(), lr=1e-3, **options)

    def step(self) -> float:
        start = time.perf_counter()
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self.images), self.labels)
        loss.backward()
        self.optimizer.step()
        loss.item()
        return (time.perf_counter() - start) * 1000


def main() -> None:
    size, count, threads = map(int, sys.argv[1:4])
    torch.set_num_threads(threads)
    ways = {}
    for name, memory_format in [("contiguous", torch.contiguous_format), ("channels last", torch.channels_last)]:
        for update in ["foreach", "fused"]:
            ways[f"{name}, {update}"] = Way(size, count, sys.argv[4], memory_format, **{update: True})
    print(torch.__version__, flush=True)
    print(json.dumps(list(ways)), flush=True)
    for line in sys.stdin:
        print(list(ways.values())[int(line)].step(), flush=True)


if __name__ == "__main__":
    main()
