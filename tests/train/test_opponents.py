"""The loop trains critics beside the model: recorded, resumed bit for bit, alike on several processes."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from small import digits, identical, rows, tiny, weights
from torch import Tensor, nn

from lather.errors import RunError, TrainingError
from lather.models import (
    Adversarial,
    Autoencoder,
    DataCritic,
    MLPCritic,
    Objective,
    Point,
    PosteriorKL,
    Reconstruction,
    SquaredError,
    describe,
    rebuild,
)
from lather.priors import StandardNormal
from lather.train import Epoch, Opponents, fit, gather_latents, open_run
from lather.train.checkpoint import load_checkpoint

logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
SETTINGS = {"epochs": 3, "batch_size": 128, "progress": False, "ema": 0.9, "log_every": 7, "checkpoint_seconds": 0}
WORLD, D = 2, 3


def all_kinds() -> Objective:
    """A VAE-GAN with a critic of latents besides, which draws on every source of randomness."""
    torch.manual_seed(1)
    shared = MLPCritic((1, 8, 8), hidden=(16,))
    latent = Adversarial(MLPCritic((4,), hidden=(16,)), "wgan-gp", rounds=2)
    return Reconstruction(in_features_of=shared) + PosteriorKL() + 0.5 * DataCritic(shared, penalty=1.0) + latent


class StopNow(Exception):
    pass


def stop(epoch: Epoch) -> None:
    raise StopNow


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reference") / "run"
    fit(tiny(all_kinds(), dropout=0.1), digits(), out=path, **SETTINGS)
    return path


def test_both_sides_are_trained_and_recorded(uninterrupted: Path) -> None:
    names = ("adversarial", "adversarial_critic", "realism", "realism_accuracy", "realism_critic", "reconstruction")
    first, *_, last = rows(uninterrupted, "train", names)
    assert all(isinstance(value, float) for value in (*first, *last))
    before, after = weights(tiny(all_kinds(), dropout=0.1)), load_file(uninterrupted / "model.safetensors")
    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    unmoved = {name for name in after if "critic" in name} - moved
    assert unmoved == {"objective.terms.3.critic.head.bias"}  # it cancels in E c(p) − E c(z)
    assert "encoder.head.weight" in moved


def test_a_resumed_game_ends_as_an_uninterrupted_one(tmp_path: Path, uninterrupted: Path) -> None:
    """The shared critic, too: it comes back from ``config.json`` as one network."""
    for _ in range(2):
        with pytest.raises(StopNow):
            fit(
                tiny(all_kinds(), dropout=0.1),
                digits(),
                out=tmp_path,
                resume=(tmp_path / "config.json").exists(),
                callbacks=[stop],
                **SETTINGS,
            )
    model = tiny(all_kinds(), dropout=0.1)
    again = rebuild(describe(model), encoder=model.encoder, decoder=model.decoder)
    fit(again, digits(), out=tmp_path, resume=True, **SETTINGS)
    one, two = (load_checkpoint(path / "last.ckpt") for path in (tmp_path, uninterrupted))
    assert identical(one[0], two[0])
    assert any(name.startswith("opponent.realism.") for name in one[0])
    assert rows(tmp_path, "validation") == rows(uninterrupted, "validation")
    assert (tmp_path / "model.safetensors").read_bytes() == (uninterrupted / "model.safetensors").read_bytes()


def test_a_finished_game_can_be_opened(uninterrupted: Path) -> None:
    model = tiny(all_kinds(), dropout=0.1)
    run = open_run(uninterrupted, decoder=model.decoder)
    (_, reconstruction), _, (_, realism), _ = run.model.objective.pairs
    assert reconstruction.features is realism.critic  # type: ignore[attr-defined]
    assert run.model.generate(4).isfinite().all()


def test_a_checkpoint_of_another_critic_is_refused(uninterrupted: Path) -> None:
    tensors, _ = load_checkpoint(uninterrupted / "last.ckpt")
    moments = {name.removeprefix("opponent."): t for name, t in tensors.items() if name.startswith("opponent.")}
    with pytest.raises(RunError, match="critic of 'realism'"):
        Opponents(tiny(Reconstruction() + PosteriorKL() + Adversarial(MLPCritic((4,))))).load_state_dict(moments)


class Bursts(nn.Module):
    """A critic whose score is infinite for real data of one kind, so that only its own loss is."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 1)

    def forward(self, z: Tensor) -> Tensor:
        bad = self.net.weight.requires_grad  # only while it is trained
        return self.net(z) * (float("nan") if bad else 1.0)


def test_a_critics_loss_that_is_no_number_stops_the_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"at step 0 \(epoch 1\).*adversarial_critic.*last good checkpoint"):
        fit(tiny(Reconstruction() + PosteriorKL() + Adversarial(Bursts())), digits(), out=tmp_path, **SETTINGS)


def test_the_loop_of_your_own() -> None:
    """What the docstring says, to the end: two trainings of it agree, and the critic is trained."""

    def trained() -> Autoencoder:
        model = tiny(Reconstruction() + PosteriorKL() + 5 * Adversarial(MLPCritic((4,), hidden=(8,))))
        opponents = Opponents(model)
        optimizer = torch.optim.Adam(p for p in model.parameters() if p.requires_grad)
        generator = torch.Generator().manual_seed(0)
        for t in range(5):
            x = digits().train.batch(slice(64 * t, 64 * t + 64))
            opponents.train(x, generator=generator)
            optimizer.zero_grad()
            model(x, generator=generator)["loss"].backward()
            optimizer.step()
        return model

    start, one, two = (weights(m) for m in (tiny(all_kinds()), trained(), trained()))
    assert identical(one, two)
    assert not any(torch.equal(one[name], start[name]) for name in one if name.startswith("encoder.body.0"))


# two processes ----------------------------------------------------------------------------------------------------
def game() -> Autoencoder:
    torch.manual_seed(5)
    encoder = nn.Sequential(nn.Linear(7, 12), nn.Tanh(), nn.Linear(12, D))
    decoder = nn.Sequential(nn.Linear(D, 12), nn.Tanh(), nn.Linear(12, 7))
    objective = Reconstruction() + 5 * Adversarial(MLPCritic((D,), hidden=(8,)), "wgan-gp", rounds=2, lr=1e-2)
    return Autoencoder(
        encoder, decoder, prior=StandardNormal(D), objective=objective, posterior=Point(), likelihood=SquaredError()
    ).double()


def played(rank: int = 0, world: int = 1) -> dict[str, Tensor]:
    """Losses and weights after three steps of both sides, each process with its part of the batches."""

    def mean(values: Tensor) -> Tensor:
        dist.all_reduce(values)
        return values / world

    model = game()
    module: nn.Module = model if world == 1 else nn.parallel.DistributedDataParallel(model)
    gather, average = (gather_latents, mean) if world > 1 else (None, None)
    opponents = Opponents(model)
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=1e-2)
    shared, result = torch.Generator(), {}
    for t in range(3):
        x = torch.randn(24, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(t)).chunk(world)[rank]
        opponent = opponents.train(x, generator=shared.manual_seed(10 + t), gather=gather, average=average)
        values = module(x, generator=shared.manual_seed(20 + t), gather=gather)
        optimizer.zero_grad()
        values["loss"].backward()
        optimizer.step()
        both = {**values, **opponent}
        result |= {f"{t}.{name}": both[name].detach() for name in ("adversarial", "adversarial_critic")}
    return result | {f"weight.{name}": tensor for name, tensor in model.state_dict().items()}


def rank_main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=WORLD)
    save_file({name: tensor.contiguous() for name, tensor in played(rank, WORLD).items()}, folder / f"{rank}")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_play_the_game_of_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(rank_main, (tmp_path,), nprocs=WORLD)  # type: ignore[no-untyped-call]
    whole = played()
    assert any("critic" in name for name in whole)
    for rank in range(WORLD):
        found = load_file(tmp_path / f"{rank}")
        assert found.keys() == whole.keys()
        for name, expected in whole.items():
            torch.testing.assert_close(found[name], expected, rtol=1e-9, atol=1e-11, msg=lambda m, n=name: f"{n}: {m}")
