/* The kind `notifier`: a channel that carries messages to people or programs. */
#ifndef CERTCTL_NOTIFIER_H
#define CERTCTL_NOTIFIER_H

#include "call.h"
#include "keys.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CERTCTL_NOTIFIER_ID "certctl.notifier/1"

typedef struct certctl_notifier {
  uint32_t size;
  uint32_t reserved;

  /* Delivers one message; done when the other side has taken it over. The core retries, with the same
   * CERTCTL_KEY_NOTIFICATION_ID and a rising CERTCTL_KEY_ATTEMPT. Each connector escapes for its medium. */
  certctl_op* send;

  /* Delivers a message that says it is a test. */
  certctl_op* test;
} certctl_notifier;

CERTCTL_PLACE(certctl_notifier, send, 8);
CERTCTL_PLACE(certctl_notifier, test, 16);
CERTCTL_ASSERT(sizeof(certctl_notifier) == 24);

#ifdef __cplusplus
}
#endif

#endif
