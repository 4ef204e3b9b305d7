"""A cached epoch of the `birbs` network in PyTorch: a DataLoader over the same pixel file.

    python pytorch_epoch.py PIXEL_FILE SIZE BATCH_SIZE IMAGES THREADS

Prints "ready", then for each line of input trains one epoch and prints its seconds. Flips and shifts are those of
our own batches, a batch at a time on uint8; memory format and worker count are what was fastest here.
"""

import sys
import time

import numpy
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from pytorch_step import network


class Pixels(Dataset):
    """Batches of images from the memory-mapped file, augmented."""

    def __init__(self, path: str, size: int):
        self.pixels = numpy.memmap(path, numpy.uint8, "r", 4096).reshape(-1, size, size, 3)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        images = torch.from_numpy(self.pixels[numpy.asarray(rows)]).permute(0, 3, 1, 2)
        flips = torch.rand(len(rows)) < 0.5
        images = torch.where(flips[:, None, None, None], images.flip(3), images)
        x, y = torch.randint(-4, 5, (2,)).tolist()
        images = images.roll((y, x), (2, 3))
        return images.float().div_(255), torch.tensor(rows) % 2


def main() -> None:
    path, size, batch, images, threads = sys.argv[1], *map(int, sys.argv[2:6])
    torch.set_num_threads(threads)
    data = Pixels(path, size)
    sampler = BatchSampler(RandomSampler(data, num_samples=images), batch, drop_last=False)
    loader = DataLoader(data, sampler=sampler, batch_size=None, num_workers=0)
    model = network(size).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
