"""Lather: generative autoencoders whose latents really follow the prior you sample from.

    import lather as lt

    loss = recon + 10 * lt.CramerWold()(z, lt.StandardNormal(16))   # in your own loop

    model = lt.Autoencoder(encoder, decoder, prior=lt.StandardNormal(16),
                           objective=lt.Reconstruction() + 10 * lt.Match(lt.CramerWold()))
    run = lt.fit(model, "mnist", out="runs/cw16")                   # or the whole job

Importing this module changes nothing outside it; what reads data, trains or draws is imported at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lather.divergences import (
    DIVERGENCES,
    MMD,
    AndersonDarling,
    Cramer,
    CramerVonMises,
    CramerWold,
    DetectionSize,
    DistanceCDF,
    Divergence,
    DivergenceSum,
    Energy,
    EppsPulley,
    GaussianFit,
    GaussianKernel,
    HenzeZirkler,
    HermiteLadder,
    IMQKernel,
    KernelMixture,
    KolmogorovSmirnov,
    LaplacianKernel,
    Log,
    Mardia,
    MaxSliced,
    NullDistribution,
    RadiusCDF,
    RationalQuadraticKernel,
    Sinkhorn,
    Sliced,
    SliceStatistic,
    SphereUniformity,
    SteinDiscrepancy,
    Wasserstein1d,
    Watson,
    Weighted,
    detection_size,
    make_divergence,
)
from lather.errors import (
    CapabilityError,
    ConfigError,
    DataError,
    LatherError,
    MissingExtraError,
    RunError,
    ShapeError,
    TrainingError,
)
from lather.models import (
    IWAE,
    Adversarial,
    Autoencoder,
    Bernoulli,
    ConvCritic,
    Critic,
    DataCritic,
    DecoderPenalty,
    DiagonalGaussian,
    FixedNoise,
    FlowPosterior,
    FullCovariance,
    Gaussian,
    Held,
    Laplace,
    LatentNorm,
    Likelihood,
    LogTerm,
    Match,
    MLPCritic,
    Objective,
    Opponent,
    Parts,
    Point,
    Posterior,
    PosteriorKL,
    PowerSpherical,
    Reconstruction,
    Sphere,
    SplitKL,
    SquaredError,
    Step,
    Term,
    describe,
    iwae_bound,
    rebuild,
)
from lather.priors import (
    LEARNED_PRIORS,
    PRIORS,
    AggregatePosterior,
    BallRadius,
    BallUniform,
    DelegatedDistribution,
    Empirical,
    FlowPrior,
    GaussianMixture,
    LaplacePrior,
    MultivariateT,
    Normal,
    Prior,
    SphereUniform,
    StandardNormal,
    StudentT,
    UniformBall,
    UniformCube,
    UniformSphere,
    VampPrior,
    make_learned_prior,
    make_prior,
)

if TYPE_CHECKING:
    from lather.auditing import (
        Report,
    )
    from lather.data import (
        Dataset,
        Latents,
        load,
    )
    from lather.pipeline.audit import (
        audit,
    )
    from lather.pipeline.callback import (
        AuditEvery,
    )
    from lather.pipeline.metric import (
        LatentAudit as LatentAudit,  # not in __all__: it needs an extra, and `from lather import *` does not
    )
    from lather.samplers import (
        SAMPLERS,
        SecondStage,
        fit_mixture,
        fit_second_stage,
    )
    from lather.train import (
        Opponents,
        Run,
        Settings,
        fit,
        open_run,
    )
    from lather.train.assemble import (
        assemble,
    )

__version__ = "0.1.0"

#: names that are imported at first use, because what they need takes time to import
_LATE = {
    "AuditEvery": "lather.pipeline.callback",
    "Dataset": "lather.data",
    "LatentAudit": "lather.pipeline.metric",
    "Latents": "lather.data",
    "Opponents": "lather.train",
    "Report": "lather.auditing",
    "Run": "lather.train",
    "SAMPLERS": "lather.samplers",
    "SecondStage": "lather.samplers",
    "Settings": "lather.train",
    "assemble": "lather.train.assemble",
    "audit": "lather.pipeline.audit",
    "fit": "lather.train",
    "fit_mixture": "lather.samplers",
    "fit_second_stage": "lather.samplers",
    "load": "lather.data",
    "open_run": "lather.train",
}

__all__ = [
    "DIVERGENCES",
    "IWAE",
    "LEARNED_PRIORS",
    "MMD",
    "PRIORS",
    "SAMPLERS",
    "Adversarial",
    "AggregatePosterior",
    "AndersonDarling",
    "AuditEvery",
    "Autoencoder",
    "BallRadius",
    "BallUniform",
    "Bernoulli",
    "CapabilityError",
    "ConfigError",
    "ConvCritic",
    "Cramer",
    "CramerVonMises",
    "CramerWold",
    "Critic",
    "DataCritic",
    "DataError",
    "Dataset",
    "DecoderPenalty",
    "DelegatedDistribution",
    "DetectionSize",
    "DiagonalGaussian",
    "DistanceCDF",
    "Divergence",
    "DivergenceSum",
    "Empirical",
    "Energy",
    "EppsPulley",
    "FixedNoise",
    "FlowPosterior",
    "FlowPrior",
    "FullCovariance",
    "Gaussian",
    "GaussianFit",
    "GaussianKernel",
    "GaussianMixture",
    "Held",
    "HenzeZirkler",
    "HermiteLadder",
    "IMQKernel",
    "KernelMixture",
    "KolmogorovSmirnov",
    "Laplace",
    "LaplacePrior",
    "LaplacianKernel",
    "LatentNorm",
    "Latents",
    "LatherError",
    "Likelihood",
    "Log",
    "LogTerm",
    "MLPCritic",
    "Mardia",
    "Match",
    "MaxSliced",
    "MissingExtraError",
    "MultivariateT",
    "Normal",
    "NullDistribution",
    "Objective",
    "Opponent",
    "Opponents",
    "Parts",
    "Point",
    "Posterior",
    "PosteriorKL",
    "PowerSpherical",
    "Prior",
    "RadiusCDF",
    "RationalQuadraticKernel",
    "Reconstruction",
    "Report",
    "Run",
    "RunError",
    "SecondStage",
    "Settings",
    "ShapeError",
    "Sinkhorn",
    "SliceStatistic",
    "Sliced",
    "Sphere",
    "SphereUniform",
    "SphereUniformity",
    "SplitKL",
    "SquaredError",
    "StandardNormal",
    "SteinDiscrepancy",
    "Step",
    "StudentT",
    "Term",
    "TrainingError",
    "UniformBall",
    "UniformCube",
    "UniformSphere",
    "VampPrior",
    "Wasserstein1d",
    "Watson",
    "Weighted",
    "assemble",
    "audit",
    "describe",
    "detection_size",
    "fit",
    "fit_mixture",
    "fit_second_stage",
    "iwae_bound",
    "load",
    "make_divergence",
    "make_learned_prior",
    "make_prior",
    "open_run",
    "rebuild",
]


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module 'lather' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
