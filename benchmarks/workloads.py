"""What the benchmarks run: a scalar loop, and training steps of networks of well-known shapes, made here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

Step = Callable[[], object]


@dataclass(frozen=True)
class Training:
    """A training step: a model, what it is given, and what is made of the result."""

    model: nn.Module
    inputs: torch.Tensor
    loss: Callable[[torch.Tensor], torch.Tensor]

    def step(self) -> Step:
        """`zero_grad`, forward, backward and an SGD step."""
        optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3)

        def run() -> None:
            optimizer.zero_grad()
            self.loss(self.model(self.inputs)).backward()
            optimizer.step()

        return run


def scalar_loop() -> Step:
    """1,000 iterations of three calls and a backward."""
    w, x, y = torch.tensor(1.0, requires_grad=True), torch.tensor(2.0), torch.tensor(4.0)

    def run() -> None:
        for _ in range(1000):
            w.grad = None
            predicted = w * x
            error = predicted - y
            (error * error).backward()

    return run


def mlp(layers: int, width: int, batch: int) -> Training:
    """Linear and ReLU in turn, mean squared error."""
    blocks = [module for _ in range(layers) for module in (nn.Linear(width, width), nn.ReLU())]
    targets = torch.randn(batch, width)
    return Training(nn.Sequential(*blocks), torch.randn(batch, width), lambda out: F.mse_loss(out, targets))


class Block(nn.Module):
    """A transformer block of GPT-2's shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        parts = self.qkv(self.ln_1(x)).split(width, dim=2)
        q, k, v = (part.view(batch, length, self.heads, -1).transpose(1, 2) for part in parts)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.ln_2(x)), approximate="tanh"))


def gpt2(layers: int = 12, width: int = 768, heads: int = 12, length: int = 128, words: int = 4096) -> Training:
    """GPT-2's small model with a smaller vocabulary, so that a step stays under a second."""
    blocks = [Block(width, heads) for _ in range(layers)]
    model = nn.Sequential(nn.Embedding(words, width), *blocks, nn.LayerNorm(width), nn.Linear(width, words))
    tokens = torch.randint(words, (1, length))
    return Training(model, tokens, lambda out: F.cross_entropy(out.view(-1, words), tokens.view(-1)))


class Residual(nn.Module):
    """A basic block of ResNet-18's."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(out + skip)


class ResNet18(nn.Module):
    """ResNet-18's shape."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        sizes = ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
        layers = [nn.Sequential(Residual(a, b, s), Residual(b, b, 1)) for a, b, s in sizes]
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.fc = nn.Linear(512, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def resnet18(batch: int = 8, pixels: int = 64) -> Training:
    """A classification step."""
    targets = torch.randint(1000, (batch,))
    return Training(ResNet18(), torch.randn(batch, 3, pixels, pixels), lambda out: F.cross_entropy(out, targets))
