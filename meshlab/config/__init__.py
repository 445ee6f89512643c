"""meshlab.toml and MESHLAB_*: profiles of telemetry stores. The reader of the environment."""

from meshlab.config.environment import cache_folder, secret, zone
from meshlab.config.files import Config, Profiles, dialects, find, load
from meshlab.config.profile import Auth, Kind, Labels, Limits, Link, Profile, Texts

__all__ = [
    "Auth",
    "Config",
    "Kind",
    "Labels",
    "Limits",
    "Link",
    "Profile",
    "Profiles",
    "Texts",
    "cache_folder",
    "dialects",
    "find",
    "load",
    "secret",
    "zone",
]
