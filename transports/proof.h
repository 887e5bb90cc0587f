/* proof: passwords verified on worker threads, for peers that wait for it.
 *
 * Verifying costs a tenth of a second on purpose. So only a few run at a time (access.checks), a
 * bounded number waits (access.checks_queued), and nobody else notices: the peer that waits is not
 * read meanwhile, and what has arrived of it stays where it is. An unknown user costs what a known
 * one does. A source (an IPv4 address, an IPv6 /64) that has failed a few times waits longer before
 * each further check, and only few of its checks may wait. See peer_prove in peer.h. */
#ifndef SIOTD_TRANSPORTS_PROOF_H
#define SIOTD_TRANSPORTS_PROOF_H

struct loop;
struct peer;
struct proofs;

/* What a loop keeps for this; made with the first check. Freed when the loop has ended. */
void proofs_free(struct proofs *proofs);

/* The peer goes: its check, if any, is nobody's any more. */
void proof_cancel(struct peer *peer);

#endif
