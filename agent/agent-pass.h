/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One descriptor that goes with a message over a local socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Whether all of it went, with a copy of `fd`; `flags` as of sendmsg(2). No signal is raised. */
bool berth_agent_pass_send (int socket_fd, const void *bytes, size_t size, int fd, int flags);
/* As recvmsg(2); *out_fd is the caller's, -1 where none came. */
ssize_t berth_agent_pass_receive (int socket_fd, void *bytes, size_t size, int *out_fd, int flags);
