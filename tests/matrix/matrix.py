"""One tree: what a device of any protocol says on any transport reaches the devices of all others,
with QoS, retain, expiry and content type as far as both have words for them."""

import itertools
import sys
import time
import unittest

import devices
import process
from devices import LEGS, House

PAIRS = list(itertools.product(LEGS, LEGS))


def sentence(words, *legs):
    return "test_" + words.format(*(leg.replace("/", "_").replace("-", "_") for leg in legs))


def for_pairs(words, check):
    """A class decorator: one test for each publisher and subscriber."""
    def decorate(case):
        for going, coming in PAIRS:
            setattr(case, sentence(words, going, coming),
                    lambda self, a=going, b=coming: check(self, a, b))
        return case
    return decorate


class Together(unittest.TestCase):
    """Two devices at each leg, of which one speaks and one listens, for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.house = House()
        try:
            cls.speakers = {leg: cls.house.device(leg) for leg in LEGS}
            cls.listeners = {leg: cls.house.device(leg) for leg in LEGS}
            cls.prepare()
        except BaseException:
            print(cls.house.siotd.log(), file=sys.stderr)
            cls.house.close()
            raise

    @classmethod
    def prepare(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        cls.house.close()

    def listening(self, device, topic):
        self.assertIsNone(device.subscribe(topic))
        self.addCleanup(device.unsubscribe, topic)


def carries(self, going, coming):
    speaker, listener = self.speakers[going], self.listeners[coming]
    for what, one, other in (("sensors", speaker, listener), ("commands", listener, speaker)):
        topic = f"{what}/{going.replace('/', '-')}/{coming.replace('/', '-')}"
        self.listening(other, topic)
        for qos in one.levels:
            payload = f"{what} {qos}\0\xff".encode("latin-1")
            self.assertIsNone(one.publish(topic, payload, qos))
            heard = other.hear()
            self.assertIsNotNone(heard, f"nothing heard on {topic} of QoS {qos}")
            self.assertEqual((heard.topic, heard.payload), (topic, payload))
            self.assertEqual(heard.qos, min(qos, other.hears))
            self.assertFalse(heard.retain, "a message of now is no retained one")
        self.assertIsNone(other.hear(0.01), "nothing comes twice")


@for_pairs("{}_reaches_{}", carries)
class Messages(Together):
    pass


def keeps(self, going, coming):
    listener = self.listeners[coming]
    topic = self.topic(going)
    listener.inbox.clear()
    self.listening(listener, topic)
    heard = listener.hear()
    self.assertIsNotNone(heard, "nothing was kept")
    self.assertEqual((heard.topic, heard.payload), (topic, b"kept"))
    if listener.knows_retain:
        self.assertTrue(heard.retain)


@for_pairs("{}_leaves_a_value_to_{}", keeps)
class Retained(Together):
    @staticmethod
    def topic(leg):
        return f"kept/{leg.replace('/', '-')}"

    @classmethod
    def prepare(cls):
        for leg, speaker in cls.speakers.items():
            refusal = speaker.publish(cls.topic(leg), b"kept", 1, retain=True)
            assert refusal is None, refusal

    def test_what_is_not_to_be_kept_is_not(self):
        for leg, speaker in self.speakers.items():
            if not speaker.always_retains:
                speaker.publish(f"passing/{leg.replace('/', '-')}", b"x", 1)
        listener = self.listeners["mqtt/tcp"]
        self.listening(listener, "passing/#")
        self.assertIsNone(listener.hear(0.3))

    def test_an_empty_value_removes_it_for_everybody(self):
        for leg, speaker in self.speakers.items():
            if not speaker.always_retains:  # CoAP has DELETE for that
                topic = f"gone/{leg.replace('/', '-')}"
                speaker.publish(topic, b"kept", 1, retain=True)
                speaker.publish(topic, b"", 1, retain=True)
        for leg in ("mqtt/tls", "mqtt-sn/udp", "raw/dtls"):
            self.listening(self.listeners[leg], "gone/#")
            self.assertIsNone(self.listeners[leg].hear(0.3), leg)


def describes(self, going, coming):
    speaker, listener = self.speakers[going], self.listeners[coming]
    for content_type, expiry in (("application/json", 300), ("application/cbor", 4000)):
        # One topic for each: notifications keep their format (RFC 7641 section 4.2).
        topic = f"{content_type}/{going.replace('/', '-')}/{coming.replace('/', '-')}"
        self.listening(listener, topic)
        self.assertIsNone(speaker.publish(topic, b"{}", 1, content_type=content_type,
                                          expiry=expiry))
        heard = listener.hear()
        self.assertIsNotNone(heard)
        if speaker.tells_type and listener.tells_type:
            self.assertEqual(heard.content_type, content_type)
            self.assertIn(heard.expiry, (expiry, expiry - 1))
        else:
            self.assertIsNone(heard.content_type)


@for_pairs("{}_describes_to_{}", describes)
class Described(Together):
    def test_what_has_expired_reaches_nobody(self):
        tellers = [leg for leg in LEGS if self.speakers[leg].tells_type]
        for leg in tellers:
            self.speakers[leg].publish(f"short/{leg.replace('/', '-')}", b"x", 1, retain=True,
                                       expiry=1)
        time.sleep(2.1)
        for coming, listener in self.listeners.items():
            for leg in tellers:
                self.listening(listener, f"short/{leg.replace('/', '-')}")
            heard = listener.hear(0.2)
            self.assertIsNone(heard, f"{coming} hears {heard}")


if __name__ == "__main__":
    process.main()
