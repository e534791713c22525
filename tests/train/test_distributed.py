"""Several processes train as one: the same losses, gradients and weights as one process on the whole batch."""

from __future__ import annotations

import copy
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from small import PLAIN, digits, identical, rows, tiny
from torch import Tensor, nn

from lather.divergences import DIVERGENCES, CramerWold, make_divergence
from lather.errors import ConfigError
from lather.models import Autoencoder, DecoderPenalty, Gaussian, LatentNorm, Match, Point, Reconstruction
from lather.models.objective import Objective, Term
from lather.models.step import Step
from lather.priors import StandardNormal, UniformSphere
from lather.train import fit, gather_latents, open_run
from lather.train.checkpoint import load_checkpoint

D = 3
ON_SPHERE = "sphere-uniformity"  # the model here has a normal prior
OBJECTIVES: dict[str, Objective] = {
    **{
        name: Reconstruction() + 5 * Match(make_divergence(name, D))
        for name in DIVERGENCES
        if not name.startswith("sphere")
    },
    "log of a divergence": Reconstruction() + Match(CramerWold(unbiased=False)).log(),
    "log of a mean": Reconstruction().log() + Match(CramerWold()),
    "held": Reconstruction() + Match(CramerWold()).to_noise_floor(start=3.0),
    "penalties": Reconstruction() + LatentNorm() + 0.1 * DecoderPenalty("weights"),
}


def model_of(name: str) -> Autoencoder:
    torch.manual_seed(5)
    encoder = nn.Sequential(nn.Linear(7, 12), nn.Tanh(), nn.Linear(12, D))
    decoder = nn.Sequential(nn.Linear(D, 12), nn.Tanh(), nn.Linear(12, 7))
    model = Autoencoder(
        encoder,
        decoder,
        prior=StandardNormal(D),
        objective=copy.deepcopy(OBJECTIVES[name]),  # held ones have a state
        posterior=Point(),
        likelihood=Gaussian(sigma="optimal", shape=(7,)),
    )
    return model.double()


def batch() -> Tensor:
    return torch.randn(24, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(6)) * torch.arange(1.0, 8)


def outcome(name: str, rank: int = 0, world: int = 1, *, local: bool = False) -> dict[str, Tensor]:
    """Loss terms, gradients and buffers after one step on this process's part of the batch."""
    model = model_of(name)
    module: nn.Module = model if world == 1 else nn.parallel.DistributedDataParallel(model)
    gather = gather_latents if world > 1 else None
    shared, noise = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2 + rank)
    values = module(batch().chunk(world)[rank], generator=shared, noise=noise, gather=gather, local=local)
    values["loss"].backward()
    result = {f"value.{key}": value.detach() for key, value in values.items()}
    result |= {f"gradient.{key}": p.grad for key, p in model.named_parameters() if p.grad is not None}
    return result | {f"buffer.{key}": buffer for key, buffer in model.named_buffers()}


def sharded(rank: int, world: int) -> dict[str, Tensor]:
    """Gradients with both networks sharded over the processes (FSDP2)."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    model, mesh = model_of("energy"), init_device_mesh("cpu", (world,))
    for network in (model.encoder, model.decoder):
        fully_shard(network, mesh=mesh)
    values = model(batch().chunk(world)[rank], generator=torch.Generator().manual_seed(1), gather=gather_latents)
    values["loss"].backward()
    named = {
        f"{part}.{key}": p for part in ("encoder", "decoder") for key, p in getattr(model, part).named_parameters()
    }
    assert all(p.to_local().numel() < p.numel() for p in named.values()), "every process holds a part of the weights"
    return {f"gradient.{key}": p.grad.full_tensor() for key, p in named.items()}


UNEVEN = {2: (19, 5), 3: (12, 0, 12)}  #: data of the batch on each process, by how many processes there are


def uneven(name: str, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
    """A divergence of the latents of all processes, which have different numbers of data, in a loop of one's own."""
    torch.manual_seed(5)
    encoder = nn.Linear(7, D).double()
    z = encoder(batch().split(UNEVEN.get(world, (24,)))[rank])
    prior = UniformSphere(D) if name == ON_SPHERE else StandardNormal(D)
    z = z / z.norm(dim=1, keepdim=True) if name == ON_SPHERE else z
    divergence = make_divergence(name, D)
    value = divergence(gather_latents(z), prior.double(), generator=torch.Generator().manual_seed(1))
    value.backward()
    found = {"value": value.detach(), **{key: p.grad for key, p in encoder.named_parameters()}}
    if world > 1:  # as data-parallel training does
        for key in ("weight", "bias"):
            dist.all_reduce(found[key])
            found[key] /= world
    return found


def rank_main(rank: int, folder: Path, world: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=world)
    everything = {f"{name}|{key}": t for name in OBJECTIVES for key, t in outcome(name, rank, world).items()}
    everything |= {f"local|{key}": t for key, t in outcome("energy", rank, world, local=True).items()}
    everything |= {f"sharded|{key}": t for key, t in sharded(rank, world).items()}
    everything |= {f"uneven {name}|{key}": t for name in DIVERGENCES for key, t in uneven(name, rank, world).items()}
    save_file({key: tensor.contiguous() for key, tensor in everything.items()}, folder / f"{rank}.safetensors")
    dist.destroy_process_group()


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.exhaustive)])
def ranks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    folder, world = tmp_path_factory.mktemp("ranks"), request.param
    torch.multiprocessing.spawn(rank_main, (folder, world), nprocs=world)  # type: ignore[no-untyped-call]
    return [load_file(folder / f"{rank}.safetensors") for rank in range(world)]


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_and_gradients_are_those_of_one_process(name: str, ranks: list[dict[str, Tensor]]) -> None:
    whole = outcome(name)
    parts = [{key.partition("|")[2]: t for key, t in rank.items() if key.startswith(f"{name}|")} for rank in ranks]
    assert all(part.keys() == whole.keys() for part in parts)
    for key, expected in whole.items():
        if key.startswith("value."):  # terms that are means over data differ between processes; their mean counts
            found = [torch.stack([part[key] for part in parts]).mean()]
        else:
            found = [part[key] for part in parts]
        for one in found:
            torch.testing.assert_close(one, expected, rtol=1e-9, atol=1e-11, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.slow
@pytest.mark.parametrize("name", DIVERGENCES)
def test_processes_may_bring_different_numbers_of_latents(name: str, ranks: list[dict[str, Tensor]]) -> None:
    for key, expected in uneven(name).items():
        for rank in ranks:
            torch.testing.assert_close(rank[f"uneven {name}|{key}"], expected, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_local_matching_is_the_mean_over_processes(ranks: list[dict[str, Tensor]]) -> None:
    model = model_of("energy")
    z = model.encode(batch()).draw()
    energy, prior = make_divergence("energy", D), StandardNormal(D).double()
    match = torch.stack([energy(part, prior) for part in z.chunk(len(ranks))]).mean()
    values = model(batch(), generator=torch.Generator().manual_seed(1))
    (values["loss"] - 5 * values["match"] + 5 * match).backward()
    for key, p in model.named_parameters():
        assert p.grad is not None
        for rank in ranks:
            torch.testing.assert_close(rank[f"local|gradient.{key}"], p.grad, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_sharded_networks_have_the_gradients_of_whole_ones(ranks: list[dict[str, Tensor]]) -> None:
    whole = outcome("energy")
    for rank in ranks:
        found = {key.partition("|")[2]: t for key, t in rank.items() if key.startswith("sharded|")}
        assert found
        for key, gradient in found.items():
            torch.testing.assert_close(gradient, whole[key], rtol=1e-9, atol=1e-11)


# whole trainings, started as a user starts them: Fabric runs the script again for the second process -------------
SCRIPT = """
import logging, sys
logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_distributed import MODELS, SETTINGS
from small import digits
from lather.train import fit
out, model, resume, changes = Path(sys.argv[2]), MODELS[sys.argv[3]](), sys.argv[4] == "resume", eval(sys.argv[5])
print("go", flush=True)
fit(model, digits(), out=out, resume=resume, accelerator="cpu", **{**SETTINGS, "devices": 2, **changes})
"""
SETTINGS = {"epochs": 2, "batch_size": 64, "progress": False, "log_every": 7, "checkpoint_seconds": 0}


def certain(sigma: str = "optimal") -> Autoencoder:
    """Draws no noise, so that it does not matter which process sees which datum."""
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, D))
    decoder = nn.Sequential(nn.Linear(D, 64), nn.Unflatten(1, (1, 8, 8)))
    likelihood = Gaussian(sigma=sigma, squash="sigmoid")
    return Autoencoder(encoder, decoder, prior=StandardNormal(D), objective=PLAIN, likelihood=likelihood)


class OverflowsElsewhere(Term):
    """Infinite from step 9 on, but on the second process only."""

    key = "overflow"  # type: ignore[misc]

    def __init__(self) -> None:
        super().__init__()

    def forward(self, step: Step) -> Tensor:
        return step.z.sum() * (float("inf") if step.t >= 9 and step.gather and dist.get_rank() == 1 else 0.0)


MODELS = {
    "learned": lambda: certain("learned"),
    "dropout": lambda: tiny(dropout=0.2),
    "overflow": lambda: tiny(PLAIN + OverflowsElsewhere()),
}


class Training:
    """One run of the script by two processes."""

    def __init__(self, folder: Path, out: Path, model: str, *, resume: bool = False, **changes: object) -> None:
        script = folder / "script.py"
        script.write_text(SCRIPT)
        how = "resume" if resume else "new"
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(Path(__file__).parent), str(out), model, how, repr(changes)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )

    def __enter__(self) -> Training:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:  # the test failed: leave no process behind
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> str:
        _, errors = self.process.communicate(timeout=480)
        return errors


def trained(folder: Path, out: Path, model: str, **changes: object) -> Path:
    with Training(folder, out, model, **changes) as training:  # type: ignore[arg-type]
        errors = training.end()
        assert training.process.returncode == 0, errors
        assert "Warning" not in errors
    return out


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(tmp_path: Path) -> None:
    """Two that take their halves of a batch in parts of 20 and 12, against one that takes it whole."""
    two = trained(tmp_path, tmp_path / "two", "learned", precision="64-true", ema=0.9, microbatch=20)
    one = tmp_path / "one"
    fit(certain("learned"), digits(), out=one, precision="64-true", ema=0.9, **SETTINGS)
    expected = load_file(one / "model.safetensors")
    for name, tensor in load_file(two / "model.safetensors").items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-7, atol=1e-9)
    for split in ("train", "validation"):
        names = ("step", "epoch", "loss", "reconstruction", "match")
        for found, row in zip(rows(two, split, names), rows(one, split, names), strict=True):
            assert found == pytest.approx(row, rel=1e-7)
    x = digits().test.batch(slice(0, 5)).double()
    again = open_run(two, encoder=certain().encoder, decoder=certain().decoder).model.double()
    assert torch.isfinite(again.reconstruct(x)).all()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    return trained(folder, folder / "run", "dropout", epochs=6)


@pytest.mark.exhaustive
def test_ctrl_c_and_resume_end_where_an_uninterrupted_run_does(tmp_path: Path, uninterrupted: Path) -> None:
    out = tmp_path / "run"
    with Training(tmp_path, out, "dropout", epochs=6) as training:
        deadline = time.monotonic() + 60
        while not (out / "metrics.jsonl").exists() or not rows(out, "train"):
            assert time.monotonic() < deadline
            assert training.process.poll() is None
            time.sleep(0.002)
        os.killpg(training.process.pid, signal.SIGINT)
        errors = training.end()
        assert training.process.returncode != 0
        assert "KeyboardInterrupt" in errors
    _, state = load_checkpoint(out / "last.ckpt")
    assert 0 < state["t"] < 6 * 22
    trained(tmp_path, out, "dropout", resume=True, epochs=6)
    one, two = (load_checkpoint(path / "last.ckpt")[0] for path in (out, uninterrupted))
    assert identical(one, two)
    assert rows(out, "validation") == rows(uninterrupted, "validation")


@pytest.mark.slow
def test_one_process_goes_on_with_the_run_of_two(tmp_path: Path, uninterrupted: Path) -> None:
    import shutil

    out = tmp_path / "run"
    shutil.copytree(uninterrupted, out)
    run = fit(tiny(dropout=0.2), digits(), out=out, resume=True, **{**SETTINGS, "epochs": 7})
    assert [row["epoch"] for row in run.metrics if row["split"] == "validation"] == [1, 2, 3, 4, 5, 6, 7]
    losses = [loss for _, loss in rows(out, "validation")]
    assert losses[-1] < losses[0]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 3)])
def test_a_run_of_some_processes_goes_on_with_more(before: int, after: int, tmp_path: Path) -> None:
    """To the weights of one process that was not interrupted: the model draws nothing."""
    how = {**SETTINGS, "batch_size": 48, "precision": "64-true", "ema": 0.9, "schedule": "constant"}
    fit(certain("learned"), digits(), out=tmp_path / "one", **how)
    out = tmp_path / "some"
    trained(tmp_path, out, "learned", **{**how, "epochs": 1, "devices": before})
    _, state = load_checkpoint(out / "last.ckpt")
    trained(tmp_path, out, "learned", resume=True, **{**how, "devices": after})
    assert 0 < state["t"] < load_checkpoint(out / "last.ckpt")[1]["t"]
    expected = load_file(tmp_path / "one" / "model.safetensors")
    for name, tensor in load_file(out / "model.safetensors").items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-7, atol=1e-9)


def launched(node: int, port: int, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """``lather train`` on one of two machines of one process each, both of them this one, started by torchrun."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"),
            *("--node-rank", str(node), "--master-addr", "127.0.0.1", "--master-port", str(port)),
            *("--no-python", sys.executable, "-c", "from lather.cli import main; main()"),
            *("train", "digits", "--nodes", "2", "--devices", "1", "--accelerator", "cpu", "--quiet", *arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


@pytest.mark.exhaustive
def test_two_machines_train_what_one_process_trains(tmp_path: Path) -> None:
    how = ("--recipe", "sigreg", "--latent", "2", "--epochs", "2", "--batch-size", "64", "--precision", "64-true")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    nodes = [launched(node, port, tmp_path, *how, "--out", "two") for node in (0, 1)]
    try:
        for node in nodes:
            said, _ = node.communicate(timeout=240)
            assert node.returncode == 0, said
    finally:
        for node in nodes:
            if node.poll() is None:
                os.killpg(node.pid, signal.SIGKILL)
    one = [sys.executable, "-c", "from lather.cli import main; main()", "train", "digits", *how, "--out", "one"]
    subprocess.run([*one, "--quiet"], cwd=tmp_path, check=True, capture_output=True)
    expected = load_file(tmp_path / "one" / "model.safetensors")
    for name, tensor in load_file(tmp_path / "two" / "model.safetensors").items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-7, atol=1e-9)
    assert (tmp_path / "two" / "report.json").exists()


@pytest.mark.slow
def test_a_directory_in_use_stops_all_processes_at_once(tmp_path: Path, uninterrupted: Path) -> None:
    with Training(tmp_path, uninterrupted, "dropout") as training:
        errors = training.end()
        assert training.process.returncode != 0
    assert "already holds a run" in errors
    assert "Connection" not in errors


@pytest.mark.slow
def test_a_loss_that_is_no_number_on_one_process_stops_both(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with Training(tmp_path, out, "overflow") as training:
        errors = training.end()
        assert training.process.returncode == 1
    assert errors.count("TrainingError: the loss stopped being a number in the steps up to step 14 (epoch 1)") == 2
    assert "Connection" not in errors
    assert load_checkpoint(out / "last.ckpt")[1]["t"] == 0


def test_a_batch_that_cannot_be_shared_is_refused_before_processes_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="batch_size=65 cannot be shared equally by 2 processes; make it a multiple"):
        fit(certain(), digits(), out=tmp_path / "run", devices=2, accelerator="cpu", **{**SETTINGS, "batch_size": 65})
    assert not (tmp_path / "run").exists()


def test_one_process_gathers_nothing() -> None:
    z = torch.randn(4, 3)
    assert gather_latents(z) is z


@pytest.mark.slow
def test_a_killed_process_ends_the_others_and_the_run_goes_on(tmp_path: Path, uninterrupted: Path) -> None:
    out = tmp_path / "run"
    with Training(tmp_path, out, "dropout", epochs=6) as training:
        deadline = time.monotonic() + 120
        while not (out / "metrics.jsonl").exists() or not rows(out, "train"):
            assert time.monotonic() < deadline
            assert training.process.poll() is None
            time.sleep(0.002)
        (other,) = Path(f"/proc/{training.process.pid}/task/{training.process.pid}/children").read_text().split()
        os.kill(int(other), signal.SIGKILL)
        killed = time.monotonic()
        errors = training.end()
        assert time.monotonic() - killed < 60
        assert training.process.returncode == 1
    assert "another process of this training ended" in errors, errors
    assert "--resume" in errors
    load_checkpoint(out / "last.ckpt")
    trained(tmp_path, out, "dropout", resume=True, epochs=6)
    one, two = (load_checkpoint(path / "last.ckpt")[0] for path in (out, uninterrupted))
    assert identical(one, two)
