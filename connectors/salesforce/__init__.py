"""Salesforce: contacts and closed cases come from it, scores, tasks and leads go there."""

from connectors.salesforce.config import Config
from connectors.salesforce.crm import Salesforce

__all__ = ["Config", "Salesforce"]
