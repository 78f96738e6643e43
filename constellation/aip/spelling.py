"""Numbers in letters that people can read out and type: Crockford's base32."""

from __future__ import annotations

# No I, L, O, U; what people mistype is read as what was meant.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MEANT = str.maketrans("OIL", "011", "- ")


def spell(number: int, bits: int, chars: int) -> str:
    """The leading ``5 * chars`` bits of a number of so many bits."""
    number >>= bits - 5 * chars
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(chars)))


def as_meant(text: str) -> str:
    """A text as it was before somebody typed it: without blanks and dashes, in capitals."""
    return text.upper().translate(_MEANT)
