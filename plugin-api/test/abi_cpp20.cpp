#include <certctl/entry.h>
#include <certctl/issuer.h>
#include <certctl/notifier.h>
#include <certctl/services.h>
#include <certctl/target.h>
