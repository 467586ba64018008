"""JUDGEMENTS: checks, evaluations, records, signatures, permissions, stops, audit."""
