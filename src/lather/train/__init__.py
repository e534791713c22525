"""Training: the loop, recipes, checkpoints and run directories."""

from lather.train.fitting import fit
from lather.train.gather import gather_latents
from lather.train.loop import Epoch
from lather.train.opponents import Opponents
from lather.train.run import Run, open_run, read_config
from lather.train.settings import Settings

__all__ = ["Epoch", "Opponents", "Run", "Settings", "fit", "gather_latents", "open_run", "read_config"]
