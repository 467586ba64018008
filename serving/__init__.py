"""INTENT and OBSERVATION: nodes, replicas, deployments, rollouts, the gateway."""
