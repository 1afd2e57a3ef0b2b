"""The loop rehearsed with real processes that are killed: what comes of it is counted outside.

`stage` sets up the services, broken now and then, and an empty database; `mortal` holds the
workers, killed again and again; `crowd` are the people who answer meanwhile; `diary` notes every
move of a mail; `kill` puts them together, and `count` counts at the services what was doubled
or lost.
"""
