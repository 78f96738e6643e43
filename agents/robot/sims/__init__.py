"""Simulated robots and their worlds, in NumPy alone: what the robot agent is tried on.

Each task is a `World` of a whole batch of episodes, with an expert that knows how it moves
(`expert`); `SimRobot` makes one episode of it a robot like any other.
"""
