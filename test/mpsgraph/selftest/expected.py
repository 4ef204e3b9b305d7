"""Writes expected.h, the numbers that PyTorch says: python expected.py > expected.h"""

import torch
import torch.nn.functional as F

torch.manual_seed(7)
print("#pragma once\n\n// Written by expected.py.\n\n#include <vector>\n")
print("namespace expected {\n\nusing Floats = std::vector<float>;\n")


def show(name, tensor):
    numbers = [f"{v:.9g}" for v in tensor.detach().double().flatten().tolist()]
    values = ", ".join(v + ("f" if "." in v or "e" in v else ".f") for v in numbers)
    print(f"inline const Floats {name} = {{{values}}};")


def both(name, tensor):
    """Data in NCHW and NHWC."""
    show(f"{name}_nchw", tensor)
    show(f"{name}_nhwc", tensor.permute(0, 2, 3, 1))


def filters(name, tensor):
    show(f"{name}_oihw", tensor)
    show(f"{name}_hwio", tensor.permute(2, 3, 1, 0))


# convolution: N 2, C 4 -> 6, H 6, W 5, kernel 3 x 2, stride 2 x 1 (y x x),
# dilation 1 x 2, groups 2, padding top 1, bottom 0, left 0, right 2
x = torch.randn(2, 4, 6, 5, requires_grad=True)
w = torch.randn(6, 2, 3, 2, requires_grad=True)
y = F.conv2d(F.pad(x, (0, 2, 1, 0)), w, stride=(2, 1), dilation=(1, 2), groups=2)
dy = torch.randn_like(y)
dx, dw = torch.autograd.grad(y, (x, w), dy)
for name, tensor in (("x", x), ("y", y), ("dy", dy), ("dx", dx)):
    both(f"conv_{name}", tensor)
filters("conv_w", w)
filters("conv_dw", dw)

# max pooling: kernel 3 x 2, stride 2 x 1, padding top 1, bottom 1
x = torch.randn(2, 3, 5, 4, requires_grad=True)
padded = F.pad(x, (0, 0, 1, 1), value=float("-inf"))
y = F.max_pool2d(padded, (3, 2), stride=(2, 1))
dy = torch.randn_like(y)
(dx,) = torch.autograd.grad(y, x, dy)
for name, tensor in (("x", x), ("y", y), ("dy", dy), ("dx", dx)):
    both(f"max_{name}", tensor)

# average pooling: the same window, with and without the padding
for name, include in (("avg", True), ("avg_real", False)):
    y = F.avg_pool2d(x, (3, 2), stride=(2, 1), padding=(1, 0), count_include_pad=include)
    (dx,) = torch.autograd.grad(y, x, dy)
    both(f"{name}_y", y)
    both(f"{name}_dx", dx)

# batch norm, epsilon 1e-3
gamma = torch.randn(3, requires_grad=True)
beta = torch.randn(3, requires_grad=True)
y = F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-3)
dy = torch.randn_like(y)
dx, dgamma, dbeta = torch.autograd.grad(y, (x, gamma, beta), dy)
show("norm_gamma", gamma)
show("norm_beta", beta)
show("norm_mean", x.mean((0, 2, 3)))
show("norm_variance", x.var((0, 2, 3), unbiased=False))
show("norm_dgamma", dgamma)
show("norm_dbeta", dbeta)
for name, tensor in (("y", y), ("dy", dy), ("dx", dx)):
    both(f"norm_{name}", tensor)

# matrix products, softmax, cross-entropy
a = torch.randn(2, 3, 4)
b = torch.randn(4, 5)
show("matmul_a", a)
show("matmul_b", b)
show("matmul_y", a @ b)
logits = torch.randn(3, 4, requires_grad=True)
labels = torch.tensor([2, 0, 3])
show("logits", logits)
show("softmax", logits.softmax(1))
show("loss_rows", F.cross_entropy(logits, labels, reduction="none"))
loss = F.cross_entropy(logits, labels)
show("loss_mean", loss)
show("loss_gradient", torch.autograd.grad(loss, logits)[0])
g = torch.randn(3, 4)
show("softmax_dy", g)
show("softmax_dx", torch.autograd.grad(logits.softmax(1), logits, g)[0])
show("sigmoid", logits.sigmoid())
show("sigmoid_dx", torch.autograd.grad(logits.sigmoid(), logits, g)[0])

# halves: rounded after each operation, accumulated in floats
h = torch.tensor([1 / 3, 2049.0, 1e-7, 6e-8, 65519.0, -0.1, 3.14159265, 1e-5])
show("half_in", h)
show("half_cast", h.half())
show("half_sum", h.half() + torch.tensor(0.7).half())
show("half_product", h.half() * torch.tensor(0.7).half())
show("half_exp", h[[0, 5, 6]].half().exp())

# Adam with the bias correction of the first form, two steps; epsilon 1e-3
w = torch.tensor([0.5, -1.5, 2.0])
m, v = torch.zeros(3), torch.zeros(3)
for step, gradient in enumerate((torch.tensor([0.1, -0.2, 0.3]), torch.tensor([-0.5, 0.1, 0.2])), 1):
    m = 0.9 * m + 0.1 * gradient
    v = 0.99 * v + 0.01 * gradient ** 2
    rate = 0.05 * (1 - 0.99 ** step) ** 0.5 / (1 - 0.9 ** step)
    w = w - rate * m / (v.sqrt() + 1e-3)
    show(f"adam_w{step}", w)
print("\n}  // namespace expected")
