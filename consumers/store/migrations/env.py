"""Run migrations on the connection that `consumers.store.migrate` passes."""

from alembic import context

from consumers.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
