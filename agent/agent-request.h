/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may be asked of an exec at all. */
#pragma once

#include "berth-protocol.h"

/* NULL: none */
const char *
berth_agent_request_problem (const BerthExecHead *head, const char *workdir, uint32_t workdir_size);
