"""The bug is a default: Celery acks when a task begins, so what it is at when it dies is gone."""

from shop import app

app.conf.update(task_acks_late=False)
