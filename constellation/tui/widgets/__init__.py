"""Widgets that draw only what is visible."""
