/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What agent-runner.c and agent-runner-session.c know of each other. */
#pragma once

#include "agent-runner.h"

/* Of a message: its size, without this field; its kind; fresh random bytes. */
#define BERTH_AGENT_RUNNER_HEAD_SIZE (4 + 1 + BERTH_AGENT_SEED_SIZE)

void berth_agent_runner_set_state (BerthAgentRunner *self, BerthAgentRunnerState state);
void berth_agent_runner_close_control (BerthAgentRunner *self);
void berth_agent_runner_send (BerthAgentRunner *self);
bool berth_agent_runner_write_head (BerthAgentRunner *self, size_t size, char kind);

void berth_agent_runner_show_clock (void *self);
void berth_agent_runner_read_report (BerthAgentRunner *self);
