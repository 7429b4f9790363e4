/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the children of one fork begin with: made when the first of them has its place, read by each
 * when it has its own. */
#include "berth-libvirt-private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pool/berth-error.h"

typedef struct
{
  BerthSnapshot *base;
  int fd;              /* of the difference; -1: none */
  BerthDiskPart *disk; /* (nullable): that it may have, and has */
  gint64 begun_us;
  gboolean is_made;   /* or it has failed */
  gboolean is_over;   /* nobody begins with it any more */
  GError *error;      /* why it has */
  GPtrArray *waiting; /* BerthVm (owned): children whose start waits for it */
} ForkState;

static void
fork_state_close (ForkState *state)
{
  if (state->fd >= 0)
    close (state->fd);
  state->fd = -1;
  g_clear_pointer (&state->disk, berth_disk_part_free);
}

static void
fork_state_free (gpointer data)
{
  ForkState *state = data;

  g_clear_pointer (&state->base, berth_snapshot_unref);
  fork_state_close (state);
  g_clear_error (&state->error);
  g_ptr_array_unref (state->waiting);
  g_free (state);
}

/* Its file, which nobody sees, would take room for as long as a child lives. */
static void
fork_state_end (gpointer data)
{
  ForkState *state = data;

  state->is_over = TRUE;
  if (state->is_made) /* else a copy is being written to it */
    fork_state_close (state);
}

/* One copy */
typedef struct
{
  BerthLibvirt *self;
  BerthFork *fork;
} ForkCall;

static void
fork_settle (BerthLibvirt *self, ForkState *state, GError *error)
{
  g_autoptr (GPtrArray) waiting = g_steal_pointer (&state->waiting);

  state->waiting = g_ptr_array_new_with_free_func (g_object_unref);
  state->is_made = TRUE;
  state->error = error;
  if (state->is_over)
    fork_state_close (state);
  for (guint i = 0; i < waiting->len; i++)
    berth_libvirt_start_again (self, waiting->pdata[i], error);
}

static void
copied_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ForkCall *call = user_data;
  g_autoptr (BerthLibvirt) self = call->self;
  g_autoptr (BerthFork) fork = call->fork;
  g_autoptr (GError) reason = NULL;
  BerthVm *vm = berth_fork_get_source (fork);
  BerthDifferenceStats stats;
  ForkState *state;
  GError *error = NULL;

  g_free (call);
  if (berth_machine_copy_finish (BERTH_MACHINE (source), result, &stats, &reason))
    berth_libvirt_log (vm, BERTH_MACHINE (source), G_LOG_LEVEL_MESSAGE, BERTH_EVENT_SESSION_FORKED,
                       "sandbox %s was forked: %" G_GUINT64_FORMAT " of its %" G_GUINT64_FORMAT
                       " pages are its own, %" G_GUINT64_FORMAT " KiB",
                       berth_vm_get_id (vm), stats.kept, stats.pages, stats.out_bytes / 1024);
  else
    error = g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "sandbox %s can't be forked: %s",
                         berth_vm_get_id (vm), reason->message);
  state = berth_fork_get_state (fork);
  berth_disk_part_shrink (state->disk, stats.out_bytes);
  berth_libvirt_tell_copy_end (
      self, vm, error == NULL ? g_get_monotonic_time () - state->begun_us : -1, stats.out_bytes);
  fork_settle (self, state, error);
}

gboolean
berth_libvirt_is_of_copy (BerthSlot *slot, gboolean is_paused)
{
  gboolean is_of_copy = is_paused ? slot->is_copied : slot->expects_resumed;

  slot->expects_resumed = is_of_copy && is_paused;
  return is_of_copy;
}

BerthSnapshot *
berth_libvirt_base_of (BerthLibvirt *self, BerthVm *vm, GError **error)
{
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);
  BerthSnapshot *base;

  if (slot == NULL || slot->phase != BERTH_PHASE_UP)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_GONE, "sandbox %s is gone",
                   berth_vm_get_id (vm));
      return NULL;
    }
  if (berth_machine_get_agent (slot->machine) == NULL || slot->is_paused)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                   "sandbox %s can't be copied: it is paused; let it run (berth resume) and ask "
                   "again",
                   berth_vm_get_id (vm));
      return NULL;
    }
  if (berth_machine_has_card (slot->machine))
    {
      g_set_error (
          error, BERTH_ERROR, BERTH_ERROR_INVALID,
          "sandbox %s can't be copied: it has a network card, whose address the copy would "
          "have, too; take a template without one",
          berth_vm_get_id (vm));
      return NULL;
    }
  base = berth_libvirt_snapshot_of (self, slot);
  if (base == NULL)
    g_set_error (
        error, BERTH_ERROR, BERTH_ERROR_INVALID,
        "sandbox %s can't be copied: it was booted, or its template's snapshot was made anew "
        "since and berthd restarted; make a new one",
        berth_vm_get_id (vm));
  else if (!berth_snapshot_is_intact (base, error))
    return NULL;
  return base;
}

static gboolean
fork_begin (BerthLibvirt *self, BerthFork *fork, ForkState *state, GError **error)
{
  BerthVm *vm = berth_fork_get_source (fork);
  BerthSnapshot *base = berth_libvirt_base_of (self, vm, error);
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);
  BerthMachineCopy how = { 0 };
  ForkCall *call;

  if (base == NULL)
    return FALSE;
  state->base = berth_snapshot_ref (base);
  state->fd = berth_snapshot_open_scratch (base, error);
  if (state->fd < 0)
    return FALSE;
  state->disk = self->watch.take_disk (vm, self->watch_data, error);
  if (state->disk == NULL || !self->watch.copy_begins (vm, self->watch_data, error))
    return FALSE;
  state->begun_us = g_get_monotonic_time ();
  call = g_new0 (ForkCall, 1);
  call->self = g_object_ref (self);
  call->fork = g_object_ref (fork);
  slot->is_copied = TRUE;
  how.fd = state->fd;
  how.max_bytes = berth_disk_part_get_bytes (state->disk);
  berth_machine_copy_async (slot->machine, base, &how, copied_cb, call);
  return TRUE;
}

/* What was kept is loaded, with what it is a difference of. */
static void
found_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthFork) fork = user_data;
  BerthLibvirt *self = BERTH_LIBVIRT (source);
  ForkState *state = berth_fork_get_state (fork);
  GError *error = NULL;

  state->base = berth_libvirt_find_base_finish (self, result, &error);
  fork_settle (self, state, error);
}

static gboolean
fork_load (BerthLibvirt *self, BerthFork *fork, ForkState *state, GError **error)
{
  /* lint: caller-fd: a file of ours */
  state->fd = fcntl (berth_fork_get_fd (fork), F_DUPFD_CLOEXEC, 0);
  if (state->fd < 0)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                   "the state that was kept can't be opened: %s", g_strerror (errno));
      return FALSE;
    }
  berth_libvirt_find_base_async (self, fork, found_cb, g_object_ref (fork));
  return TRUE;
}

static ForkState *
fork_state_new (void)
{
  ForkState *state = g_new0 (ForkState, 1);

  state->fd = -1;
  state->waiting = g_ptr_array_new_with_free_func (g_object_unref);
  return state;
}

gboolean
berth_libvirt_await_fork (BerthLibvirt *self, BerthVm *vm, BerthFork *fork, GError **error)
{
  ForkState *state = berth_fork_get_state (fork);
  GError *reason = NULL;

  if (state == NULL)
    {
      gboolean ok;

      state = fork_state_new ();
      berth_fork_set_state (fork, state, fork_state_end, fork_state_free);
      ok = berth_fork_get_base (fork) != NULL ? fork_load (self, fork, state, &reason)
                                              : fork_begin (self, fork, state, &reason);
      if (!ok)
        fork_settle (self, state, reason);
    }
  if (state->error != NULL)
    g_propagate_error (error, g_error_copy (state->error));
  else if (!state->is_made)
    g_ptr_array_add (state->waiting, g_object_ref (vm));
  return state->is_made && state->error == NULL;
}

BerthSnapshot *
berth_libvirt_get_fork (BerthFork *fork, int *out_fd, GError **error)
{
  ForkState *state = berth_fork_get_state (fork);

  *out_fd = fcntl (state->fd, F_DUPFD_CLOEXEC, 0); /* lint: caller-fd: a file of ours */
  if (*out_fd >= 0)
    return state->base;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
               "the state that a fork begins with can't be opened: %s", g_strerror (errno));
  return NULL;
}

/* ---- it goes on ---- */

/* Its owner gets one that goes on. */
static void
thawed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  g_autoptr (GError) error = NULL;

  if (!berth_machine_thaw_finish (machine, result, &error))
    g_prefix_error (&error, "%s: ", berth_machine_get_name (machine));
  berth_libvirt_start_ended (self, berth_machine_get_vm (machine), error);
}

typedef struct
{
  BerthLibvirt *self;    /* owned */
  BerthMachine *machine; /* owned */
} Thaw;

static void
let_go_cb (const GError *error, gpointer user_data)
{
  g_autofree Thaw *thaw = user_data;
  g_autoptr (BerthLibvirt) self = thaw->self;
  g_autoptr (BerthMachine) machine = thaw->machine;
  BerthVm *vm = berth_machine_get_vm (machine);
  const BerthSlot *slot = g_hash_table_lookup (self->slots, vm);

  /* what nobody wants any more ends without having gone on */
  if (error != NULL || slot->phase == BERTH_PHASE_UNWANTED)
    berth_libvirt_start_ended (self, vm, error);
  else
    berth_machine_thaw_async (machine, thawed_cb, g_steal_pointer (&self));
}

/* Once who wants it says that it may go on. */
void
berth_libvirt_thaw (BerthLibvirt *self, BerthMachine *machine)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (berth_machine_get_vm (machine));
  Thaw *thaw = g_new0 (Thaw, 1);

  thaw->self = g_object_ref (self);
  thaw->machine = g_object_ref (machine);
  berth_fork_when_let_go (berth_purpose_of (request)->fork, let_go_cb, thaw);
}
