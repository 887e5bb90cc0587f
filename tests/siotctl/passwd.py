#!/usr/bin/env python3
"""siotctl passwd: what it writes, how it asks, and whether Mosquitto lets those users in."""

import os
import pty

import tool
from tool import main, needs_mosquitto


class Passwd(tool.Case):
    def set(self, user, password, *options):
        return self.well("passwd", "--stdin", *options, "users", user, given=password + "\n")

    def test_users_are_added_changed_and_deleted_and_other_lines_stay(self):
        self.write("users", "# mine\n\nold:$6$c2FsdA==$eA==\nlast:x")
        self.assertIn("added", self.set("alice", "one"))
        first = self.read("users")
        self.assertTrue(first.startswith("# mine\n\nold:$6$c2FsdA==$eA==\nlast:x\nalice:$argon2id$v=19$"
                                         "m=19456,t=2,p=1$"), first)
        self.assertIn("new password", self.set("alice", "two"))
        self.assertEqual(self.read("users").count("alice:"), 1)
        self.assertNotEqual(self.read("users"), first)
        self.well("passwd", "-D", "users", "alice")
        self.well("passwd", "-D", "users", "last")
        self.assertEqual(self.read("users"), "# mine\n\nold:$6$c2FsdA==$eA==\n")
        self.assertIn("no user", self.refused("passwd", "-D", "users", "alice"))

    def test_the_file_is_for_its_owner_and_keeps_its_mode(self):
        os.umask(0)
        self.set("a", "x")
        self.assertEqual(self.mode("users"), 0o600)
        os.chmod(self.path("users"), 0o640)
        self.set("b", "x")
        self.assertEqual(self.mode("users"), 0o640)
        os.chmod(self.path("users"), 0o644)
        self.set("c", "x")
        self.assertEqual(self.mode("users"), 0o640)
        self.assertEqual(os.listdir(self.folder), ["users"])

    def test_the_file_behind_a_link_is_changed_and_the_link_stays(self):
        os.mkdir(self.path("real"))
        self.write("real/users", "")
        os.symlink("real/users", self.path("users"))
        self.set("a", "x")
        self.assertTrue(os.path.islink(self.path("users")))
        self.assertIn("a:$argon2id$", self.read("real/users"))

    def test_what_cannot_be_a_user_or_a_password_is_refused(self):
        for user in ("", "a:b", "#a", "a\nb", "\x7f", " a", "x" * 70000):
            self.refused("passwd", "--stdin", "users", user, given="x\n", status=2)
        self.refused("passwd", "--stdin", "users", "a", given="")
        self.refused("passwd", "--stdin", "users", "a", given="\n")
        self.refused("passwd", "--stdin", "users", "a", given="x" * 5000)
        self.refused("passwd", "--stdin", "nowhere/users", "a", given="x\n")
        self.refused("passwd", "--stdin", ".", "a", given="x\n")
        for words in ([], ["users"], ["users", "a", "secret"], ["--iterations", "5000", "users", "a"],
                      ["--pbkdf2", "--iterations", "999", "users", "a"], ["-b", "users", "a"]):
            self.refused("passwd", *words, given="x\n", status=2)
        self.assertEqual(os.listdir(self.folder), [])

    def at_terminal(self, first, second):
        """Types two passwords at a terminal: (exit status, all that the terminal showed)."""
        process, terminal = pty.fork()
        if process == 0:
            os.chdir(self.folder)
            os.execv(tool.PROGRAM, [tool.PROGRAM, "passwd", "users", "alice"])
        shown = b""
        for prompt, answer in ((b"alice: ", first), (b"again: ", second)):
            while not shown.endswith(prompt):
                shown += os.read(terminal, 1024)
            os.write(terminal, answer.encode())
        try:
            while more := os.read(terminal, 1024):
                shown += more
        except OSError:
            pass  # the end of a terminal
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        os.close(terminal)
        return status, shown.decode()

    def test_at_a_terminal_it_asks_twice_and_shows_nothing(self):
        status, shown = self.at_terminal("hush-hush\n", "hush-hush\n")
        self.assertEqual(status, 0, shown)
        self.assertNotIn("hush", shown)
        self.assertIn("alice:$argon2id$", self.read("users"))
        os.remove(self.path("users"))
        status, shown = self.at_terminal("hush-hush\n", "hush-husch\n")
        self.assertEqual(status, 1)
        self.assertIn("not the same", shown)
        self.assertNotIn("hush", shown)
        self.assertEqual(os.listdir(self.folder), [])

    def test_an_interrupt_at_the_terminal_changes_nothing(self):
        status, _ = self.at_terminal("one\n", "\x03")
        self.assertEqual(status, -2)
        self.assertEqual(os.listdir(self.folder), [])

    @needs_mosquitto
    def test_mosquitto_lets_in_whom_pbkdf2_was_written_for(self):
        self.set("alice", "gr\u00fc\u00df dich", "--pbkdf2")
        self.set("bob", "x", "--pbkdf2", "--iterations", "1000")
        self.assertIn("bob:$7$1000$", self.read("users"))
        with self.mosquitto("password_file users") as enters:
            self.assertTrue(enters("-u", "alice", "-P", "gr\u00fc\u00df dich"))
            self.assertTrue(enters("-u", "bob", "-P", "x"))
            self.assertFalse(enters("-u", "alice", "-P", "x"))
            self.assertFalse(enters("-u", "carol", "-P", "x"))
            self.assertFalse(enters())


main()
