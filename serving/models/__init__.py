"""The tables of intent and observation."""

from .answers import Answer, Feedback
from .deployments import Deployment, Revision
from .downloads import Download
from .engine_profiles import EngineProfileRow
from .nodes import Node, ProbeRun, Replica
from .observing import Alert, Heartbeat
from .rollouts import AnalysisRun, Rollout, RolloutStep
from .self_descriptions import SelfDescription

__all__ = [
    "Alert",
    "AnalysisRun",
    "Answer",
    "Deployment",
    "Download",
    "EngineProfileRow",
    "Feedback",
    "Heartbeat",
    "Node",
    "ProbeRun",
    "Replica",
    "Revision",
    "Rollout",
    "RolloutStep",
    "SelfDescription",
]
