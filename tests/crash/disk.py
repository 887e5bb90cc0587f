"""Disks that a power cut could have left, built from what record.c has written down.

A flush of a file makes all that was written to it before durable. What was written since may be
there or not: as an ordered prefix, as any subset, and each write torn into sectors of 512 bytes.
Names are durable once their folder is flushed; of what was done to names since, a prefix counts.
"""

import os
import struct

OPENED, WROTE, CUT, FLUSHED, REMOVED, RENAMED, SENT = range(1, 8)
SECTOR = 512
O_CREAT, O_TRUNC = os.O_CREAT, os.O_TRUNC
HEAD = struct.Struct("<IIQQ")


def read(path):
    """The records of a log: (kind, descriptor, offset, bytes)."""
    with open(path, "rb") as file:
        data = file.read()
    at, records = 0, []
    while at + HEAD.size <= len(data):
        kind, length, descriptor, offset = HEAD.unpack_from(data, at)
        at += HEAD.size
        if at + length > len(data):
            break
        records.append((kind, descriptor, offset, data[at:at + length]))
        at += length
    return records


class File:
    """What is on disk for sure, and what may be."""

    def __init__(self):
        self.durable, self.pending = bytearray(), []  # pending: (offset, bytes) or (size, None)

    def flush(self):
        for change in self.pending:
            apply(self.durable, change)
        self.pending = []

    def image(self, rng):
        """One of the contents that a power cut could leave now."""
        content, way = bytearray(self.durable), rng.randrange(4)
        if way == 0:  # nothing more
            return content
        if way == 1:  # all that was written up to some moment
            for change in self.pending[:rng.randrange(len(self.pending) + 1)]:
                apply(content, change)
            return content
        for change in self.pending:  # any of them, torn or whole
            if rng.random() < 0.5:
                continue
            if way == 3 and change[1] is not None:
                for piece in sectors(change):
                    if rng.random() < 0.5:
                        apply(content, piece)
            else:
                apply(content, change)
        return content


def apply(content, change):
    at, data = change
    if data is None:
        if at < len(content):
            del content[at:]
        else:
            content.extend(bytes(at - len(content)))
        return
    if at > len(content):
        content.extend(bytes(at - len(content)))
    content[at:at + len(data)] = data


def sectors(change):
    """A write as the sectors of the disk see it."""
    at, data = change
    begin = 0
    while begin < len(data):
        end = min(len(data), begin + SECTOR - (at + begin) % SECTOR)
        yield at + begin, data[begin:end]
        begin = end


class Disk:
    """One folder, moved forward record by record."""

    def __init__(self, folder):
        self.folder, self.open = folder, {}
        self.names = {}         # what the process sees: path -> File
        self.durable_names = {}
        self.name_changes = []  # since the folder was flushed: functions on a dict of names

    def _rename(self, change):
        change(self.names)
        self.name_changes.append(change)

    def step(self, record):
        kind, descriptor, offset, data = record
        if kind == OPENED:
            path = data.decode()
            self.open[descriptor] = path
            if path == self.folder:
                return
            if path not in self.names and offset & O_CREAT:
                file = File()
                self._rename(lambda names: names.__setitem__(path, file))
            elif path in self.names and offset & O_TRUNC:
                self.names[path].pending.append((0, None))
        elif kind == REMOVED:
            path = data.decode()
            self._rename(lambda names: names.pop(path, None))
        elif kind == RENAMED:
            old, new = data.decode().split("\n")
            self._rename(lambda names: names.__setitem__(new, names.pop(old)) if old in names
                         else None)
        elif kind == FLUSHED and self.open.get(descriptor) == self.folder:
            self.durable_names = dict(self.names)
            self.name_changes = []
        elif kind in (WROTE, CUT, FLUSHED):
            file = self.names.get(self.open.get(descriptor))
            if file and kind == FLUSHED:
                file.flush()
            elif file:
                file.pending.append((offset, data if kind == WROTE else None))

    def write_image(self, to, rng, skipped):
        """Writes one possible disk into an empty folder; names that end with `skipped` are left
        out: what lives in shared memory does not survive the machine."""
        names = dict(self.durable_names)
        for change in self.name_changes[:rng.randrange(len(self.name_changes) + 1)]:
            change(names)
        for path, file in names.items():
            if not path.endswith(skipped):
                with open(os.path.join(to, os.path.basename(path)), "wb") as out:
                    out.write(file.image(rng))
