"""meshlab.toml and MESHLAB_*: profiles of telemetry stores. The reader of the environment."""

from meshlab.config.environment import cache_folder, secret, zone
from meshlab.config.files import Config, Profiles, find, load
from meshlab.config.profile import Auth, Kind, Limits, Link, Profile, Texts

__all__ = [
    "Auth",
    "Config",
    "Kind",
    "Limits",
    "Link",
    "Profile",
    "Profiles",
    "Texts",
    "cache_folder",
    "find",
    "load",
    "secret",
    "zone",
]
