"""Least privilege: who may call whom, written from who did, with the traffic behind every rule."""

from __future__ import annotations

from meshlab.display.preformatted import Text
from meshlab.questions.security.least_privilege.current import Permitted, read
from meshlab.questions.security.least_privilege.envoy import accounts, rbac
from meshlab.questions.security.least_privilege.istio import Selector, policies
from meshlab.questions.security.least_privilege.observed import WORDS, collect
from meshlab.questions.security.least_privilege.proposal import Grant, Leftover, Proposal, Why, propose
from meshlab.questions.security.least_privilege.replay import Replay, Unused, replay, unused
from meshlab.questions.security.least_privilege.tables import leftovers, replayed, rules, unused_permissions

__all__ = [
    "WORDS",
    "Grant",
    "Leftover",
    "Permitted",
    "Proposal",
    "Replay",
    "Selector",
    "Text",
    "Unused",
    "Why",
    "accounts",
    "collect",
    "leftovers",
    "policies",
    "propose",
    "rbac",
    "read",
    "replay",
    "replayed",
    "rules",
    "unused",
    "unused_permissions",
]
