"""Epochs of images in PyTorch, data alone: a DataLoader that decodes with Pillow, or over pixels that are decoded.

    python pytorch_data.py FOLDER SIZE BATCH_SIZE WORKERS

FOLDER has image files and `pixels`, uint8 [n, SIZE, SIZE, 3]. Prints "ready", then for each line of input, "uncached"
or "cached", the seconds of one epoch. Decoding takes Pillow's short way: JPEGs are scaled while they are decoded.
"""

import os
import sys
import time

import numpy
import torch
from PIL import Image, ImageOps
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler


class Files(Dataset):
    """Images decoded when they are asked for."""

    def __init__(self, folder: str, size: int):
        self.size = size
        names = sorted(name for name in os.listdir(folder) if name != "pixels")
        self.paths = [os.path.join(folder, name) for name in names]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self.paths[index]) as image:
            image.draft("RGB", (self.size, self.size))
            fitted = ImageOps.fit(image.convert("RGB"), (self.size, self.size), Image.Resampling.LANCZOS)
        return torch.from_numpy(numpy.array(fitted)).permute(2, 0, 1)


class Pixels(Dataset):
    """Batches from the memory-mapped file."""

    def __init__(self, path: str, size: int):
        self.pixels = numpy.memmap(path, numpy.uint8, "r").reshape(-1, size, size, 3)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: list[int]) -> torch.Tensor:
        return torch.from_numpy(self.pixels[numpy.asarray(rows)]).permute(0, 3, 1, 2)


def main() -> None:
    folder, size, batch, workers = sys.argv[1], *map(int, sys.argv[2:5])
    torch.set_num_threads(1)
    files = Files(folder, size)
    pixels = Pixels(os.path.join(folder, "pixels"), size)
    sampler = BatchSampler(RandomSampler(pixels), batch, drop_last=False)
    loaders = {
        "uncached": DataLoader(files, batch, shuffle=True, num_workers=workers),
        "cached": DataLoader(pixels, sampler=sampler, batch_size=None, num_workers=0),
    }
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in loaders[line.strip()]:
            pass
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
