"""CoAP on udp: what devices say, what MQTT clients see of it, and the other way round."""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
import client  # noqa: E402
import process  # noqa: E402
from client import (ACK, BLOCK1, BLOCK2, CON, CONTENT_FORMAT, DELETE, ECHO, FETCH, GET, MAX_AGE,
                    NON, OBSERVE, POST, PUT, RST, LOCATION_PATH, block, number)  # noqa: E402


class Coap(unittest.TestCase):
    listener = "anonymous: true"
    rest = ""

    def setUp(self):
        self.mqtt, self.port = process.free_port(), process.free_port()
        self.siotd = self.enter(process.Siotd(client.config(self.mqtt, self.port, self.listener,
                                                            self.rest)))

    def enter(self, thing):
        value = thing.__enter__()
        self.addCleanup(lambda: thing.__exit__(None, None, None))
        return value

    def endpoint(self):
        return self.enter(client.Endpoint(self.port))

    def subscriber(self, topic, client_id=b"sub"):
        mqtt = self.enter(process.Client(("127.0.0.1", self.mqtt)))
        self.assertEqual(mqtt.connack(client_id=client_id)[3], 0)
        mqtt.send(client.subscribe_packet(topic))
        self.assertEqual(mqtt.packet()[0], 0x90)
        return mqtt

    def publisher(self):
        mqtt = self.enter(process.Client(("127.0.0.1", self.mqtt)))
        self.assertEqual(mqtt.connack(client_id=b"pub")[3], 0)
        return mqtt


class Values(Coap):
    def test_a_put_reaches_mqtt_and_is_kept(self):
        mqtt = self.subscriber(b"sensors/#")
        device = self.endpoint()
        answer = device.ask(PUT, "ps/sensors/hall/temperature", b"22")
        self.assertEqual((answer.text, answer.kind, answer.mid), ("2.01", ACK, device.mid))
        packet = mqtt.packet()
        self.assertEqual(packet[0] & 0x06, 0x02)  # QoS 1
        self.assertIn(b"sensors/hall/temperature", packet)
        self.assertTrue(packet.endswith(b"22"))
        answer = self.endpoint().ask(GET, "ps/sensors/hall/temperature")
        self.assertEqual((answer.text, answer.payload), ("2.05", b"22"))
        late = self.subscriber(b"sensors/#", b"late")
        self.assertEqual(late.packet()[0] & 1, 1)  # retained

    def test_a_non_confirmable_put_is_qos_0(self):
        mqtt = self.subscriber(b"a")
        answer = self.endpoint().ask(PUT, "ps/a", b"1", kind=NON, token=b"tok")
        self.assertEqual((answer.text, answer.kind, answer.token), ("2.01", NON, b"tok"))
        self.assertEqual(mqtt.packet()[0] & 0x06, 0)

    def test_formats_and_ages_go_both_ways(self):
        mqtt = self.subscriber(b"a")
        device = self.endpoint()
        device.ask(PUT, "ps/a", b"{}", [(CONTENT_FORMAT, number(50)), (MAX_AGE, number(100))])
        packet = mqtt.packet()
        self.assertIn(b"\x03\x00\x10application/json", packet)
        self.assertIn(packet[packet.index(b"\x02\x00\x00\x00") + 4], (99, 100))
        pub = self.publisher()
        pub.send(client.publish_packet(b"b", b"\x80", retain=True,
                                       properties=b"\x03\x00\x10application/cbor\x02\x00\x00\x00\x32"))
        deadline = time.monotonic() + 5
        while True:
            answer = device.ask(GET, "ps/b")
            if answer.text == "2.05" or time.monotonic() > deadline:
                break
        self.assertEqual(answer.value(CONTENT_FORMAT), 60)
        self.assertIn(answer.value(MAX_AGE), (49, 50))
        self.assertEqual(answer.payload, b"\x80")

    def test_a_repeated_request_counts_once(self):
        mqtt = self.subscriber(b"a")
        device = self.endpoint()
        request = device.request(POST, "ps/a", b"once")
        for _ in range(3):
            device.say(request)
            self.assertEqual(device.hear().text, "2.04")
        device.ask(POST, "ps/a", b"twice")
        self.assertTrue(mqtt.packet().endswith(b"once"))
        self.assertTrue(mqtt.packet().endswith(b"twice"))

    def test_bodies_go_in_blocks_both_ways(self):
        body = bytes(range(32, 122)) * 40
        device = self.endpoint()
        for at in range(0, len(body), 64):
            piece = body[at:at + 64]
            more = at + 64 < len(body)
            answer = device.ask(PUT, "ps/big", piece, [(BLOCK1, block(at // 64, more, 2))])
            self.assertEqual(answer.text, "2.31" if more else "2.01")
        got, num = b"", 0
        while True:
            answer = device.ask(GET, "ps/big", options=[(BLOCK2, block(num, 0, 6))])
            got += answer.payload
            if not answer.value(BLOCK2) >> 3 & 1:
                break
            num += 1
        self.assertEqual(got, body)

    def test_a_burst_of_datagrams_is_answered_whole(self):
        device = self.endpoint()
        for i in range(200):
            device.say(device.request(PUT, f"ps/burst/{i}", b"x"))
        answers = [device.hear() for _ in range(200)]
        self.assertTrue(all(answer and answer.text == "2.01" for answer in answers))
        self.assertEqual(len({answer.mid for answer in answers}), 200)

    def test_credentials_in_a_uri_are_refused_and_reach_no_log(self):
        device = self.endpoint()
        for query in ("token=c4nary", "password=c4nary", "username=c4nary"):
            self.assertEqual(device.ask(PUT, "ps/a", b"1", query=[query]).text, "4.00")
            self.assertEqual(device.ask(GET, "ps/c4nary/#", query=[query]).text, "4.00")
        self.assertNotIn("c4nary", self.siotd.log())


class Debug(Values):
    rest = "log: {level: debug}"


class Observing(Coap):
    def observe(self, path, token=b"tk"):
        device = self.endpoint()
        answer = device.ask(GET, path, options=[(OBSERVE, b"")], token=token)
        self.assertEqual(answer.text, "2.05")
        self.assertIsNotNone(answer.value(OBSERVE))
        return device

    def test_an_observer_follows_mqtt(self):
        device = self.observe("ps/sensors/hall/temperature")
        pub = self.publisher()
        for payload in (b"1", b"2", b"3"):
            pub.send(client.publish_packet(b"sensors/hall/temperature", payload))
            told = device.hear()
            self.assertEqual((told.payload, told.kind, told.token), (payload, NON, b"tk"))
        pub.send(client.publish_packet(b"sensors/hall/temperature", b"4", qos=1))
        told = device.hear()
        self.assertEqual((told.payload, told.kind), (b"4", CON))
        device.acknowledge(told)
        device.ask(GET, "ps/sensors/hall/temperature", options=[(OBSERVE, b"\x01")], token=b"tk")
        pub.send(client.publish_packet(b"sensors/hall/temperature", b"5"))
        self.assertIsNone(device.hear(0.5))

    def test_a_stranger_has_to_prove_his_address_first(self):
        device = self.endpoint()
        sent = device.say(device.request(GET, "ps/a", options=[(OBSERVE, b"")]))
        answer = device.hear()
        self.assertEqual(answer.text, "4.01")
        self.assertTrue(answer.values(ECHO))
        self.assertLessEqual(len(answer.encode()), 3 * sent)
        self.publisher().send(client.publish_packet(b"a", b"1"))
        self.assertIsNone(device.hear(0.5))

    def test_an_observer_that_does_not_answer_is_sent_it_again(self):
        device = self.observe("ps/a")
        self.publisher().send(client.publish_packet(b"a", b"1", qos=1))
        first, second = device.hear(), device.hear(5)
        self.assertEqual((first.mid, first.payload), (second.mid, second.payload))
        device.acknowledge(second)
        self.assertIsNone(device.hear(6))

    def test_a_reset_ends_it(self):
        device = self.observe("ps/a")
        pub = self.publisher()
        pub.send(client.publish_packet(b"a", b"1"))
        device.acknowledge(device.hear(), RST)
        self.siotd.await_log("observes no more")
        pub.send(client.publish_packet(b"a", b"2"))
        self.assertIsNone(device.hear(0.5))

    def test_a_removed_value_ends_it(self):
        self.endpoint().ask(PUT, "ps/a", b"1")
        device = self.observe("ps/a")
        self.endpoint().ask(DELETE, "ps/a")
        told = device.hear()
        self.assertEqual((told.text, told.value(OBSERVE)), ("4.04", None))

    def test_one_end_of_many_observers(self):
        devices = [self.observe("ps/a", bytes([i])) for i in range(50)]
        self.publisher().send(client.publish_packet(b"a", b"all"))
        for i, device in enumerate(devices):
            told = device.hear()
            self.assertEqual((told.payload, told.token), (b"all", bytes([i])))


class Topics(Coap):
    CREATE = b"\xa2\x00\x65room2\x02\x6ccore.ps.data"

    def test_a_topic_is_found_created_used_and_deleted(self):
        device = self.endpoint()
        answer = device.ask(GET, ".well-known/core", query=["rt=core.ps.coll"])
        self.assertIn(b"</ps>", answer.payload)
        answer = device.ask(POST, "ps", self.CREATE, [(CONTENT_FORMAT, number(606))])
        self.assertEqual(answer.text, "2.01")
        place = "/".join(level.decode() for level in answer.values(LOCATION_PATH))
        value = place.replace("ps/", "ps/data/")
        self.assertIn(b"/" + value.encode(), answer.payload)
        self.assertEqual(device.ask(GET, value).text, "4.04")
        self.assertEqual(device.ask(PUT, value, b"1").text, "2.01")
        self.assertEqual(device.ask(PUT, value, b"2").text, "2.04")
        self.assertEqual(device.ask(GET, "ps/room2").payload, b"2")
        self.assertEqual(device.ask(GET, "ps").payload, f"</{place}>".encode())
        answer = device.ask(FETCH, place, b"\x81\x01", [(CONTENT_FORMAT, number(60))])
        self.assertEqual(answer.payload, b"\xa1\x01\x74/" + value.encode())
        self.assertEqual(device.ask(DELETE, place).text, "2.02")
        self.assertEqual(device.ask(GET, value).text, "4.04")
        self.assertEqual(device.ask(GET, "ps/room2").text, "4.04")


class Closed(Coap):
    listener = "anonymous: false"

    def test_nobody_unproven_gets_in(self):
        device = self.endpoint()
        for code in range(1, 8):
            answer = device.ask(code, "ps/a", b"x")
            self.assertEqual((answer.text, answer.values(ECHO)), ("4.01", []))


class Ruled(Coap):
    rest = "auth: {acl: [{allow: [subscribe], topics: [\"open/#\"]}, " \
           "{allow: [publish], topics: [\"in/#\"]}]}"

    def test_rules_hold_for_every_method(self):
        """Past failure 26: CoAP in other brokers went past the rules."""
        device = self.endpoint()
        self.assertEqual(device.ask(PUT, "ps/in/a", b"1").text, "2.04")
        self.assertEqual(device.ask(GET, "ps/in/a").text, "4.03")
        self.assertEqual(device.ask(PUT, "ps/open/a", b"1").text, "4.03")
        self.assertEqual(device.ask(POST, "ps/open/a", b"1").text, "4.03")
        self.assertEqual(device.ask(DELETE, "ps/open/a").text, "4.03")
        self.assertEqual(device.ask(GET, "ps/open/a").text, "4.04")
        self.assertEqual(device.ask(GET, "ps/in/a", options=[(OBSERVE, b"")]).text, "4.03")
        self.assertEqual(device.ask(GET, "ps/open/a", options=[(OBSERVE, b"")]).text, "2.05")
        self.assertEqual(device.ask(POST, "ps", Topics.CREATE).text, "4.03")


process.main()
