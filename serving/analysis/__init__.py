"""Signals that an analysis step reads; each says worse, safe or not yet."""

from serving.analysis.base import Signal
from serving.analysis.failures import FailureSignal
from serving.analysis.reports import ReportSignal

SIGNALS: tuple[Signal, ...] = (FailureSignal(), ReportSignal())
"""In the order in which they are asked; alpha is split over them."""
