"""Runs the steps on the connection that `Store.upgrade` holds."""

from alembic import context
from sqlmodel import SQLModel

import loop.models  # noqa: F401 - fills the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
