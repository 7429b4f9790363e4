/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of the kernel's calls no program in the guest may make. */
#pragma once

#include <stdbool.h>

bool berth_agent_filter_install (void);
