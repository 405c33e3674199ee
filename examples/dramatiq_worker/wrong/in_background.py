"""The bug: the actor hands its work to a thread and returns, and dramatiq acks what has returned."""

from concurrent.futures import ThreadPoolExecutor

from shop import book, write

background = ThreadPoolExecutor(max_workers=1)

book.fn = lambda order: background.submit(write, order)
