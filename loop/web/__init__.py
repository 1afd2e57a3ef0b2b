"""The customer's pages and the provider's webhooks.

GET and HEAD never record an answer or an unsubscribe; a person's press does. No page calls
another service while somebody waits for it.
"""

from loop.web.application import application

__all__ = ["application"]
