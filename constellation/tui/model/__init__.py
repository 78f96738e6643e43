"""What is known of a hub, rebuilt from what it tells; pure: no terminal, no clock."""
