"""Run the planted bugs and the correct consumers many times, and print a rate for each test.

    python tests/e2e/repeat.py 20                          # both, the planted bugs and the correct consumers
    python tests/e2e/repeat.py 20 planted -k "ack_before_work and quorum"

Each round is a session of its own, with its own servers and seed. Exits 0 exactly when every run of every test passed.
"""

import collections
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).parent
FILES = {
    "planted": ["test_planted_bugs.py"],
    "good": ["test_no_false_alarm.py"],
    "faults": ["test_faults.py", "test_payload_faults.py"],
}
FILES["both"] = FILES["planted"] + FILES["good"]


def run_round(number, files, extra):
    """Run one session and return what became of each test."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"]
        command += [f"--junitxml={results}", f"--mqchaos-report={folder}/report", f"--mqchaos-seed={number}"]
        command += [str(HERE / file) for file in files] + extra
        done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=False)
        if not results.exists():
            print(done.stdout[-2000:], done.stderr[-2000:])
            return {}
        log = Path(tempfile.gettempdir()) / f"mqchaos-repeat-{os.getpid()}-{number}.log"
        if done.returncode:
            log.write_text(done.stdout + done.stderr)
            print(f"round {number}: {done.stdout.strip().splitlines()[-1]} ({log})", flush=True)
        return {
            case.get("name"): not any(case.find(bad) is not None for bad in ("failure", "error"))
            for case in ElementTree.parse(results).iter("testcase")
        }


def main(arguments):
    """Run the rounds and print the rates."""
    rounds, which, *extra = [*arguments, "both"] if len(arguments) == 1 else arguments
    passed, runs = collections.Counter(), collections.Counter()
    for number in range(1, int(rounds) + 1):
        for name, good in run_round(number, FILES[which], extra).items():
            runs[name] += 1
            passed[name] += good
    per_test = collections.defaultdict(lambda: [0, 0])
    for name in runs:
        group = re.sub(r"\[.*", "", name)
        per_test[group][0] += passed[name]
        per_test[group][1] += runs[name]
    for group, (good, total) in per_test.items():
        print(f"{good:6} of {total:6}  {group}")
    for name in sorted(runs):
        if passed[name] != runs[name]:
            print(f"{passed[name]:6} of {runs[name]:6}  {name}")
    return int(not runs or passed != runs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
