"""The codes of the security question: what each finding says, what causes it, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshlab.questions.base import Code

__all__ = ["CODES"]

CODES: Final[Mapping[str, Code]] = {
    "001": Code("encrypted share (required)", "callers without mTLS", "move the sources that ML-SEC-002 names to mTLS"),
    "002": Code(
        "an edge with plaintext, with its rate, first and last moment",
        "no proxy, or TLS disabled for the host",
        "give the caller a proxy, or let it use mTLS",
    ),
    "003": Code(
        "the STRICT dry run: safe, unsafe and unknown workloads",
        "plaintext within the last fifth of the window (`recent_s`)",
        "enforce it on the safe ones first",
    ),
    "004": Code(
        "a certificate that has expired or is overdue, or new ones that were refused (required where it can be known)",
        "the agent cannot reach the authority, or key and certificate do not fit",
        "the agent's log; what writes the certificates",
    ),
    "005": Code("how many identities expire if rotation stays stopped, and when the first does"),
    "006": Code("the expiry of the first root, and of the first intermediate, of an authority", "", "renew it in time"),
    "007": Code(
        "an edge with denials (403, gRPC's PERMISSION_DENIED, or the mesh's own counter), with Wilson's interval and "
        "when they changed",
        "a policy, or the application's own 403: metrics cannot distinguish them",
        "allow the caller, or stop the call",
    ),
    "008": Code("the same by an external authorizer (flag UAEX)", "the authorizer", "ask it"),
    "009": Code(
        "what policies decided, and what a dry run would deny",
        "callers that the dry run does not allow",
        "allow them before it is enforced",
    ),
    "010": Code(
        "shared and default service accounts, accounts used from another namespace, several trust domains",
        "one account for several workloads; federation",
        "an account each; check that every domain is meant to call",
    ),
    "011": Code(
        "requests of callers without any identity",
        "no proxy",
        "find them by address in the access log; no rule can match them",
    ),
    "012": Code(
        "what entered at an ingress, passed through or had no destination",
        "hosts that are not registered",
        "a ServiceEntry",
    ),
    "013": Code("TLS versions of the handshakes", "old clients", "`minProtocolVersion`"),
    "014": Code("the score, with its formula"),
    "015": Code("what is new, fixed and worse since `against`"),
    "016": Code(
        "the least-privilege proposal: its rules, and the requests that no rule can match",
        "plaintext, callers without a proxy",
        "[least privilege](least-privilege.md)",
    ),
    "017": Code(
        "the proposal of the window's first part, tested on its last (`last_part`): requests that it would have denied "
        "wrongly",
        "callers rarer than the window is long",
        "a longer window",
    ),
    "018": Code(
        "principals that the policies in force (`policies_file`) allow and nobody used",
        "old rules, wildcards",
        "remove them",
    ),
    "019": Code(
        "how far the farthest identity reaches: observed, and by the policies in force",
        "wide policies, or none",
        "the proposal's rules",
    ),
    "020": Code(
        "what the certificate authority was asked to sign, what it issued, and its errors",
        "callers that cannot prove who they are, broken requests, the authority's own key",
        "the authority's log",
    ),
    "021": Code("ciphers of the handshakes", "old clients", "`cipherSuites` with forward secrecy that authenticate"),
    "022": Code(
        "a pod whose clock is off by more than a minute",
        "the node's clock",
        "set it: certificates look not yet valid or expired",
    ),
}
