"""siotd as seen by Paho Python, in MQTT 3.1, 3.1.1 and 5.0; what it is told to do: see programs.py.

Works with Paho 1.6 (Debian 12, Ubuntu 24.04) and 2.x (Debian 13), whose callbacks differ in their
arguments: those used here take whatever comes and pick by name what they need.
"""

import os
import socket
import sys
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE_S = 10
NAMES = {3: "3.1", 4: "3.1.1", 5: "5.0"}
failures = 0


def check(name, passed, why=""):
    global failures
    failures += not passed
    print(f"ok {name}" if passed else f"FAILED {name}: {why}", flush=True)


class Client:
    """A client whose answers and messages are awaited; the library's thread fills them in."""

    def __init__(self, port, version, name="", clean=True, expiry_s=0, show=False, will=None,
                 keep_alive_s=60):
        self.version = version
        self.show = show
        self.changed = threading.Condition()
        self.messages = []
        self.answers = {}  # packet id: reasons
        self.flags = None
        self.properties = None
        arguments = {"client_id": name, "protocol": version}
        if version != 5:
            arguments["clean_session"] = clean
        if hasattr(paho, "CallbackAPIVersion"):
            arguments["callback_api_version"] = paho.CallbackAPIVersion.VERSION1
        self.paho = paho.Client(**arguments)
        self.paho.max_inflight_messages_set(20)
        self.paho.on_connect = self.on_connect
        self.paho.on_message = self.on_message
        self.paho.on_subscribe = lambda c, u, mid, granted, *rest: self.answer(mid, granted)
        self.paho.on_unsubscribe = self.on_unsubscribe
        self.paho.on_publish = lambda c, u, mid, *rest: self.answer(mid, [0])
        if will:
            self.paho.will_set(*will)
        connect = {}
        if version == 5:
            connect["properties"] = properties(PacketTypes.CONNECT, SessionExpiryInterval=expiry_s)
            connect["clean_start"] = clean
        self.paho.connect("127.0.0.1", port, keep_alive_s, **connect)
        self.paho.loop_start()
        if not self.wait(lambda: self.flags is not None):
            check("connecting", False, "no answer")
            sys.exit(1)

    def on_connect(self, client, user, flags, reason, properties=None):
        with self.changed:
            self.flags = flags
            self.properties = properties
            self.changed.notify_all()

    def on_unsubscribe(self, client, user, mid, *rest):
        reasons = rest[1] if len(rest) > 1 else [0]
        self.answer(mid, reasons if isinstance(reasons, list) else [reasons])

    def on_message(self, client, user, message):
        with self.changed:
            self.messages.append(message)
            if self.show:
                print(f"{message.topic}|{message.qos}|{message.payload.decode()}", flush=True)
            self.changed.notify_all()

    def answer(self, mid, reasons):
        with self.changed:
            self.answers[mid] = [getattr(reason, "value", reason) for reason in reasons]
            self.changed.notify_all()

    def wait(self, condition, limit_s=PATIENCE_S):
        with self.changed:
            return self.changed.wait_for(condition, limit_s)

    def subscribe(self, topic, qos, **wishes):
        """The reasons of the SUBACK: the granted QoS, or why not."""
        if self.version == 5:
            identifier = wishes.pop("identifier", None)
            extra = properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=identifier) \
                if identifier else None
            _, mid = self.paho.subscribe(topic, options=SubscribeOptions(qos=qos, **wishes),
                                         properties=extra)
        else:
            _, mid = self.paho.subscribe(topic, qos)
        self.wait(lambda: mid in self.answers)
        return self.answers.get(mid)

    def unsubscribe(self, topics):
        _, mid = self.paho.unsubscribe(topics)
        self.wait(lambda: mid in self.answers)
        return self.answers.get(mid)

    def publish(self, topic, payload, qos=1, retain=False, **wishes):
        extra = {"properties": properties(PacketTypes.PUBLISH, **wishes)} if wishes else {}
        self.paho.publish(topic, payload, qos, retain, **extra).wait_for_publish(PATIENCE_S)

    def publish_all(self, topic, numbers, qos):
        """Publishes numbers without waiting for each; whether all were acknowledged."""
        due = time.monotonic() + PATIENCE_S
        sent = [self.paho.publish(topic, str(number), qos) for number in numbers]
        for one in sent:
            one.wait_for_publish(max(0.1, due - time.monotonic()))
        return all(one.is_published() for one in sent)

    def hear(self, count=1, limit_s=PATIENCE_S):
        """The first `count` messages, taken off; fewer when they do not come."""
        self.wait(lambda: len(self.messages) >= count, limit_s)
        with self.changed:
            taken, self.messages = self.messages[:count], self.messages[count:]
        return taken

    def close(self):
        self.paho.disconnect()
        self.paho.loop_stop()

    def vanish(self):
        """The connection breaks without a goodbye, and stays broken."""
        self.paho.loop_stop()
        self.paho.socket().shutdown(socket.SHUT_RDWR)
        self.paho.socket().close()


def properties(packet, **values):
    made = Properties(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def payloads(messages):
    return [message.payload.decode() for message in messages]


# --- checks --------------------------------------------------------------------------------------


def check_every_version(port, prefix, version):
    name = f"MQTT {NAMES[version]}"
    client = Client(port, version, f"{prefix}-{version}")
    for qos in (0, 1, 2):
        topic = f"{prefix}/{version}/{qos}"
        check(f"QoS {qos} is granted, {name}", client.subscribe(topic, qos) == [qos], "another")
        heard = []
        # The library holds back what is more than 20 under way, and then may reorder it itself.
        for start in range(0, 100, 20):
            client.publish_all(topic, range(start, start + 20), qos)
            heard += client.hear(20)
        check(f"100 messages, 20 at a time, come back in order, {name}, QoS {qos}",
              payloads(heard) == [str(number) for number in range(100)]
              and {message.qos for message in heard} == {qos}, payloads(heard))
    blob = os.urandom(300_000)
    client.subscribe(f"{prefix}/{version}/blob", 1)
    client.publish(f"{prefix}/{version}/blob", blob)
    heard = client.hear()
    check(f"random bytes come back as they were, {name}", heard and heard[0].payload == blob, "")
    client.close()


def check_will(port, prefix, version):
    topic = f"{prefix}/{version}/will"
    watcher = Client(port, version, f"{prefix}-see{version}")
    watcher.subscribe(topic, 2)
    Client(port, version, f"{prefix}-die{version}", will=(topic, "gone", 2, True)).vanish()
    heard = watcher.hear()
    check(f"a broken connection publishes the will, MQTT {NAMES[version]}",
          payloads(heard) == ["gone"] and heard[0].qos == 2, payloads(heard))
    watcher.publish(topic, "", retain=True)
    watcher.close()


def check_session(port, prefix, version):
    topic = f"{prefix}/{version}/session"
    name = f"{prefix}-keep{version}"
    client = Client(port, version, name, clean=False, expiry_s=60)
    client.subscribe(topic, 2)
    client.vanish()
    other = Client(port, version, f"{prefix}-other{version}")
    for number in range(50):
        other.publish(topic, str(number), qos=1 + number % 2)
    other.close()
    client = Client(port, version, name, clean=False, expiry_s=60)
    # The library hands over QoS 2 when its exchange is complete, so QoS 1 overtakes it there.
    heard = client.hear(50)
    by_qos = [[int(message.payload) for message in heard if message.qos == qos] for qos in (1, 2)]
    check(f"50 messages of both QoS wait for a client whose connection broke, MQTT {NAMES[version]}",
          by_qos == [list(range(0, 50, 2)), list(range(1, 50, 2))], by_qos)
    if version != 3:
        check(f"the session is present, MQTT {NAMES[version]}", client.flags["session present"] == 1)
    client.close()


def check_five(port, prefix):
    client = Client(port, 5)
    check("a client without an id is told the one it got",
          bool(getattr(client.properties, "AssignedClientIdentifier", "")))
    topic = f"{prefix}/five"
    client.subscribe(topic, 1, identifier=300)
    client.publish(topic, "x", MessageExpiryInterval=100, ContentType="text/plain",
                   ResponseTopic="answer/here", CorrelationData=b"\0\xff", PayloadFormatIndicator=1,
                   UserProperty=[("k", "1"), ("k", "2"), ("", "")])
    heard = client.hear()
    got = heard[0].properties.json() if heard else {}
    wanted = {"ContentType": "text/plain", "ResponseTopic": "answer/here",
              "CorrelationData": "00ff", "PayloadFormatIndicator": 1,
              "UserProperty": [("k", "1"), ("k", "2"), ("", "")], "SubscriptionIdentifier": [300]}
    for name, value in wanted.items():
        check(f"{name} comes", got.get(name) == value, got)
    check("MessageExpiryInterval comes", 90 <= got.get("MessageExpiryInterval", 0) <= 100, got)
    answers = client.unsubscribe([topic, topic + "/none"])
    check("unsubscribing tells 0x00 and 0x11", answers == [0, 0x11], answers)
    client.subscribe(topic, 1, noLocal=True)
    other = Client(port, 5)
    client.publish(topic, "own")
    other.publish(topic, "other's")
    check("no local keeps a client's own messages away", payloads(client.hear()) == ["other's"])
    check("a shared subscription with no local is refused or closed",
          refuses_shared_no_local(port, topic))
    other.close()
    client.close()


def refuses_shared_no_local(port, topic):
    client = Client(port, 5)
    gone = threading.Event()
    client.paho.on_disconnect = lambda *rest: gone.set()
    client.paho.subscribe("$share/g/" + topic, options=SubscribeOptions(qos=1, noLocal=True))
    closed = gone.wait(5)
    client.paho.loop_stop()
    return closed


def check_keep_alive(port, prefix, version):
    client = Client(port, version, f"{prefix}-idle{version}", keep_alive_s=2)
    topic = f"{prefix}/{version}/idle"
    client.subscribe(topic, 1)
    lost = threading.Event()
    client.paho.on_disconnect = lambda *rest: lost.set()
    check(f"an idle client that pings stays, MQTT {NAMES[version]}", not lost.wait(5))
    client.publish(topic, "x")
    check(f"and still hears, MQTT {NAMES[version]}", payloads(client.hear()) == ["x"])
    client.close()


def checks(port, prefix):
    idle = [threading.Thread(target=check_keep_alive, args=(port, prefix, version))
            for version in NAMES]
    for thread in idle:
        thread.start()
    for version in NAMES:
        check_every_version(port, prefix, version)
        check_will(port, prefix, version)
        check_session(port, prefix, version)
    check_five(port, prefix)
    for thread in idle:
        thread.join()
    return 1 if failures else 0


# --- with the other programs ---------------------------------------------------------------------


def sub(port, version, topic, count):
    client = Client(port, version, f"pp-s{version}-{os.getpid()}", show=True)
    if client.subscribe(topic, 2) != [2]:
        return 1
    print("ready", flush=True)
    heard = client.wait(lambda: len(client.messages) >= count, 40)
    client.close()
    return 0 if heard else 1


def pub(port, version, topic, count):
    client = Client(port, version, f"pp-p{version}-{os.getpid()}")
    sent = all(client.publish_all(f"{topic}/{qos}", range(count), qos) for qos in (0, 1, 2))
    client.close()
    return 0 if sent else 1


def main(arguments):
    if arguments[0] == "checks":
        return checks(int(arguments[1]), arguments[2])
    command = {"sub": sub, "pub": pub}[arguments[0]]
    return command(int(arguments[1]), int(arguments[2]), arguments[3], int(arguments[4]))


sys.exit(main(sys.argv[1:]))
