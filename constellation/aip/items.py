"""What tasks put out for others while they run: the labels of its streams, and their limits.

An item is a line of JSON in UTF-8, so that it passes through a hub as it is and any language reads
it. From its source it comes on a reliable stream ``emit``, to whom asks with ``read`` on ``items``.
"""

EMIT = "emit"
ITEMS = "items"
MAX_ITEM_BYTES = 1024 * 1024
