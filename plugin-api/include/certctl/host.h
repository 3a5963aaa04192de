/* What a plugin may use outside of calls: the clock and the log. Given to `init`, valid until `deinit` returns. */
#ifndef CERTCTL_HOST_H
#define CERTCTL_HOST_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct certctl_host {
  const struct certctl_host_api* api;
} certctl_host;

typedef struct certctl_host_api { /* [any thread] */
  uint32_t size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t flags; /* 0 */

  /* Milliseconds since 1970-01-01T00:00:00Z. For durations use certctl_call_api.remaining_ms. */
  int64_t (*clock_ms)(certctl_host* host);

  /* One line; see certctl_call_api.log. Prefer that one: it names the call. Lines after `deinit` are dropped. */
  void (*log)(certctl_host* host, uint32_t level, certctl_bytes event_id, certctl_bytes text);
} certctl_host_api;

CERTCTL_ASSERT(sizeof(certctl_host) == 8);
CERTCTL_PLACE(certctl_host_api, size, 0);
CERTCTL_PLACE(certctl_host_api, abi_major, 4);
CERTCTL_PLACE(certctl_host_api, abi_minor, 8);
CERTCTL_PLACE(certctl_host_api, flags, 12);
CERTCTL_PLACE(certctl_host_api, clock_ms, 16);
CERTCTL_PLACE(certctl_host_api, log, 24);
CERTCTL_ASSERT(sizeof(certctl_host_api) == 32);

#ifdef __cplusplus
}
#endif

#endif
