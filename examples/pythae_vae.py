"""Audit a VAE that Lather knows nothing about: a plain PyTorch one whose posteriors are kept the way pythae names them.

A pythae model returns ``embedding`` (the mean of q(z|x)) and ``log_covariance`` (log σ²); scVI, disentanglement_lib and
most scripts keep the same two arrays under other names. Here a small VAE is trained in thirty lines of PyTorch, its
posteriors of training and test data are written as ``train.npz`` and ``test.npz``, and the audit reads these. What one
learns: whether held-out latents follow N(0, I); how much of the code is spent on telling the training data apart (the
rate budget); whether prior draws are as much at home among the training posteriors as held-out data are; and, since the
decoder is there, what the difference costs in samples (the sampling gap).

    python examples/pythae_vae.py            # MNIST, 8 dimensions, three epochs: about a minute
    python examples/pythae_vae.py --quick    # digits, 4 dimensions: seconds
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import lather as lt


class VAE(nn.Module):
    """Kingma and Welling, 2014, with a Bernoulli decoder; ``forward`` returns what pythae's VAE calls its output."""

    def __init__(self, pixels: int, d: int, hidden: int = 256) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, 2 * d))
        self.decoder = nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Linear(hidden, pixels))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        mean, log_covariance = self.encoder(x).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_covariance) * torch.randn_like(mean)
        logits = self.decoder(z)
        reconstruction = F.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="none").sum(1)
        kl = 0.5 * (mean.square() + log_covariance.exp() - 1 - log_covariance).sum(1)
        return {"loss": (reconstruction + kl).mean(), "embedding": mean, "log_covariance": log_covariance}


def train(model: VAE, x: Tensor, epochs: int, batch: int = 128) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        total = 0.0
        for index in torch.randperm(len(x)).split(batch):
            loss = model(x[index])["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        if (epoch + 1) % max(1, epochs // 3) == 0:
            print(f"epoch {epoch + 1}: {total / len(x):.1f} nats")


@torch.no_grad()
def write_posteriors(path: Path, model: VAE, x: Tensor, labels: Tensor) -> None:
    output = model(x)
    arrays = {name: output[name].numpy() for name in ("embedding", "log_covariance")}
    np.savez(path, **arrays, labels=labels.numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="digits in place of MNIST")
    parser.add_argument("--out", default="runs/pythae-vae", help="folder for the posteriors and the report")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(0)
    data = lt.load("digits", test=500) if args.quick else lt.load("mnist")
    x, held_out = data.train.batch(None), data.test.batch(None)
    model = VAE(x[0].numel(), d=4 if args.quick else 8)
    train(model, x, epochs=20 if args.quick else 3)
    write_posteriors(out / "train.npz", model, x, data.train.labels)
    write_posteriors(out / "test.npz", model, held_out, data.test.labels)

    # with arrays of your own, start here; the decoder and the data may be left out
    first, second = (
        lt.Latents.read(out / name, mean="embedding", logvar="log_covariance") for name in ("train.npz", "test.npz")
    )
    report = lt.audit(
        first,
        held_out=second,
        decoder=lambda z: torch.sigmoid(model.decoder(z.float())).reshape(len(z), *held_out.shape[1:]),
        data=held_out,
    )
    print(report)
    report.save(out)
    print(f"\nreport: {out}/report.html")


if __name__ == "__main__":
    main()
