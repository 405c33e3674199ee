"""Wrong consumers: each has one planted bug."""

import time

from consumers import byhand, kit


def ack_first(url):
    """Ack before the work: a crash in between loses the message."""

    def handle(channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        kit.work(properties, body)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def auto_ack(url):
    """Let the broker ack at delivery: a crash loses all that was prefetched."""
    kit.again_and_again(lambda url: kit.consume(url, lambda _c, _m, p, b: kit.work(p, b), auto_ack=True), url)


def not_idempotent(url):
    """Work, then ack, and work again when the message comes back."""

    def handle(channel, method, properties, body):
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def swallows(url):
    """Swallow the exception of every tenth order, and never settle it."""

    def handle(channel, method, properties, body):
        try:
            if kit.order(body)["n"] % 10 == 3:
                raise RuntimeError("a bug in the handler")
            kit.work(properties, body)
            channel.basic_ack(method.delivery_tag)
        except RuntimeError:
            kit.diary("swallowed", properties.message_id)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def leaks(url):
    """Do the work of every tenth order and forget its ack."""

    def handle(channel, method, properties, body):
        kit.work(properties, body)
        if kit.order(body)["n"] % 10 != 3:
            channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def mute_after_reconnect(url):
    """Reconnect, and forget to consume."""
    try:
        not_idempotent_session(url)
    except kit.LOST as error:
        kit.diary("lost", repr(error))
    time.sleep(0.05)
    connection, _ = kit.connect(url)
    while True:
        connection.process_data_events(time_limit=0.1)


def not_idempotent_session(url):
    """Work, then ack, for one connection."""

    def handle(channel, method, properties, body):
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    kit.consume(url, handle)


def hangs_after_loss(url):
    """Never reconnect; the process stays up."""
    try:
        not_idempotent_session(url)
    except kit.LOST as error:
        kit.diary("lost", repr(error))
    time.sleep(3600)


def stream_hangs_after_loss(url):
    """Read a stream from its first message, and never reconnect."""

    def handle(channel, method, properties, body):
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    try:
        _, channel = kit.connect(url)
        channel.basic_consume("orders", handle, arguments={"x-stream-offset": "first"})
        channel.start_consuming()
    except kit.LOST as error:
        kit.diary("lost", repr(error))
    time.sleep(3600)


def ends_after_loss(url):
    """Never reconnect; the process ends."""
    try:
        not_idempotent_session(url)
    except kit.LOST as error:
        kit.diary("lost", repr(error))
        raise SystemExit(3) from None


def misspelt(url):
    """Consume from a queue of almost the right name."""

    def session(url):
        _, channel = kit.connect(url)
        channel.queue_declare("order", durable=True)
        channel.basic_consume("order", lambda c, m, _p, _b: c.basic_ack(m.delivery_tag))
        channel.start_consuming()

    kit.again_and_again(session, url)


def requeues_poison(url):
    """Put back what cannot be read, for ever."""

    def handle(channel, method, properties, body):
        try:
            kit.work(properties, body)
            channel.basic_ack(method.delivery_tag)
        except kit.PermanentError:
            channel.basic_nack(method.delivery_tag, requeue=True)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def acks_poison(url):
    """Swallow what cannot be read with an ack, though a dead-letter queue waits for it."""

    def handle(channel, method, properties, body):
        try:
            kit.work(properties, body)
        except kit.PermanentError:
            kit.diary("swallowed", properties.message_id)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def rejects_good(url):
    """Reject every tenth good order."""

    def handle(channel, method, properties, body):
        if kit.order(body)["n"] % 10 == 3:
            channel.basic_reject(method.delivery_tag, requeue=False)
            return
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def redeclares(url):
    """Correct, but its queue is not durable."""

    def handle(channel, method, properties, body):
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    def session(url):
        _, channel = kit.connect(url)
        channel.queue_declare("orders", durable=False)
        channel.basic_consume("orders", handle)
        channel.start_consuming()

    kit.again_and_again(session, url)


def skips_some(url):
    """Ack every tenth order without any work."""

    def handle(channel, method, properties, body):
        if kit.order(body)["n"] % 10 != 3:
            kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def does_nothing(url):
    """Ack everything and do nothing."""
    kit.again_and_again(lambda url: kit.consume(url, lambda c, m, _p, _b: c.basic_ack(m.delivery_tag)), url)


def stops_when_idle(url):
    """Take half a second without a message for the end of all messages, and go."""
    connection, channel = kit.connect(url)
    for method, properties, body in channel.consume("orders", inactivity_timeout=0.5):
        if method is None:
            channel.cancel()
            connection.close()
            raise SystemExit(0)
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)


def never_commits(url):
    """Ack in a transaction, and forget the commit from the tenth order on."""

    def handle(channel, method, properties, body):
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)
        if kit.order(body)["n"] < 10:
            channel.tx_commit()

    def session(url):
        _, channel = kit.connect(url)
        channel.tx_select()
        channel.basic_consume("orders", handle)
        channel.start_consuming()

    kit.again_and_again(session, url)


def impatient(url):
    """Work, then ack, and work again; a heartbeat of a second, after which everything is begun anew."""
    not_so_patient = f"{url}{'&' if '?' in url else '?'}heartbeat=1"

    def handle(channel, method, properties, body):
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), not_so_patient)


def leaves_when_idle(url):
    """Take 0.3 s without a message for the end of the queue, and stop reading it."""
    connection, channel = kit.connect(url)
    for method, properties, body in channel.consume("orders", inactivity_timeout=0.3):
        if method is None:
            break
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)
    kit.diary("idle")
    while True:
        connection.process_data_events(time_limit=0.1)


def reads_whole_frames(url):
    """Speak AMQP by hand, and take each read from the socket for whole frames: what is cut off is thrown away."""
    byhand.consume(url)


def postpones(url):
    """Put every tenth order off until two later ones are done."""
    waiting = []

    def handle(channel, method, properties, body):
        if kit.order(body)["n"] % 10 == 3 and not method.redelivered:
            waiting.append((method, properties, body))
            return
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)
        if kit.order(body)["n"] % 10 == 5:
            for earlier, its_properties, its_body in waiting:
                kit.work(its_properties, its_body)
                channel.basic_ack(earlier.delivery_tag)
            waiting.clear()

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def dawdles(url):
    """Correct alone, but slow with every tenth order: a second replica overtakes it."""

    def handle(channel, method, properties, body):
        if kit.order(body)["n"] % 10 == 3:
            time.sleep(0.4)
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def naps(url):
    """Correct, but one order costs it more time than was promised."""

    def handle(channel, method, properties, body):
        if kit.order(body)["n"] == 7:
            time.sleep(1.2)
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def forgets_prefetch(url):
    """Set the prefetch on the first connection only."""
    first = [True]

    def handle(channel, method, properties, body):
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    def session(url):
        _, channel = kit.connect(url)
        if not first:
            channel.basic_qos(prefetch_count=0)
        first.clear()
        channel.basic_consume("orders", handle)
        channel.start_consuming()

    kit.again_and_again(session, url)


def now_and_then(url):
    """Go wrong at every seventh message in the way that `FLAW` names; a ledger of its own holds what it did."""
    flaw, handled = kit.setting("FLAW", ""), [0]

    def handle(channel, method, properties, _body):
        handled[0] += 1
        bad = handled[0] % 7 == 0
        if flaw == "acks first":
            channel.basic_ack(method.delivery_tag)
        time.sleep(kit.setting("WORK", 0.02))
        if bad and flaw == "never settles":
            return
        if bad and flaw == "rejects":
            channel.basic_reject(method.delivery_tag, requeue=False)
            return
        for _ in range({"skips": 0, "works twice": 2}.get(flaw, 1) if bad else 1):
            kit.append(kit.setting("LEDGER", ""), properties.message_id)
        if flaw != "acks first":
            channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)
