#pragma once

#include "core/base/log.hpp"

namespace certctl::http {

using log::Level;

inline constexpr log::Message kRequest{"REQUEST", Level::info, "request completed"};
inline constexpr log::Message kHandlerFailed{
    "HTTP_HANDLER_FAILED", Level::error, "request failed",
    "Look up the request id in the lines before; report it if the cause is not the environment."};
inline constexpr log::Message kConnectionFailed{"HTTP_CONNECTION_FAILED", Level::error,
                                                "a connection was cut after an internal error",
                                                "Report it if the cause is not the environment."};
inline constexpr log::Message kListening{"HTTP_LISTENING", Level::info, "listening"};
inline constexpr log::Message kAcceptFailed{
    "HTTP_ACCEPT_FAILED", Level::warn, "cannot accept connections",
    "Raise the limit of open files (LimitNOFILE=) or lower CERTCTL_MAX_CONNECTIONS."};
inline constexpr log::Message kConnectionsBounded{
    "HTTP_CONNECTIONS_BOUNDED", Level::warn, "fewer connections than configured: the limit of open files is too low",
    "Raise LimitNOFILE= (or ulimit -n)."};
inline constexpr log::Message kTlsReloaded{"TLS_RELOADED", Level::info, "TLS cert reloaded via SIGHUP"};
inline constexpr log::Message kTlsReloadFailed{"TLS_RELOAD_FAILED", Level::error,
                                               "TLS cert reload failed; continuing with previous cert",
                                               "Put a certificate and its key at the two paths, then reload again."};
inline constexpr log::Message kTlsExpiresSoon{"TLS_EXPIRES_SOON", Level::warn, "the server's certificate expires soon",
                                              "Replace the certificate at CERTCTL_SERVER_TLS_CERT_PATH and reload."};
inline constexpr log::Message kDrainCut{"HTTP_DRAIN_CUT", Level::warn, "connections were cut at the end of the drain",
                                        "Raise CERTCTL_SHUTDOWN_TIMEOUT if requests need longer."};

}  // namespace certctl::http
