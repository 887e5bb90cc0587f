"""mosquitto_pub, mosquitto_sub and mosquitto_rr in all versions of MQTT and all QoS."""

import os
import signal
import time

from harness import Failed, Program, Skipped, same

VERSIONS = {"3.1": "mqttv31", "3.1.1": "mqttv311", "5.0": "mqttv5"}
CASES = []  # (name, function)


def case(name):
    def add(function):
        CASES.append((name, function))
        return function
    return add


def per_version(name, versions=tuple(VERSIONS)):
    """One case for each version, which the function takes as the tools' -V."""
    def add(function):
        for version in versions:
            CASES.append((f"{name}, MQTT {version}",
                          lambda place, v=VERSIONS[version]: function(place, v)))
        return function
    return add


def per_qos(name, qos=(0, 1, 2), versions=tuple(VERSIONS)):
    def add(function):
        for version in versions:
            for level in qos:
                CASES.append((f"{name}, MQTT {version}, QoS {level}",
                              lambda place, v=VERSIONS[version], q=level: function(place, v, q)))
        return function
    return add


# --- the tools -----------------------------------------------------------------------------------


def reach(place):
    return ["-h", "127.0.0.1", "-p", place.port]


def pub(place, version, topic, *arguments, where=None, limit_s=20):
    """Runs mosquitto_pub to its end; its exit status."""
    return publishing(place, version, topic, arguments, where).wait_end(limit_s)


def publishing(place, version, topic, arguments, where):
    return Program(["mosquitto_pub", *(where or reach(place)), "-V", version, "-t", topic,
                    *arguments])


def send(place, version, topic, *arguments, where=None):
    """mosquitto_pub that must succeed."""
    program = publishing(place, version, topic, arguments, where)
    status = program.wait_end()
    if status != 0:
        raise Failed(f"mosquitto_pub ended with {status}; {program.said()}")


class Sub(Program):
    """mosquitto_sub that has subscribed; messages are lines, made from a -F format."""

    def __init__(self, place, version, *arguments, where=None, layout="%t|%q|%r|%p",
                 wait="Subscribed|received UNSUBACK"):
        super().__init__(["stdbuf", "-oL", "mosquitto_sub", *(where or reach(place)), "-V", version,
                          "-d", "-F", "MESSAGE " + layout, *arguments])
        if wait:
            self.wait_line(wait)

    def messages(self):
        return [line[8:] for line in self.lines if line.startswith("MESSAGE ")]

    def next(self, limit_s=10):
        return self.wait_line("^MESSAGE (.*)", limit_s).group(1)

    def close(self):
        """Disconnects as MQTT asks; the messages that came."""
        # mosquitto_sub prints from its signal handler: caught in the middle of a line, it would
        # print that line twice. So it gets the time to fall asleep.
        time.sleep(0.1)
        self.send(signal.SIGTERM)
        self.wait_end()
        return self.messages()


def marker(place, version, sub, topic, qos=2):
    """Publishes a last message and waits for it, so that what did not come before it never will."""
    send(place, version, topic, "-m", "last", "-q", qos)
    while not sub.next().endswith("|last"):
        pass


# --- cases ---------------------------------------------------------------------------------------


@per_qos("what mosquitto_pub sends, mosquitto_sub prints")
def plain(place, version, qos):
    sub = Sub(place, version, "-t", place.topic, "-q", qos)
    send(place, version, place.topic, "-q", qos, "-m", "21.5")
    same(sub.next(), f"{place.topic}|{qos}|0|21.5", "message")
    sub.close()


@per_qos("a message comes with the lower of both QoS")
def lower(place, version, qos):
    subs = [Sub(place, version, "-t", place.topic, "-q", level) for level in (0, 1, 2)]
    send(place, version, place.topic, "-q", qos, "-m", "x")
    for level, sub in enumerate(subs):
        same(sub.next(), f"{place.topic}|{min(level, qos)}|0|x", f"subscriber of QoS {level}")
        sub.close()


@per_qos("200 lines arrive in order, each once")
def lines(place, version, qos):
    if place.broker.kind == "mosquitto" and version == "mqttv5" and qos == 2:
        raise Skipped("Mosquitto 2.0.11 sends more than mosquitto_sub's receive maximum of 20")
    path = os.path.join(place.broker.folder, f"{place.topic}.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(f"line {number}\n" for number in range(200)))
    sub = Sub(place, version, "-t", place.topic, "-q", qos, layout="%p")
    command = ["sh", "-c", f'exec mosquitto_pub -h 127.0.0.1 -p {place.port} -V {version} '
                           f'-t {place.topic} -q {qos} -l < "$0"', path]
    same(Program(command).wait_end(), 0, "mosquitto_pub")
    for number in range(200):
        same(sub.next(), f"line {number}", "line")
    same(len(sub.close()), 200, "lines")


@per_qos("a retained message is kept, flagged, replaced and cleared")
def retained(place, version, qos):
    send(place, version, place.topic, "-q", qos, "-m", "first", "-r")
    send(place, version, place.topic, "-q", qos, "-m", "second", "-r")
    late = Sub(place, version, "-t", f"{place.topic}/#", "-q", "2")
    same(late.next(), f"{place.topic}|{qos}|1|second", "retained message")
    send(place, version, place.topic, "-q", qos, "-m", "third", "-r")
    same(late.next(), f"{place.topic}|{qos}|0|third", "message to one who was there already")
    send(place, version, place.topic, "-n", "-r")
    same(late.next(), f"{place.topic}|0|0|", "the clearing message")
    late.close()
    later = Sub(place, version, "-t", place.topic)
    marker(place, version, later, place.topic)
    same(later.close(), [f"{place.topic}|0|0|last"], "messages after it was cleared")


@per_qos("the will of a killed client is published")
def will(place, version, qos):
    watcher = Sub(place, version, "-t", f"{place.topic}/will", "-q", "2")
    victim = Sub(place, version, "-t", place.topic, "--will-topic", f"{place.topic}/will",
                 "--will-payload", "gone", "--will-qos", qos, "--will-retain")
    victim.kill()
    same(watcher.next(), f"{place.topic}/will|{qos}|0|gone", "will")
    watcher.close()
    late = Sub(place, version, "-t", f"{place.topic}/will", "-q", "2")
    same(late.next(), f"{place.topic}/will|{qos}|1|gone", "retained will")
    late.close()


@per_version("a client that says goodbye leaves no will")
def no_will(place, version):
    watcher = Sub(place, version, "-t", f"{place.topic}/#")
    Sub(place, version, "-t", f"{place.topic}/x", "--will-topic", f"{place.topic}/will",
        "--will-payload", "gone", "-E").wait_end()
    marker(place, version, watcher, f"{place.topic}/end")
    same(watcher.close(), [f"{place.topic}/end|0|0|last"], "messages")


def persistent(place, version, *arguments, wait="Subscribed|received UNSUBACK"):
    return Sub(place, version, "-i", place.id, "-c", *arguments, wait=wait)


@per_qos("a session keeps what comes while its client is away", qos=(1, 2))
def session(place, version, qos):
    persistent(place, version, "-t", place.topic, "-q", qos, "-E").wait_end()
    for number in range(5):
        send(place, version, place.topic, "-q", qos, "-m", f"m{number}")
    back = persistent(place, version, "-t", place.topic, "-q", qos, wait=None)
    for number in range(5):
        same(back.next(), f"{place.topic}|{qos}|0|m{number}", "queued message")
    send(place, version, place.topic, "-q", qos, "-m", "live")
    same(back.next(), f"{place.topic}|{qos}|0|live", "message after the return")
    back.close()


@per_version("a clean start forgets the session")
def clean(place, version):
    persistent(place, version, "-t", place.topic, "-q", "1", "-E").wait_end()
    send(place, version, place.topic, "-q", "1", "-m", "lost")
    other = Sub(place, version, "-i", place.id, "-t", f"{place.topic}/other", "-q", "1")
    other.close()
    back = persistent(place, version, "-t", place.topic, "-q", "1")
    marker(place, version, back, place.topic, 1)
    same(back.close(), [f"{place.topic}|1|0|last"], "messages")


@per_version("unsubscribing ends a subscription and only that")
def unsubscribe(place, version):
    one, two = f"{place.topic}/one", f"{place.topic}/two"
    persistent(place, version, "-t", one, "-t", two, "-q", "1", "-E").wait_end()
    gone = persistent(place, version, "-U", one, "-t", two, "-q", "1", wait="received UNSUBACK")
    gone.close()
    send(place, version, one, "-q", "1", "-m", "to one")
    send(place, version, two, "-q", "1", "-m", "to two")
    back = persistent(place, version, "-t", two, "-q", "1", wait=None)
    same(back.next(), f"{two}|1|0|to two", "message")
    back.close()


@per_version("wildcards match as they should")
def wildcards(place, version):
    topic = place.topic
    filters = {f"{topic}/+/temperature": {"/a/temperature", "/b/temperature"},
               f"{topic}/#": {"", "/a", "/a/temperature", "/b/temperature", "/b/c/d", "/"},
               f"{topic}/a": {"/a"},
               "+/a/temperature": {"/a/temperature"},
               f"{topic}/+": {"/a", "/"},
               f"{topic}/b/+/#": {"/b/temperature", "/b/c/d"}}
    subs = {name: Sub(place, version, "-t", name, "-T", "$SYS/#", "-q", "1", layout="%t|%p")
            for name in filters}
    every = ["", "/a", "/a/temperature", "/b/temperature", "/b/c/d", "/"]
    for name in every:
        send(place, version, topic + name, "-q", "1", "-m", "x")
    for name, wanted in filters.items():
        got = set()
        while len(got) < len(wanted):
            heard = subs[name].next().split("|")[0]
            if heard.startswith(topic + "/") or heard == topic:
                got.add(heard[len(topic):])
        same(got, wanted, f"topics that {name} matches")
        mine = [line for line in subs[name].close() if line.split("|")[0].split("/")[0] == topic]
        same(len(mine), len(wanted), f"messages to {name}")


@per_qos("a payload of a megabyte comes through whole")
def large(place, version, qos):
    path = os.path.join(place.broker.folder, f"{place.topic}.bin")
    payload = bytes(range(251)) * 3984  # 999,984 bytes of every kind that is not a line's end alone
    with open(path, "wb") as file:
        file.write(payload)
    sub = Sub(place, version, "-t", place.topic, "-q", qos, layout="%l|%x")
    send(place, version, place.topic, "-q", qos, "-f", path)
    length, digits = sub.next(20).split("|")
    same(int(length), len(payload), "length")
    same(bytes.fromhex(digits) == payload, True, "the bytes are the same")
    sub.close()


@per_version("a packet over the limit costs its sender the connection and nobody else")
def too_large(place, version):
    if place.broker.kind != "siotd":
        raise Skipped("this broker has no limit as configured")
    path = os.path.join(place.broker.folder, f"{place.topic}.bin")
    with open(path, "wb") as file:
        file.write(b"x" * (1 << 20))  # with its topic more than the default packet_size of 1 MiB
    sub = Sub(place, version, "-t", place.topic, "-q", "1")
    status = pub(place, version, place.topic, "-q", "1", "-f", path)
    # In 5.0 the tool knows the limit from CONNACK, does not even send, and says nothing about it.
    same(status != 0 or version == "mqttv5", True, "mosquitto_pub says that it failed")
    marker(place, version, sub, place.topic, 1)
    same(sub.close(), [f"{place.topic}|1|0|last"], "messages")


@per_qos("members of a shared subscription divide the messages")
def shared(place, version, qos):
    members = [Sub(place, version, "-t", f"$share/group/{place.topic}/+", "-q", qos)
               for _ in range(3)]
    outsider = Sub(place, version, "-t", f"{place.topic}/+", "-q", qos)
    wanted = [f"{place.topic}/{number}|{qos}|0|x" for number in range(9)]
    for number in range(9):
        send(place, version, f"{place.topic}/{number}", "-q", qos, "-m", "x")
    for _ in wanted:
        outsider.next()
    same(outsider.close(), wanted, "messages to one outside the group")
    due = time.monotonic() + 10
    while sum(len(member.messages()) for member in members) < 9 and time.monotonic() < due:
        time.sleep(0.02)
    got = [member.close() for member in members]
    same(sorted(sum(got, [])), wanted, "messages to the group")
    same(all(got), True, f"every member gets some ({[len(part) for part in got]})")


@per_version("a second client with the same id takes the first one's place")
def takeover(place, version):
    first = persistent(place, version, "-t", place.topic, "-q", "1")
    second = persistent(place, version, "-t", place.topic, "-q", "1")
    # mosquitto_sub reconnects when it loses its connection; ours is told to give up instead.
    first.kill()
    third = persistent(place, version, "-t", place.topic, "-q", "1")
    second.kill()
    marker(place, version, third, place.topic, 1)
    third.close()


@per_version("mosquitto_rr gets its answer")
def request_response(place, version):
    request, response = f"{place.topic}/request", f"{place.topic}/response"
    layout = "%R|%D|%p" if version == "mqttv5" else "||%p"
    device = Sub(place, version, "-t", request, "-q", "1", layout=layout)
    extra = ["-D", "publish", "correlation-data", "c42"] if version == "mqttv5" else []
    asking = Program(["mosquitto_rr", *reach(place), "-V", version, "-t", request, "-e", response,
                      "-q", "1", "-m", "how warm", "-W", "10", *extra])
    asked = device.next().split("|")
    same(asked, [response, "c42", "how warm"] if extra else ["", "", "how warm"], "request")
    send(place, version, response, "-q", "1", "-m", "21.5")
    same(asking.wait_end(), 0, "mosquitto_rr")
    same(asking.lines, ["21.5"], "answer")
    device.close()


@per_version("an idle client that pings stays connected")
def keep_alive(place, version):
    sub = Sub(place, version, "-t", place.topic, "-q", "1", "-k", "5")
    sub.wait_line("received PINGRESP", 10)
    sub.wait_line("received PINGRESP", 10)
    marker(place, version, sub, place.topic, 1)
    sub.close()
    same(sum("sending CONNECT" in line for line in sub.lines), 1, "connections made")


@per_version("a listener without anonymous lets nobody in")
def closed(place, version):
    where = ["-h", "127.0.0.1", "-p", place.broker.closed]
    status = pub(place, version, place.topic, "-m", "x", where=where)
    # CONNACK 5 of 3.x and 0x87 of 5.0 both say: not authorised.
    same(status, 0x87 if version == "mqttv5" else 5, "mosquitto_pub's exit status")


@per_qos("a unix socket carries MQTT too")
def unix_socket(place, version, qos):
    where = ["--unix", place.broker.socket]
    sub = Sub(place, version, "-t", place.topic, "-q", qos, where=where)
    send(place, version, place.topic, "-q", qos, "-m", "x", where=where)
    same(sub.next(), f"{place.topic}|{qos}|0|x", "message")
    sub.close()


@per_version("IPv6 carries MQTT too")
def ipv6(place, version):
    if not place.broker.has_six:
        raise Skipped("this machine has no IPv6")
    where = ["-h", "::1", "-p", place.broker.port6]
    sub = Sub(place, version, "-t", place.topic, "-q", "1", where=where)
    send(place, version, place.topic, "-q", "1", "-m", "x")
    same(sub.next(), f"{place.topic}|1|0|x", "message from IPv4")
    sub.close()


@per_version("an empty message and a payload that is no text come through")
def odd_payloads(place, version):
    sub = Sub(place, version, "-t", place.topic, "-q", "1", layout="%l|%x")
    send(place, version, place.topic, "-q", "1", "-n")
    same(sub.next(), "0|", "empty message")
    path = os.path.join(place.broker.folder, f"{place.topic}.bin")
    with open(path, "wb") as file:
        file.write(bytes([0, 255, 10, 192, 128, 237, 160, 128]))
    send(place, version, place.topic, "-q", "1", "-f", path)
    same(sub.next(), "8|00ff0ac080eda080", "binary message")
    sub.close()


@per_version("topics in many scripts and with spaces come through")
def scripts(place, version):
    topic = f"{place.topic}/Küche/温度/قياس/датчик 1/😀"
    sub = Sub(place, version, "-t", topic, "-q", "1")
    send(place, version, topic, "-q", "1", "-m", "ß")
    same(sub.next(), f"{topic}|1|0|ß", "message")
    sub.close()


@per_version("$SYS tells the broker's version")
def sys_topics(place, version):
    # The first counters appear after one sys_interval.
    sub = Sub(place, version, "-t", "$SYS/broker/version", "-t", "$SYS/broker/clients/connected")
    seen = {"$SYS/broker/version": "", "$SYS/broker/clients/connected": "0"}
    # A number from before we came may be 0; the next interval counts us.
    while not seen["$SYS/broker/version"] or int(seen["$SYS/broker/clients/connected"]) == 0:
        topic, _, _, payload = sub.next().split("|")
        seen[topic] = payload
    sub.close()
    same(place.broker.kind in seen["$SYS/broker/version"], True,
         f"the version {seen['$SYS/broker/version']!r} names the broker")


# --- MQTT 5.0 only -------------------------------------------------------------------------------


@per_qos("properties come through untouched and in order", versions=("5.0",))
def properties(place, version, qos):
    layout = "%t|%q|%p|%C|%R|%D|%F|%P"
    sub = Sub(place, version, "-t", place.topic, "-q", qos, layout=layout)
    given = ["content-type", "text/plain", "response-topic", "answer/here", "correlation-data", "k1",
             "payload-format-indicator", "1"]
    arguments = []
    for name, value in zip(given[::2], given[1::2]):
        arguments += ["-D", "publish", name, value]
    for name, value in (("b", "1"), ("a", "2"), ("b", "1"), ("ключ", "значение")):
        arguments += ["-D", "publish", "user-property", name, value]
    send(place, version, place.topic, "-q", qos, "-m", "x", *arguments)
    same(sub.next(), f"{place.topic}|{qos}|x|text/plain|answer/here|k1|1|b:1 a:2 b:1 ключ:значение",
         "message")
    sub.close()


@case("the rest of a message's lifetime is told, and its end kept, MQTT 5.0")
def expiry(place):
    v5 = "mqttv5"
    persistent(place, v5, "-t", place.topic, "-q", "1", "-E").wait_end()
    send(place, v5, place.topic, "-q", "1", "-m", "short", "-D", "publish",
         "message-expiry-interval", "1")
    send(place, v5, place.topic, "-q", "1", "-m", "long", "-D", "publish",
         "message-expiry-interval", "100")
    time.sleep(2.2)
    back = Sub(place, v5, "-i", place.id, "-c", "-t", place.topic, "-q", "1", layout="%p|%E",
               wait=None)
    payload, rest = back.next().split("|")
    same(payload, "long", "message that is left")
    same(90 <= int(rest) <= 98, True, f"rest of 100 s after more than 2 s: {rest}")
    back.close()


@case("a client that says goodbye with its will leaves it, MQTT 5.0")
def will_at_goodbye(place):
    watcher = Sub(place, "mqttv5", "-t", f"{place.topic}/will", "-q", "1")
    # Stopped by a signal, mosquitto_sub disconnects with reason 0x04.
    Sub(place, "mqttv5", "-t", place.topic, "--will-topic", f"{place.topic}/will",
        "--will-payload", "bye", "--will-qos", "1").close()
    same(watcher.next(), f"{place.topic}/will|1|0|bye", "will")
    watcher.close()


@case("a session ends when its expiry interval is over, MQTT 5.0")
def session_expiry(place):
    v5 = "mqttv5"
    persistent(place, v5, "-x", "1", "-t", place.topic, "-q", "1", "-E").wait_end()
    time.sleep(2.2)
    send(place, v5, place.topic, "-q", "1", "-m", "lost")
    back = persistent(place, v5, "-t", place.topic, "-q", "1")
    marker(place, v5, back, place.topic, 1)
    same(back.close(), [f"{place.topic}|1|0|last"], "messages")


@case("a will with a delay waits for it, MQTT 5.0")
def will_delay(place):
    v5 = "mqttv5"
    watcher = Sub(place, v5, "-t", f"{place.topic}/will", layout="%p|%C|%P")
    victim = persistent(place, v5, "-x", "60", "-t", place.topic, "--will-topic",
                        f"{place.topic}/will", "--will-payload", "gone",
                        "-D", "will", "will-delay-interval", "1",
                        "-D", "will", "content-type", "text/x-will",
                        "-D", "will", "user-property", "why", "killed")
    killed = time.monotonic()
    victim.kill()
    same(watcher.next(), "gone|text/x-will|why:killed", "will")
    waited = time.monotonic() - killed
    same(0.9 <= waited < 4, True, f"it came after {waited:.2f} s")
    watcher.close()


@case("each message tells the identifiers of the subscriptions it matched, MQTT 5.0")
def subscription_identifiers(place):
    sub = Sub(place, "mqttv5", "-t", f"{place.topic}/#", "-q", "1", "-D", "subscribe",
              "subscription-identifier", "268435455", layout="%t|%S")
    send(place, "mqttv5", f"{place.topic}/a", "-q", "1", "-m", "x")
    same(sub.next(), f"{place.topic}/a|268435455", "message")
    sub.close()


@case("mosquitto_pub's topic alias stands for its topic, MQTT 5.0")
def topic_alias(place):
    sub = Sub(place, "mqttv5", "-t", place.topic, "-q", "1")
    send(place, "mqttv5", place.topic, "-q", "1", "-m", "x", "--repeat", "5", "--repeat-delay", "0",
         "-D", "publish", "topic-alias", "1")
    for _ in range(5):
        same(sub.next(), f"{place.topic}|1|0|x", "message")
    sub.close()


@case("what 5.0 publishes, 3.1 and 3.1.1 understand, and the other way round")
def across_versions(place):
    subs = {name: Sub(place, version, "-t", place.topic, "-q", "2", layout="%p|%P")
            for name, version in VERSIONS.items()}
    for name, version in VERSIONS.items():
        extra = ["-D", "publish", "user-property", "k", "v"] if version == "mqttv5" else []
        send(place, version, place.topic, "-q", "2", "-m", name, *extra)
    for name, sub in subs.items():
        for sender in VERSIONS:
            there = "k:v" if sender == "5.0" and name == "5.0" else ""
            same(sub.next(), f"{sender}|{there}", f"message to MQTT {name}")
        sub.close()
