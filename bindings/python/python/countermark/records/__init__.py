"""What the service shows, as frozen dataclasses. Their ``repr`` shows no value and no secret, and all of them pickle."""

from countermark.records.decisions import ExplainedStep, Explanation, Introspection, Question
from countermark.records.figures import AuditEntry, StatsBucket, UsageBucket
from countermark.records.token import (
    ImageUrlExtra,
    Issued,
    Notify,
    RevealedValue,
    SecretVersion,
    TokenRecord,
    UploadExtra,
)
from countermark.records.upload import EffectiveParameters, Upload, UploadConstraints

__all__ = [
    "AuditEntry",
    "EffectiveParameters",
    "ExplainedStep",
    "Explanation",
    "ImageUrlExtra",
    "Introspection",
    "Issued",
    "Notify",
    "Question",
    "RevealedValue",
    "SecretVersion",
    "StatsBucket",
    "TokenRecord",
    "Upload",
    "UploadConstraints",
    "UploadExtra",
    "UsageBucket",
]
