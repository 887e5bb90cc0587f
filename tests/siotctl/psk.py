#!/usr/bin/env python3
"""siotctl psk."""

import concurrent.futures
import os
import re

import tool
from tool import main, needs_mosquitto


class Psk(tool.Case):
    def test_keys_are_of_256_bits_and_never_the_same(self):
        for number in range(20):
            self.well("psk", "keys", f"d{number}")
        lines = self.read("keys").splitlines()
        keys = {re.fullmatch(r"d\d+:([0-9a-f]{64})", line).group(1) for line in lines}
        self.assertEqual(len(keys), 20)
        self.assertEqual(self.mode("keys"), 0o600)

    def test_a_key_is_shown_only_when_asked(self):
        out = self.well("psk", "keys", "a")
        self.assertNotIn(self.read("keys").split(":")[1].strip(), out)
        self.assertIn(self.well("psk", "--show", "keys", "b"), self.read("keys"))

    def test_an_identity_is_there_once(self):
        self.well("psk", "keys", "a")
        before = self.read("keys")
        self.assertIn("already", self.refused("psk", "keys", "a"))
        self.assertEqual(self.read("keys"), before)
        self.well("psk", "keys", "ab")
        self.well("psk", "-D", "keys", "a")
        self.assertEqual([line.split(":")[0] for line in self.read("keys").splitlines()], ["ab"])
        self.assertIn("no identity", self.refused("psk", "-D", "keys", "a"))

    def test_identities_that_the_file_cannot_hold_are_refused(self):
        for identity in ("", "a:b", "#a", "a\n", "x" * 129, "\u0080"):
            self.refused("psk", "keys", identity, status=2)
        self.well("psk", "keys", "x" * 128)
        self.well("psk", "keys", "ger\u00e4t")
        for words in ([], ["keys"], ["keys", "a", "b"], ["-D", "--show", "keys", "a"]):
            self.refused("psk", *words, status=2)

    def test_several_at_once_do_not_lose_each_others_work(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda n: self.ctl("psk", "keys", f"d{n // 2}"), range(40)))
        self.assertEqual(sorted(status for status, _, _ in done), [0] * 20 + [1] * 20)
        self.assertEqual(len(self.read("keys").splitlines()), 20)
        self.assertEqual(os.listdir(self.folder), ["keys"])

    @needs_mosquitto
    def test_mosquitto_lets_in_who_has_the_key(self):
        keys = dict(self.well("psk", "--show", "keys", name).strip().split(":") for name in "ab")
        with self.mosquitto("psk_file keys\npsk_hint hint\nuse_identity_as_username true") as enters:
            def proves(identity, key):
                return enters("--psk-identity", identity, "--psk", key)
            self.assertTrue(proves("a", keys["a"]))
            self.assertTrue(proves("b", keys["b"]))
            self.assertFalse(proves("a", keys["b"]))
            self.assertFalse(proves("c", keys["a"]))


main()
