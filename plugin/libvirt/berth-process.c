/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QEMU process of a domain, held by a pidfd: its number may be another process's later. */
#include "berth-process.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SYSTEM_PID_DIR "/run/libvirt/qemu"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
/* of proc(5), stat: behind the name, which may have spaces and brackets of its own */
#define FIELD_START_TIME 19

struct _BerthProcess
{
  int fd;
  pid_t pid;
  char *id; /* (nullable) */
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

static gboolean
process_has_ended (BerthProcess *self)
{
  struct pollfd poll_fd = { .fd = self->fd, .events = POLLIN };

  return poll (&poll_fd, 1, 0) == 1;
}

/* A number is another process's later, and so is a start time after the next boot of the host. */
static char *
process_make_id (BerthProcess *self)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", (int)self->pid);
  g_autofree char *stat = NULL;
  g_autofree char *boot = NULL;
  g_auto (GStrv) fields = NULL;
  const char *name_end;

  if (!g_file_get_contents (path, &stat, NULL, NULL)
      || !g_file_get_contents (BOOT_ID, &boot, NULL, NULL) || process_has_ended (self))
    return NULL;
  name_end = strrchr (stat, ')');
  fields = name_end != NULL ? g_strsplit (name_end + 2, " ", FIELD_START_TIME + 2) : NULL;
  if (fields == NULL || g_strv_length (fields) <= FIELD_START_TIME)
    return NULL;
  return g_strdup_printf ("%d-%s-%s", (int)self->pid, fields[FIELD_START_TIME], g_strstrip (boot));
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
  self->id = process_make_id (self);
  return self;
}

const char *
berth_process_get_id (BerthProcess *self)
{
  return self->id;
}

void
berth_process_free (BerthProcess *self)
{
  close (self->fd);
  g_free (self->id);
  g_free (self);
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
