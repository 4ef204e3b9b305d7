"""EfficientNet-Lite0 in onnxruntime and PyTorch, one answer a line of input.

    python pytorch_pretrained.py features|finetune IMAGE_SIZE BATCH_SIZE THREADS

First prints a JSON list of the ways it knows. Then, for each line with the number of a way, does one pass over
a batch, or one step of training, and prints its milliseconds. The images are ready in memory, already float and
normalised, which ours are not. The weights are random ones: speed does not depend on them.
"""

import io
import json
import sys
import time
import warnings

import timm
import torch
from torch import nn

warnings.filterwarnings("ignore")
NAME = "tf_efficientnet_lite0"


def timed(work) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def features_ways(size: int, count: int, threads: int) -> dict:
    import onnxruntime

    images = torch.randn(count, 3, size, size)
    ways = {}
    for name, layout in [("contiguous", torch.contiguous_format), ("channels last", torch.channels_last)]:
        model = timm.create_model(NAME, num_classes=0).eval().to(memory_format=layout)
        ways[f"PyTorch {torch.__version__} eager, {name}"] = eager(model, images.to(memory_format=layout))
    model = timm.create_model(NAME, num_classes=0, exportable=True).eval()
    file = io.BytesIO()
    torch.onnx.export(model, (images,), file, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: images.numpy()}
    # Batch norm is folded by its optimizer.
    ways[f"onnxruntime {onnxruntime.__version__}"] = lambda: session.run(None, given)
    return ways


def eager(model: nn.Module, images: torch.Tensor):
    def run():
        with torch.inference_mode():
            model(images)

    return run


def finetune_ways(size: int, count: int, compiled: bool) -> dict:
    images = torch.randn(count, 3, size, size)
    labels = torch.randint(0, 2, (count,))
    ways = {}
    for name, layout in [("contiguous", torch.contiguous_format), ("channels last", torch.channels_last)]:
        for compile in [False, True] if compiled else [False]:
            model = timm.create_model(NAME, num_classes=2).to(memory_format=layout).train()
            for module in model.modules():  # running statistics, as fine-tuning has them
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
            # Fused is the fastest way to update.
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
            run = step(torch.compile(model) if compile else model, optimizer, images.to(memory_format=layout), labels)
            ways[f"{name}{', compiled' if compile else ''}"] = run
    return {f"PyTorch {torch.__version__}, {name}": way for name, way in ways.items()}


def step(model: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor):
    def run():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()

    return run


def main() -> None:
    what = sys.argv[1]
    size, count, threads = map(int, sys.argv[2:5])
    torch.set_num_threads(threads)
    compiled = "compiled" in sys.argv[5:]
    ways = features_ways(size, count, threads) if what == "features" else finetune_ways(size, count, compiled)
    print(json.dumps(list(ways)), flush=True)
    for line in sys.stdin:
        print(timed(list(ways.values())[int(line)]), flush=True)


if __name__ == "__main__":
    main()
