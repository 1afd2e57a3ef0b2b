"""The whole loop on one machine: two CRMs and a mail provider played, and customers who answer.

`people` and `habits` invent customers and what they do, `files` reads real ones, `worlds` starts
the servers, `fill` puts the people into the CRMs, `play` runs the stages and lets customers,
friends and owners act, `figures` counts, `summary` and `view` tell. Everything happens over
HTTP: a customer reads a mail that arrived, opens the page behind its link and sends its form.
"""
