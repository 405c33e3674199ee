"""The light distribution, built and installed: in an image without pytest, and beside the whole."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pika
import pytest
from e2e_kit import numbers, text

from pytest_mqchaos import baseline, consumer_crash, delivery, effect

ROOT = Path(__file__).parents[2]
WORKER = """
import os, sys, time
import pika
from mqchaos_probe import effect

assert "pytest" not in sys.modules and "pytest_mqchaos" not in sys.modules
print("Python %d.%d" % sys.version_info[:2], flush=True)

def on_order(channel, method, properties, body):
    if "idle" not in sys.argv:
        effect(properties.message_id)
    channel.basic_ack(method.delivery_tag)

while True:
    try:
        connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
        channel = connection.channel()
        channel.queue_declare("orders", durable=True)
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume("orders", on_order)
        channel.start_consuming()
    except pika.exceptions.AMQPError:
        time.sleep(0.1)
"""


def ran(*command, **options):
    """Run a command that has to succeed, and return its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Both wheels, built out of the checkout as `make build` does."""
    pytest.importorskip("hatchling")
    pytest.importorskip("build")
    if not (ROOT / "pytest_mqchaos").is_dir():
        pytest.skip("the package was moved out of the checkout: it is the built one that is tested")
    folder = tmp_path_factory.mktemp("dist")
    for project in (ROOT, ROOT / "probe"):
        ran(
            sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(project), cwd=folder
        )
    assert len(list(folder.glob("*.tar.gz"))) == 2
    found = {wheel.name.partition("-")[0]: wheel for wheel in folder.glob("*.whl")}
    assert set(found) == {"pytest_mqchaos", "mqchaos_probe"}
    return found


def pythons():
    """Return the oldest Python here that the probe runs on, and this one, by version."""
    old = sorted(Path.home().glob(".pyenv/versions/3.8.*/bin/python"))
    return {"this": sys.executable, **({"3.8": str(old[0])} if old else {})}


@pytest.fixture(scope="module", params=["this", "3.8"])
def image(request, wheels, tmp_path_factory):
    """A fresh environment with the light wheel and nothing else, and pika beside it: a production image's Python."""
    if request.param not in pythons():
        pytest.skip(f"there is no Python {request.param}")
    folder = tmp_path_factory.mktemp("image")
    ran(pythons()[request.param], "-m", "venv", str(folder / "venv"))
    python = folder / "venv" / "bin" / "python"
    ran(
        str(python),
        "-m",
        "pip",
        "install",
        "--no-index",
        "--disable-pip-version-check",
        str(wheels["mqchaos_probe"]),
    )
    (folder / "client").mkdir()
    (folder / "client" / "pika").symlink_to(Path(pika.__file__).parent)
    (folder / "worker.py").write_text(WORKER)
    return python


@pytest.fixture
def worker(mqchaos, image):
    """Start the worker by the image's own Python, which finds nothing of ours but the probe."""

    def start(*words):
        folder = image.parents[2]
        env = {"PYTHONPATH": str(folder / "client"), "PYTHONHOME": None}
        return mqchaos.consumer([image, "worker.py", *words], cwd=folder, env=env, name="worker")

    return start


@pytest.mark.chaos(
    consumer_crash(before=effect(5)), consumer_crash(after=delivery(7)), guarantee="exactly-once"
)
def test_a_consumer_in_an_image_of_its_own(mqchaos, worker):
    """Its work shows, and it waits for the fault before its fifth effect, as with the whole package.

    One message at a time: of more the ack of the one before may die with the strike, and its work is done again.
    """
    consumer = worker()
    mqchaos.publish("orders", count=20)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(account.effected) == 20
    assert consumer.output.startswith("Python 3.")


@pytest.mark.chaos(baseline(), allow="*")
def test_one_that_does_nothing(mqchaos, worker):
    """It has the probe: no effect is no work."""
    worker("idle")
    mqchaos.publish("orders", count=5)
    assert numbers(mqchaos.settle().lost) == [1, 2, 3, 4, 5]


def test_it_is_small(wheels):
    """One module, its mark of types, and no dependency."""
    with zipfile.ZipFile(wheels["mqchaos_probe"]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        (metadata,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
        assert names == {"mqchaos_probe/__init__.py", "mqchaos_probe/py.typed"}
        assert b"Requires-Dist" not in wheel.read(metadata)
        assert wheel.read("mqchaos_probe/__init__.py") == (ROOT / "pytest_mqchaos" / "probe.py").read_bytes()


def test_both_beside_each_other(wheels, tmp_path):
    """They have no file in common, one code, and write to one file of effects."""
    place, effects = tmp_path / "site", tmp_path / "effects"
    options = ["--no-index", "--no-deps", "--disable-pip-version-check", "--target", str(place)]
    ran(sys.executable, "-m", "pip", "install", *options, *map(str, wheels.values()))
    names = []
    for wheel in wheels.values():
        with zipfile.ZipFile(wheel) as files:
            names += files.namelist()
    assert len(names) == len(set(names))
    effects.touch()
    said = ran(
        sys.executable, "-S", "-c",
        "import mqchaos_probe as light\n"
        "from pytest_mqchaos import probe\n"
        "light.effect(1); probe.effect(2); light.effect(3)\n"
        "print(open(light.__file__).read() == open(probe.__file__).read())",
        env={**os.environ, "PYTHONPATH": str(place), "MQCHAOS_EFFECTS": str(effects)}, cwd=tmp_path,
    )  # fmt: skip
    assert said == "True\n"
    assert [line for line in effects.read_text().splitlines() if line != "#probe"] == ["1", "2", "3"]
