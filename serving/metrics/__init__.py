"""Numbers for Prometheus: counted in the data plane, and read from the state of the house."""

from prometheus_client import disable_created_metrics

# A series of its own for when each counter began would double them all.
disable_created_metrics()
