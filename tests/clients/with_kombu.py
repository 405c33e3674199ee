"""kombu's `ConsumerMixin`, which comes back by itself, as Celery's worker does."""

import os

from kombu import Connection, Queue
from kombu.mixins import ConsumerMixin
from kombu.utils.limits import TokenBucket
from record import done, say


class Worker(ConsumerMixin):
    restart_limit = TokenBucket(100)  # as often as it takes; by default once a second

    def __init__(self, connection):
        self.connection = connection

    def get_consumers(self, consumer, _channel):
        queue = Queue("orders", no_declare=True)
        return [consumer([queue], on_message=self.work, prefetch_count=5)]

    def on_consume_ready(self, *_args, **_options):
        say("connected")

    def on_connection_error(self, error, _interval):
        say("lost", repr(error))

    def create_connection(self):
        made = self.connection.clone()
        ensure = made.ensure_connection
        made.ensure_connection = lambda errback, retries: ensure(
            errback, retries, interval_start=0.1, interval_step=0.1
        )
        return made

    def consume(self, *args, **options):
        try:
            yield from super().consume(*args, **options)
        except self.connection_errors as error:
            say("lost", repr(error))
            raise

    def work(self, message):
        done(message.properties["message_id"])
        message.ack()


authority = os.environ.get("MQCHAOS_CA")
options = {"ssl": {"ca_certs": authority, "cert_reqs": 2}} if authority else {}
Worker(Connection(os.environ["AMQP_URL"], **options)).run()
