"""21: random sequences of what clients do, against a model of who must get what.

The model knows sessions, subscriptions plain and shared, retained messages, and QoS. Every publish
is followed to each client: exactly the expected messages come, and of a shared group exactly one.
"""

CLIENTS = ("p", "q", "r", "s")
TOPICS = (b"a", b"a/b", b"a/c", b"b", b"b/b/b")
FILTERS = (b"a", b"a/b", b"a/+", b"a/#", b"+/b", b"b", b"#", b"b/+/b")
GROUPS = (b"one", b"two")


def covers(topic_filter, topic):
    """Whether a filter matches a topic: written without regard for speed, from section 4.7."""
    filters, levels = topic_filter.split(b"/"), topic.split(b"/")
    for at, part in enumerate(filters):
        if part == b"#":
            return True
        if at >= len(levels) or part not in (b"+", levels[at]):
            return False
    return len(filters) == len(levels)


class Session:
    """What the model knows of one client identifier."""

    def __init__(self):
        self.client = None           # its connection, while it has one
        self.kept = False            # the session outlives the connection
        self.subscriptions = {}      # filter as sent -> QoS
        self.waiting = []            # (topic, payload, QoS) while away


class Model:
    """Plays random steps and checks what each leads to."""

    def __init__(self, case):
        self.case, self.random = case, case.random
        self.sessions = {name: Session() for name in CLIENTS}
        self.retained = {}
        self.count = 0
        self.steps = []

    def step(self):
        name = self.random.choice(CLIENTS)
        session = self.sessions[name]
        if session.client is None:
            return self.connect(name, session)
        action = self.random.choices(
            (self.subscribe, self.unsubscribe, self.publish, self.leave, self.connect),
            (6, 4, 10, 2, 1))[0]
        return action(name, session)

    def note(self, *words):
        self.steps.append(" ".join(str(w) for w in words))
        del self.steps[:-30]

    def connect(self, name, session):
        """Also while connected: that is a takeover."""
        clean = self.random.random() < 0.4
        keep = self.random.random() < 0.6
        self.note(name, "connects clean" if clean else "connects", "kept" if keep else "")
        old = session.client
        client = self.case.client(name)
        client.open()
        client.send_packet("CONNECT", {
            "level": 5, "client_id": name.encode(), "clean_start": int(clean),
            "session_expiry_interval": 100 if keep else 0})
        packet = self.case.expect(client, "CONNACK", reason=0)
        if old:
            assert self.case.ends(old).fields["reason"] == 0x8e
            self.case.forget(old)
        present = not clean and (session.kept or (old is not None and session.kept))
        assert packet.fields["session_present"] == int(present), (packet, present)
        if not present:
            session.subscriptions, session.waiting = {}, []
        session.client, session.kept = client, keep
        waiting, session.waiting = session.waiting, []
        self.receive(name, waiting)

    def leave(self, name, session):
        clean = self.random.random() < 0.5
        self.note(name, "disconnects" if clean else "drops")
        if clean:
            session.client.send_packet("DISCONNECT", {})
            self.case.ends(session.client)
        self.case.forget(session.client)
        session.client = None
        if not session.kept:
            session.subscriptions, session.waiting = {}, []
        self.settle()

    def settle(self):
        """Let the server notice an end: it answers others only after that."""
        for session in self.sessions.values():
            if session.client:
                session.client.fence(self.case.patience_s)

    def any_filter(self):
        topic_filter = self.random.choice(FILTERS)
        if self.random.random() < 0.4:
            return b"$share/" + self.random.choice(GROUPS) + b"/" + topic_filter
        return topic_filter

    def subscribe(self, name, session):
        topic_filter, qos = self.any_filter(), self.random.randrange(2)
        handling = self.random.randrange(3)
        self.note(name, "subscribes", topic_filter, "qos", qos, "handling", handling)
        new = topic_filter not in session.subscriptions
        packet = self.case_subscribe(session.client, topic_filter, qos, handling)
        assert packet.fields["reasons"] == [qos], packet
        session.subscriptions[topic_filter] = qos
        expected = []
        if not topic_filter.startswith(b"$share/") and (handling == 0 or handling == 1 and new):
            expected = [(topic, payload, min(qos, sent))
                        for topic, (payload, sent) in self.retained.items()
                        if covers(topic_filter, topic)]
        self.receive(name, expected, ordered=False)

    def case_subscribe(self, client, topic_filter, qos, handling):
        fields = client.send_packet("SUBSCRIBE", {"filters": [
            (topic_filter, {"qos": qos, "retain_handling": handling})]})
        return self.case.expect(client, "SUBACK", id=fields["id"])

    def unsubscribe(self, name, session):
        known = sorted(session.subscriptions)
        topic_filter = self.random.choice(known) if known and self.random.random() < 0.7 \
            else self.any_filter()
        self.note(name, "unsubscribes", topic_filter)
        fields = session.client.send_packet("UNSUBSCRIBE", {"filters": [(topic_filter, {})]})
        wanted = 0 if topic_filter in session.subscriptions else 0x11
        packet = self.case.expect(session.client, "UNSUBACK", id=fields["id"])
        assert packet.fields["reasons"] == [wanted], packet
        session.subscriptions.pop(topic_filter, None)

    def publish(self, name, session):
        self.count += 1
        topic, qos = self.random.choice(TOPICS), self.random.randrange(2)
        retain = self.random.random() < 0.3
        payload = b"" if retain and self.random.random() < 0.3 else str(self.count).encode()
        self.note(name, "publishes", topic, payload, "qos", qos, "retain" if retain else "")
        fields = session.client.send_packet("PUBLISH", {
            "topic": topic, "qos": qos, "retain": int(retain), "payload": payload})
        expected = self.plain_receivers(topic, payload, qos)
        if retain:
            self.retained.pop(topic, None)
            if payload:
                self.retained[topic] = (payload, qos)
        if qos:
            self.acknowledged(session.client, fields["id"])
        else:
            session.client.fence(self.case.patience_s)
        self.deliver(topic, payload, qos, expected)

    def acknowledged(self, client, number):
        """The PUBACK; messages that come before it are put back."""
        before = []
        while True:
            packet = self.case.expect_any(client)
            if packet.kind != "PUBLISH":
                break
            before.append(packet)
        client.inbox.extend(before)
        assert packet.kind == "PUBACK" and packet.fields["id"] == number, packet

    def plain_receivers(self, topic, payload, qos):
        """Name -> QoS at which the message goes to this client for its own subscriptions."""
        receivers = {}
        for name, session in self.sessions.items():
            levels = [granted for topic_filter, granted in session.subscriptions.items()
                      if not topic_filter.startswith(b"$share/") and covers(topic_filter, topic)]
            if levels:
                receivers[name] = min(qos, max(levels))
        return receivers

    def groups(self, topic):
        """Shared filter -> its members (name, QoS), for those that match."""
        found = {}
        for name, session in self.sessions.items():
            for topic_filter, granted in session.subscriptions.items():
                if topic_filter.startswith(b"$share/"):
                    if covers(topic_filter.split(b"/", 2)[2], topic):
                        found.setdefault(topic_filter, []).append((name, granted))
        return found

    def deliver(self, topic, payload, qos, plain):
        """Check all inboxes; who is away gets it later (QoS 1) or never."""
        extra = {name: 0 for name in CLIENTS}    # messages beyond the plain ones
        for name, session in self.sessions.items():
            own = [(topic, payload, plain[name])] if name in plain else []
            if session.client:
                session.client.fence(self.case.patience_s)
                got = len(session.client.inbox) - len(own)
                assert got >= 0, f"{name} did not get {own}"
                extra[name] = got
            elif own and own[0][2]:
                session.waiting += own
        self.check_groups(topic, extra, qos)
        for name, session in self.sessions.items():
            while session.client and session.client.inbox:
                packet = session.client.inbox.popleft()
                assert packet.fields["topic"] == topic and packet.fields["payload"] == payload, packet
                self.acknowledge(session.client, packet)

    def check_groups(self, topic, extra, qos):
        """Each group with a connected member had exactly one delivery, to one of those."""
        groups = {f: [n for n, _ in members if self.sessions[n].client]
                  for f, members in self.groups(topic).items()}
        for topic_filter, online in groups.items():
            if not online and qos:
                self.forget_shared_waiting(topic_filter)
        wanted = sum(1 for online in groups.values() if online)
        assert sum(extra.values()) == wanted, f"{extra} for {groups}"
        for name, got in extra.items():
            able = sum(1 for online in groups.values() if name in online)
            assert got <= able, f"{name} got {got} shared messages, {able} groups: {groups}"

    def forget_shared_waiting(self, topic_filter):
        """A message waits for a member that is away, which one is the server's choice: drop the
        members' sessions from the model's and the server's memory, so that it knows all again."""
        for name, session in self.sessions.items():
            if topic_filter in session.subscriptions and session.client is None:
                client = self.case.connect(name, session_expiry_interval=0)
                client.send_packet("DISCONNECT", {})
                self.case.ends(client)
                self.case.forget(client)
                session.kept, session.subscriptions, session.waiting = False, {}, []

    def acknowledge(self, client, packet):
        if packet.fields["qos"] == 1:
            client.send_packet("PUBACK", {"id": packet.fields["id"]})

    def receive(self, name, expected, ordered=True):
        """Exactly these messages have come to this client."""
        client = self.sessions[name].client
        client.fence(self.case.patience_s)
        got = []
        while client.inbox:
            packet = client.inbox.popleft()
            self.acknowledge(client, packet)
            got.append((packet.fields["topic"], packet.fields["payload"], packet.fields["qos"]))
        if not ordered:
            got, expected = sorted(got), sorted(expected)
        assert got == expected, f"{name} got {got}, not {expected}"


def vuln_21_random_sequences_against_a_model(case):
    """Random subscribing, sharing, publishing, leaving and coming back agree with a model"""
    case.start()
    model = Model(case)
    try:
        for _ in range(2500):
            model.step()
    except AssertionError as error:
        raise AssertionError(f"{error}\n  seed {case.options.seed}, the last steps:\n    "
                             + "\n    ".join(model.steps)) from None
