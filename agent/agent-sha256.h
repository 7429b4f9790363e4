/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SHA-256 (FIPS 180-4), for an agent that has no library: what a file's sender and its receiver
 * compare. */
#pragma once

#include "berth-protocol.h"

typedef struct
{
  uint32_t state[8];
  uint64_t size; /* bytes taken in */
  uint8_t block[64];
} BerthAgentSha256;

void berth_agent_sha256_init (BerthAgentSha256 *self);
void berth_agent_sha256_add (BerthAgentSha256 *self, const void *bytes, size_t size);
void berth_agent_sha256_end (const BerthAgentSha256 *self, uint8_t out[BERTH_SHA256_SIZE]);
