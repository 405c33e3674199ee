"""Finding an installation, and the layout of a private node on it, on made-up file systems."""

import pytest

from pytest_mqchaos.brokers.rabbitmq import find
from pytest_mqchaos.brokers.rabbitmq.find import Installation, find_installation
from pytest_mqchaos.brokers.rabbitmq.layout import Layout, Ports
from pytest_mqchaos.errors import ServerUnavailable

APPS = {
    "rabbit-4.0": "{application, rabbit, [{applications, [kernel, ra, 'rabbit_common']}]}.",
    "rabbit_common-4.0": "{application, rabbit_common, [{applications,[kernel]}]}.",
    "rabbitmq_prelaunch-4.0": "{application, rabbitmq_prelaunch, [{applications,\n [thoas]}]}.",
    "ra-2.2": "{application, ra, [{applications, [kernel, aten]}, {optional_applications, [extra]}]}.",
    "aten-0.5": "{application, aten, []}.",
    "thoas-1.0": "{application, thoas, []}.",
    "extra-1.0": "{application, extra, []}.",
    "cuttlefish-3.0": "{application, cuttlefish, []}.",
    "rabbitmq_management-4.0": "{application, rabbitmq_management, []}.",
}


def program(path):
    """Make an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def home(tmp_path):
    """Return the home of an installation with the usual folders."""
    home = tmp_path / "lib" / "rabbitmq_server-4.0"
    for name in ("rabbitmq-server", "rabbitmq-env", "rabbitmq-defaults"):
        program(home / "sbin" / name)
    (home / "escript").mkdir()
    for folder, text in APPS.items():
        (home / "plugins" / folder / "ebin").mkdir(parents=True)
        (home / "plugins" / folder / "ebin" / f"{folder.rpartition('-')[0]}.app").write_text(text)
    return home


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Return the one folder of PATH, with Erlang in it, and no usual places."""
    folder = tmp_path / "bin"
    program(folder / "erl")
    program(folder / "epmd")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(find, "_USUAL", ())
    monkeypatch.setattr(find, "_BESIDES", "/nowhere")
    return folder


def test_a_link_on_path_is_followed(home, path):
    """A `rabbitmq-server` on PATH that is a link leads to its installation."""
    (path / "rabbitmq-server").symlink_to(home / "sbin" / "rabbitmq-server")
    assert find_installation().home == home


def test_a_wrapper_on_path_is_passed_over(home, path, monkeypatch):
    """Debian's wrapper, with no scripts beside it, is not the broker: the usual places are searched."""
    program(path / "rabbitmq-server")
    monkeypatch.setattr(find, "_USUAL", (str(home.parent / "rabbitmq_server-*" / "sbin").lstrip("/"),))
    assert find_installation().home == home


def test_a_folder_of_links_leads_home(home, path, tmp_path, monkeypatch):
    """A distribution's folder of links to the scripts (Debian's `bin`) leads to the installation."""
    links = tmp_path / "rabbitmq" / "bin"
    links.mkdir(parents=True)
    for name in ("rabbitmq-server", "rabbitmq-env"):
        (links / name).symlink_to(home / "sbin" / name)
    monkeypatch.setattr(find, "_USUAL", (str(links).lstrip("/"),))
    assert find_installation().home == home


def test_none_is_one_line_with_the_way_out(path):
    """Without any installation the error says where it was looked for and how to get one."""
    with pytest.raises(ServerUnavailable, match=r"^no rabbitmq-server on PATH .*apt-get install") as caught:
        find_installation()
    assert "\n" not in str(caught.value)


def test_without_epmd_the_error_says_so(home, path):
    """An installation without all of Erlang is no server, and the error names what is missing."""
    (path / "rabbitmq-server").symlink_to(home / "sbin" / "rabbitmq-server")
    (path / "epmd").unlink()
    with pytest.raises(ServerUnavailable, match="epmd"):
        find_installation()


def layout(home, folder, *, trimmed=True):
    """Write the layout of a node."""
    made = Layout(Installation(home, home / "erl", home / "epmd"), folder, trimmed=trimmed)
    made.write("secret")
    return made


def test_the_trimmed_home_has_what_rabbit_needs_and_no_more(home, tmp_path):
    """The links are RabbitMQ's and its dependencies', optional ones included, and no plugin's."""
    made = layout(home, tmp_path / "node")
    linked = sorted(entry.name for entry in (made.home / "plugins").iterdir())
    assert linked == sorted(set(APPS) - {"rabbitmq_management-4.0"})
    assert (made.home / "sbin" / "rabbitmq-server").resolve() == home / "sbin" / "rabbitmq-server"


def test_an_installation_of_another_shape_is_left_whole(home, tmp_path):
    """Where RabbitMQ does not lie there as folders, the node runs on the installation itself."""
    (home / "plugins" / "rabbit-4.0" / "ebin" / "rabbit.app").unlink()
    assert layout(home, tmp_path / "node").home == home


def test_untrimmed_is_the_installation_itself(home, tmp_path):
    """The second try of a start has no links."""
    assert layout(home, tmp_path / "node", trimmed=False).home == home


def test_the_environment_is_all_its_own(home, tmp_path, monkeypatch):
    """Nothing of the user's RabbitMQ or Erlang settings reaches the node, and every path is in its folder."""
    for name in ("RABBITMQ_NODENAME", "RABBITMQ_MNESIA_BASE", "ERL_FLAGS", "HOME", "RABBITMQ_CONFIG_FILE"):
        monkeypatch.setenv(name, "/etc/theirs")
    made = layout(home, tmp_path / "node")
    env = made.broker_env("n@localhost", Ports(1, 2, 3))
    assert "/etc/theirs" not in env.values()
    assert "ERL_FLAGS" not in env
    paths = [v for k, v in env.items() if k.startswith(("RABBITMQ_", "HOME")) and v.startswith("/")]
    assert all(path.startswith(str(tmp_path / "node")) for path in paths)
    assert (env["ERL_EPMD_PORT"], env["ERL_EPMD_ADDRESS"], env["RABBITMQ_NODE_IP_ADDRESS"]) == (
        "1",
        "127.0.0.1",
        "127.0.0.1",
    )


def test_the_cookie_is_readable_by_its_owner_alone(home, tmp_path):
    """Erlang refuses a cookie that others can read."""
    layout(home, tmp_path / "node")
    assert (tmp_path / "node" / "home" / ".erlang.cookie").stat().st_mode & 0o777 == 0o400
