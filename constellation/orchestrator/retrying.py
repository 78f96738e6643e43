"""Whether a failure is followed by another attempt, and after how long."""

from __future__ import annotations

from constellation.graph.task import RetryPolicy

# What a device says of an attempt that it was at when its agent died.
INTERRUPTED = "task.failed.interrupted"


def backoff(policy: RetryPolicy, failures: int) -> float:
    """Seconds to wait after so many failures, at least one."""
    try:
        wait = policy.backoff_s * policy.factor ** (failures - 1)
    except OverflowError:
        return policy.max_backoff_s
    return max(0.0, min(wait, policy.max_backoff_s))


def is_retried(policy: RetryPolicy, code: str, idempotent: bool) -> bool:
    """Whether a policy wants another attempt after an error with this code."""
    if code == INTERRUPTED and not idempotent:
        # It may have run to its end: only who says so in as many words wants it again.
        return code in policy.on
    return not policy.on or any(code == each or code.startswith(f"{each}.") for each in policy.on)
