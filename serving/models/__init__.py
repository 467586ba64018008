"""The tables of intent and observation."""

from .answers import Answer, Feedback
from .deployments import Deployment, Revision
from .nodes import Node, ProbeRun, Replica
from .rollouts import AnalysisRun, Rollout, RolloutStep

__all__ = [
    "AnalysisRun",
    "Answer",
    "Deployment",
    "Feedback",
    "Node",
    "ProbeRun",
    "Replica",
    "Revision",
    "Rollout",
    "RolloutStep",
]
