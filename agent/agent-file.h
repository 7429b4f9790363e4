/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files in one call: kernel interfaces and the few files that the agent writes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

void berth_agent_file_close (int *fd);
bool berth_agent_file_write_all (int fd, const void *bytes, size_t size);
bool berth_agent_file_write (int dir_fd, const char *name, const char *text);
bool berth_agent_file_rewrite (int dir_fd, const char *name, mode_t mode, const char *text);
bool
berth_agent_file_create (int dir_fd, const char *name, mode_t mode, const void *bytes, size_t size);
ssize_t berth_agent_file_read (int dir_fd, const char *name, char *out_text, size_t size);
bool berth_agent_file_number (int dir_fd, const char *name, const char *key, uint64_t *out_number);
