/* exactly_once: a model of QoS 2 through a broker whose promises wait for commits and which may
 * crash between any two steps. Checked for every order of events by spin (run it with tests/crash/model).
 *
 * One publisher sends MESSAGES messages, all under the same packet identifier one after the other;
 * one subscriber has a session that was there before. Both reconnect after a crash and go on as
 * MQTT asks (sections 4.3.3 and 4.4). The broker has a volatile state and a durable one; a commit
 * takes a picture of the volatile one (HAND), and later makes it durable (DONE). What is said before
 * that waits in `held`.
 *
 * Claims: no message is delivered twice; when nothing can happen any more, each one was delivered.
 * The model has switches for the mistakes that it is there to find: with any of them set, spin must
 * find a counterexample. */
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef EARLY_PUBLISH /* the outgoing PUBLISH does not wait for its commit */
#define EARLY_PUBLISH 0
#endif
#ifndef EARLY_PUBREC
#define EARLY_PUBREC 0
#endif
#ifndef EARLY_PUBCOMP
#define EARLY_PUBCOMP 0
#endif
#ifndef EARLY_PUBREL
#define EARLY_PUBREL 0
#endif

#define NONE 0
#define QUEUED 1   /* has no identifier yet */
#define SEALING 2  /* has one, and waits for the commit that says so */
#define SENT 3
#define RELEASED 4

mtype = { publish, pubrec, pubrel, pubcomp };

/* Wires; message 0 where there is none. */
chan to_broker = [2] of { mtype, byte };
chan to_publisher = [4] of { mtype };
chan from_subscriber = [4] of { mtype };
chan to_subscriber = [4] of { mtype, byte };

typedef Session {
    bool received;                  /* the publisher's identifier */
    byte state[MESSAGES + 1]        /* of each message towards the subscriber */
};
Session now_state, picture, disk;
bool committing;

/* What waits: 1 for the commit to come, 2 for the one under way. */
byte held_pubrec, held_pubcomp, held_pubrel;
byte sealing_for[MESSAGES + 1];

byte crashes;
byte given[MESSAGES + 1];
byte current = 1;      /* the publisher's message */
byte phase;            /* 0: not sent, 1: PUBLISH, 2: PUBREL */
bool publisher_there = true, subscriber_there = true;
bool subscriber_has;   /* its QoS 2 identifier is in use */

inline copy(to, from) {
    to.received = from.received;
    i = 1;
    do
    :: i <= MESSAGES -> to.state[i] = from.state[i]; i++
    :: else -> break
    od
}

/* Whether a message is under way to the subscriber: there is one identifier. */
inline find_busy() {
    busy = false;
    i = 1;
    do
    :: i <= MESSAGES -> busy = busy || now_state.state[i] >= SEALING; i++
    :: else -> break
    od
}

proctype Broker() {
    byte i, m;
    bool busy;
    do
    /* ---- the publisher's side ---- */
    :: atomic { to_broker ? [publish, _] -> to_broker ? publish, m;
        if
        :: !now_state.received ->
            now_state.received = true;
            now_state.state[m] = QUEUED
        :: else
        fi;
        if
        :: EARLY_PUBREC -> to_publisher ! pubrec
        :: else -> held_pubrec = 1
        fi }
    :: atomic { to_broker ? [pubrel, _] -> to_broker ? pubrel, _;
        now_state.received = false;
        if
        :: EARLY_PUBCOMP -> to_publisher ! pubcomp
        :: else -> held_pubcomp = 1
        fi }
    /* ---- the subscriber's side ---- */
    :: atomic { subscriber_there && now_state.state[1] + now_state.state[MESSAGES] > 0 ->
        find_busy();
        m = 1;
        do
        :: m <= MESSAGES && now_state.state[m] != QUEUED -> m++
        :: else -> break
        od;
        if
        :: !busy && m <= MESSAGES && EARLY_PUBLISH ->
            now_state.state[m] = SENT; to_subscriber ! publish, m
        :: !busy && m <= MESSAGES && !EARLY_PUBLISH ->
            now_state.state[m] = SEALING; sealing_for[m] = 1
        :: else
        fi }
    :: atomic { from_subscriber ? [pubrec] -> from_subscriber ? pubrec;
        m = 1;
        do
        :: m <= MESSAGES && now_state.state[m] != SENT && now_state.state[m] != RELEASED -> m++
        :: else -> break
        od;
        if
        :: m <= MESSAGES -> now_state.state[m] = RELEASED
        :: else
        fi;
        if
        :: EARLY_PUBREL -> to_subscriber ! pubrel, 0
        :: else -> held_pubrel = 1
        fi }
    :: atomic { from_subscriber ? [pubcomp] -> from_subscriber ? pubcomp;
        i = 1;
        do
        :: i <= MESSAGES ->
            if
            :: now_state.state[i] == RELEASED -> now_state.state[i] = NONE
            :: else
            fi;
            i++
        :: else -> break
        od }
    /* ---- commits ---- */
    :: atomic { !committing -> committing = true; copy(picture, now_state);
        held_pubrec = held_pubrec * 2; held_pubcomp = held_pubcomp * 2;
        held_pubrel = held_pubrel * 2;
        i = 1;
        do
        :: i <= MESSAGES -> sealing_for[i] = sealing_for[i] * 2; i++
        :: else -> break
        od }
    :: atomic { committing -> committing = false; copy(disk, picture);
        if
        :: held_pubrec == 2 -> held_pubrec = 0; to_publisher ! pubrec
        :: else
        fi;
        if
        :: held_pubcomp == 2 -> held_pubcomp = 0; to_publisher ! pubcomp
        :: else
        fi;
        if
        :: held_pubrel == 2 -> held_pubrel = 0; to_subscriber ! pubrel, 0
        :: else
        fi;
        i = 1;
        do
        :: i <= MESSAGES ->
            if
            :: sealing_for[i] == 2 ->
                sealing_for[i] = 0; now_state.state[i] = SENT;
                if
                :: subscriber_there -> to_subscriber ! publish, i
                :: else
                fi
            :: else
            fi;
            i++
        :: else -> break
        od }
    /* ---- a crash: only the disk is left ---- */
    :: atomic { crashes < CRASHES -> crashes++; committing = false;
        copy(now_state, disk);
        held_pubrec = 0; held_pubcomp = 0; held_pubrel = 0;
        publisher_there = false; subscriber_there = false;
        i = 1;
        do
        :: i <= MESSAGES ->
            sealing_for[i] = 0;
            if /* an identifier that is on disk may have been sent */
            :: now_state.state[i] == SEALING -> now_state.state[i] = SENT
            :: else
            fi;
            i++
        :: else -> break
        od;
        do
        :: to_broker ? _, _
        :: to_publisher ? _
        :: from_subscriber ? _
        :: to_subscriber ? _, _
        :: empty(to_broker) && empty(to_publisher) && empty(from_subscriber) &&
           empty(to_subscriber) -> break
        od }
    /* ---- they come back ---- */
    :: atomic { !subscriber_there -> subscriber_there = true;
        i = 1;
        do
        :: i <= MESSAGES ->
            if
            :: now_state.state[i] == SENT -> to_subscriber ! publish, i
            :: now_state.state[i] == RELEASED -> to_subscriber ! pubrel, 0
            :: else
            fi;
            i++
        :: else -> break
        od }
    :: atomic { current > MESSAGES && publisher_there && subscriber_there && !committing &&
                empty(to_broker) && empty(to_publisher) && empty(from_subscriber) &&
                empty(to_subscriber) && held_pubrel == 0 ->
        m = 0;
        i = 1;
        do
        :: i <= MESSAGES -> m = m + now_state.state[i]; i++
        :: else -> break
        od;
        if
        :: m == 0 -> break
        :: else
        fi }
    od;
    /* Nothing is under way any more. */
    i = 1;
    do
    :: i <= MESSAGES -> assert(given[i] == 1); i++
    :: else -> break
    od
}

proctype Publisher() {
    do
    :: atomic { publisher_there && current <= MESSAGES && phase == 0 ->
        phase = 1; to_broker ! publish, current }
    :: atomic { to_publisher ? [pubrec] -> to_publisher ? pubrec;
        phase = 2; to_broker ! pubrel, 0 }
    :: atomic { to_publisher ? [pubcomp] -> to_publisher ? pubcomp;
        if
        :: phase == 2 -> phase = 0; current++
        :: else
        fi }
    :: atomic { !publisher_there -> publisher_there = true;
        if
        :: phase == 1 -> to_broker ! publish, current
        :: phase == 2 -> to_broker ! pubrel, 0
        :: else
        fi }
    :: current > MESSAGES && publisher_there -> break
    od
}

proctype Subscriber() {
    byte m;
end:
    do
    :: atomic { to_subscriber ? [publish, _] -> to_subscriber ? publish, m;
        if
        :: !subscriber_has ->
            subscriber_has = true; given[m]++; assert(given[m] <= 1)
        :: else
        fi;
        from_subscriber ! pubrec }
    :: atomic { to_subscriber ? [pubrel, _] -> to_subscriber ? pubrel, _;
        subscriber_has = false; from_subscriber ! pubcomp }
    od
}

init {
    atomic { run Broker(); run Publisher(); run Subscriber() }
}
