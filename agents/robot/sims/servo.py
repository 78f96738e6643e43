"""A soft servo: a joint that is drawn to where it is commanded, and takes a while. Pure.

    q̈ = ω² (u − q) − 2 ζ ω q̇

with the commanded position u. Shapes: B episodes, A joints; all arrays are (B, A).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..safety import Vector


@dataclass(frozen=True, slots=True)
class Servo:
    """One kind of joint.

    Attributes:
        stiffness: ω, radians per second.
        damping: ζ; 1 is critical.
        period: of a control step, seconds.
    """

    stiffness: float = 40.0
    damping: float = 0.9
    period: float = 0.02

    def acceleration(self, command: Vector, position: Vector, velocity: Vector) -> Vector:
        """Of the joint, in units per second squared."""
        w = self.stiffness
        pulled: Vector = w * w * (command - position) - 2 * self.damping * w * velocity
        return pulled

    def command(self, acceleration: Vector, position: Vector, velocity: Vector) -> Vector:
        """The position to command for an acceleration: the inverse of `acceleration`."""
        w = self.stiffness
        ahead: Vector = position + (acceleration + 2 * self.damping * w * velocity) / (w * w)
        return ahead

    def moved(
        self, acceleration: Vector, position: Vector, velocity: Vector
    ) -> tuple[Vector, Vector]:
        """Position and velocity after one control step."""
        velocity = velocity + acceleration * self.period
        return position + velocity * self.period, velocity
