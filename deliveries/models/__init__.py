"""The tables of work: entries, compositions, delivery jobs."""

from .compositions import Composition
from .entries import EntryTag, LoraEntry, Validation

__all__ = ["Composition", "EntryTag", "LoraEntry", "Validation"]
