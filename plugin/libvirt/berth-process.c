/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QEMU process of a domain, watched by a pidfd. */
#include "berth-process.h"

#include <glib-unix.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plugin/base/berth-source.h"

#define SYSTEM_PID_DIR "/run/libvirt/qemu"

struct _BerthProcess
{
  int fd;
  pid_t pid;
  GSource *source;
  BerthProcessEndedFunc func;
  gpointer user_data;
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
  berth_source_clear (&self->source);
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

static gboolean
ended_cb (int fd, GIOCondition condition, gpointer user_data)
{
  BerthProcess *self = user_data;
  BerthProcessEndedFunc func = self->func;

  self->func = NULL;
  g_clear_pointer (&self->source, g_source_unref);
  if (func != NULL)
    func (self->user_data); /* last: it may free us */
  return G_SOURCE_REMOVE;
}

void
berth_process_watch (BerthProcess *self, BerthProcessEndedFunc func, gpointer user_data)
{
  berth_source_clear (&self->source);
  self->func = func;
  self->user_data = user_data;
  if (func == NULL)
    return;
  self->source = g_unix_fd_source_new (self->fd, G_IO_IN);
  g_source_set_callback (self->source, G_SOURCE_FUNC (ended_cb), self, NULL);
  g_source_attach (self->source, g_main_context_get_thread_default ());
}
