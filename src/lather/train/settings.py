"""What a training run may be told, checked when it is made."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from lather.errors import ConfigError

__all__ = ["Settings"]

Precision = Literal["32-true", "64-true", "bf16-mixed", "16-mixed"]


@dataclass(frozen=True)
class Settings:
    """How to train; everything here is written to ``config.json``.

    Raises:
        ConfigError: a value outside its range.
    """

    epochs: int | None = None
    """Passes over the training data (default: 20, or as many as make 2000 steps where there are few data)."""
    batch_size: int = 256
    """Data per optimizer step, over all processes together. Divergences compare this many latents at a time."""
    microbatch: int | None = None
    """Data per process that go through the networks at once. A larger batch is taken in parts, with the gradient of
    the whole, so that a divergence can compare tens of thousands of latents in little memory (default: all at once)."""
    match_scope: Literal["global", "local"] = "global"
    """With several processes: compare the latents of all of them with the prior, or each its own, which is unbiased,
    needs no exchange, and has noisier gradients."""
    lr: float = 1e-3
    """Peak learning rate of Adam."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rate after warm-up: a half cosine down to zero, or constant."""
    warmup: int = 0
    """Steps of linear learning-rate warm-up."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW)."""
    clip: float | None = None
    """Largest gradient norm; larger gradients are scaled down to it."""
    ema: float | None = None
    """Decay of an exponential moving average of the weights, such as 0.999; the average is what is kept
    (default: none; 0.99 with a divergence that is held at a level)."""
    patience: int | None = None
    """Stop after this many epochs without a better validation loss, and keep the best weights."""
    seed: int = 0
    """Of initial weights, batches, latent noise, directions and prior draws."""
    precision: Precision = "32-true"
    """Arithmetic of the networks; divergences always use float32 or better."""
    devices: int | Literal["auto"] = "auto"
    """Processes: GPUs where there are any, else one CPU process; more than one trains data-parallel."""
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Kind of device."""
    nodes: int = 1
    """Machines, each with ``devices`` processes."""
    compile: bool = False
    """Compile the networks with torch.compile, which takes half a minute. For GPUs: on a CPU it made neither the
    perceptrons nor the convolutional nets faster."""
    checkpoint_seconds: float = 1.0
    """An epoch that ends sooner than this after the last checkpoint writes none; 0 writes one every epoch."""
    log_every: int = 50
    """Steps between rows of metrics.jsonl; rows hold means over these steps."""

    def __post_init__(self) -> None:
        def need(ok: bool, name: str, what: str) -> None:
            if not ok:
                raise ConfigError(f"{name} must be {what}, got {getattr(self, name)!r}")

        need(self.epochs is None or (_whole(self.epochs) and self.epochs >= 1), "epochs", "at least 1")
        for name in ("batch_size", "nodes", "log_every"):
            need(_whole(getattr(self, name)) and getattr(self, name) >= 1, name, "a whole number of at least 1")
        need(self.microbatch is None or (_whole(self.microbatch) and self.microbatch >= 1), "microbatch", "at least 1")
        need(self.match_scope in ("global", "local"), "match_scope", "'global' or 'local'")
        need(self.batch_size >= 2, "batch_size", "at least 2: a divergence compares a batch with a distribution")
        need(_real(self.lr) and self.lr > 0, "lr", "a positive number, such as 1e-3")
        need(self.schedule in ("cosine", "constant"), "schedule", "'cosine' or 'constant'")
        need(_whole(self.warmup) and self.warmup >= 0, "warmup", "a number of steps, 0 or more")
        need(_real(self.weight_decay) and self.weight_decay >= 0, "weight_decay", "0 or more")
        need(_real(self.checkpoint_seconds) and self.checkpoint_seconds >= 0, "checkpoint_seconds", "a time, 0 or more")
        need(self.clip is None or (_real(self.clip) and self.clip > 0), "clip", "a positive norm, or None")
        need(self.ema is None or (_real(self.ema) and 0 < self.ema < 1), "ema", "between 0 and 1, such as 0.999")
        need(self.patience is None or (_whole(self.patience) and self.patience >= 1), "patience", "at least 1 epoch")
        need(_whole(self.seed) and 0 <= self.seed < 2**63, "seed", "a whole number from 0 to 2⁶³ − 1")
        need(
            self.precision in ("32-true", "64-true", "bf16-mixed", "16-mixed"),
            "precision",
            "one of 32-true, 64-true, bf16-mixed, 16-mixed",
        )
        need(self.accelerator in ("auto", "cpu", "cuda", "mps"), "accelerator", "one of auto, cpu, cuda, mps")
        need(self.devices == "auto" or (_whole(self.devices) and self.devices >= 1), "devices", "'auto' or at least 1")

    def for_data(self, n: int) -> Settings:
        """The same with ``epochs`` settled for ``n`` training samples."""
        if self.epochs is not None:
            return self
        batches = max(n // min(self.batch_size, n), 1)
        return replace(self, epochs=max(20, math.ceil(2000 / batches)))

    def to_dict(self) -> dict[str, Any]:
        """All settings, JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> Settings:
        """The settings that :meth:`to_dict` wrote; :class:`ConfigError` for unknown names or values."""
        names = {field.name for field in fields(cls)}
        if not isinstance(data, dict) or not set(data) <= names:
            extra = sorted(set(data) - names) if isinstance(data, dict) else data
            raise ConfigError(f"unknown training settings: {extra}; there are: {', '.join(sorted(names))}")
        return cls(**data)

    def lr_at(self, t: int, steps: int) -> float:
        """Learning rate of the step that follows ``t`` finished ones, of ``steps`` in all."""
        if t < self.warmup:
            return self.lr * (t + 1) / self.warmup
        if self.schedule == "constant":
            return self.lr
        done = (t - self.warmup) / max(steps - self.warmup, 1)
        return self.lr * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _real(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
