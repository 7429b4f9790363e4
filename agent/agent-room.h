/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an interpreter of a session needs between two execs, whatever limits the last one has set.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Of descriptors, beside those it has open: what a shell puts aside is above the ten that are the
 * user's */
#define BERTH_AGENT_ROOM_FILES 24u
/* Of memory, beside what it has: the next exec's code, twice, and what reads it */
#define BERTH_AGENT_ROOM_BYTES (16u << 20)

/* Raises those limits of this process that leave it less; any that is higher stays as it is. */
void berth_agent_room_make (pid_t pid);
