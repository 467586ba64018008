"""The tables of intent and observation."""

from .answers import Answer, Feedback
from .deployments import Deployment, Revision
from .nodes import Node, ProbeRun, Replica
from .observing import Alert, Heartbeat
from .rollouts import AnalysisRun, Rollout, RolloutStep

__all__ = [
    "Alert",
    "AnalysisRun",
    "Answer",
    "Deployment",
    "Feedback",
    "Heartbeat",
    "Node",
    "ProbeRun",
    "Replica",
    "Revision",
    "Rollout",
    "RolloutStep",
]
