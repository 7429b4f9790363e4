/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QEMU process of a domain, held by a pidfd: its number may be another process's later. */
#include "berth-process.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SYSTEM_PID_DIR "/run/libvirt/qemu"

struct _BerthProcess
{
  int fd;
  pid_t pid;
};

/* where this libvirt's QEMU driver keeps its pid files (virQEMUDriverConfigNew) */
static char *
dup_pid_path (const char *uri, const char *domain_name)
{
  g_autofree char *name = g_strconcat (domain_name, ".pid", NULL);

  if (strcmp (uri, "qemu:///system") == 0)
    return g_build_filename (SYSTEM_PID_DIR, name, NULL);
  return g_build_filename (g_get_user_runtime_dir (), "libvirt", "qemu", "run", name, NULL);
}

BerthProcess *
berth_process_open (const char *uri, const char *domain_name)
{
  g_autofree char *path = dup_pid_path (uri, domain_name);
  g_autofree char *text = NULL;
  BerthProcess *self;
  guint64 pid;
  int fd;

  if (!g_file_get_contents (path, &text, NULL, NULL)
      || !g_ascii_string_to_unsigned (g_strstrip (text), 10, 2, G_MAXINT32, &pid, NULL))
    return NULL;
  fd = (int)syscall (SYS_pidfd_open, (pid_t)pid, 0); /* it is made close-on-exec */
  if (fd < 0)
    return NULL;
  self = g_new0 (BerthProcess, 1);
  self->fd = fd;
  self->pid = (pid_t)pid;
  return self;
}

void
berth_process_free (BerthProcess *self)
{
  close (self->fd);
  g_free (self);
}

static gboolean
process_has_ended (BerthProcess *self)
{
  struct pollfd poll_fd = { .fd = self->fd, .events = POLLIN };

  return poll (&poll_fd, 1, 0) == 1;
}

gboolean
berth_process_get_memory (BerthProcess *self, guint64 *out_private, guint64 *out_shared)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/statm", (int)self->pid);
  g_autofree char *text = NULL;
  guint64 page = (guint64)sysconf (_SC_PAGESIZE);
  guint64 resident;
  guint64 shared;

  if (!g_file_get_contents (path, &text, NULL, NULL)
      || sscanf (text, "%*u %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, &resident, &shared) != 2
      || process_has_ended (self)) /* then the number may be another process's */
    return FALSE;
  *out_private = (resident - MIN (shared, resident)) * page;
  *out_shared = shared * page;
  return TRUE;
}
