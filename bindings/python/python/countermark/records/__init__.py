"""What the service shows, as frozen dataclasses, which pickle. ``repr`` shows no value and no secret."""

from countermark.records.decisions import ExplainedStep, Explanation, Introspection, Question
from countermark.records.extra import ImageUrlExtra, Notify, SecretVersion, UploadExtra
from countermark.records.figures import (
    AuditEntry,
    NodeLease,
    Nodes,
    RevocationWaits,
    StatsBucket,
    UsageBucket,
)
from countermark.records.notifications import (
    Notification,
    NotificationAttempt,
    NotificationDetails,
    NotificationSecret,
)
from countermark.records.settings import ExtraSettings, NotifySettings
from countermark.records.token import Issued, RevealedValue, TokenRecord
from countermark.records.upload import EffectiveParameters, Upload, UploadConstraints

__all__ = [
    "AuditEntry",
    "EffectiveParameters",
    "ExplainedStep",
    "Explanation",
    "ExtraSettings",
    "ImageUrlExtra",
    "Introspection",
    "Issued",
    "NodeLease",
    "Nodes",
    "Notification",
    "NotificationAttempt",
    "NotificationDetails",
    "NotificationSecret",
    "Notify",
    "NotifySettings",
    "Question",
    "RevealedValue",
    "RevocationWaits",
    "SecretVersion",
    "StatsBucket",
    "TokenRecord",
    "Upload",
    "UploadConstraints",
    "UploadExtra",
    "UsageBucket",
]
