"""Seconds an epoch, peak memory and time to first step: pythae, a bare loop, and Lather, on the same nets and data.

    python -m venv peers && peers/bin/pip install . -r benchmarks/requirements-peers.txt
    LATHER_DATA=... peers/bin/python benchmarks/training.py                    # MLP, 10 000 MNIST images
    LATHER_DATA=... peers/bin/python benchmarks/training.py --models vae --in-turn 4 --nets conv --images 256 \\
        --batches 64
    LATHER_DATA=... peers/bin/python benchmarks/training.py --models vae --in-turn 25
    LATHER_DATA=... python benchmarks/training.py --in-turn 7 --sides bare ours --images 60000 --steps 600 --batches 100

Every measurement is a process of its own, one after the other, sides in turn (ABCABC…): three epochs of whole batches,
of which the first is left out. *epoch* is CPU seconds with one thread, which a busy machine stretches less than wall
time; *peak* is the process's largest resident set; *first* is what the first epoch, building the model and the
optimizer included, takes beyond an ordinary one.

With ``--in-turn N`` the sides are threads of one process instead, which take turns, N short epochs (of 10 to 40 steps,
or ``--steps``) each: neighbouring epochs meet the same mood of a shared machine, so the ratios vary by 2% where those
of processes vary by 15%. Lather's validation and report at the end of each epoch weigh more than in a long one.

*bare* is what one would write by hand for speed: uint8 images in one tensor, indexed; fused Adam; the loss written out
(with Lather's divergence for WAE-MMD and InfoVAE). pythae runs its own trainer with its own models and defaults.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

EPOCHS = 3
D = 16


def images(n: int) -> Any:
    import numpy as np

    path = Path(os.environ["LATHER_DATA"])
    found = next(iter(sorted(path.rglob("train-images*idx3-ubyte*"))), None)
    if found is None:
        raise SystemExit(f"no MNIST (train-images-idx3-ubyte) below {path}; set LATHER_DATA")
    with gzip.open(found) if found.suffix == ".gz" else open(found, "rb") as opened:
        values = np.frombuffer(opened.read(), np.uint8, offset=16)
    return values.reshape(-1, 1, 28, 28)[:n].copy()


class Turns:
    """Lets threads, named after their sides, run one at a time, each until it passes the turn on."""

    def __init__(self, sides: Sequence[str]) -> None:
        self.sides, self.lengths = sides, dict[str, list[float]]()
        self.locks = {side: threading.Lock() for side in sides}
        for lock in self.locks.values():
            lock.acquire()

    def wait(self) -> None:
        self.locks[threading.current_thread().name].acquire()

    def pass_on(self) -> None:
        after = self.sides.index(threading.current_thread().name) + 1
        self.locks[self.sides[after % len(self.sides)]].release()


TURNS: Turns | None = None  #: where sides take turns


class Stamps:
    """CPU seconds of this thread in every epoch."""

    def __init__(self) -> None:
        self.lengths, self.last = list[float](), time.thread_time()
        if TURNS is not None:
            TURNS.lengths[threading.current_thread().name] = self.lengths

    def __call__(self, *_: object) -> None:
        self.lengths.append(time.thread_time() - self.last)
        if TURNS is not None:
            TURNS.pass_on()
            TURNS.wait()
        self.last = time.thread_time()

    def result(self) -> dict[str, float]:
        epoch = statistics.median(self.lengths[1:])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"epoch": epoch, "first": self.lengths[0] - epoch, "peak": peak}


def nets(kind: str, codes: int) -> tuple[Any, Any]:
    """The layers of pythae's nets for MNIST, as plain modules; the encoder returns ``codes`` numbers."""
    from torch import nn

    if kind == "mlp":
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, codes))
        decoder = nn.Sequential(
            nn.Linear(D, 512), nn.ReLU(), nn.Linear(512, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28))
        )
        return encoder, decoder
    widths = (1, 128, 256, 512, 1024)
    encoder = nn.Sequential()
    for a, b in pairwise(widths):
        encoder.extend([nn.Conv2d(a, b, 4, 2, padding=1), nn.BatchNorm2d(b), nn.ReLU()])
    encoder.extend([nn.Flatten(), nn.Linear(1024, codes)])
    decoder = nn.Sequential(
        *(nn.Linear(D, 1024 * 16), nn.Unflatten(1, (1024, 4, 4))),
        *(nn.ConvTranspose2d(1024, 512, 3, 2, padding=1), nn.BatchNorm2d(512), nn.ReLU()),
        *(nn.ConvTranspose2d(512, 256, 3, 2, padding=1, output_padding=1), nn.BatchNorm2d(256), nn.ReLU()),
        *(nn.ConvTranspose2d(256, 1, 3, 2, padding=1, output_padding=1), nn.Sigmoid()),
    )
    return encoder, decoder


def pythae(model: str, kind: str, batch: int, x: Any) -> dict[str, float]:
    import logging

    import torch
    from pythae import models
    from pythae.models.nn.benchmarks import mnist
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    logging.disable(logging.INFO)
    stamps = Stamps()
    config, build = {
        "vae": (models.VAEConfig, models.VAE),
        "wae-mmd": (models.WAE_MMD_Config, models.WAE_MMD),
        "infovae": (models.INFOVAE_MMD_Config, models.INFOVAE_MMD),
    }[model]
    settings = config(input_dim=(1, 28, 28), latent_dim=D)
    own = {}
    if kind == "conv":
        encoder = mnist.Encoder_Conv_AE_MNIST if model == "wae-mmd" else mnist.Encoder_Conv_VAE_MNIST
        own = {"encoder": encoder(settings), "decoder": mnist.Decoder_Conv_AE_MNIST(settings)}

    class Ends(TrainingCallback):
        def on_epoch_end(self, training_config: object, **rest: object) -> None:
            stamps()

    with tempfile.TemporaryDirectory() as folder:
        training = BaseTrainerConfig(
            output_dir=folder, learning_rate=1e-3, per_device_train_batch_size=batch, num_epochs=EPOCHS, no_cuda=True
        )
        from pythae.data.datasets import BaseDataset

        data = BaseDataset(torch.from_numpy(x).float() / 255, torch.zeros(len(x)))
        BaseTrainer(build(settings, **own), data, training_config=training, callbacks=[Ends()]).train()
    return stamps.result()


def bare(model: str, kind: str, batch: int, x: Any) -> dict[str, float]:
    import torch

    from lather import MMD, StandardNormal

    stamps = Stamps()
    data, prior, mmd = torch.from_numpy(x), StandardNormal(D), MMD()
    encoder, decoder = nets(kind, D if model == "wae-mmd" else 2 * D)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    for _ in range(EPOCHS):
        for index in torch.randperm(len(data)).split(batch):
            if len(index) < batch:
                continue
            target = data[index].float() / 255
            z, penalty = encoder(target), 0.0
            if model != "wae-mmd":
                mean, log_variance = z.chunk(2, 1)
                z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
                penalty = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
            if model != "vae":
                penalty = penalty + 10 * mmd(z, prior)
            distortion = 0.5 * torch.nn.functional.mse_loss(decoder(z), target, reduction="sum") / batch
            loss = distortion + penalty
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        stamps()
    return stamps.result()


def ours(model: str, kind: str, batch: int, x: Any) -> dict[str, float]:
    import logging

    import numpy as np

    import lather as lt

    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    stamps = Stamps()
    spare = 64  # held out: few, because pythae holds out none
    data = lt.load(np.concatenate([x, x[: 2 * spare]]), validation=spare, test=spare)
    encoder, decoder = nets(kind, D if model == "wae-mmd" else 2 * D)
    prior = lt.StandardNormal(D)
    match = 10.0 * lt.Match(lt.MMD())
    objective = {
        "vae": lambda: lt.Reconstruction() + lt.PosteriorKL(),
        "wae-mmd": lambda: lt.Reconstruction() + match,
        "infovae": lambda: lt.Reconstruction() + lt.PosteriorKL() + match,
    }[model]()
    posterior = lt.Point() if model == "wae-mmd" else lt.DiagonalGaussian()
    likelihood = lt.Gaussian(sigma=1.0)
    built = lt.Autoencoder(
        encoder, decoder, prior=prior, objective=objective, posterior=posterior, likelihood=likelihood
    )
    lt.fit(built, data, epochs=EPOCHS, batch_size=batch, schedule="constant", progress=False, callbacks=[stamps])
    return stamps.result()


def measured(side: str, model: str, kind: str, batch: int, n: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", side, model, kind, str(batch), str(n)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def in_turn(model: str, kind: str, batch: int, x: Any, sides: Sequence[str]) -> dict[str, list[float]]:
    """CPU seconds of each side's epochs, the first left out, taken in turn by threads of this process."""
    global TURNS
    TURNS = turns = Turns(sides)
    work = {"pythae": pythae, "bare": bare, "ours": ours}

    def run() -> None:
        turns.wait()
        try:
            work[threading.current_thread().name](model, kind, batch, x)
        finally:
            turns.pass_on()

    threads = [threading.Thread(target=run, name=side) for side in sides]
    for thread in threads:
        thread.start()
    turns.locks[sides[0]].release()
    for thread in threads:
        thread.join()
    return {side: turns.lengths[side][1:] for side in sides}


def compare_in_turn(options: argparse.Namespace) -> None:
    import torch

    global EPOCHS
    EPOCHS = options.in_turn + 1
    torch.set_num_threads(1)
    print(f"{options.nets} nets of pythae, d = {D}, one thread, epochs in turn; median (quartiles)")
    print(f"{'model':10}{'batch':>6}" + "".join(f"{side + ' ms':>11}" for side in options.sides), "  times ours")
    for model in options.models:
        for batch in options.batches:
            most = options.steps or (40 if batch <= 128 else 10)
            steps = min(max(options.images // batch, 1), most)
            found = in_turn(model, options.nets, batch, images(steps * batch), options.sides)
            line = f"{model:10}{batch:6}"
            line += "".join(f"{statistics.median(each) / steps * 1e3:11.2f}" for each in found.values())
            for side in options.sides[:-1]:
                ratios = [a / b for a, b in zip(found[side], found[options.sides[-1]], strict=True)]
                low, middle, high = statistics.quantiles(ratios, n=4)
                line += f"   {side} {middle:.2f} ({low:.2f}–{high:.2f})"
            print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--nets", default="mlp", choices=["mlp", "conv"])
    parser.add_argument("--models", nargs="+", default=["vae", "wae-mmd", "infovae"])
    parser.add_argument("--batches", type=int, nargs="+", default=[100, 512])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, help="of an epoch with --in-turn, at most; 40, or 10 of large batches")
    parser.add_argument("--in-turn", type=int, metavar="EPOCHS", help="as threads of one process, so many epochs each")
    parser.add_argument(
        "--sides", nargs="+", default=["pythae", "bare", "ours"], help="with --in-turn: which; the last is the measure"
    )
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(0)
        side, model, kind, batch, n = options.child
        work = {"pythae": pythae, "bare": bare, "ours": ours}[side]
        print(json.dumps(work(model, kind, int(batch), images(int(n) // int(batch) * int(batch)))))
        return
    if options.in_turn:
        compare_in_turn(options)
        return
    print(f"{options.images} MNIST images, {options.nets} nets of pythae, d = {D}, one thread; median (range)")
    print(
        f"{'model':10}{'batch':>6}{'pythae s':>10}{'bare s':>8}{'ours s':>8}{'× faster':>20}{'of bare':>18}"
        f"{'MiB pythae/bare/ours':>24}{'first s':>18}"
    )
    for model in options.models:
        for batch in options.batches:
            sides = ("pythae", "bare", "ours")
            runs = [
                [measured(side, model, options.nets, batch, options.images) for side in sides]
                for _ in range(options.repeats)
            ]
            epoch, peak, first = (
                [[run[i][key] for run in runs] for i in range(3)] for key in ("epoch", "peak", "first")
            )
            faster = [a / b for a, b in zip(epoch[0], epoch[2], strict=True)]
            share = [a / b for a, b in zip(epoch[1], epoch[2], strict=True)]
            middle = [statistics.median(side) for side in epoch]
            spread = [f"{statistics.median(v):.2f} ({min(v):.2f}–{max(v):.2f})" for v in (faster, share)]
            memory = "/".join(f"{statistics.median(side):.0f}" for side in peak)
            start = "/".join(f"{statistics.median(side):.2f}" for side in first)
            print(
                f"{model:10}{batch:6}{middle[0]:10.2f}{middle[1]:8.2f}{middle[2]:8.2f}{spread[0]:>20}{spread[1]:>18}"
                f"{memory:>24}{start:>18}",
                flush=True,
            )


if __name__ == "__main__":
    main()
