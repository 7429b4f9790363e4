/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What programs in the guest can reach: devices, kernel settings, memory. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

bool berth_agent_lockdown_devices (const char *dev);
void berth_agent_lockdown_kernel (void);
int berth_agent_lockdown_files (void);
bool berth_agent_lockdown_groups (unsigned reserve_mb);
bool berth_agent_lockdown_user (uid_t uid, gid_t gid);
void berth_agent_lockdown_loopback (void);
