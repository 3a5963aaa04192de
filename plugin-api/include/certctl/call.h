/* A call: the one object through which a plugin reads its inputs and settings, gives its results, asks the host for
 * services, and learns how much time is left.
 *
 * Life: from the moment an operation is entered until it returns; a sub-call until it is closed. Everything handed out
 * lives as long, everything put is copied, nothing is freed across the boundary.
 * Threads: a call belongs to one thread at a time, except for the three members marked [any thread]. Sub-calls may run
 * in parallel, each on its own thread.
 * Limits: 16 MiB of results, 1 MiB a value, 1,024 puts, 64 KiB a checkpoint. Beyond them the call is faulted and ends as
 * CERTCTL_INTERNAL whatever the operation returns, so `put` needs no check. */
#ifndef CERTCTL_CALL_H
#define CERTCTL_CALL_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CERTCTL_MAX_RESULT = 16 << 20, CERTCTL_MAX_VALUE = 1 << 20, CERTCTL_MAX_PUTS = 1024, CERTCTL_MAX_CHECKPOINT = 64 << 10 };

typedef struct certctl_call {
  const struct certctl_call_api* api;
} certctl_call;

typedef struct certctl_call_api {
  uint32_t size;
  uint32_t reserved;

  /* [any thread] Milliseconds until the deadline, on a monotonic clock; 0 or less: it has passed. */
  int64_t (*remaining_ms)(certctl_call* call);

  /* [any thread] A descriptor to poll for POLLIN, never to read or close: readable once the call is cancelled or its
   * time is up. -1: none. Stop soon; ten seconds after the deadline the instance is given up. */
  int32_t (*cancel_fd)(certctl_call* call);

  /* [any thread] One line; `event_id` is a stable word such as ORDER_PLACED. Never a secret. */
  void (*log)(certctl_call* call, uint32_t level, certctl_bytes event_id, certctl_bytes text);

  /* Inputs (of a sub-call: answers) by number, see keys.h. Returns how many values `key` has; 0: absent. Beyond the last
   * value, and for another type, `*out` is {NULL, 0}. A map's values are name, value, name, value.
   * Critical keys must be read, every value of them: one that was not makes the first `checkpoint` fail, and the result
   * of an operation that reports success is rejected by the core. So read late, where the value is used. */
  uint32_t (*get)(certctl_call* call, uint32_t key, uint32_t index, certctl_bytes* out);

  /* The same for keys of type int and rec. `*out` keeps its value if there is none. */
  uint32_t (*get_int)(certctl_call* call, uint32_t key, uint32_t index, int64_t* out);

  /* Settings by JSON pointer (RFC 6901): defaults of the schema filled in, the request's own options laid over. Returns
   * how many values there are; 0: absent or null. A scalar is one text (true, 12, abc); an array has its elements; an
   * object is a map: name, value, name, value. Arrays and objects inside those come as JSON text; reach into them with a
   * longer pointer. A secret setting is resolved at this moment and wiped after the call. */
  uint32_t (*setting)(certctl_call* call, certctl_bytes pointer, uint32_t index, certctl_bytes* out);

  /* Results (of a sub-call: the request). Each put appends a value. A text that is not UTF-8 faults the call. */
  certctl_status (*put)(certctl_call* call, uint32_t key, certctl_bytes value);
  certctl_status (*put_int)(certctl_call* call, uint32_t key, int64_t value);

  /* Makes `bytes` durable before it returns. Called before the one request that costs money or changes something, and
   * again with the order's reference once it is known. Anything but CERTCTL_OK: do not send. The last one is handed to
   * `poll`, `lookup`, `abandon` and `rollback` as CERTCTL_KEY_CHECKPOINT. */
  certctl_status (*checkpoint)(certctl_call* call, certctl_bytes bytes);

  /* Says why the operation ends with `status`, and returns that: `return api->fail(call, CERTCTL_AUTH, id, text)`.
   * `text_id` is a stable word, `text` one sentence for people, at most 1 KiB, without secrets. */
  certctl_status (*fail)(certctl_call* call, certctl_status status, certctl_bytes text_id, certctl_bytes text);

  /* A host service as a call of its own, see services.h: open, put, run once, get, close. NULL: the host does not offer
   * it, or the manifest does not ask for it. [any thread while the call lasts] */
  certctl_call* (*open)(certctl_call* call, uint32_t service);

  /* Blocks until the service is done, the deadline passes or the call is cancelled. Sub-calls only. */
  certctl_status (*run)(certctl_call* sub_call);

  /* Ends the life of a sub-call and of what it handed out. Those left open are closed when the call returns. */
  void (*close)(certctl_call* sub_call);
} certctl_call_api;

CERTCTL_ASSERT(sizeof(certctl_call) == 8);
CERTCTL_PLACE(certctl_call_api, size, 0);
CERTCTL_PLACE(certctl_call_api, remaining_ms, 8);
CERTCTL_PLACE(certctl_call_api, cancel_fd, 16);
CERTCTL_PLACE(certctl_call_api, log, 24);
CERTCTL_PLACE(certctl_call_api, get, 32);
CERTCTL_PLACE(certctl_call_api, get_int, 40);
CERTCTL_PLACE(certctl_call_api, setting, 48);
CERTCTL_PLACE(certctl_call_api, put, 56);
CERTCTL_PLACE(certctl_call_api, put_int, 64);
CERTCTL_PLACE(certctl_call_api, checkpoint, 72);
CERTCTL_PLACE(certctl_call_api, fail, 80);
CERTCTL_PLACE(certctl_call_api, open, 88);
CERTCTL_PLACE(certctl_call_api, run, 96);
CERTCTL_PLACE(certctl_call_api, close, 104);
CERTCTL_ASSERT(sizeof(certctl_call_api) == 112);

/* An instance of a connector, made by the plugin from one set of settings. Opaque to the host. */
typedef struct certctl_instance certctl_instance;

/* An operation of an instance. Calls come from several threads at once unless the descriptor says CERTCTL_SERIAL; they
 * never overlap `create` and `destroy`. No exception may leave it. */
typedef certctl_status certctl_op(certctl_instance* instance, certctl_call* call);

#ifdef __cplusplus
}
#endif

#endif
