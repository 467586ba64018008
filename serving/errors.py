"""What can go wrong in serving; every code has a page under docs/problems/."""

from config.core.errors import Conflict, DomainError, ErrorKind, Forbidden, Invalid, NotFound
from config.core.errors import Unavailable as _Unavailable


class NodeNotFound(NotFound):
    """No node has this name."""

    code = "node-not-found"
    title = "There is no such node"


class NodeExists(Conflict):
    """A node with this name is registered for another base."""

    code = "node-exists"
    title = "A node of this name is registered"


class NodeInvalid(Invalid):
    """A node's name, address or secret is not acceptable."""

    code = "node-invalid"
    title = "The node can't be registered like this"


class NodeUnreachable(_Unavailable):
    """The node did not answer, or not in the form that nodes answer in."""

    code = "node-unreachable"
    title = "The node does not answer"


class NodeRefused(DomainError):
    """The node answered with a problem; ``node_code`` is its own code."""

    code = "node-refused"
    title = "The node refused"
    kind = ErrorKind.CONFLICT

    def __init__(self, message: str, *, fix: str = "", node_code: str = "") -> None:
        super().__init__(message, fix=fix)
        self.node_code = node_code


class ReplicaNotFound(NotFound):
    """There is no such replica."""

    code = "replica-not-found"
    title = "There is no such replica"


class NotYourNode(Forbidden):
    """An agent's token speaks for one node alone."""

    code = "not-your-node"
    title = "This replica is on another node"


class ClaimLost(Conflict):
    """The work on this replica is done, or somebody else has it."""

    code = "claim-lost"
    title = "This work is not yours any more"


class ProofRefused(DomainError):
    """What an agent reports does not prove the replica."""

    code = "proof-refused"
    title = "The replica is not proven"
    kind = ErrorKind.UNPROCESSABLE


class DeploymentNotFound(NotFound):
    """No deployment has this public name."""

    code = "deployment-not-found"
    title = "There is no such deployment"


class DeploymentExists(Conflict):
    """The public name is taken."""

    code = "deployment-exists"
    title = "This deployment exists already"


class DeploymentInvalid(Invalid):
    """A field of a deployment is not acceptable."""

    code = "deployment-invalid"
    title = "The deployment can't be made like this"


class RolloutNotFound(NotFound):
    """There is no such rollout."""

    code = "rollout-not-found"
    title = "There is no such rollout"


class RolloutOpen(Conflict):
    """A deployment has one rollout at a time."""

    code = "rollout-open"
    title = "A rollout is under way"


class RolloutInvalid(Invalid):
    """The version can't be rolled out here."""

    code = "rollout-invalid"
    title = "The rollout can't be started like this"


class NoSlotForRollout(Conflict):
    """Every slot but the one that stays free is taken by versions that are live."""

    code = "no-slot-for-rollout"
    title = "The nodes have no slot for another live version"


class NothingToRollBackTo(Conflict):
    """No earlier revision is approved, permitted and not stopped."""

    code = "nothing-to-roll-back-to"
    title = "There is no earlier version to go back to"


class AdapterServed(Conflict):
    """A deployment of the house serves the adapter: it is not unloaded under people's feet."""

    code = "adapter-served"
    title = "The adapter is served"


class LastReplica(Conflict):
    """No other node would answer meanwhile."""

    code = "last-replica"
    title = "No other node answers with this version"


class AbortTooLate(Conflict):
    """A promoted rollout can't be aborted; it can be rolled back."""

    code = "abort-too-late"
    title = "It is promoted: a rollback applies"


class AbortApplies(Conflict):
    """What is not promoted can't be rolled back; it can be aborted."""

    code = "abort-applies"
    title = "It is not promoted: an abort applies"


class PromotionRefused(Conflict):
    """A person can't promote this rollout now."""

    code = "promotion-refused"
    title = "The rollout can't be promoted by hand"


class RollbackInvalid(Invalid):
    """The named version is none that the deployment can go back to."""

    code = "rollback-invalid"
    title = "The deployment can't go back to this version"


class RegistrationInvalid(Invalid):
    """The name can't be that of a registration."""

    code = "registration-invalid"
    title = "The adapter can't be registered like this"


class RegistrationNotFound(NotFound):
    """No adapter of this name is registered."""

    code = "registration-not-found"
    title = "The adapter is not registered"


class RegistrationTaken(Conflict):
    """The name stands for something else."""

    code = "registration-taken"
    title = "The name is taken"


class RankTooLarge(DomainError):
    """No node takes an adapter of this rank."""

    code = "rank-too-large"
    title = "The adapter's rank is too large"
    kind = ErrorKind.UNPROCESSABLE


class SourceInvalid(Invalid):
    """The source names no version of this registry, or more than one."""

    code = "source-invalid"
    title = "The source names no single version"


class EngineProfileInvalid(Invalid):
    """A shape of an engine profile can't work."""

    code = "engine-profile-invalid"
    title = "The engine profile is not valid"


class EngineProfileNotFound(NotFound):
    """There is no such engine profile."""

    code = "engine-profile-not-found"
    title = "There is no such engine profile"
