from canary_evidence import make_evidence

__all__ = ["make_evidence"]
