"""Who may interrupt the voice agent, and how soon; when a turn is over; how late answers are.

Real speech of people that the personalised detector was not trained with comes from Debian packages
(``python -m bench.voice packages`` names them); ``--set sounds=FOLDER`` says where they lie, if not
in ``/usr/share``. ``--set people=validation`` takes those on whom thresholds were chosen, for who
may interrupt. ``--set only=PART`` takes one part: barge-in, television, endings, echo, load, ear,
first, hour, talks or link.
"""

from .bench import run

__all__ = ["run"]
