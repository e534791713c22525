"""All commands in one place."""

from __future__ import annotations

from cyclopts import App

from lather import __version__
from lather.cli.audit import audit
from lather.cli.compare import compare
from lather.cli.doctor import doctor
from lather.cli.repair import repair
from lather.cli.sample import sample
from lather.cli.study import study
from lather.cli.tables import divergences, priors, recipes
from lather.cli.train import train

__all__ = ["app"]

app = App(
    name="lather",
    version=__version__,
    help="""Generative autoencoders whose latents really follow the prior you sample from.

`lather train digits` trains on data that come with the program, in under two minutes on two cores; `lather train
mnist --recipe cwae --latent 8` on yours. Each training is a directory with the model, samples, plots and a report.
`lather audit latents.npz` says how well latents of any model follow their prior.

Every command takes `--debug` for a traceback. Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.""",
)
app.command(train)
app.command(audit)
app.command(sample)
app.command(repair)
app.command(compare)
app.command(study)
app.command(recipes)
app.command(priors)
app.command(divergences)
app.command(doctor)
