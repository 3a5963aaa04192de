/* certctl-exec: becomes the program it is given, after what only a single-threaded process can do.
 *
 *   certctl-exec [--bind STAGED DESTINATION]... -- PROGRAM ARGV0 [ARGUMENT]...
 *
 * With binds it moves into a mount namespace of its own and shows each staged file at its destination, so that a server's
 * own checker sees the new certificate at its real path while the live file stays as it is. Descriptor 3 tells the
 * parent: "isolated" once the binds are in place, "refused REASON" where the kernel gives no namespace (the program is
 * then not run), "failed REASON" when it cannot be run at all; it is closed when the program takes over. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STATUS = 3 };

static void report(const char* word, const char* what, const char* reason) {
  if (reason) dprintf(STATUS, "%s %s: %s", word, what, reason);
  else dprintf(STATUS, "%s", word);
}

/* 0, or the exit status to end with. */
static int bind_files(char** arguments, int count) {
  if (unshare(CLONE_NEWNS) != 0) {
    report("refused", "unshare(CLONE_NEWNS)", strerror(errno));
    return 125;
  }
  /* Else our binds would travel back to where we came from. */
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
    report("refused", "making mounts private", strerror(errno));
    return 125;
  }
  for (int i = 0; i + 2 < count && strcmp(arguments[i], "--bind") == 0; i += 3) {
    if (mount(arguments[i + 1], arguments[i + 2], NULL, MS_BIND, NULL) != 0) {
      report("refused", arguments[i + 2], strerror(errno));
      return 125;
    }
  }
  report("isolated", NULL, NULL);
  return 0;
}

int main(int argc, char** argv) {
  int at = 1;
  while (at + 2 < argc && strcmp(argv[at], "--bind") == 0) at += 3;
  if (at + 2 >= argc || strcmp(argv[at], "--") != 0) {
    fprintf(stderr, "usage: certctl-exec [--bind STAGED DESTINATION]... -- PROGRAM ARGV0 [ARGUMENT]...\n");
    return 125;
  }
  if (fcntl(STATUS, F_SETFD, FD_CLOEXEC) != 0) {
    fprintf(stderr, "certctl-exec: descriptor 3 must be open\n");
    return 125;
  }
  umask(077);
  if (at > 1) {
    const int status = bind_files(argv + 1, at - 1);
    if (status != 0) return status;
  }
  execv(argv[at + 1], argv + at + 2);
  report("failed", argv[at + 1], strerror(errno));
  return 125;
}
