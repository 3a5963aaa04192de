/* The fields of requests and results, by number.
 *
 *   key = CRITICAL | SECRET | type | number
 *
 * A plugin asks for what it knows and ignores the rest, so new fields need no new functions. A critical field must not
 * be ignored: the core sends it only to connectors whose manifest `honours` it for that operation, and notices when it
 * was not read. A secret one is wiped after the call and never logged. */
#ifndef CERTCTL_KEYS_H
#define CERTCTL_KEYS_H

#include "types.h"

enum {
  CERTCTL_CRITICAL = 1 << 30,
  CERTCTL_SECRET = 1 << 29,

  CERTCTL_TEXT = 1 << 24,  /* UTF-8 without NUL */
  CERTCTL_BYTES = 2 << 24, /* anything */
  CERTCTL_INT = 3 << 24,   /* 64 bits; times and durations in ms unless the name says _S; flags are 0 or 1 */
  CERTCTL_MAP = 4 << 24,   /* texts: name, value, name, value … */
  CERTCTL_REC = 5 << 24,   /* an int that opens a record; the members put behind it belong to it */

  CERTCTL_TYPE_MASK = 15 << 24,
  CERTCTL_NUMBER_MASK = 0xffff
};

/* Every operation. `*` may have several values. */
enum {
  /* in */
  CERTCTL_KEY_TYPE = CERTCTL_TEXT | 0x001,            /* the connector's type, as its descriptor spells it */
  CERTCTL_KEY_IDEMPOTENCY_KEY = CERTCTL_TEXT | 0x002, /* one an intent */
  CERTCTL_KEY_REQUEST_ID = CERTCTL_TEXT | 0x003,      /* for logs */
  CERTCTL_KEY_CHECKPOINT = CERTCTL_BYTES | 0x004,     /* the last one that was made */
  /* out: pending, periodic work */
  CERTCTL_KEY_POLL_IN_MS = CERTCTL_INT | 0x010,
  CERTCTL_KEY_EXPIRES_IN_MS = CERTCTL_INT | 0x011,
  CERTCTL_KEY_NEXT_TICK_MS = CERTCTL_INT | 0x012,
  CERTCTL_KEY_PROGRESS = CERTCTL_TEXT | 0x013, /* one sentence */
  /* out: errors */
  CERTCTL_KEY_RETRY_IN_MS = CERTCTL_INT | 0x020,
  CERTCTL_KEY_SETTING_PATH = CERTCTL_TEXT | 0x021, /* JSON pointer of the setting at fault */
  CERTCTL_KEY_VENDOR_CODE = CERTCTL_TEXT | 0x022,
  CERTCTL_KEY_TEXT_ARG = CERTCTL_MAP | 0x023, /* for the translation of the text */
  /* out: validate, test */
  CERTCTL_KEY_FINDING = CERTCTL_REC | 0x030, /* * 0 good, 1 warning, 2 bad */
  CERTCTL_KEY_FINDING_TEXT = CERTCTL_TEXT | 0x031,
  CERTCTL_KEY_FINDING_PATH = CERTCTL_TEXT | 0x032, /* JSON pointer of the setting it is about */
  /* options: in, out */
  CERTCTL_KEY_CHOICE_PATH = CERTCTL_TEXT | 0x040,
  CERTCTL_KEY_CHOICE = CERTCTL_REC | 0x041, /* * */
  CERTCTL_KEY_CHOICE_VALUE = CERTCTL_TEXT | 0x042,
  CERTCTL_KEY_CHOICE_TITLE = CERTCTL_TEXT | 0x043,
  /* migrate: in, in, in, out */
  CERTCTL_KEY_MIGRATE_WHAT = CERTCTL_TEXT | 0x050, /* "settings" or "checkpoint" */
  CERTCTL_KEY_MIGRATE_FROM = CERTCTL_TEXT | 0x051, /* the version that wrote it */
  CERTCTL_KEY_OLD = CERTCTL_BYTES | 0x052,
  CERTCTL_KEY_MIGRATED = CERTCTL_BYTES | 0x053
};

/* issue, renew, poll, lookup */
enum {
  CERTCTL_KEY_CSR_PEM = CERTCTL_TEXT | 0x101,
  CERTCTL_KEY_CSR_DER = CERTCTL_BYTES | 0x102,
  CERTCTL_KEY_COMMON_NAME = CERTCTL_TEXT | 0x103,
  CERTCTL_KEY_SAN_DNS = CERTCTL_TEXT | 0x104,   /* * */
  CERTCTL_KEY_SAN_IP = CERTCTL_TEXT | 0x105,    /* * */
  CERTCTL_KEY_SAN_EMAIL = CERTCTL_TEXT | 0x106, /* * */
  CERTCTL_KEY_SAN_URI = CERTCTL_TEXT | 0x107,   /* * */
  CERTCTL_KEY_EKU = CERTCTL_TEXT | 0x108,       /* * dotted OIDs; the core checks the leaf */
  CERTCTL_KEY_MAX_TTL_S = CERTCTL_CRITICAL | CERTCTL_INT | 0x109,  /* the leaf may not live longer; absent: no cap */
  CERTCTL_KEY_VALIDITY_S = CERTCTL_CRITICAL | CERTCTL_INT | 0x10a, /* how long it shall live */
  CERTCTL_KEY_MUST_STAPLE = CERTCTL_CRITICAL | CERTCTL_INT | 0x10b,
  CERTCTL_KEY_IS_CA = CERTCTL_CRITICAL | CERTCTL_INT | 0x10c,
  CERTCTL_KEY_PATH_LEN = CERTCTL_CRITICAL | CERTCTL_INT | 0x10d,
  CERTCTL_KEY_NAME_CONSTRAINTS = CERTCTL_CRITICAL | CERTCTL_BYTES | 0x10e, /* DER, RFC 5280 §4.2.1.10 */
  /* a CA whose serial and dates the core allocates */
  CERTCTL_KEY_SERIAL = CERTCTL_CRITICAL | CERTCTL_TEXT | 0x110,    /* lower hex */
  CERTCTL_KEY_NOT_BEFORE = CERTCTL_CRITICAL | CERTCTL_INT | 0x111, /* ms since 1970 */
  CERTCTL_KEY_CA_REF = CERTCTL_CRITICAL | CERTCTL_TEXT | 0x112,    /* which CA key signs */
  CERTCTL_KEY_CRL_URL = CERTCTL_CRITICAL | CERTCTL_TEXT | 0x113,   /* * */
  CERTCTL_KEY_AIA_URL = CERTCTL_CRITICAL | CERTCTL_TEXT | 0x114,   /* * */
  CERTCTL_KEY_OCSP_URL = CERTCTL_CRITICAL | CERTCTL_TEXT | 0x115,  /* * */
  CERTCTL_KEY_POLICY_OID = CERTCTL_CRITICAL | CERTCTL_TEXT | 0x116, /* * */
  /* renew */
  CERTCTL_KEY_PREVIOUS_LEAF = CERTCTL_TEXT | 0x120, /* PEM */
  CERTCTL_KEY_PREVIOUS_SERIAL = CERTCTL_TEXT | 0x121,
  /* out; issuer_ref also in: renew, revoke */
  CERTCTL_KEY_CERTIFICATES = CERTCTL_BYTES | 0x130, /* * */
  CERTCTL_KEY_ORDER_ID = CERTCTL_TEXT | 0x131,      /* for people */
  CERTCTL_KEY_ISSUER_REF = CERTCTL_TEXT | 0x132     /* opaque, ≤ 2 KiB, kept with the certificate */
};

/* revoke; with LEAF and ISSUER_REF */
enum {
  CERTCTL_KEY_REVOKED_SERIAL = CERTCTL_TEXT | 0x200, /* lower hex, no leading zeros */
  CERTCTL_KEY_REASON = CERTCTL_CRITICAL | CERTCTL_INT | 0x201, /* RFC 5280 §5.3.1 */
  CERTCTL_KEY_INVALIDITY_DATE = CERTCTL_INT | 0x202,           /* ms since 1970 */
  CERTCTL_KEY_REASON_SENT = CERTCTL_INT | 0x203                /* out */
};

/* deploy, verify, rollback, current, dry_run. PEM is canonical: LF, 64 columns, leaf first. */
enum {
  CERTCTL_KEY_LEAF = CERTCTL_TEXT | 0x301,  /* PEM */
  CERTCTL_KEY_CHAIN = CERTCTL_TEXT | 0x302, /* PEM, issuing CA first */
  CERTCTL_KEY_KEY_PKCS8 = CERTCTL_SECRET | CERTCTL_TEXT | 0x303,    /* PEM */
  CERTCTL_KEY_KEY_ORIGINAL = CERTCTL_SECRET | CERTCTL_TEXT | 0x304, /* PEM, in the form it was made in */
  CERTCTL_KEY_CERTIFICATE_ID = CERTCTL_TEXT | 0x305,
  CERTCTL_KEY_JOB_ID = CERTCTL_TEXT | 0x306,
  CERTCTL_KEY_TARGET_ID = CERTCTL_TEXT | 0x307,
  CERTCTL_KEY_FORCE = CERTCTL_INT | 0x308, /* install even what is installed already */
  CERTCTL_KEY_EXPECTED_SHA256 = CERTCTL_BYTES | 0x309, /* of the leaf's DER */
  CERTCTL_KEY_EXPECTED_SERIAL = CERTCTL_TEXT | 0x30a,  /* lower hex */
  CERTCTL_KEY_STATE_DIR = CERTCTL_TEXT | 0x30b, /* absolute; the host's own folder for locks and journals of deployments */
  /* out */
  CERTCTL_KEY_TARGET_ADDRESS = CERTCTL_TEXT | 0x320,
  CERTCTL_KEY_DEPLOYMENT_ID = CERTCTL_TEXT | 0x321,
  CERTCTL_KEY_MESSAGE = CERTCTL_TEXT | 0x322,
  CERTCTL_KEY_STAGE = CERTCTL_TEXT | 0x323, /* how far it came */
  CERTCTL_KEY_DEPLOYED_AT = CERTCTL_INT | 0x324,
  CERTCTL_KEY_VALID = CERTCTL_INT | 0x325,
  CERTCTL_KEY_SHA256 = CERTCTL_BYTES | 0x326,
  CERTCTL_KEY_META = CERTCTL_MAP | 0x327,
  CERTCTL_KEY_INSTALLED_SERIAL = CERTCTL_TEXT | 0x328, /* lower hex */
  CERTCTL_KEY_NOT_AFTER = CERTCTL_INT | 0x329          /* ms since 1970, of what is installed */
};

/* send */
enum {
  CERTCTL_KEY_EVENT = CERTCTL_TEXT | 0x401,
  CERTCTL_KEY_SEVERITY = CERTCTL_TEXT | 0x402, /* critical, warning, informational */
  CERTCTL_KEY_SUBJECT = CERTCTL_TEXT | 0x403,
  CERTCTL_KEY_BODY = CERTCTL_TEXT | 0x404, /* plain text */
  CERTCTL_KEY_HTML = CERTCTL_TEXT | 0x405,
  CERTCTL_KEY_RECIPIENT = CERTCTL_TEXT | 0x406,
  CERTCTL_KEY_INCIDENT_KEY = CERTCTL_TEXT | 0x407,
  CERTCTL_KEY_ACTION = CERTCTL_TEXT | 0x408, /* trigger, resolve, ack, info */
  CERTCTL_KEY_NOTIFICATION_ID = CERTCTL_TEXT | 0x409,
  CERTCTL_KEY_ATTEMPT = CERTCTL_INT | 0x40a, /* from 1 */
  CERTCTL_KEY_FIELD = CERTCTL_MAP | 0x40b,
  CERTCTL_KEY_LINK = CERTCTL_MAP | 0x40c,
  CERTCTL_KEY_CREATED_AT = CERTCTL_INT | 0x40d, /* ms since 1970 */
  /* out */
  CERTCTL_KEY_PROVIDER_REF = CERTCTL_TEXT | 0x420
};

#endif
