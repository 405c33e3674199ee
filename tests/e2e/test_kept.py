"""What a run on a real broker leaves with the report when it failed."""

import json

from test_companions import WORKER, run


def test_a_failed_run_leaves_its_directory(tmp_path):
    """The history from plan to verdict, the effects and the output of its consumer are there, and no credentials."""
    talks = 'print("working for", os.environ["AMQP_URL"], flush=True)\n    connection ='
    worker = WORKER.replace("connection =", talks, 1)
    assert worker != WORKER
    done = run(tmp_path, "-k", "test_bad or test_good", worker=worker)
    assert done.returncode == 1, done.stdout + done.stderr
    document = json.loads((tmp_path / "mqchaos-report" / "report.json").read_text())
    (kept,) = [each["kept"] for each in document["runs"] if "kept" in each]
    assert kept == "failed/test_orders.py_test_bad_baseline-1"
    assert f"mqchaos-report/{kept}: " in done.stdout
    files = {path.name: path.read_text() for path in (tmp_path / "mqchaos-report" / kept).iterdir()}
    assert {"history.jsonl", "worker.effects", "worker.output", "kept.json"} <= files.keys()
    events = [json.loads(line) for line in files["history.jsonl"].splitlines()]
    seen = {each["event"] for each in events}
    assert {"Planned", "Published", "Confirmed", "Delivered", "Acked", "Effected", "SettleEnded"} <= seen
    planned = [each for each in events if each["event"] == "Planned"]
    assert [each["body"]["hex"] for each in planned] == [""] * 8
    assert set(files["worker.effects"].split()) == {"#probe", *(each["id"] for each in planned)}
    assert files["worker.output"].startswith("working for amqp://***@127.0.0.1:")
