"""Null distributions: exact moments, honest p-values, a cache that cannot do harm."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from scipy import stats

import lather as lt
from lather.divergences import null as null_module
from lather.divergences.kernels import KernelMixture, LaplacianKernel, RationalQuadraticKernel
from lather.divergences.null_cache import NullCache, cache_folder, content_key
from lather.divergences.null_progress import NullProgress
from lather.errors import CapabilityError, ConfigError, ShapeError

NORMAL = lt.StandardNormal(3)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """An empty cache, in memory and on disk."""
    monkeypatch.setenv("LATHER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(null_module, "_CACHE", NullCache())
    return tmp_path / "cache"


def home(name: str, d: int) -> lt.Prior:
    return lt.make_prior("sphere" if name == "sphere-uniformity" else "normal", d)


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*")) if folder.exists() else []


def counted(monkeypatch, kind=lt.Energy) -> list[int]:
    """A list that grows by one for each value simulated."""
    calls: list[int] = []
    original = kind.estimate

    def estimate(self, z, prior, generator):
        calls.append(len(z))
        return original(self, z, prior, generator)

    monkeypatch.setattr(kind, "estimate", estimate)
    return calls


# the distribution -------------------------------------------------------------------------------------------------


def test_p_is_never_zero_and_says_when_it_is_a_bound():
    null = lt.NullDistribution(torch.arange(999.0).flip(0), n=10, d=2)
    assert null.pvalue(1e9) == null.floor == 1 / 1000
    assert null.pvalue(998) == 2 / 1000  # a tie counts against
    assert null.is_bound(999)
    assert not null.is_bound(998)
    assert null.pvalue(-1) == 1
    assert null.pvalue(torch.tensor(math.nan)) == null.floor
    assert null.pvalue(math.inf) == null.floor


def test_quantile_and_p_value_agree():
    null = lt.NullDistribution(torch.randn(999, generator=torch.Generator().manual_seed(1)), n=10, d=2)
    for q in (0.5, 0.9, 0.95, 0.999):
        x = null.quantile(q)
        assert null.pvalue(x + 1e-12) <= 1 - q + 1e-9 < null.pvalue(x)
    assert null.quantile(0) == null.values[0]
    assert null.quantile(1) == null.values[-1]
    with pytest.raises(ConfigError, match="between 0 and 1"):
        null.quantile(1.5)


def test_moments_are_the_exact_ones_where_given():
    values = torch.tensor([1.0, 3.0, 2.0])
    null = lt.NullDistribution(values, n=10, d=2, mean=0.0)
    assert (null.mean, null.std, null.exact) == (0.0, 1.0, ("mean",))
    assert null.zscore(torch.tensor(2.5)) == 2.5
    assert lt.NullDistribution(values, n=10, d=2).zscore(4) == 2
    assert "mean 0, sd 1" in repr(null)
    constant = lt.NullDistribution(torch.ones(20), n=10, d=2)
    assert (constant.zscore(1), constant.zscore(2), constant.zscore(0)) == (0, math.inf, -math.inf)


def test_what_is_no_null_distribution():
    for values in (torch.zeros(1), torch.zeros(2, 2), torch.tensor([0.0, math.nan])):
        with pytest.raises(ShapeError, match="without NaN"):
            lt.NullDistribution(values, n=10, d=2)
    with pytest.raises(ConfigError, match="n ≥ 2"):
        lt.Energy().null(NORMAL, 1)
    with pytest.raises(ConfigError, match="at least 19 draws"):
        lt.Energy().null(NORMAL, 10, draws=5)
    with pytest.raises(CapabilityError, match="Stein"):
        lt.SteinDiscrepancy().null(lt.UniformCube(3), 10)
    with pytest.raises(ShapeError, match="more samples than dimensions"):
        lt.Mardia().null(NORMAL, 3)


# exact moments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 16, 300])
@pytest.mark.parametrize("n", [2, 100])
def test_pair_variance_equals_the_closed_forms(n, d):
    h = math.sqrt(d)
    kernels = [lt.GaussianKernel(h), LaplacianKernel(h), RationalQuadraticKernel(bandwidth=h)]
    for known in [*(lt.MMD(kernel) for kernel in kernels), lt.CramerWold(), lt.CramerWold(gamma=0.5)]:
        mean, std = known.null_moments(lt.StandardNormal(d), n)
        assert mean == 0
        assert math.isclose(std, math.sqrt(known.null_variance(n, d)), rel_tol=1e-9)


def test_energy_variance_in_one_dimension_is_that_of_cramer_von_mises_integrals():
    # h(x, y) = 2 ∫ (1[x≤t] − Φ)(1[y≤t] − Φ) dt, so E h² = 4 ∫∫ (Φ(min) − Φ(s)Φ(t))² ds dt
    t = torch.linspace(-9, 9, 1801, dtype=torch.float64)
    cdf = torch.special.ndtr(t)
    covariance = torch.minimum(cdf[:, None], cdf) - cdf[:, None] * cdf
    square = 4 * covariance.square().sum() * (t[1] - t[0]) ** 2
    _, std = lt.Energy().null_moments(lt.StandardNormal(1), 2)
    assert math.isclose(std**2, float(square), rel_tol=1e-4)


MOMENTS = {
    "imq-v": lt.MMD(unbiased=False),
    "mixture": lt.MMD(KernelMixture([lt.GaussianKernel(1.0), lt.IMQKernel()])),
    "energy-v": lt.Energy(unbiased=False),
    "cramer-wold-v": lt.CramerWold(unbiased=False),
    "stein-v": lt.SteinDiscrepancy(unbiased=False),
    "mardia-v": lt.Mardia(unbiased=False),
    "kl": lt.GaussianFit("kl"),
    "henze-zirkler": lt.HenzeZirkler(),
    "ladder": lt.HermiteLadder(order=2),
    "ladder-v": lt.HermiteLadder(order=2, unbiased=False),
    "radius": lt.RadiusCDF(),
    "weighted": 3 * lt.Energy(),
    "sum": lt.Energy() + 2 * lt.RadiusCDF(),
    "one": lt.DivergenceSum(lt.Energy()),
    "ks": lt.Sliced(lt.KolmogorovSmirnov(), directions=4),
    "w1": lt.Sliced(lt.Wasserstein1d(p=1), directions=4),
}


QUICK = ("imq-v", "mardia-v", "kl", "ladder-v", "radius", "sum")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in MOMENTS])
def test_exact_moments_are_those_of_the_draws(name):
    divergence, prior, n = MOMENTS[name], lt.StandardNormal(3), 24
    draws = 150 if name in QUICK else 400
    mean, std = divergence.null_moments(prior, n)
    assert mean is not None
    null = divergence.null(prior, n, draws=draws, cache=False)
    simulated = null.values.std()
    assert abs(null.values.mean() - mean) < 4 * simulated / math.sqrt(draws)
    assert null.exact == ("mean", *(["std"] if std is not None else []))
    if std is not None:
        error = (null.values - null.values.mean()).square().std() / math.sqrt(draws) / (2 * simulated)
        assert abs(simulated - std) < 5 * error


def test_sphere_uniformity_moments():
    for divergence in (lt.SphereUniformity(), lt.SphereUniformity(unbiased=False)):
        null = divergence.null(lt.UniformSphere(3), 24, draws=200, cache=False)
        assert null.exact == ("mean", "std")
        assert abs(null.values.mean() - null.mean) < 4 * null.std / math.sqrt(200)
        assert abs(null.values.std() / null.std - 1) < 0.35


def test_radius_of_other_priors_is_exact_where_the_law_is_known():
    assert lt.RadiusCDF().null(lt.UniformBall(3), 20, draws=19).exact == ("mean", "std")
    assert lt.RadiusCDF().null(lt.LaplacePrior(3), 20, draws=19).exact == ()


def test_what_is_not_known_is_not_claimed():
    unknown = [
        lt.Energy().log(),
        lt.CramerWold(exact=False),
        lt.GaussianFit(),
        lt.Sliced(lt.Wasserstein1d(unbiased=False)),
        lt.MaxSliced(lt.Wasserstein1d()),
        lt.HenzeZirkler(unbiased=False, studentize=True),
        lt.Energy() + lt.GaussianFit(),
    ]
    for divergence in unknown:
        assert divergence.null_moments(NORMAL, 20) == (None, None), divergence
    assert lt.Energy().null_moments(lt.UniformCube(3), 20) == (0.0, None)
    assert lt.Energy(unbiased=False).null_moments(lt.UniformCube(3), 20) == (None, None)
    swae = lt.Sliced(lt.Wasserstein1d())
    assert swae.null_moments(lt.UniformCube(3), 20) == (None, None)  # a ratio of estimates
    assert swae.null_moments(NORMAL, 20) == (0.0, None)


BIASED = ["radius-cdf", "distance-cdf", "gaussian-fit", "max-sliced-wasserstein", "sinkhorn"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [name for name in lt.DIVERGENCES if name not in BIASED])
def test_unbiased_statistics_have_mean_zero(name):
    divergence, prior = lt.make_divergence(name, 4), home(name, 4)
    null = divergence.null(prior, 32, draws=199, cache=False, seed=3)
    assert null.mean == 0
    assert null.exact[0] == "mean"
    assert abs(null.values.mean()) < 4 * null.values.std() / math.sqrt(199)


RATES = {"log": lt.Energy().log(), "w1": lt.Sliced(lt.Wasserstein1d(p=1), directions=16)}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [*lt.DIVERGENCES, *RATES])
def test_fluctuations_shrink_at_the_rate_given(name):
    divergence = RATES[name] if name in RATES else lt.make_divergence(name, 3)
    if isinstance(divergence, lt.MaxSliced):
        divergence = lt.MaxSliced(divergence.statistic, steps=5)
    draws = 99 if name in ("distance-cdf", "max-sliced-wasserstein", "sinkhorn") else 199
    small, large = (divergence.null(home(name, 3), n, draws=draws, cache=False, seed=n).std for n in (64, 256))
    seen = math.log(small / large) / math.log(4)
    # Silverman's and Henze and Zirkler's bandwidths shrink with n, which slows the rate
    assert abs(seen - divergence.null_rate) < (0.35 if name == "henze-zirkler" else 0.25), seen


def test_rates_of_compositions():
    ks = lt.Sliced(lt.KolmogorovSmirnov())
    assert (ks.null_rate, (2 * ks).null_rate, lt.MaxSliced(lt.KolmogorovSmirnov()).null_rate) == (0.5, 0.5, 0.5)
    assert lt.Sliced(lt.Wasserstein1d(p=1)).null_rate == 0.5
    assert (lt.Energy() + ks).null_rate == 0.5
    assert (lt.Energy() + lt.RadiusCDF()).null_rate == 1
    assert (lt.Energy() + ks).log().null_rate == 0


# p-values ---------------------------------------------------------------------------------------------------------


def uniformity(divergence: lt.Divergence, prior: lt.Prior, n: int, draws: int, replicates: int = 200) -> float:
    """p-value of the hypothesis that p-values are uniform under the prior."""
    null = divergence.null(prior, n, draws=draws, cache=False)
    generator = torch.Generator().manual_seed(11)
    found = [
        null.pvalue(divergence(prior.sample(n, generator=generator), prior, generator=generator))
        for _ in range(replicates)
    ]
    assert min(found) > 0
    return float(stats.kstest(found, "uniform").pvalue)


@pytest.mark.parametrize(
    ("divergence", "n", "d"),
    [
        (lt.Energy(), 32, 2),
        (lt.RadiusCDF(), 32, 2),
        (lt.GaussianFit(), 256, 16),
    ],
    ids=repr,
)
def test_p_values_are_uniform_under_the_prior(divergence, n, d):
    assert uniformity(divergence, lt.StandardNormal(d), n, 499) > 1e-3


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("divergence", "n", "d"),
    [
        (lt.Sliced(lt.EppsPulley(), directions=8), 32, 2),
        (lt.HermiteLadder(order=4), 32, 2),
        (lt.Energy().log(), 32, 2),
        (lt.RadiusCDF() + 0.1 * lt.HermiteLadder(order=2), 256, 16),
        (lt.CramerWold(), 256, 16),
        (lt.MMD(), 256, 16),
        (lt.Sliced(lt.KolmogorovSmirnov(), directions=16), 256, 16),
        (lt.HermiteLadder(order=2), 2000, 256),
        (lt.RadiusCDF(), 2000, 256),
    ],
    ids=repr,
)
def test_p_values_are_uniform_under_the_prior_in_more_dimensions(divergence, n, d):
    assert uniformity(divergence, lt.StandardNormal(d), n, 299 if d > 16 else 999) > 1e-3


def test_prior_draws_count_as_noise():
    # against draws the statistic scatters more; a null without that would reject far too often
    cramer = lt.Sliced(lt.Cramer(), directions=8)
    assert uniformity(cramer, lt.UniformCube(2), 32, 299) > 1e-3
    normal = cramer.null(lt.StandardNormal(2), 32, draws=199, cache=False)
    drawn = cramer.null(lt.Normal(torch.zeros(2), torch.eye(2)), 32, draws=199, cache=False)
    assert 1.2 < drawn.std / normal.std < 2.4


def test_directions_are_fresh_unless_they_were_given():
    one = torch.tensor([[1.0, 0.0, 0.0]])
    fixed = lt.Sliced(lt.Wasserstein1d(), directions=one).null(NORMAL, 32, draws=99, cache=False)
    fresh = lt.Sliced(lt.Wasserstein1d(), directions=1).null(NORMAL, 32, draws=99, cache=False)
    g = torch.Generator().manual_seed(0)
    again = [float(lt.Wasserstein1d().against_normal(NORMAL.sample(32, generator=g)[:, :1].T)) for _ in range(99)]
    torch.testing.assert_close(fixed.values, torch.tensor(again).double().sort().values, rtol=1e-4, atol=1e-6)
    assert not torch.equal(fixed.values, fresh.values)


def test_latents_far_from_the_prior_are_far_from_the_null():
    z = 1.5 * NORMAL.sample(64, generator=torch.Generator().manual_seed(0))
    for divergence in (lt.Energy(), lt.Energy().log(), lt.Energy() + lt.RadiusCDF()):
        null = divergence.null(NORMAL, 64, draws=99)
        assert null.pvalue(divergence(z, NORMAL)) == null.floor
        assert null.zscore(divergence(z, NORMAL)) > 3


# the cache --------------------------------------------------------------------------------------------------------


def test_a_second_call_gives_the_same_bits_from_memory_and_from_disk(own_cache, monkeypatch):
    calls = counted(monkeypatch)
    first = lt.Energy().null(NORMAL, 16, draws=49)
    assert len(calls) == 49
    assert [f.suffix for f in files(own_cache / "null")] == [".safetensors"]
    again = lt.Energy().null(lt.StandardNormal(3), 16, draws=49)
    monkeypatch.setattr(null_module, "_CACHE", NullCache())
    from_disk = lt.Energy().null(NORMAL, 16, draws=49)
    assert len(calls) == 49
    assert torch.equal(first.values, again.values)
    assert torch.equal(first.values, from_disk.values)
    assert (first.mean, first.std) == (from_disk.mean, from_disk.std)


def test_everything_that_matters_is_in_the_key():
    energy = lt.Energy()

    def key(divergence: lt.Divergence = energy, prior: lt.Prior = NORMAL, n: int = 8, seed: int = 0) -> str:
        found = content_key(divergence, prior, n=n, draws=99, seed=seed, dtype="x", device="cpu")
        assert found is not None
        return found

    g = torch.Generator().manual_seed(0)
    wide = torch.nn.functional.normalize(torch.randn(300, 300, generator=g), dim=1)  # beyond what a spec writes
    sliced = [lt.Sliced(lt.Cramer(), directions=v) for v in (wide, -wide, wide.double())]
    empirical = [lt.Empirical(torch.randn(30_000, 3, generator=g)) for _ in range(2)]
    keys = [
        key(),
        key(n=9),
        key(seed=1),
        key(lt.Energy(unbiased=False)),
        key(2 * lt.Energy()),
        key(lt.Energy().log()),
        key(prior=lt.StandardNormal(4)),
        *(key(s, lt.StandardNormal(300)) for s in sliced),
        *(key(prior=e) for e in empirical),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == key(lt.Energy(), lt.StandardNormal(3))
    assert key(lt.Sliced(lt.Cramer(), directions=wide.clone()), lt.StandardNormal(300)) == keys[7]


def test_a_learned_prior_is_known_by_its_parameters_as_they_are():
    prior = lt.GaussianMixture.scattered(2, k=3, learned=True)
    before = content_key(lt.Energy(), prior)
    with torch.no_grad():
        next(prior.parameters()).add_(1.0)
    assert content_key(lt.Energy(), prior) not in (None, before)


def test_what_lies_outside_lather_is_not_kept(own_cache):
    class Mine(lt.Energy):
        pass

    vamp = lt.VampPrior(2, torch.zeros(4, 5))
    assert content_key(Mine(), NORMAL) is None
    assert content_key(2 * Mine(), NORMAL) is None
    assert content_key(lt.Energy(), vamp) is None  # its law is that of a model
    Mine().null(NORMAL, 8, draws=19)
    assert files(own_cache) == []


def test_cache_false_neither_reads_nor_writes(own_cache, monkeypatch):
    calls = counted(monkeypatch)
    lt.Energy().null(NORMAL, 16, draws=49, cache=False)
    assert files(own_cache) == []
    lt.Energy().null(NORMAL, 16, draws=49)
    lt.Energy().null(NORMAL, 16, draws=49, cache=False)
    assert len(calls) == 3 * 49


def damages() -> dict[str, object]:
    def flip(data: bytes) -> bytes:
        return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]

    return {
        "flipped": flip,
        "truncated": lambda data: data[: len(data) // 2],
        "empty": lambda data: b"",
        "foreign": lambda data: b"not ours\n" * 40,
        "huge header": lambda data: b"\xff" * 8 + data[8:],
    }


@pytest.mark.parametrize("damage", damages())
def test_a_damaged_file_is_replaced(own_cache, monkeypatch, damage):
    first = lt.Energy().null(NORMAL, 16, draws=49)
    (path,) = files(own_cache / "null")
    whole = path.read_bytes()
    path.write_bytes(damages()[damage](whole))
    monkeypatch.setattr(null_module, "_CACHE", NullCache())
    calls = counted(monkeypatch)
    again = lt.Energy().null(NORMAL, 16, draws=49)
    assert len(calls) == 49
    assert torch.equal(first.values, again.values)
    assert torch.equal(load(path.read_bytes())["values"], load(whole)["values"])
    assert files(own_cache / "null") == [path]


def test_another_content_under_the_same_name_is_noticed(own_cache, monkeypatch):
    lt.Energy().null(NORMAL, 16, draws=49)
    (path,) = files(own_cache / "null")
    other = path.read_bytes()
    path.unlink()
    lt.Energy().null(NORMAL, 17, draws=49)
    (second,) = files(own_cache / "null")
    second.write_bytes(other)
    monkeypatch.setattr(null_module, "_CACHE", NullCache())
    calls = counted(monkeypatch)
    lt.Energy().null(NORMAL, 17, draws=49)
    assert calls == [17] * 49


@pytest.mark.parametrize("place", ["file", "dev"])
def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path, monkeypatch, place):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, not a folder")
    monkeypatch.setenv("LATHER_CACHE", str(blocked) if place == "file" else "/dev/null/nowhere")
    expected = lt.Energy().null(NORMAL, 16, draws=49, cache=False)
    assert torch.equal(lt.Energy().null(NORMAL, 16, draws=49).values, expected.values)
    assert blocked.read_text() == "a file, not a folder"


def test_a_read_only_folder_does_no_harm(own_cache, monkeypatch):
    (own_cache / "null").mkdir(parents=True)
    (own_cache / "null").chmod(0o500)
    if os.access(own_cache / "null", os.W_OK):  # root may write anywhere: then the refusal itself is simulated

        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("lather.divergences.null_cache.atomically", refuse)
    null = lt.Energy().null(NORMAL, 16, draws=49)
    assert null.draws == 49
    assert files(own_cache / "null") == []
    (own_cache / "null").chmod(0o700)


WRITER = """
import sys, time, pathlib
import lather as lt
go = pathlib.Path(sys.argv[1])
pathlib.Path(sys.argv[2]).touch()
while not go.exists():
    time.sleep(0.001)
for i in range(20):
    lt.Energy().null(lt.StandardNormal(3), 16 + i, draws=19)
print(float(lt.Energy().null(lt.StandardNormal(3), 16, draws=19).values.sum()))
"""


@pytest.mark.slow
def test_two_processes_may_write_at_once(own_cache, tmp_path):
    go = tmp_path / "go"
    ready = [tmp_path / "ready0", tmp_path / "ready1"]
    run = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(go), str(r)], stdout=subprocess.PIPE, text=True)
        for r in ready
    ]
    deadline = time.monotonic() + 120
    while not all(r.exists() for r in ready) and time.monotonic() < deadline:
        time.sleep(0.01)
    go.touch()
    printed = [process.communicate(timeout=120)[0] for process in run]
    assert [process.returncode for process in run] == [0, 0]
    mine = float(lt.Energy().null(NORMAL, 16, draws=19).values.sum())
    assert [float(text) for text in printed] == [mine, mine]
    assert len(files(own_cache / "null")) == 20  # and no temporary files


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("LATHER_CACHE", str(tmp_path / "chosen"))
    assert cache_folder() == tmp_path / "chosen"
    monkeypatch.delenv("LATHER_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "lather"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "lather"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "lather"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == tmp_path / "local" / "lather"


def test_memory_holds_a_bounded_number(monkeypatch):
    monkeypatch.setattr("lather.divergences.null_cache._KEPT", 2)
    cache = NullCache()
    for key in "abc":
        cache.store(key, torch.zeros(3, dtype=torch.float64))
    assert list(cache._recent) == ["b", "c"]
    cache.forget()
    assert not cache._recent


def test_a_bar_is_shown_if_asked_for(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes what catches the output for a terminal
    with NullProgress("counting", 3, show=True) as bar:
        bar.step()
        bar._next = 0.0
        bar.step()
    with NullProgress("quiet", 3, show=False) as bar:
        bar._next = 0.0
        bar.step()
    with NullProgress("nobody watches", 3) as bar:
        bar._next = 0.0
        bar.step()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "counting" in captured.err
    assert "quiet" not in captured.err
    assert "nobody" not in captured.err


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    lt.Sliced(lt.Wasserstein1d()).null(lt.LaplacePrior(3), 8, draws=19, cache=False)
    assert torch.equal(before, torch.get_rng_state())


def test_half_precision_around_it_leaves_the_draws_alone():
    """A training in half precision asks for nulls inside its autocast, and what it finds is kept for others."""
    prior = lt.Normal(torch.zeros(2), torch.tensor([[1.0, 0.8], [0.8, 1.0]]))
    plain = lt.Energy().null(prior, 16, draws=19, cache=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = lt.Energy().null(prior, 16, draws=19, cache=False)
    assert torch.equal(plain.values, half.values)
