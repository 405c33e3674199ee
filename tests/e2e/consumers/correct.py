"""Correct consumers: under every fault these keep what they promise."""

import os
import pathlib
import signal
import sqlite3
import time

from consumers import kit


def ack_after_work(url):
    """Work, then ack; poison is rejected. Promises at-least-once."""

    def handle(channel, method, properties, body):
        try:
            kit.work(properties, body)
        except kit.PermanentError:
            channel.basic_reject(method.delivery_tag, requeue=False)
        else:
            channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def ack_after_work_once(url):
    """Work as above and end with the connection, as one under a supervisor does."""

    def handle(channel, method, properties, body):
        try:
            kit.work(properties, body)
        except kit.PermanentError:
            channel.basic_reject(method.delivery_tag, requeue=False)
        else:
            channel.basic_ack(method.delivery_tag)

    try:
        kit.consume(url, handle)
    except kit.LOST as error:
        kit.diary("lost", repr(error))
        raise SystemExit(1) from None


def dedup(url):
    """Never work twice for one message: the effects themselves are the store. Promises exactly-once."""
    store = pathlib.Path(os.environ["MQCHAOS_EFFECTS"])
    done = set(store.read_text().split())

    def handle(channel, method, properties, body):
        if properties.message_id not in done:
            try:
                kit.work(properties, body)
            except kit.PermanentError:
                channel.basic_reject(method.delivery_tag, requeue=False)
                return
            done.add(properties.message_id)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def database(url):
    """Insert a row by the order's own key, in a transaction, then ack. Promises exactly-once."""
    rows = sqlite3.connect(os.environ["DATABASE"], isolation_level=None)

    def handle(channel, method, properties, body):
        try:
            key = kit.order(body)["order"]
        except (kit.PermanentError, KeyError):
            channel.basic_reject(method.delivery_tag, requeue=False)
            return
        if not rows.execute("select 1 from done where id = ?", (key,)).fetchone():
            time.sleep(kit.setting("WORK", 0.02))
            rows.execute("insert into done values (?)", (key,))
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def auto_ack(url):
    """Let the broker forget at delivery. Promises at-most-once."""

    def handle(_channel, _method, properties, body):
        try:
            kit.work(properties, body)
        except kit.PermanentError:
            kit.diary("dropped", properties.message_id)

    kit.again_and_again(lambda url: kit.consume(url, handle, auto_ack=True), url)


def delayed_hand_on(url):
    """As `delayed_retry`; what was worked on is handed on, with all its headers."""
    delayed_retry(url, "results")


def delayed_retry(url, results=""):
    """Fail every fifth order at first; it waits in a queue with a TTL and comes back. Poison: three tries."""

    def tries(properties):
        deaths = (properties.headers or {}).get("x-death") or []
        return 1 + sum(int(d["count"]) for d in deaths if d["queue"] == "orders")

    def handle(channel, method, properties, body):
        attempt = tries(properties)
        try:
            if kit.order(body)["n"] % 5 == 0 and attempt == 1:
                channel.basic_reject(method.delivery_tag, requeue=False)
                return
            kit.work(properties, body)
            if results:
                channel.basic_publish("", results, body, properties)
        except kit.PermanentError:
            if attempt < 3:
                channel.basic_reject(method.delivery_tag, requeue=False)
                return
            channel.basic_publish("", "orders.dead", body, properties)
        channel.basic_ack(method.delivery_tag)

    def session(url):
        _, channel = kit.connect(url)
        channel.confirm_delivery()
        channel.basic_consume("orders", handle)
        channel.start_consuming()

    kit.again_and_again(session, url)


def three_tries(url):
    """Try poison three times at once, then reject it into the dead-letter queue."""
    tries = {}

    def handle(channel, method, properties, body):
        try:
            kit.work(properties, body)
        except kit.PermanentError:
            tries[properties.message_id] = tries.get(properties.message_id, 0) + 1
            channel.basic_reject(method.delivery_tag, requeue=tries[properties.message_id] < 3)
        else:
            channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def gives_up_at_once(url):
    """Look at the connection while working, and leave what was begun undone when it is lost."""

    def session(url):
        connection, channel = kit.connect(url)
        for method, properties, body in channel.consume("orders", inactivity_timeout=0.05):
            if method is not None:
                kit.diary("begin", properties.message_id)
                end = time.monotonic() + kit.setting("WORK", 0.02)
                while time.monotonic() < end:
                    connection.process_data_events(time_limit=0.01)
                kit.order(body)
                kit.effect(properties.message_id)
                channel.basic_ack(method.delivery_tag)

    kit.again_and_again(session, url)


def stream(url):
    """Read a stream from its first message, and again from there after each loss; never work twice."""
    done = set()

    def handle(channel, method, properties, body):
        if properties.message_id not in done:
            kit.work(properties, body)
            done.add(properties.message_id)
        channel.basic_ack(method.delivery_tag)

    def session(url):
        _, channel = kit.connect(url)
        channel.basic_consume("orders", handle, arguments={"x-stream-offset": "first"})
        channel.start_consuming()

    kit.again_and_again(session, url)


def batched(url):
    """Ack all that was worked on by one frame, every ten messages or 0.2 s."""

    def session(url):
        _, channel = kit.connect(url)
        open_, last, since = 0, None, 0.0
        for method, properties, body in channel.consume("orders", inactivity_timeout=0.05):
            if method is not None:
                try:
                    kit.work(properties, body)
                except kit.PermanentError:
                    channel.basic_reject(method.delivery_tag, requeue=False)
                else:
                    since = since if open_ else time.monotonic()
                    open_, last = open_ + 1, method.delivery_tag
            if open_ and (open_ == 10 or time.monotonic() - since > 0.2):
                channel.basic_ack(last, multiple=True)
                open_ = 0

    kit.again_and_again(session, url)


def drains(url):
    """Finish what is in hand on SIGTERM, hand back the rest, and go."""
    ending = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(True))

    def session(url):
        connection, channel = kit.connect(url)
        for method, properties, body in channel.consume("orders", inactivity_timeout=0.05):
            if method is not None:
                try:
                    kit.work(properties, body)
                except kit.PermanentError:
                    channel.basic_reject(method.delivery_tag, requeue=False)
                else:
                    channel.basic_ack(method.delivery_tag)
            if ending:
                channel.cancel()
                connection.close()
                kit.diary("drained")
                raise SystemExit(0)

    kit.again_and_again(session, url)


def commits_each(url):
    """Work, then ack, each in a transaction of its own. Promises at-least-once."""

    def handle(channel, method, properties, body):
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)
        channel.tx_commit()

    _in_transactions(url, handle)


def _in_transactions(url, handle):
    def session(url):
        _, channel = kit.connect(url)
        channel.tx_select()
        channel.basic_consume("orders", handle)
        channel.start_consuming()

    kit.again_and_again(session, url)


def transactional(url):
    """As above, and every fifth order is rolled back and given back at first."""
    rolled = set()

    def handle(channel, method, properties, body):
        n = kit.order(body)["n"]
        if n % 5 == 0 and n not in rolled and not method.redelivered:
            rolled.add(n)
            channel.basic_ack(method.delivery_tag)
            channel.tx_rollback()
            channel.basic_nack(method.delivery_tag, requeue=True)
        else:
            kit.work(properties, body)
            channel.basic_ack(method.delivery_tag)
        channel.tx_commit()

    _in_transactions(url, handle)


def dedup_in_common(url):
    """Never work twice for one message, whichever replica did: a row is taken before the work and kept with it."""
    rows = sqlite3.connect(os.environ["DATABASE"], isolation_level=None, timeout=30)

    def handle(channel, method, properties, body):
        number = kit.order(body)["n"]
        time.sleep(kit.setting("WORK", 0.02))
        rows.execute("begin immediate")
        if not rows.execute("select 1 from done where id = ?", (number,)).fetchone():
            rows.execute("insert into done values (?)", (number,))
            kit.effect(properties.message_id)
        rows.execute("commit")
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def backs_off(url):
    """Fail every fifth order twice and poison for ever; wait in queues with a TTL, longer each time, three tries."""

    def handle(channel, method, properties, body):
        failures = sum(
            d["count"] for d in (properties.headers or {}).get("x-death") or [] if d["queue"] == "orders"
        )
        try:
            if kit.order(body)["n"] % 5 == 0 and failures < 2:
                raise RuntimeError("try again")
            kit.work(properties, body)
        except (RuntimeError, kit.PermanentError):
            if failures == 2:
                channel.basic_publish("", "orders.dead", body, properties)
                channel.basic_ack(method.delivery_tag)
            else:
                channel.basic_reject(method.delivery_tag, requeue=False)
        else:
            channel.basic_ack(method.delivery_tag)

    def session(url):
        _, channel = kit.connect(url)
        channel.confirm_delivery()
        channel.basic_consume("orders", handle)
        channel.start_consuming()

    kit.again_and_again(session, url)


def publishes_again(url):
    """Fail every fifth order twice; publish it again with an expiration that doubles, and count in a header."""

    def handle(channel, method, properties, body):
        headers = dict(properties.headers or {})
        failures = headers.get("failures", 0)
        if kit.order(body)["n"] % 5 == 0 and failures < kit.setting("FAILURES", 2):
            properties.headers = {**headers, "failures": failures + 1}
            wait = kit.setting("DELAY", 0.2) * kit.setting("FACTOR", 2.0) ** failures
            properties.expiration = str(round(wait * 1000))
            channel.basic_publish("", f"orders.wait.{failures}", body, properties)
        else:
            kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    def session(url):
        _, channel = kit.connect(url)
        channel.confirm_delivery()
        channel.basic_consume("orders", handle)
        channel.start_consuming()

    kit.again_and_again(session, url)


def sleeps_and_requeues(url):
    """Fail every tenth order once; sleep, and give it back."""

    def handle(channel, method, properties, body):
        if kit.order(body)["n"] % 10 == 0 and not method.redelivered:
            time.sleep(0.2)
            channel.basic_nack(method.delivery_tag, requeue=True)
            return
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def bills(url):
    """Publish a bill of its own for each order, confirmed, then do the work, then ack."""

    def handle(channel, method, properties, body):
        number = kit.order(body)["n"]
        channel.basic_publish("", "bills", f"bill {number}".encode())
        kit.diary("billed", number)
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)

    def session(url):
        _, channel = kit.connect(url)
        channel.confirm_delivery()
        channel.basic_consume("orders", handle)
        channel.start_consuming()

    kit.again_and_again(session, url)
