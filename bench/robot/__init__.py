"""What a slow policy costs a robot, by how the robot acts meanwhile."""
