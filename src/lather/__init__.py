"""Lather: generative autoencoders whose latents really follow the prior you sample from."""

__version__ = "0.1.0"
