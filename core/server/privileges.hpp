#pragma once

#include <sys/types.h>

#include <string>

namespace certctl::server {

/// Who the process becomes, and what it is denied for good.
struct Account {
  bool change = false;  ///< started as root, and there is an account to become
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

/// Throws std::runtime_error when started as root without such an account, unless that is allowed.
Account choose_account(const std::string& run_as, bool allow_root);

/// No core dumps, no tracing by others, no new privileges, private files; as many descriptors as the system grants.
void harden_process();

/// setgroups, setresgid, setresuid, and proof that there is no way back.
void become(const Account& account);

/// Makes `path` with its parents, mode 0750 or as given, and ours; refuses one that others may write to.
void own_folder(const std::string& path, mode_t mode, const Account& account);

}  // namespace certctl::server
