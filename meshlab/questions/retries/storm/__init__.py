"""Whether attempts feed on themselves, in four stages: what rose, where it began, in which phases, and what it is."""

from meshlab.questions.retries.storm.origin import depths
from meshlab.questions.retries.storm.state import State, Storm, find_storm
from meshlab.questions.retries.storm.trigger import Trigger

__all__ = ["State", "Storm", "Trigger", "depths", "find_storm"]
