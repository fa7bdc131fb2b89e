"""The same networks and the same training step in PyTorch, in channels_last, as the peer of `benchmarks.step`."""

from contextlib import nullcontext

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.step import images

VGG19 = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""(filters, convolutions) of each block. Repeated here, because TensorFlow and PyTorch cannot share one process."""


def conv(inputs, outputs, kernel=3, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        norm = lambda: nn.BatchNorm2d(64)
        self.body = nn.Sequential(conv(64, 64), norm(), nn.ReLU(), conv(64, 64), norm())

    def forward(self, x):
        return x + self.body(x)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Sequential(conv(3, 64, 9), nn.ReLU())
        self.trunk = nn.Sequential(*(Residual() for _ in range(16)), conv(64, 64), nn.BatchNorm2d(64))
        double = lambda: nn.Sequential(nn.Upsample(scale_factor=2), conv(64, 64), nn.ReLU())
        self.tail = nn.Sequential(double(), double(), conv(64, 3, 9), nn.Tanh())

    def forward(self, x):
        head = self.head(x)
        return self.tail(head + self.trunk(head))


def discriminator():
    layers, inputs = [], 3
    for stage in range(4):
        width = 64 * 2**stage
        for stride in (1, 2):
            layers += [conv(inputs, width, 3, stride)]
            layers += [nn.BatchNorm2d(width)] if layers[1:] else []
            layers += [nn.LeakyReLU(0.2)]
            inputs = width
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1024), nn.LeakyReLU(0.2), nn.Linear(1024, 1)]
    return nn.Sequential(*layers, *head)


def features():
    layers, inputs = [], 3
    for block, (width, count) in enumerate(VGG19):
        layers += [nn.MaxPool2d(2)] if block else []
        for _ in range(count):
            layers += [conv(inputs, width), nn.ReLU()]
            inputs = width
    return nn.Sequential(*layers).requires_grad_(False)


def step(precision, batch, compiled):
    """Build one training step.

    Args:
        precision: "float32" or "bfloat16".
        batch: Images in a step.
        compiled: Whether to use torch.compile.

    Returns:
        (action, facts), as in `benchmarks.measure.Contender`.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    place = lambda network: network.to(device, memory_format=torch.channels_last)
    nets = [place(network) for network in (Generator(), discriminator(), features())]
    for_g, for_d = (torch.optim.Adam(network.parameters(), 2e-4, (0.9, 0.999)) for network in nets[:2])
    g, d, f = (torch.compile(network) for network in nets) if compiled else nets
    narrow = lambda: torch.autocast(device, torch.bfloat16) if precision == "bfloat16" else nullcontext()
    as_input = lambda array: torch.from_numpy(array).permute(0, 3, 1, 2).to(device, memory_format=torch.channels_last)
    lr, hr = map(as_input, images(batch))

    def judge(logits, target):
        return F.binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, target, dtype=torch.float32))

    def one_step():
        with narrow():
            with torch.no_grad():
                made = g(lr)
            real, fake = d(torch.cat([hr, made])).chunk(2)
            d_loss = judge(real, 1.0) + judge(fake, 0.0)
        for_d.zero_grad(set_to_none=True)
        d_loss.backward()
        for_d.step()
        nets[1].requires_grad_(False)
        with narrow():
            sr = g(lr)
            with torch.no_grad():
                truth = f(hr)
            g_loss = 1e-3 * judge(d(sr), 1.0) + F.mse_loss(f(sr).float(), truth.float()) / 12.75**2
        for_g.zero_grad(set_to_none=True)
        g_loss.backward()
        for_g.step()
        nets[1].requires_grad_(True)
        return float(g_loss)

    return one_step, {"images": batch, "dtype": precision}
