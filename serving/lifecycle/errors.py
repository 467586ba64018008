"""What the façade refuses by itself; everything else is refused by the services below."""

from config.core.errors import Conflict, Invalid, NotFound, Unavailable


class ConfigurationRefused(Invalid):
    """An option contradicts what this house does, or has no meaning."""

    code = "lifecycle-configuration-refused"
    title = "The configuration contradicts the house"


class MetadataInvalid(Invalid):
    """What is said of an adapter or version contradicts itself or the registry."""

    code = "lifecycle-metadata-invalid"
    title = "The metadata can't be kept"


class LifecycleBusy(Conflict):
    """A limit of the configuration is reached."""

    code = "lifecycle-busy"
    title = "A limit of the configuration is reached"


class LifecycleClosed(Conflict):
    """The lifecycle manager was shut down."""

    code = "lifecycle-closed"
    title = "The lifecycle manager was shut down"


class AdapterNotServed(NotFound):
    """Nothing answers with this adapter or version now."""

    code = "adapter-not-served"
    title = "The adapter is not served"


class AdapterNotLoaded(Conflict):
    """The version could not be loaded, or a person has to decide first."""

    code = "adapter-not-loaded"
    title = "The adapter could not be loaded"


class LifecycleOverdue(Unavailable):
    """It has not happened within the time that was given; it may still happen."""

    code = "lifecycle-overdue"
    title = "It was not done in time"
