/* The kind `target`: a machine or service that is to serve a certificate. Runs in the agent or in the server.
 *
 * The host calls `validate` of the factory before every deployment. */
#ifndef CERTCTL_TARGET_H
#define CERTCTL_TARGET_H

#include "call.h"
#include "keys.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CERTCTL_TARGET_ID "certctl.target/1"

typedef struct certctl_target {
  uint32_t size;
  uint32_t reserved;

  /* Everything up to and including the check of the new material by the server's own tool; changes nothing. */
  certctl_op* dry_run;

  /* Snapshot, install, reload, verify; all of it or nothing. On failure the old certificate is served again, or the
   * text says that a person must help. The last checkpoint, made before the first change, is the token of `rollback`. */
  certctl_op* deploy;

  /* Is the expected certificate installed and, where that can be asked, served? CERTCTL_KEY_VALID, _SERIAL, _SHA256. */
  certctl_op* verify;

  /* Back to what stood there before the deployment in CERTCTL_KEY_CHECKPOINT. */
  certctl_op* rollback;

  /* What is installed now: CERTCTL_KEY_SHA256 of the leaf, _SERIAL. CERTCTL_NOT_FOUND: nothing. */
  certctl_op* current;

  /* Reach it, log in, check permissions and tools; all findings, changes nothing. */
  certctl_op* test;
} certctl_target;

CERTCTL_PLACE(certctl_target, dry_run, 8);
CERTCTL_PLACE(certctl_target, deploy, 16);
CERTCTL_PLACE(certctl_target, verify, 24);
CERTCTL_PLACE(certctl_target, rollback, 32);
CERTCTL_PLACE(certctl_target, current, 40);
CERTCTL_PLACE(certctl_target, test, 48);
CERTCTL_ASSERT(sizeof(certctl_target) == 56);

#ifdef __cplusplus
}
#endif

#endif
