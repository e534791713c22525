"""Encoders and decoders for common data; any pair of ``nn.Module`` of the user's own will do as well."""

from lather.models.nets.base import Decoder, Encoder
from lather.models.nets.conv import ConvDecoder, ConvEncoder
from lather.models.nets.mlp import MLPDecoder, MLPEncoder
from lather.models.nets.registry import NETS, build_nets, choose_nets
from lather.models.nets.residual import ResidualDecoder, ResidualEncoder

__all__ = [
    "NETS",
    "ConvDecoder",
    "ConvEncoder",
    "Decoder",
    "Encoder",
    "MLPDecoder",
    "MLPEncoder",
    "ResidualDecoder",
    "ResidualEncoder",
    "build_nets",
    "choose_nets",
]
