#pragma once

#include "agent/options.hpp"
#include "core/base/json.hpp"
#include "core/plugin/schema.hpp"

namespace certctl::agent {

/// A target's configuration with what it leaves open filled in: first from the agent's environment, then from the
/// server's `deploy_defaults` (`verify_deployment`, `verify_delay`, `verify_timeout`, `backup_retention`); what neither
/// says stays the connector's own default. Only settings that the connector's schema has are added.
json::Raw with_defaults(const json::Raw& config, const plugin::Schema& schema, const DeployDefaults& environment,
                        const json::Raw& server_defaults);

}  // namespace certctl::agent
