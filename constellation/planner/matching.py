"""Which connected devices fit what a plan asks for."""

from __future__ import annotations

from collections.abc import Sequence

from constellation.aip.cards import DeviceCard
from constellation.graph.task import Requirement


def fits(card: DeviceCard, requirement: Requirement, skill: str = "") -> bool:
    """True if the device is and has what the requirement names, and has the skill if given."""
    if requirement.device not in (None, card.name) or card.name in requirement.avoid:
        return False
    if requirement.platform and requirement.platform.lower() != card.platform.lower():
        return False
    if any(card.labels.get(key) != value for key, value in requirement.labels.items()):
        return False
    if any(
        name not in card.capabilities and card.skill(name) is None
        for name in requirement.capabilities
    ):
        return False
    return not skill or card.skill(skill) is not None


def fitting(
    cards: Sequence[DeviceCard], requirement: Requirement, skill: str = ""
) -> list[DeviceCard]:
    """The devices that fit, in the order of the cards."""
    return [card for card in cards if fits(card, requirement, skill)]
