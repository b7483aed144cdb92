"""Plain frame-by-frame networks, their registry and their weights."""

from saccade.networks.importers import import_checkpoint
from saccade.networks.load import load_network
from saccade.networks.registry import NetworkInfo, list_networks, network_info, register_network
from saccade.networks.weights import list_weights, save_weights

__all__ = [
    "NetworkInfo",
    "import_checkpoint",
    "list_networks",
    "list_weights",
    "load_network",
    "network_info",
    "register_network",
    "save_weights",
]
