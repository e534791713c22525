"""Audit spatial latents (n, c, h, w), the kind a latent diffusion model learns to generate.

A small convolutional autoencoder in the manner of diffusers' ``AutoencoderKL``: ``encode(x).latent_dist`` has ``mean``
and ``std``, the KL has a tiny weight, and latents are multiplied by a ``scaling_factor`` so that their variance is 1.
With the real one you would collect

    posterior = vae.encode(images).latent_dist
    mean, std = posterior.mean * vae.config.scaling_factor, posterior.std * vae.config.scaling_factor

and go on as below. What one learns: "scaled to unit variance" is not "normal". The latents are far from N(0, I), which
is why a diffusion model is needed to sample them; the ladder's second step says how much of that is correlation
between neighbouring positions, the later ones how much is not Gaussian at all. Posteriors are so narrow that the rate
budget exceeds log N many times over: every picture sits in a bubble of its own.

    python examples/diffusers_latents.py            # MNIST, latents of 4×7×7: about a minute
    python examples/diffusers_latents.py --quick    # digits, latents of 4×2×2: seconds
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

import lather as lt


@dataclass
class LatentDist:
    """What diffusers calls a DiagonalGaussianDistribution."""

    mean: Tensor
    std: Tensor

    def sample(self) -> Tensor:
        return self.mean + self.std * torch.randn_like(self.mean)

    def kl(self) -> Tensor:
        return 0.5 * (self.mean.square() + self.std.square() - 1 - 2 * self.std.log()).flatten(1).sum(1)


class AutoencoderKL(nn.Module):
    """Two halvings of the picture, four latent channels."""

    def __init__(self, channels: int = 1, width: int = 32, latent_channels: int = 4) -> None:
        super().__init__()
        down = {"kernel_size": 4, "stride": 2, "padding": 1}
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, width, **down),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, **down),
            nn.SiLU(),
            nn.Conv2d(2 * width, 2 * latent_channels, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels, 2 * width, 3, padding=1),
            nn.SiLU(),
            nn.ConvTranspose2d(2 * width, width, **down),
            nn.SiLU(),
            nn.ConvTranspose2d(width, channels, **down),
        )
        self.scaling_factor = 1.0

    def encode(self, x: Tensor) -> LatentDist:
        mean, logvar = self.encoder(x).chunk(2, dim=1)
        return LatentDist(mean, torch.exp(0.5 * logvar.clamp(-30.0, 20.0)))

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)


def train(model: AutoencoderKL, x: Tensor, epochs: int, kl_weight: float = 1e-6, batch: int = 128) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for index in torch.randperm(len(x)).split(batch):
            posterior = model.encode(x[index])
            error = F.mse_loss(model.decode(posterior.sample()), x[index])
            loss = error + kl_weight * posterior.kl().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():  # as Rombach et al. (2022) do it: one number for all channels
        model.scaling_factor = 1 / float(model.encode(x[:2000]).sample().std())
    print(f"reconstruction error {error.item():.4f} a pixel, scaling factor {model.scaling_factor:.3f}")


@torch.no_grad()
def write_latents(path: Path, model: AutoencoderKL, x: Tensor) -> None:
    posteriors = [model.encode(part) for part in x.split(500)]
    mean, std = (torch.cat([getattr(q, name) for q in posteriors]) for name in ("mean", "std"))
    save_file({"mean": mean * model.scaling_factor, "std": std * model.scaling_factor}, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="digits in place of MNIST")
    parser.add_argument("--out", default="runs/diffusers-latents", help="folder for the latents and the report")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(0)
    data = lt.load("digits", test=500) if args.quick else lt.load("mnist", limit=10_000)
    x, held_out = data.train.batch(None), data.test.batch(None)[:5000]
    model = AutoencoderKL()
    train(model, x, epochs=8 if args.quick else 3)
    write_latents(out / "train.safetensors", model, x)
    write_latents(out / "test.safetensors", model, held_out)

    # with latents of your own, start here; the decoder and the data may be left out
    report = lt.audit(
        out / "train.safetensors",
        held_out=out / "test.safetensors",
        decoder=lambda z: model.decode(z.float() / model.scaling_factor).clamp(0, 1),
        data=held_out,
    )
    print(report)
    report.save(out)
    print(f"\nreport: {out}/report.html")


if __name__ == "__main__":
    main()
