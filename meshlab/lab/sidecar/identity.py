"""How sidecars exchange their identities: one header each way, as Istio's metadata exchange."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

__all__ = ["DESTINATION_HEADER", "SOURCE_HEADER", "encode"]

SOURCE_HEADER: Final = "x-mesh-src"
DESTINATION_HEADER: Final = "x-mesh-dst"


def encode(identity: Mapping[str, str]) -> str:
    """Encode an identity as Envoy's ``header_to_metadata`` filter reads it (type PROTOBUF_VALUE, encoding BASE64).

    Parameters
    ----------
    identity : mapping of str to str
        Flat; the keys become keys of the dynamic metadata.

    Returns
    -------
    str
        base64 of a serialised ``google.protobuf.Value`` that holds a ``Struct`` of strings.

    Notes
    -----
    Written out by hand: four nested length-delimited fields do not justify the protobuf runtime. Field numbers are
    those of google/protobuf/struct.proto: Struct.fields = 1, its map entry's key = 1 and value = 2,
    Value.string_value = 3, Value.struct_value = 5.
    """
    entries = b"".join(
        _field(1, _field(1, key.encode()) + _field(2, _field(3, value.encode()))) for key, value in identity.items()
    )
    return base64.b64encode(_field(5, entries)).decode("ascii")


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field (wire type 2)."""
    return bytes([number << 3 | 2]) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
