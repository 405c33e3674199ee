"""The bug: `acks_late` alone. A task whose pool process dies has failed, and what has failed is acked."""

from shop import app

app.conf.update(task_reject_on_worker_lost=False)
