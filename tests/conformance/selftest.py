#!/usr/bin/python3
"""Shows that the runner's own codec notices what a server must not send, and its notation works.

A socket pair stands in for the server, so that it can misbehave.
"""

import os
import re
import socket
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import notation  # noqa: E402
import transcript  # noqa: E402
import wire  # noqa: E402
from client import Client  # noqa: E402
from notation import parse_raw  # noqa: E402

CONNACK = "20 [ 00 00 00 ]"


class Server(unittest.TestCase):
    """What a misbehaving server sends, and that the client says which rule it breaks."""

    def receive(self, version, offer, *raw):
        """Let a client of this offer read these packets; the last one is returned."""
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        client = Client("A", lambda: ours)
        client.open()
        self.addCleanup(client.drop, reset=True)  # there is nobody who would take notice
        client.send_packet("CONNECT", {"level": wire.LEVELS[version], "client_id": b"a", **offer})
        for packet in raw:
            theirs.sendall(parse_raw(packet))
        got = None
        for _ in raw:
            got = client.next_packet(1)
            self.assertIsNotNone(got)
        return got

    def breaks(self, words, *raw, version="5", **offer):
        with self.assertRaises(wire.Violation) as caught:
            self.receive(version, offer, *raw)
        self.assertIn(words, str(caught.exception))

    def test_a_good_message_passes(self):
        got = self.receive("5", {}, CONNACK, '32 [ s"a/b" 00 07 [ 03 s"c" 26 s"k" s"v" ] "x" ]')
        self.assertEqual(got.fields["content_type"], b"c")
        self.assertEqual(got.fields["user_property"], [(b"k", b"v")])
        self.assertEqual(got.fields["payload"], b"x")

    def test_packets_before_connack(self):
        self.breaks("before CONNACK", "d0 00")

    def test_a_second_connack(self):
        self.breaks("a second CONNACK", CONNACK, CONNACK)

    def test_anything_after_disconnect(self):
        self.breaks("after DISCONNECT", CONNACK, "e0 [ 82 ]", "d0 00")

    def test_disconnect_to_an_old_client(self):
        self.breaks("must not send DISCONNECT", "20 02 00 00", "e0 00", version="3.1.1")

    def test_packets_of_a_client(self):
        for packet in ("10 00", "82 [ 00 01 ]", "a2 [ 00 01 ]", "c0 00"):
            with self.subTest(packet):
                self.breaks("must not send", CONNACK, packet)

    def test_packets_above_the_maximum_size(self):
        self.breaks("3.1.2-24", CONNACK, '30 [ s"a" 00 "x"*100 ]', maximum_packet_size=100)

    def test_more_messages_than_the_receive_maximum(self):
        self.breaks("3.3.4-9", CONNACK, '32 [ s"a" 00 01 00 ]', '32 [ s"a" 00 02 00 ]',
                    receive_maximum=1)

    def test_an_identifier_in_use(self):
        self.breaks("2.2.1-4", CONNACK, '32 [ s"a" 00 01 00 ]', '32 [ s"a" 00 01 00 ]')

    def test_identifier_zero(self):
        self.breaks("identifier 0", CONNACK, '32 [ s"a" 00 00 00 ]')

    def test_aliases_that_were_not_offered(self):
        self.breaks("3.1.2-26", CONNACK, '30 [ s"a" [ 23 00 01 ] ]')
        self.breaks("3.1.2-26", CONNACK, '30 [ s"a" [ 23 00 02 ] ]', topic_alias_maximum=1)

    def test_an_alias_without_a_topic(self):
        self.breaks("has no topic", CONNACK, '30 [ s"" [ 23 00 01 ] ]', topic_alias_maximum=1)

    def test_no_topic_at_all(self):
        self.breaks("4.7.3-1", CONNACK, '30 [ s"" 00 ]')

    def test_wildcards_in_a_topic(self):
        self.breaks("3.3.2-2", CONNACK, '30 [ s"a/+" 00 ]')

    def test_dup_with_qos_0_and_qos_3(self):
        self.breaks("3.3.1-2", CONNACK, '38 [ s"a" 00 ]')
        self.breaks("3.3.1-4", CONNACK, '36 [ s"a" 00 01 00 ]')

    def test_bad_texts(self):
        for text in ("ff", "c0 80", "ed a0 80", "00", "f4 90 80 80"):
            with self.subTest(text):
                self.breaks("1.5.4-1", CONNACK, "30 [ { %s } 00 ]" % text)

    def test_lengths_that_are_too_long(self):
        self.breaks("1.5.5-1", CONNACK, "d0 80 00")
        self.breaks("more than four", CONNACK, "d0 80 80 80 80 00")

    def test_reserved_flags(self):
        self.breaks("2.1.3-1", CONNACK, "d1 00")
        self.breaks("2.1.3-1", CONNACK, "60 [ 00 01 ]")
        self.breaks("3.2.2-1", "20 [ 02 00 00 ]")

    def test_properties_out_of_place(self):
        self.breaks("must not put", CONNACK, '30 [ s"a" [ 11 00 00 00 01 ] ]')
        self.breaks("must not put", CONNACK, "e0 [ 82 [ 11 00 00 00 01 ] ]")
        self.breaks("twice", CONNACK, '30 [ s"a" [ 01 00 01 00 ] ]')
        self.breaks("unknown property", CONNACK, '30 [ s"a" [ 7f ] ]')

    def test_reasons_out_of_place(self):
        self.breaks("which it does not have", CONNACK, "40 [ 00 01 92 ]")
        self.breaks("which it does not have", CONNACK, "90 [ 00 01 00 04 ]")
        self.breaks("which it does not have", "20 02 00 84", version="3.1.1")

    def test_reason_strings_that_were_not_wanted(self):
        self.breaks("3.1.2-29", CONNACK, '40 [ 00 01 10 [ 1f s"why" ] ]',
                    request_problem_information=0)

    def test_a_session_where_none_can_be(self):
        self.breaks("3.2.2-2", "20 [ 01 00 00 ]", clean_start=1)
        self.breaks("3.2.2-6", "20 [ 01 82 00 ]", clean_start=0)

    def test_an_identifier_that_is_owed(self):
        self.breaks("3.2.2-16", CONNACK, client_id=b"")
        self.breaks("3.2.2-16", '20 [ 00 00 [ 12 s"x" ] ]', client_id=b"a")

    def test_authentication_that_was_not_asked_for(self):
        self.breaks("4.12.0-6", 'f0 [ 18 [ 15 s"m" ] ]')

    def test_a_packet_that_ends_early(self):
        self.breaks("shorter than", CONNACK, "40 01 00")
        self.breaks("too many", CONNACK, '40 [ 00 01 10 00 "x" ]')


class Numbers(unittest.TestCase):
    """vuln.md, CMakeLists.txt and the tests that exist name the same numbers."""

    def test_every_number_that_has_a_test_is_run_and_listed(self):
        here = os.path.dirname(os.path.abspath(__file__))
        sys.path.insert(0, os.path.join(here, "vuln"))
        import run
        existing = set(run.find_cases()) | set(run.find_transcripts())
        with open(os.path.join(here, "CMakeLists.txt"), encoding="utf-8") as build:
            line = re.search(r"set\(vuln_numbers (.*?)\)", build.read())[1]
        self.assertEqual(set(line.split()), existing)
        with open(os.path.join(here, "vuln.md"), encoding="utf-8") as table:
            rows = re.findall(r"(?m)^\| (\d\d) \|.*\| (.*) \|$", table.read())
        self.assertEqual([n for n, _ in rows], [f"{n:02}" for n in range(1, 44)])
        listed = {n for n, where in rows if "vuln" in where}
        self.assertEqual(listed, existing)


class Notation(unittest.TestCase):
    """The small language of the transcripts."""

    def test_raw_bytes(self):
        self.assertEqual(parse_raw('30 [ s"ab" { 00 } "c"*3 (01 02)*2 ]  # a comment'),
                         b"\x30\x0e\x00\x02ab\x00\x01\x00ccc\x01\x02\x01\x02")
        self.assertEqual(len(parse_raw('[ "x"*200 ]')), 202)

    def test_fields(self):
        fields = notation.parse_fields('topic="a#b" id=0x10 user_property="k":"v" payload=<00 "x">')
        self.assertEqual(fields, {"topic": b"a#b", "id": 16, "user_property": [(b"k", b"v")],
                                  "payload": b"\0x"})

    def test_patterns(self):
        fields = notation.parse_fields("a=1|3 b=5..7 c=* d=absent e=[1, 2|3]")
        seen = {"a": 3, "b": 6, "c": 0, "d": None, "e": [1, 3]}
        for name, value in seen.items():
            self.assertTrue(notation.matches(fields[name], value, {}), name)
        other = {"a": 2, "b": 8, "c": None, "d": 0, "e": [1, 4]}
        for name, value in other.items():
            self.assertFalse(notation.matches(fields[name], value, {}), name)

    def test_variables(self):
        variables = {}
        pattern = notation.parse_fields("id=$m")["id"]
        self.assertTrue(notation.matches(pattern, 7, variables))
        self.assertFalse(notation.matches(pattern, 8, variables))

    def test_nonsense_is_refused(self):
        for text in ("topic=", "a=1 a=2", 'x="unended', "=3"):
            with self.subTest(text), self.assertRaises(notation.NotationError):
                notation.parse_fields(text)
        for text in ("[ 00", "0", "zz", "{ ]"):
            with self.subTest(text), self.assertRaises(notation.NotationError):
                parse_raw(text)

    def test_comments_end_lines_but_not_texts(self):
        self.assertEqual(transcript.strip_comment('A > PUBLISH topic="a # b" # c'),
                         'A > PUBLISH topic="a # b"')


if __name__ == "__main__":
    unittest.main()
