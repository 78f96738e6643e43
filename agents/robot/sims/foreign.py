"""Worlds of others: what they are called, and that they want the extra ``sims`` or ``pusht``."""

from __future__ import annotations

from ..ports import Policy, Robot
from .extra import needs

CUP, META_WORLD, PUSHT = "cup", "metaworld", "pusht"
EXAMPLES = (CUP, f"{META_WORLD}:reach-v3", PUSHT)


def is_foreign(name: str) -> bool:
    """Whether a name is that of a foreign world."""
    return name in (CUP, PUSHT) or name.partition(":")[0] == META_WORLD


def foreign(name: str, seed: int, *, endless: bool = False) -> tuple[Robot, Policy]:
    """The robot of a foreign world, and the policy that comes with it.

    Args:
        name: ``cup``, ``pusht``, or ``metaworld:`` and a task, such as ``metaworld:reach-v3``.
        seed: of the world.
        endless: it is never done.

    Raises:
        ConfigError: there is no such task, or the package is missing.
    """
    if name == CUP:
        with needs("dm_control"):
            from .cup import Cup, Planner
        return Cup(seed, endless=endless), Planner(seed)
    if name == PUSHT:
        with needs("gym_pusht", PUSHT):
            from .pushing import Pusher
            from .pusht import PushT
        return PushT(seed, endless=endless), Pusher()
    with needs("metaworld"):
        from .meta_world import REACH, MetaWorld, ScriptedExpert
    task = name.partition(":")[2] or REACH
    return MetaWorld(task, seed, endless=endless), ScriptedExpert(task)
