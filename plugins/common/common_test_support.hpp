#pragma once

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// Files, certificates and a shell for the tests of deployments. The certificates come from the openssl program.
namespace certctl::common {

struct Shell {
  int status;
  std::string output;
};

inline Shell run_shell(const std::string& command) {
  std::FILE* pipe = ::popen(("{ " + command + "; } 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen failed");
  std::string output;
  std::array<char, 4096> chunk;
  while (const std::size_t size = std::fread(chunk.data(), 1, chunk.size(), pipe)) output.append(chunk.data(), size);
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output};
}

/// Memory where there is such a file system: tests that sync thousands of times need not wait for a disk.
inline std::filesystem::path fast_folder() {
  return ::access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path();
}

class TestFolder {
 public:
  explicit TestFolder(const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string name = (parent / "certctl-deploy-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = std::filesystem::canonical(name);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string path() const { return path_.string(); }
  std::string file(std::string_view name) const { return (path_ / name).string(); }
  std::string write(std::string_view name, std::string_view content, int mode = 0600) const {
    const std::filesystem::path path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    std::filesystem::permissions(path, std::filesystem::perms(mode));
    return path.string();
  }
  std::string read(std::string_view name) const {
    std::ifstream in(path_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  bool has(std::string_view name) const { return std::filesystem::exists(path_ / name); }
  void remove(std::string_view name) const { std::filesystem::remove_all(path_ / name); }
  /// Names in a folder that contain `part`.
  std::vector<std::string> names(std::string_view folder, std::string_view part) const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_ / folder)) {
      const std::string name = entry.path().filename();
      if (name.find(part) != std::string::npos) found.push_back(name);
    }
    std::sort(found.begin(), found.end());
    return found;
  }

 private:
  std::filesystem::path path_;
};

struct TestCertificate {
  std::string leaf;
  std::string chain;
  std::string key;  ///< PKCS#8
  std::string fingerprint;
};

/// A root, an intermediate and leaves, made once and kept in files of their own.
class TestCa {
 public:
  TestCa() {
    const std::string ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes ";
    const std::string ca = "-addext basicConstraints=critical,CA:TRUE ";
    must("openssl req -x509 " + ec + ca + "-subj /CN=Root -days 30 -keyout root.key -out root.pem");
    must("openssl req -x509 " + ec + ca +
         "-subj /CN=Intermediate -days 30 -CA root.pem -CAkey root.key -keyout ca.key -out ca.pem");
  }

  TestCertificate issue(const std::string& name, const std::string& key = "ec -pkeyopt ec_paramgen_curve:P-256") const {
    must(
        "openssl req -x509 -newkey " + key + " -nodes -subj /CN=" + name + " -addext subjectAltName=DNS:" + name +
        " -addext basicConstraints=critical,CA:FALSE -days 20 -CA ca.pem -CAkey ca.key -keyout leaf.key -out leaf.pem");
    TestCertificate made{folder_.read("leaf.pem"), folder_.read("ca.pem") + folder_.read("root.pem"),
                         folder_.read("leaf.key"), {}};
    made.fingerprint = must("openssl x509 -in leaf.pem -outform DER | sha256sum").substr(0, 64);
    return made;
  }
  const TestFolder& folder() const { return folder_; }

 private:
  std::string must(const std::string& command) const {
    const Shell result = run_shell("cd " + folder_.path() + " && " + command);
    if (result.status != 0) throw std::runtime_error(command + ": " + result.output);
    return result.output;
  }
  TestFolder folder_;
};

}  // namespace certctl::common
