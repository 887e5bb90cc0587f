"""What was promised against what arrived: the judge of the crash tests."""

import collections
import struct


class Source:
    """Makes a publisher's messages: numbered, QoS 1 and 2 mixed, some of them retained."""

    def __init__(self, name, rng, rate=None, clock=None):
        self.name, self.rng, self.number = name, rng, 0
        self.rate, self.clock, self.started = rate, clock, None

    def __call__(self):
        if self.rate:
            now = self.clock()
            self.started = now if self.started is None else self.started
            if self.number >= (now - self.started) * self.rate:
                return None
        self.number += 1
        qos = self.rng.choice((1, 2))
        retain = self.rng.random() < 0.02
        topic = f"crash/{self.name}/{'state' if retain else qos}"
        filler = self.name.encode() * self.rng.randrange(1, 12)
        return topic, struct.pack("!Q", self.number) + filler, qos, retain


def number_of(payload):
    return struct.unpack("!Q", payload[:8])[0]


def judge(publishers, subscribers):
    """Compares the logs; a list of sentences, empty when every promise was kept."""
    faults = []
    promised = collections.Counter()
    for publisher in publishers:
        promised.update((topic, payload, qos) for topic, payload, qos, _ in publisher.acknowledged)
    intended = {}
    for publisher in publishers:
        for topic, payload, qos, _ in publisher.acknowledged:
            intended[topic, number_of(payload)] = payload
    for subscriber in subscribers:
        given = collections.Counter(subscriber.received)
        lost = [key for key in promised if key not in given]
        doubled = [key for key, times in given.items() if key[2] == 2 and times > 1]
        altered = [key for key in given
                   if intended.get((key[0], number_of(key[1])), key[1]) != key[1]]
        for what, keys in (("lost", lost), ("QoS 2 doubled", doubled), ("altered", altered)):
            for topic, payload, qos in keys[:5]:
                faults.append(f"{subscriber.name}: {what}: {topic} number {number_of(payload)} "
                              f"at QoS {qos}")
            if len(keys) > 5:
                faults.append(f"{subscriber.name}: {what}: {len(keys)} in all")
    return faults


def judge_retained(publishers, reader):
    """The value that a new subscriber finds is the last acknowledged one of its topic, or one that
    was sent after it."""
    faults, values = [], {}
    for topic, payload, _ in reader.received:
        values[topic] = number_of(payload)
    for publisher in publishers:
        last = {}
        for topic, payload, _, retain in publisher.acknowledged:
            if retain:
                last[topic] = number_of(payload)
        for topic, number in last.items():
            if values.get(topic, -1) < number:
                faults.append(f"retained: {topic} is {values.get(topic)}, and {number} was "
                              "acknowledged")
    return faults
