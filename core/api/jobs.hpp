#pragma once

#include "core/http/router.hpp"
#include "core/service/agent_work.hpp"
#include "core/service/jobs.hpp"

namespace certctl::api {

void add_job_routes(http::Router& router, service::Jobs& jobs, service::AgentWork& work);

}  // namespace certctl::api
