"""Ways to move a deployment from one revision to another; each expands into steps."""

from collections.abc import Mapping

from serving.strategies.base import Strategy
from serving.strategies.base_model import BaseModelStrategy
from serving.strategies.blue_green import BlueGreenStrategy
from serving.strategies.canary import CanaryStrategy
from serving.strategies.rollback import RollbackStrategy

STRATEGIES: Mapping[str, Strategy] = {
    strategy.key: strategy
    for strategy in (
        CanaryStrategy(),
        BlueGreenStrategy(),
        RollbackStrategy(),
        BaseModelStrategy(),
    )
}
CHOSEN_BY_PEOPLE = (CanaryStrategy.key, BlueGreenStrategy.key)
"""The others follow from what is deployed: a rollback, or the base itself."""
