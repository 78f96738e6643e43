"""Bridges to what people already use, each on its ecosystem's own library, each in its extra."""
