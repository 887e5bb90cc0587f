/* peer: all that a protocol may ask of whoever is at the other end.
 *
 * On the way in, the transport hands bytes to protocol.receive; on the way out, a protocol appends
 * here and nothing leaves until the end of the turn, when each peer with something to say is
 * flushed once. So no call below makes a system call, and no peer can die while somebody walks over
 * peers: peer_close only marks, the peer goes when the current receive, timer or walk is over. All
 * functions are for the loop's thread only. */
#ifndef SIOTD_TRANSPORTS_PEER_H
#define SIOTD_TRANSPORTS_PEER_H

#include "base/log.h"
#include "base/slice.h"

struct loop;
struct peer;
struct protocol;
struct broker;
struct access;
struct identity;
struct message;
struct listener_settings;

/* Room for exactly `len` contiguous bytes at the end of what is to be sent; the caller fills all of
 * it before anything else is called on this peer. NULL when the
 * peer is closing, or out of memory and therefore closing now: the caller just returns. `len` may
 * be up to 256 MiB. On a closing peer peer_send and peer_send_shared do nothing. */
uint8_t *peer_reserve(struct peer *peer, size_t len);

/* The same for what must not leave before a promise of the core's is kept (broker_promise): an
 * acknowledgement. It waits behind those that wait already, however early its own promise is kept;
 * what is appended without a promise overtakes it. With promise 0 and nobody waiting it is
 * peer_reserve. What waits when the peer closes is sent if its promise is kept in time. */
uint8_t *peer_reserve_after(struct peer *peer, size_t len, uint64_t promise);

/* All that is appended from now on waits for the promise as well, also what has none: nothing may
 * overtake a CONNACK. 0: no effect. */
void peer_barrier(struct peer *peer, uint64_t promise);

/* Appends a copy. */
void peer_send(struct peer *peer, struct slice bytes);

/* Appends a message's bytes by reference where that is cheaper than a copy (a large payload); holds
 * a reference to `owner` until they have left. `bytes` must lie inside `owner`, which must be
 * owned, not borrowed (broker/message.h). */
void peer_send_shared(struct peer *peer, struct slice bytes, struct message *owner);

/* Bytes appended and not yet taken by the kernel. */
size_t peer_backlog(const struct peer *peer);

/* Whether a delivery should wait for protocol.drained: the backlog has passed the listener's
 * out_buffer limit. Small answers to the peer's own requests may still be appended. */
bool peer_is_full(const struct peer *peer);

/* Closes once what was appended has left (at most a few seconds later); no receive after this.
 * `why` is a printf format of a sentence without an end; the first reason given is kept and handed
 * to protocol.close, which writes the log line. */
void peer_close(struct peer *peer, const char *why, ...) __attribute__((format(printf, 2, 3)));

/* Whether peer_close has been called or the transport has lost the peer. */
bool peer_is_closing(const struct peer *peer);

/* Sets the one deadline of a peer, in ms of peer_now_ms; 0 cancels. protocol.expired is called
 * then. */
void peer_deadline(struct peer *peer, uint64_t due_ms);

/* The turn's monotonic time, ms. */
uint64_t peer_now_ms(const struct peer *peer);

/* The broker behind the listener, the listener's settings, and the protocol's section of the
 * configuration (the struct its option table describes) as of the last reload. */
struct broker *peer_broker(const struct peer *peer);
const struct listener_settings *peer_listener(const struct peer *peer);
const void *peer_options(const struct peer *peer);

/* The other end's address as text ("192.0.2.7:50112", "[2001:db8::1]:50112", "unix"), into `to`;
 * returns `to`. */
enum { PEER_ADDRESS_SIZE = 64 };
char *peer_address(const struct peer *peer, char to[PEER_ADDRESS_SIZE]);

/* Whether the transport's credentials of now would still prove that identity: false once the
 * certificate is on the revocation list or the pre-shared key has gone or changed. */
bool peer_is_entitled(struct peer *peer);

/* Begins to verify a password (both copied) against the users of `access`, on another
 * thread: protocol.proven has the answer, and until then the peer is not read and receive is not
 * called; what receive leaves unconsumed is offered again afterwards. False: too many wait already,
 * or out of memory; nothing has begun. */
bool peer_prove(struct peer *peer, const struct access *access, struct slice user,
                struct slice password);

/* The peer has made itself known to its protocol (MQTT: its CONNECT has been accepted). Until then
 * it is a stranger, and the listener's oldest stranger goes when there are too many. */
void peer_known(struct peer *peer);

/* Called in receive, which then returns with what it has not begun: that is offered again in the
 * next turn, after everybody else's bytes, without new ones having to come. Until then the peer is
 * not read and receive is not called. For work that would keep everybody else waiting. */
void peer_again(struct peer *peer);

/* A proof that failed without anything to verify (a password is missing): logged, and held against
 * the source as any other. */
void peer_proof_failed(struct peer *peer, struct slice user);

/* Whether nobody on the way can read along: TLS, DTLS, or a unix socket. */
bool peer_is_private(const struct peer *peer);

/* Who the transport has proven the peer to be: by a certificate or a pre-shared key. NULL: it has
 * proven nothing (so far: a handshake ends before the protocol's first receive). Borrowed for the
 * peer's life. */
const struct identity *peer_identity(const struct peer *peer);

/* ---- peers on datagrams (udp, dtls) ----
 *
 * What is appended by one peer_reserve, peer_reserve_after, peer_send is one datagram. A datagram
 * from an address that has no peer is received by one that exists for this call only: unless the
 * protocol says peer_known before receive returns, what was appended is sent, protocol.close is
 * called and nothing remains. So a protocol allocates nothing for a stranger either, and what it
 * wants to remember of one it asks peer_known for. That is refused when there is no room (the peer
 * is closing then); and while a known peer has not been verified, it may give way to newer ones
 * (option strangers).
 *
 * A known peer goes when it has said nothing for idle_timeout, unless a peer_deadline is set:
 * whoever waits for something longer says so with that. After peer_again with nothing consumed the
 * same datagram is offered again in the next turn, and no other is received before. peer_prove is
 * always refused. A datagram that leaves no room anywhere, or that may not be sent to an unproven
 * address, is dropped and counted; protocols repeat what matters. */

/* Whether this is such a peer. */
bool peer_is_datagram(const struct peer *peer);

/* The largest payload that one datagram to this peer may have, below the listener's MTU and what
 * the layers add; bytes. */
size_t peer_datagram_most(const struct peer *peer);

/* Whether the peer has shown that it is where its datagrams come from: always on DTLS and streams.
 * The protocol says so when the peer has returned something unguessable (peer_verify). */
bool peer_is_verified(const struct peer *peer);
void peer_verify(struct peer *peer);

/* Whether it is not verified and neither are so many others of its listener, half of the option
 * strangers, that it may soon have to give way. */
bool peer_may_give_way(const struct peer *peer);

/* How many bytes the next datagram to it may have: until it is verified (then SIZE_MAX) three times
 * what it has sent, less what it was sent. And 0 from the first datagram that it is sent until it
 * has said nothing for a second; then it may be sent one more, and 0 until the next one comes from
 * there. A datagram beyond that is dropped and counted, not sent. */
size_t peer_allowance(const struct peer *peer);

/* Since when, or from when on, that need not be 0 (ms of peer_now_ms) if nothing comes from there
 * meanwhile; UINT64_MAX: not before something does. */
uint64_t peer_allowed_ms(const struct peer *peer);

/* The peer's address as bytes that only this address has (16 of IPv6 or mapped IPv4, two of the
 * port, and the interface of a link-local one), into `to`; for keys and keyed hashes. Returns the
 * length. Also of a stream peer. */
enum { PEER_ENDPOINT_SIZE = 24 };
size_t peer_endpoint(const struct peer *peer, uint8_t to[PEER_ENDPOINT_SIZE]);

/* Where a datagram peer is, and what address of ours it speaks to, as bytes that still mean the
 * same after a restart, into `to`. Returns the length; 0 of a stream peer. */
enum { PEER_PLACE_SIZE = 42 };
size_t peer_place(const struct peer *peer, uint8_t to[PEER_PLACE_SIZE]);

/* For protocol.recall: the peer at a place of before the restart, known and verified as it was
 * then, behind the listener of that name; the one that is there, or a new one, whose protocol state
 * (*state) is open and as new. NULL: there is no such listener of that protocol any more, or it has
 * a layer (whose secrets have gone), or no room; or out of memory. */
struct peer *peer_recall(struct loop *loop, const struct protocol *protocol, struct slice listener,
                         struct slice place, void **state);

/* Gives the peer the name its log lines carry, usually the client id; copied and escaped. */
void peer_name(struct peer *peer, struct slice name);

/* One log line about this peer: `mqtt/tcp 192.0.2.7:50112 "sensor-7": ...`. */
void peer_log(const struct peer *peer, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
