"""Models behind the ports, which come with their weights from the package registry."""
