/* The kind `issuer`: a certificate authority, near or far.
 *
 * A connector holds no lifecycle logic. The core decides when to issue and renew, writes the intent down first, checks
 * the certificate against the request, sorts the chain, keeps the order, retries and revokes. */
#ifndef CERTCTL_ISSUER_H
#define CERTCTL_ISSUER_H

#include "call.h"
#include "keys.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CERTCTL_ISSUER_ID "certctl.issuer/1"

typedef struct certctl_issuer {
  uint32_t size;
  uint32_t reserved;

  /* A certificate for CERTCTL_KEY_CSR_PEM. Done: CERTCTL_KEY_CERTIFICATES, whatever the CA sent, PEM or DER, in any
   * order. Not done: checkpoint with the order's reference, CERTCTL_PENDING. At most one request that costs a call, and
   * `checkpoint` before it; CERTCTL_KEY_IDEMPOTENCY_KEY is the same over retries, replicas and crashes. */
  certctl_op* issue;

  /* The same, for a certificate that has a predecessor. Null: the core calls `issue`. */
  certctl_op* renew;

  /* One bounded look at the order in CERTCTL_KEY_CHECKPOINT: done, pending, or why it failed for good. */
  certctl_op* poll;

  /* What became of a call whose outcome is unknown: done, pending, CERTCTL_NOT_FOUND (nothing happened; the core issues
   * again) or CERTCTL_TRANSIENT (cannot tell now). Null: an operator decides. */
  certctl_op* lookup;

  /* The order in CERTCTL_KEY_CHECKPOINT is no longer wanted. */
  certctl_op* abandon;

  /* "Already revoked" is success. A reason the CA cannot record: CERTCTL_KEY_REASON_SENT tells which one was sent. */
  certctl_op* revoke;

  /* CERTCTL_KEY_CERTIFICATES: what a client must trust or send along; issuing CA first. */
  certctl_op* ca_chain;

  /* Reach it, log in, see the named CA, role, profile; all findings (CERTCTL_KEY_FINDING), changes nothing. */
  certctl_op* test;
} certctl_issuer;

CERTCTL_PLACE(certctl_issuer, issue, 8);
CERTCTL_PLACE(certctl_issuer, renew, 16);
CERTCTL_PLACE(certctl_issuer, poll, 24);
CERTCTL_PLACE(certctl_issuer, lookup, 32);
CERTCTL_PLACE(certctl_issuer, abandon, 40);
CERTCTL_PLACE(certctl_issuer, revoke, 48);
CERTCTL_PLACE(certctl_issuer, ca_chain, 56);
CERTCTL_PLACE(certctl_issuer, test, 64);
CERTCTL_ASSERT(sizeof(certctl_issuer) == 72);

#ifdef __cplusplus
}
#endif

#endif
