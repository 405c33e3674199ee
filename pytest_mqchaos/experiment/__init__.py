"""One test's run, from its first consumer to its account: what the parts and the pure layers offer, put together.

```
chaos.py      what a test holds in its hand; a thin door to all of this
session.py    the servers, started at first use, and the runs on them; stand.py: who takes which
run.py        one run: what it is made of, and the ground that settling stands on; links.py: an address for each
workload/     what is published: by us, by the application's own publishers
consumers/    how consumers come to run, and when they are ready
effects/      where their work shows, read into the history
striking/     which fault strikes at which frame, and what it does then
verdict/      when a run is over, and its account
kept/         what it leaves for a reader
```
"""
