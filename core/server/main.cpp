#include "core/server/command_line.hpp"

int main(int argc, char** argv) { return certctl::server::run_command(argc, argv); }
