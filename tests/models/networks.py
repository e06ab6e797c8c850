"""Networks of well-known shapes, small enough for a test, and the cells that train them.

`PROGRAMS`: by name, what an earlier cell would have left, and the cell.  All of them are correct programs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from benchmarks.workloads import resnet18

Namespace = dict[str, Any]


class Program(NamedTuple):
    """A cell, and the variables that it finds."""

    setup: Callable[[], Namespace]
    cell: str


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = (p.view(batch, length, self.heads, -1).transpose(1, 2) for p in self.qkv(x).split(width, dim=2))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(attended.transpose(1, 2).reshape(batch, length, width))


class Layer(nn.Module):
    """A transformer's block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1, self.attn, self.ln_2 = nn.LayerNorm(width), Attention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """GPT-2's shape, with the embedding of words used again for the logits."""

    def __init__(self, layers: int, width: int, heads: int, words: int, length: int) -> None:
        super().__init__()
        self.wte, self.wpe, self.drop = nn.Embedding(words, width), nn.Embedding(length, width), nn.Dropout(0.1)
        self.h = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.ln_f, self.lm_head = nn.LayerNorm(width), nn.Linear(width, words, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.drop(self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1])))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


class Cell(nn.Module):
    """An LSTM's cell, written out; how open its forget gate is at first decides how far back gradients reach."""

    def __init__(self, inputs: int, width: int, forget: float) -> None:
        super().__init__()
        self.ih, self.hh = nn.Linear(inputs, 4 * width), nn.Linear(width, 4 * width)
        nn.init.constant_(self.ih.bias[width : 2 * width], forget)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        h, c = state
        i, f, g, o = (self.ih(x) + self.hh(h)).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class Recurrent(nn.Module):
    """A cell unrolled over a sequence."""

    def __init__(self, inputs: int, width: int, forget: float) -> None:
        super().__init__()
        self.width = width
        self.cell, self.head = Cell(inputs, width, forget), nn.Linear(width, 1)

    def forward(self, sequence: Tensor) -> Tensor:
        h = c = sequence.new_zeros(sequence.shape[1], self.width)
        for x in sequence:
            h, c = self.cell(x, (h, c))
        return self.head(h)


class Double(nn.Sequential):
    """Two convolutions of a U-Net."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(
            nn.Conv2d(channels, out, 3, 1, 1), nn.BatchNorm2d(out), nn.ReLU(inplace=True),
            nn.Conv2d(out, out, 3, 1, 1), nn.BatchNorm2d(out), nn.ReLU(inplace=True),
        )  # fmt: skip


class UNet(nn.Module):
    """Down, down, up, up, with skips."""

    def __init__(self, width: int = 4, depth: int = 3) -> None:
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        pairs = list(zip(sizes, sizes[1:], strict=False))
        self.stem = Double(1, width)
        self.down = nn.ModuleList(Double(a, b) for a, b in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in reversed(pairs))
        self.merge = nn.ModuleList(Double(2 * a, a) for a, _ in reversed(pairs))
        self.pool, self.out = nn.MaxPool2d(2), nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.stem(x)]
        for down in self.down:
            skips.append(down(self.pool(skips[-1])))
        x = skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], dim=1))
        return self.out(x)


class Denoiser(nn.Module):
    """Predicts noise from a noisy picture and the time; its blocks are computed again in backward."""

    def __init__(self, width: int, blocks: int, use_reentrant: bool) -> None:
        super().__init__()
        self.use_reentrant = use_reentrant
        self.time = nn.Sequential(nn.Linear(2, width), nn.SiLU(), nn.Linear(width, width))
        self.enter, self.leave = nn.Linear(16, width), nn.Linear(width, 16)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Dropout(0.1))
            for _ in range(blocks)
        )

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.enter(x) + self.time(torch.stack([time.sin(), time.cos()], dim=1))
        for block in self.blocks:
            h = h + checkpoint(block, h, use_reentrant=self.use_reentrant)
        return self.leave(h)


class Corridor:
    """A toy environment: walk to the right end of a corridor."""

    def __init__(self, length: int) -> None:
        self.length, self.place = length, 0

    def reset(self) -> list[float]:
        self.place = 0
        return self.seen()

    def step(self, action: int) -> tuple[list[float], float, bool]:
        self.place = max(0, self.place + (1 if action else -1))
        done = self.place == self.length
        return self.seen(), 1.0 if done else -0.1, done

    def seen(self) -> list[float]:
        return [self.place / self.length, 1.0]


def _resnet() -> Namespace:
    training = resnet18(batch=2, pixels=32)
    model = training.model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return {"model": model, "x": training.inputs, "y": torch.randint(1000, (2,)), "optimizer": optimizer}


def _gpt() -> Namespace:
    model = GPT(layers=12, width=32, heads=4, words=50, length=16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    return {"model": model, "tokens": torch.randint(50, (2, 17)), "optimizer": optimizer}


def lstm(forget: float = 6.0) -> Namespace:
    """An LSTM unrolled 500 steps."""
    model = Recurrent(3, 8, forget)
    optimizer = torch.optim.Adam(model.parameters())
    return {"model": model, "x": torch.randn(500, 2, 3), "y": torch.randn(2, 1), "optimizer": optimizer}


def _unet() -> Namespace:
    model = UNet()
    optimizer = torch.optim.Adam(model.parameters())
    mask = torch.randint(2, (2, 1, 16, 16)).float()
    return {"model": model, "x": torch.randn(2, 1, 16, 16), "mask": mask, "optimizer": optimizer}


def _gan() -> Namespace:
    generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 8), nn.Tanh())
    critic = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    return {
        "generator": generator, "critic": critic, "real": torch.randn(6, 8).tanh(),
        "of_generator": torch.optim.Adam(generator.parameters(), betas=(0.5, 0.999)),
        "of_critic": torch.optim.Adam(critic.parameters(), betas=(0.5, 0.999)),
    }  # fmt: skip


def _diffusion(use_reentrant: bool) -> Callable[[], Namespace]:
    def setup() -> Namespace:
        model = Denoiser(8, 6, use_reentrant)
        average = Denoiser(8, 6, use_reentrant)
        average.load_state_dict(model.state_dict())
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        kept = torch.linspace(0.9999, 0.98, 100).cumprod(0)
        return {"model": model, "average": average, "optimizer": optimizer, "images": torch.randn(5, 16), "kept": kept}

    return setup


def _policy() -> Namespace:
    policy = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    return {"policy": policy, "env": Corridor(3), "optimizer": torch.optim.Adam(policy.parameters(), lr=0.01)}


def _mixed() -> Namespace:
    model = nn.Sequential(nn.Linear(6, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 3))
    return {
        "model": model, "x": torch.randn(12, 6), "y": torch.randint(3, (12,)), "parts": 4,
        "optimizer": torch.optim.AdamW(model.parameters()), "scaler": torch.amp.GradScaler("cpu"),
    }  # fmt: skip


RESNET = """
optimizer.zero_grad()
loss = torch.nn.functional.cross_entropy(model(x), y)
loss.backward()
optimizer.step()
"""
GPT_2 = """
logits = model(tokens[:, :-1])
loss = torch.nn.functional.cross_entropy(logits.reshape(-1, 50), tokens[:, 1:].reshape(-1))
optimizer.zero_grad(set_to_none=True)
loss.backward()
torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
optimizer.step()
"""
LSTM = """
optimizer.zero_grad()
loss = torch.nn.functional.mse_loss(model(x), y)
loss.backward()
optimizer.step()
"""
U_NET = """
optimizer.zero_grad()
loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), mask)
loss.backward()
optimizer.step()
"""
GAN = """
bce = torch.nn.functional.binary_cross_entropy_with_logits
ones, zeros = torch.ones(6, 1), torch.zeros(6, 1)
fake = generator(torch.randn(6, 4))

of_critic.zero_grad()
loss_critic = bce(critic(real), ones) + bce(critic(fake.detach()), zeros)
loss_critic.backward()
of_critic.step()

of_generator.zero_grad()
loss_generator = bce(critic(fake), ones)
loss_generator.backward()
of_generator.step()
"""
DIFFUSION = """
time = torch.randint(100, (5,))
noise = torch.randn_like(images)
share = kept[time, None]
noisy = share.sqrt() * images + (1 - share).sqrt() * noise
loss = torch.nn.functional.mse_loss(model(noisy, time / 100), noise)
optimizer.zero_grad()
loss.backward()
optimizer.step()
with torch.no_grad():
    for mean, parameter in zip(average.parameters(), model.parameters()):
        mean.lerp_(parameter, 0.01)
"""
REINFORCE = """
for episode in range(3):
    chances, rewards = [], []
    seen, done = env.reset(), False
    while not done and len(rewards) < 12:
        actions = torch.distributions.Categorical(logits=policy(torch.tensor(seen)))
        action = actions.sample()
        chances.append(actions.log_prob(action))
        seen, reward, done = env.step(action.item())
        rewards.append(reward)
    returns = torch.tensor([sum(0.9**k * r for k, r in enumerate(rewards[t:])) for t in range(len(rewards))])
    advantages = (returns - returns.mean()) / (returns.std() + 1e-6)
    loss = -(torch.stack(chances) * advantages).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
MIXED = """
optimizer.zero_grad()
for part, target in zip(x.chunk(parts), y.chunk(parts)):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = torch.nn.functional.cross_entropy(model(part), target) / parts
    scaled = scaler.scale(loss)
    scaled.backward()
scaler.unscale_(optimizer)
torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
scaler.step(optimizer)
scaler.update()
"""
PROGRAMS = {
    "resnet": Program(_resnet, RESNET),
    "gpt": Program(_gpt, GPT_2),
    "lstm": Program(lstm, LSTM),
    "unet": Program(_unet, U_NET),
    "gan": Program(_gan, GAN),
    "diffusion": Program(_diffusion(use_reentrant=False), DIFFUSION),
    "diffusion, re-entrant": Program(_diffusion(use_reentrant=True), DIFFUSION),
    "reinforce": Program(_policy, REINFORCE),
    "mixed precision": Program(_mixed, MIXED),
}
