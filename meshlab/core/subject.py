"""What a question is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

__all__ = ["IDENTITY", "Subject"]

IDENTITY: Final = ("destination_cluster", "destination_namespace", "destination_service")
"""The words of the vocabulary that tell one service from another."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a question is about: one service of one namespace of one cluster.

    Parameters
    ----------
    cluster, namespace, service : str
        As the mesh labels them; empty where the mesh does not say.
    spans : tuple of str
        The canonical services that it is made of, where they are others than `service` alone: those behind one host,
        or a service and its ``-primary``.
    """

    cluster: str
    namespace: str
    service: str
    spans: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join(part or "-" for part in (self.cluster, self.namespace, self.service))

    @property
    def services(self) -> tuple[str, ...]:
        """The canonical services that it is made of."""
        return self.spans or (self.service,)

    def mask(self, frame: pd.DataFrame) -> pd.Series[bool]:
        """Rows of a mesh frame that are about this subject."""
        return (
            (frame["destination_cluster"] == self.cluster)
            & (frame["destination_namespace"] == self.namespace)
            & frame["destination_service"].isin(self.services)
        )
