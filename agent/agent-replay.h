/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a terminal has shown, shown again: without what terminals answer to, for those answers came
 * then, and now they would be typed at whatever runs there. */
#pragma once

#include <stdint.h>

#include "berth-protocol.h"

/* A sequence that is not whole yet. All zero: none is */
typedef struct
{
  uint8_t held[BERTH_REPLAY_HELD];
  uint32_t fill;
  uint8_t place; /* in it */
} BerthAgentReplay;

/* What of these bytes is shown, and of those held before: no more than size + BERTH_REPLAY_HELD. */
uint32_t
berth_agent_replay_pass (BerthAgentReplay *self, const uint8_t *in, uint32_t size, uint8_t *out);
/* Nothing follows: what is held is shown. */
uint32_t berth_agent_replay_end (BerthAgentReplay *self, uint8_t *out);
