"""Consumers whose first process reads and acks, and whose children do the work, as Celery's and gunicorn's kin do."""

import multiprocessing

from consumers import kit


def _child(pipe):
    while True:
        properties, body = pipe.recv()
        kit.work(properties, body)
        pipe.send(True)


class _Pool:
    """Two children; a message with an odd number is for the younger one."""

    def __init__(self):
        self._children = [self._start(), self._start()]

    def _start(self):
        ours, theirs = multiprocessing.Pipe()
        multiprocessing.get_context("fork").Process(target=_child, args=(theirs,), daemon=True).start()
        theirs.close()
        return ours

    def did(self, properties, body):
        """Have the work done; return whether the child lived to say so, and have another one if not."""
        n = kit.order(body)["n"] % 2
        self._children[n].send((properties, body))
        try:
            return self._children[n].recv()
        except EOFError:
            self._children[n] = self._start()
            return False


def puts_back(url):
    """What a child died of goes back to the queue. Promises at-least-once."""
    _run(url, lambda channel, tag: channel.basic_nack(tag, requeue=True))


def acks_lost_child(url):
    """The bug: a child that died has failed, and what failed is acked."""
    _run(url, lambda channel, tag: channel.basic_ack(tag))


def _run(url, failed):
    pool = _Pool()

    def handle(channel, method, properties, body):
        if pool.did(properties, body):
            channel.basic_ack(method.delivery_tag)
        else:
            failed(channel, method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)
