/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the kernel's first process to a guest in which programs may run. */
#pragma once

#include "agent-config.h"

/* What the kernel's command line says. */
typedef struct
{
  unsigned layers;        /* berth.layers=N: EROFS disks, /dev/vda first and lowest */
  BerthLanguage language; /* berth.language=NAME: whose interpreter stands by */
  unsigned reserve_mb;    /* berth.reserve-mb=N: memory that programs never get */
  unsigned space_percent; /* berth.space-percent=N: of memory, for all that is written */
  bool has_net;           /* berth.net=1: a network card will be plugged in */
  bool is_builder;        /* berth.builder=1: programs keep root's rights, and make a layer */
  uid_t uid;              /* berth.user=UID:GID: who programs are; never root */
  gid_t gid;
  int root_fd;                    /* of what was booted: as in BerthAgentConfig */
  BerthAgentReachSockets sockets; /* likewise */
} BerthAgentBootOptions;

void berth_agent_boot_options_parse (BerthAgentBootOptions *self, const char *cmdline);
int berth_agent_boot (BerthAgentBootOptions *out_options);
void
berth_agent_boot_fail (const char *format, ...) __attribute__ ((noreturn, format (printf, 1, 2)));
void berth_agent_power_off (void) __attribute__ ((noreturn));
