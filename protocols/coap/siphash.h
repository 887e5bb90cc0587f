/* siphash: SipHash-2-4, a short keyed hash that nobody without the key can predict.
 *
 * By Aumasson and Bernstein (2012). base/hash.h spreads keys over tables; this one may be given to
 * strangers. Pure. */
#ifndef SIOTD_PROTOCOLS_COAP_SIPHASH_H
#define SIOTD_PROTOCOLS_COAP_SIPHASH_H

#include "base/slice.h"

enum { SIPHASH_KEY_SIZE = 16 };

/* The hash of `bytes` under a key. */
uint64_t siphash(const uint8_t key[SIPHASH_KEY_SIZE], struct slice bytes);

#endif
