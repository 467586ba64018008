"""WORK: compositions and delivery jobs; the top room."""
