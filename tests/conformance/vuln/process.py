"""The process around the protocol: 4 and 7 (configuration), 29 and 38 (the log), 39 (odd values)."""

import os
import subprocess
import time

import brokers
import wire

CANARY = b"canary-7Zk2-secret"


def vuln_04_reload_without_descriptors_keeps_the_doors_closed(case):
    """A reload that cannot open its file changes nothing: nobody gets in who could not before"""
    case.start("listener.anonymous=false", "listener.max_connections=1000", limit="nofile=48")
    refused_until_now(case)
    held = []
    for _ in range(60):
        try:
            held.append(case.opened())
        except OSError:
            break
    time.sleep(0.3)
    case.broker.signal("SIGHUP")
    time.sleep(0.5)
    assert case.broker.running()
    for client in held:
        case.forget(client)
    time.sleep(0.3)
    refused_until_now(case)
    case.broker.signal("SIGHUP")
    time.sleep(0.3)
    refused_until_now(case)


def refused_until_now(case):
    """Nobody may enter; asked until the broker has a descriptor for us again."""
    deadline = time.monotonic() + case.patience_s * 2
    while True:
        client = case.opened()
        client.send_packet("CONNECT", {"level": 5, "client_id": b"anybody"})
        packet = client.next_packet(1)
        case.forget(client)
        if packet:
            assert packet.kind == "CONNACK" and packet.fields["reason"] in (0x86, 0x87), packet
            return
        assert time.monotonic() < deadline, "no answer"


def check_config(case, text):
    """Exit status and words of siotd -t for a configuration."""
    folder = case.start().folder.name if case.broker is None else case.broker.folder.name
    path = os.path.join(folder, "tried.yaml")
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    done = subprocess.run([case.options.program, "-c", path, "-t"], capture_output=True, text=True,
                          timeout=20, check=False)
    return done.returncode, done.stdout + done.stderr


def vuln_07_no_option_opens_a_listener_it_does_not_name(case):
    """There is no anonymous for all: it stands at a listener, and without it nobody may enter"""
    if case.options.broker != "siotd":
        raise brokers.Unsupported("only for siotd")
    listener = "listeners:\n  - {name: a, protocol: mqtt, transport: tcp, bind: '127.0.0.1:1'}\n"
    status, words = check_config(case, "anonymous: true\n" + listener)
    assert status == 3 and "anonymous" in words, (status, words)
    status, words = check_config(case, "auth:\n  anonymous: true\n" + listener)
    assert status == 3, (status, words)
    status, words = check_config(case, listener)
    assert status == 0 and "127.0.0.1:1" in words, (status, words)


def vuln_25_half_a_setting_is_refused(case):
    """A credential setting with half of its values does not start"""
    if case.options.broker != "siotd":
        raise brokers.Unsupported("only for siotd")
    for auth in ("auth: {password_file: }", "auth: {users: [{name: x}]}"):
        status, words = check_config(case, auth + "\nlisteners:\n  - {name: a, protocol: mqtt, "
                                     "transport: tcp, bind: '127.0.0.1:1', anonymous: true}\n")
        assert status == 3, (auth, status, words)


def vuln_29_no_secret_in_the_log(case):
    """A password is in no log line, at debug level, whatever becomes of the CONNECT"""
    case.start("log.level=debug", "listener.anonymous=false")
    for level in (3, 4, 5):
        for extra in ({}, {"will_topic": b"a", "will_payload": CANARY}):
            client = case.opened()
            client.send_packet("CONNECT", {"level": level, "client_id": b"spy", "username": b"u",
                                           "password": CANARY, **extra})
            case.ends(client)
            broken = case.opened()
            packet = wire.encode("CONNECT", level, {"client_id": b"spy", "username": b"u",
                                                    "password": CANARY})
            broken.send_raw(packet[:1] + bytes([packet[1] + 1]) + packet[2:] + b"!")
            case.ends(broken)
    time.sleep(0.2)
    log = case.broker.log_text(0)
    assert "spy" in log, "the log says nothing at all"
    assert CANARY.decode() not in log and CANARY.hex() not in log


def vuln_29_no_payload_in_the_log(case):
    """A payload is in no log line, at debug level"""
    case.start("log.level=debug")
    client = case.connect("talker")
    case.subscribe(client, b"t")
    client.send_packet("PUBLISH", {"topic": b"t", "payload": CANARY})
    case.expect(client, "PUBLISH", payload=CANARY)
    client.send_packet("PUBLISH", {"topic": b"t/#", "payload": CANARY})
    case.ends(client)
    time.sleep(0.2)
    assert CANARY.decode() not in case.broker.log_text(0)


def vuln_38_long_and_strange_names_in_the_log(case):
    """Long names, formats and escapes pass through the debug log without harm"""
    case.start("log.level=debug")
    names = [b"%s%n%x" * 20, b"a" * 4000, b"\xc3\xa9" * 1000, b'"\\{}[]' * 50, b"x\\x00" * 10]
    for name in names:
        client = case.connect(name.decode(), level=5, will_topic=b"w/" + name, will_payload=b"w")
        case.subscribe(client, b"t/" + name[:2000])
        client.send_packet("PUBLISH", {"topic": b"t/" + name[:2000], "payload": b"x",
                                       "user_property": [(name[:3000], b"v")]})
        case.expect(client, "PUBLISH")
        client.send_packet("SUBSCRIBE", {"filters": [(name[:3000] + b"#", {})]})
        client.send_packet("PUBLISH", {"topic": b"$" + name[:3000], "payload": b"x"})
        client.send_raw(b"\x30\x05\x00\x03" + b"\xff\xfe\xfd")
        case.ends(client)
    for long in (b"x" * 65535, b"/" * 65535, b"%n" * 32000):
        client = case.connect("long")
        client.send_packet("PUBLISH", {"topic": long, "payload": b"x"})
        client.fence(case.patience_s)
        case.forget(client)
    case.still_serves()
    for line in case.broker.log_text(0).split("\n"):
        assert len(line) < 2000, f"a line of {len(line)} characters"
        assert all(ord(c) >= 32 and not 127 <= ord(c) < 160 for c in line), line[:200]


ODD = (
    ("limits.inflight=1",), ("limits.inflight=65535",), ("limits.queued_messages=0",),
    ("limits.queued_messages=unlimited", "limits.queued_bytes=unlimited"),
    ("limits.queued_bytes=0",), ("limits.retained_messages=0",), ("limits.retained_bytes=0",),
    ("limits.topic_levels=1",), ("limits.topic_length=1",), ("limits.subscriptions=1",),
    ("limits.retained_per_turn=1",), ("limits.wills_per_second=1",), ("limits.sessions=1",),
    ("limits.packet_size=1KiB",), ("limits.packet_size=256MiB",),
    ("mqtt.topic_alias_max=0", "mqtt.topic_alias_out_max=0"),
    ("mqtt.topic_alias_max=65535", "mqtt.topic_alias_out_max=256"),
    ("mqtt.keep_alive_max=unlimited",), ("mqtt.session_expiry_max=0s",),
    ("mqtt.session_expiry_max=unlimited",), ("mqtt.max_qos=0", "mqtt.retain=false"),
    ("listener.max_connections=1",), ("sys_interval=1s",),
)


def vuln_39_odd_configurations_under_traffic(case):
    """The least and the largest values of options, with traffic: refusals, but never a crash"""
    for settings in ODD:
        case.start(*settings)
        client = traffic(case)
        client.drop()
        assert case.broker.running(), f"{settings}: the broker is gone: {case.broker.log_text(0)}"
        fault = case.broker.stop()
        assert not fault, f"{settings}: {fault}"
        case._clients.clear()
        case.broker = None
    case.start()


def traffic(case):
    """A bit of everything, on few connections; what is refused is refused."""
    client = case.opened()
    client.send_packet("CONNECT", {"level": 5, "client_id": b"o", "will_topic": b"o",
                                   "will_payload": b"w", "topic_alias_maximum": 5,
                                   "session_expiry_interval": 5, "keep_alive": 0})
    for kind, fields in (
            ("SUBSCRIBE", {"filters": [(b"o", {"qos": 2}), (b"o/+", {}), (b"$share/g/o", {})]}),
            ("PUBLISH", {"topic": b"o", "payload": b"x" * 500, "topic_alias": 1}),
            ("PUBLISH", {"topic": b"o/b/c/d", "payload": b"x", "qos": 1, "id": 9}),
            ("PUBLISH", {"topic": b"o", "payload": b"x", "qos": 2, "retain": 1, "id": 10}),
            ("PUBLISH", {"topic": b"o/p", "payload": b"x", "retain": 1}),
            ("PINGREQ", {})):
        client.send_packet(kind, fields)
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline and client.next_packet(0.05):
        pass
    client.drop(reset=True)
    second = case.opened()
    second.send_packet("CONNECT", {"level": 4, "client_id": b"second", "clean_start": 0})
    second.send_packet("SUBSCRIBE", {"filters": [(b"#", {"qos": 1})]})
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline and second.next_packet(0.05):
        pass
    return second
