/* The few types that cross the boundary between certctl and a plugin.
 *
 * C11, 64-bit targets. No C++ type, exception, bool, long, size_t, enum-sized field or hidden padding: every member has
 * a fixed width and its place is asserted. Read on with keys.h, call.h, entry.h, then the page of your kind: issuer.h,
 * target.h or notifier.h. */
#ifndef CERTCTL_TYPES_H
#define CERTCTL_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
#define CERTCTL_ASSERT(condition) static_assert(condition, #condition)
#else
#define CERTCTL_ASSERT(condition) _Static_assert(condition, #condition)
#endif
/* That `member` of `type` stands `offset` bytes from its beginning. */
#define CERTCTL_PLACE(type, member, offset) CERTCTL_ASSERT(offsetof(type, member) == (offset))

/* The version of these headers. A host loads every plugin of its own major number whose min_host_minor it reaches. */
#define CERTCTL_ABI_MAJOR 1u
#define CERTCTL_ABI_MINOR 0u

/* Text or bytes, not owned. {NULL, 0} is empty; NULL with a size is a fault. What the host hands out is followed by a
 * NUL that the size does not count and, where it is text, is UTF-8 without NUL. */
typedef struct certctl_bytes {
  const void* data;
  uint64_t size;
} certctl_bytes;

CERTCTL_PLACE(certctl_bytes, data, 0);
CERTCTL_PLACE(certctl_bytes, size, 8);
CERTCTL_ASSERT(sizeof(certctl_bytes) == 16);

static inline certctl_bytes certctl_text(const char* text) {
  certctl_bytes bytes = {text, text ? (uint64_t)strlen(text) : 0u};
  return bytes;
}

/* How an operation or a service ended. The core acts on these without knowing the vendor; one it does not know counts
 * as CERTCTL_INTERNAL. */
typedef uint32_t certctl_status;
enum {
  CERTCTL_OK = 0,
  CERTCTL_PENDING = 1, /* not done; the last checkpoint is handed to `poll` after CERTCTL_KEY_POLL_IN_MS */

  CERTCTL_INVALID_CONFIG = 16,      /* a person must change a setting */
  CERTCTL_INVALID_REQUEST = 17,     /* these inputs can never work */
  CERTCTL_AUTH = 18,                /* credentials refused or expired */
  CERTCTL_RATE_LIMITED = 19,        /* put CERTCTL_KEY_RETRY_IN_MS if it is known */
  CERTCTL_TRANSIENT = 20,           /* nothing can have happened; worth trying again */
  CERTCTL_PERMANENT = 21,           /* the other side refused for good */
  CERTCTL_NOT_SUPPORTED = 22,
  CERTCTL_CANCELLED = 23,           /* the call was cancelled, or its time was up, before anything happened */
  CERTCTL_INTERNAL = 24,            /* a defect of the plugin */
  CERTCTL_CONFLICT = 25,            /* somebody else changed it meanwhile */
  CERTCTL_UNKNOWN_OUTCOME = 26,     /* it may or may not have happened: the core asks `lookup`, and issues nothing */
  CERTCTL_NOT_FOUND = 27            /* `lookup`: it did not happen */
};

/* Levels of a log line. */
enum { CERTCTL_LOG_DEBUG = 0, CERTCTL_LOG_INFO = 1, CERTCTL_LOG_WARN = 2, CERTCTL_LOG_ERROR = 3 };

/* Tables start with their size and grow only at the end. A member that is absent (an older table) or null is "not
 * supported": ask before every use. */
#define CERTCTL_HAS(type, table, member) \
  ((table)->size >= offsetof(type, member) + sizeof((table)->member) && (table)->member)

#endif
