"""Stage 4, asked -> answered: the customer gives a score.

`keep` takes many answers in one transaction, so that one commit serves all who wait for theirs.
"""

from loop.answer.keep import Given, Gone, Invalid, Taken, keep
from loop.answer.look import Asked, look
from loop.answer.stop import says_stop

__all__ = ["Asked", "Given", "Gone", "Invalid", "Taken", "keep", "look", "says_stop"]
