"""Numbers for Prometheus: counted in the data plane, and read from the state of the house."""
