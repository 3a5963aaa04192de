/* Host services. Each is a sub-call: x = open(call, CERTCTL_HTTP_SEND); put(x, …); run(x); get(x, …); close(x).
 *
 * `open` answers NULL unless the manifest's needs.services names the family (the word in brackets). A plugin that uses
 * only these runs unchanged in the server, in the agent and isolated. When `run` fails, CERTCTL_KEY_SERVICE_ERROR says
 * why in one sentence fit for `fail`. */
#ifndef CERTCTL_SERVICES_H
#define CERTCTL_SERVICES_H

#include "keys.h"

enum {
  /* [http] One request over TLS (or plain HTTP where the administrator's policy allows it). Redirects are not followed.
   *   in   HTTP_METHOD, HTTP_URL, HTTP_HEADER*, HTTP_BODY, HTTP_TIMEOUT_MS; TLS: HTTP_CA_BUNDLE (PEM or path),
   *        HTTP_CLIENT_CERT, HTTP_CLIENT_KEY (PEM or path)
   *   out  HTTP_STATUS, HTTP_HEADER*, HTTP_BODY; HTTP_SENT, also on failure: 1 if a byte of the request may have left
   * Any answer of the peer, also 500, is CERTCTL_OK. */
  CERTCTL_HTTP_SEND = 1,

  /* [process] One program, argv only, no shell; environment cleared but for PROCESS_ENV; stdin is /dev/null; own group.
   *   in   PROCESS_ARG* (the first is looked up in PROCESS_PATH or the system's default), PROCESS_ENV, PROCESS_DIRECTORY,
   *        PROCESS_TIMEOUT_MS, PROCESS_BIND (map: staged file, its destination: seen there by this program only)
   *   out  PROCESS_EXIT (its status) or PROCESS_SIGNAL, PROCESS_TIMED_OUT, PROCESS_OUTPUT (stdout and stderr; first and
   *        last 8 KiB, private keys removed), PROCESS_ISOLATED (1: the binds were in place)
   * Where the kernel refuses a private mount namespace the program does not run: CERTCTL_NOT_SUPPORTED. */
  CERTCTL_PROCESS_RUN = 2,

  /* [keys] What the key named KEY_REF (of a CA: the CA_REF of the request; absent: the issuer's own) is.
   *   out  KEY_ALGORITHM (ECDSA-P256, RSA-3072, …), KEY_SPKI (DER), CERTIFICATES (PEM, issuing CA first),
   *        KEY_REF, KEY_PERSISTENT (0: lost with the process) */
  CERTCTL_KEYS_DESCRIBE = 3,

  /* [keys] Signs a digest.
   *   in   KEY_REF, DIGEST_ALGORITHM (SHA256, SHA384, SHA512), DIGEST
   *   out  SIGNATURE: DER Ecdsa-Sig-Value, or PKCS#1 v1.5 */
  CERTCTL_KEYS_SIGN = 4,

  /* [state] A small store of the instance, durable on return, the same on all replicas. STATE_KEY ≤ 255 bytes, value
   * ≤ 64 KiB.
   *   get      in STATE_KEY; out STATE_VALUE, STATE_VERSION; CERTCTL_NOT_FOUND
   *   put      in STATE_KEY, STATE_VALUE (absent: remove)
   *   compare  in STATE_KEY, STATE_VALUE, STATE_VERSION (0: must not exist yet); CERTCTL_CONFLICT: it changed meanwhile */
  CERTCTL_STATE_GET = 5,
  CERTCTL_STATE_PUT = 6,
  CERTCTL_STATE_COMPARE_AND_SET = 7,

  /* [random] RANDOM_SIZE (≤ 4096) bytes of the kernel's generator: out RANDOM_BYTES. */
  CERTCTL_RANDOM_FILL = 8
};

enum {
  CERTCTL_KEY_SERVICE_ERROR = CERTCTL_TEXT | 0x800,

  CERTCTL_KEY_HTTP_METHOD = CERTCTL_TEXT | 0x801,
  CERTCTL_KEY_HTTP_URL = CERTCTL_TEXT | CERTCTL_SECRET | 0x802, /* some vendors put a token into it */
  CERTCTL_KEY_HTTP_HEADER = CERTCTL_MAP | CERTCTL_SECRET | 0x803,
  CERTCTL_KEY_HTTP_BODY = CERTCTL_BYTES | CERTCTL_SECRET | 0x804,
  CERTCTL_KEY_HTTP_STATUS = CERTCTL_INT | 0x805,
  CERTCTL_KEY_HTTP_SENT = CERTCTL_INT | 0x806,
  CERTCTL_KEY_HTTP_TIMEOUT_MS = CERTCTL_INT | 0x807,
  CERTCTL_KEY_HTTP_CA_BUNDLE = CERTCTL_TEXT | 0x808,
  CERTCTL_KEY_HTTP_CLIENT_CERT = CERTCTL_TEXT | 0x809,
  CERTCTL_KEY_HTTP_CLIENT_KEY = CERTCTL_TEXT | CERTCTL_SECRET | 0x80a,

  CERTCTL_KEY_PROCESS_ARG = CERTCTL_TEXT | 0x811,
  CERTCTL_KEY_PROCESS_ENV = CERTCTL_MAP | CERTCTL_SECRET | 0x812,
  CERTCTL_KEY_PROCESS_DIRECTORY = CERTCTL_TEXT | 0x813,
  CERTCTL_KEY_PROCESS_TIMEOUT_MS = CERTCTL_INT | 0x814,
  CERTCTL_KEY_PROCESS_BIND = CERTCTL_MAP | 0x815,
  CERTCTL_KEY_PROCESS_PATH = CERTCTL_TEXT | 0x816,
  CERTCTL_KEY_PROCESS_EXIT = CERTCTL_INT | 0x817,
  CERTCTL_KEY_PROCESS_SIGNAL = CERTCTL_INT | 0x818,
  CERTCTL_KEY_PROCESS_TIMED_OUT = CERTCTL_INT | 0x819,
  CERTCTL_KEY_PROCESS_OUTPUT = CERTCTL_BYTES | 0x81a,
  CERTCTL_KEY_PROCESS_ISOLATED = CERTCTL_INT | 0x81b,

  CERTCTL_KEY_KEY_REF = CERTCTL_TEXT | 0x821,
  CERTCTL_KEY_KEY_ALGORITHM = CERTCTL_TEXT | 0x822,
  CERTCTL_KEY_KEY_SPKI = CERTCTL_BYTES | 0x823,
  CERTCTL_KEY_DIGEST_ALGORITHM = CERTCTL_TEXT | 0x824,
  CERTCTL_KEY_DIGEST = CERTCTL_BYTES | 0x825,
  CERTCTL_KEY_SIGNATURE = CERTCTL_BYTES | 0x826,
  CERTCTL_KEY_KEY_PERSISTENT = CERTCTL_INT | 0x827,

  CERTCTL_KEY_STATE_KEY = CERTCTL_TEXT | 0x831,
  CERTCTL_KEY_STATE_VALUE = CERTCTL_BYTES | CERTCTL_SECRET | 0x832,
  CERTCTL_KEY_STATE_VERSION = CERTCTL_INT | 0x833,

  CERTCTL_KEY_RANDOM_SIZE = CERTCTL_INT | 0x841,
  CERTCTL_KEY_RANDOM_BYTES = CERTCTL_BYTES | CERTCTL_SECRET | 0x842
};

#endif
