/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sandbox without a VM: what it was is kept, and whatever is asked of it waits until it goes on
 * in another. */
#include "plugin/manager/berth-sandbox-private.h"

#include "pool/berth-error.h"

/* After berthd was away for longer than one is kept, whoever comes first still finds it. */
#define KEPT_MIN_US (10 * G_USEC_PER_SEC)

/* Who waits for another VM */
typedef struct
{
  BerthSandbox *sandbox; /* unowned: it has this */
  GTask *task;           /* owned, until it is handed over */
  BerthSandboxAwakeFunc func;
  GSource *cancelled; /* (nullable) */
} Riser;

static void
riser_free (gpointer data)
{
  Riser *riser = data;

  if (riser->cancelled != NULL)
    {
      g_source_destroy (riser->cancelled);
      g_source_unref (riser->cancelled);
    }
  g_clear_object (&riser->task);
  g_free (riser);
}

void
berth_sandbox_hibernate_init (BerthSandbox *self)
{
  self->risers = g_ptr_array_new_with_free_func (riser_free);
}

void
berth_sandbox_hibernate_clear (BerthSandbox *self)
{
  g_clear_handle_id (&self->hibernate_id, g_source_remove);
  g_ptr_array_unref (self->risers);
  g_clear_object (&self->rise);
}

void
berth_sandbox_set_hibernation (BerthSandbox *self, const BerthSandboxHibernation *hibernation)
{
  self->hibernation = *hibernation;
  berth_sandbox_watch_idle (self);
}

/* Once: where it can't be done, the idle time of one that nobody uses ends it. */
static gboolean
hibernate_cb (gpointer user_data)
{
  BerthSandbox *self = user_data;

  self->hibernate_id = 0;
  berth_sandbox_note_tried (self);
  self->hibernation.hibernate (self, self->hibernation.user_data); /* last: it may drop us */
  return G_SOURCE_REMOVE;
}

void
berth_sandbox_begin_hibernate_timer (BerthSandbox *self)
{
  if (self->hibernation.after_us > 0 && !self->was_tried)
    self->hibernate_id
        = berth_host_add_timer (self->host, self->hibernation.after_us, hibernate_cb, self);
}

void
berth_sandbox_note_tried (BerthSandbox *self)
{
  self->was_tried = TRUE;
}

gint64
berth_sandbox_get_unused_us (BerthSandbox *self)
{
  if (self->unused_us == 0 || self->holds > 0 || self->was_tried || self->is_hibernated)
    return -1;
  return berth_host_get_time (self->host) - self->unused_us;
}

gint64
berth_sandbox_get_kept_us (BerthSandbox *self)
{
  gint64 kept_us = self->hibernation.kept_us;

  if (kept_us == 0)
    return 0;
  return CLAMP (self->hibernated_us + kept_us - g_get_real_time (), KEPT_MIN_US, kept_us);
}

/* ---- it goes ---- */

gboolean
berth_sandbox_is_hibernated (BerthSandbox *self)
{
  return self->is_hibernated;
}

gboolean
berth_sandbox_begin_leave (BerthSandbox *self, GError **error)
{
  if (!berth_sandbox_check_quiet (self, error))
    return FALSE;
  self->is_leaving = self->is_rising = TRUE;
  berth_sandbox_note_use (self);
  return TRUE;
}

void
berth_sandbox_note_goes_on (BerthSandbox *self)
{
  gboolean pauses = self->pauses_after;

  self->pauses_after = FALSE;
  berth_sandbox_end_risers (self, NULL);
  if (pauses)
    berth_sandbox_pause_again (self);
}

void
berth_sandbox_end_leave (BerthSandbox *self, gboolean pauses)
{
  if (self->is_hibernated || self->close_reason != NULL)
    return;
  self->is_leaving = self->is_rising = FALSE;
  self->pauses_after = pauses;
  if (!self->is_copied) /* else when it goes on */
    berth_sandbox_note_goes_on (self);
  berth_sandbox_watch_idle (self);
}

void
berth_sandbox_note_hibernated (BerthSandbox *self, gint64 since_us)
{
  self->is_hibernated = self->is_rising = TRUE;
  self->is_leaving = self->is_copied = self->is_asleep = self->was_tried = FALSE;
  self->hibernated_us = since_us;
  berth_sandbox_queue_again (self);
  berth_sandbox_watch_idle (self);
}

/* ---- it is wanted ---- */

static void
sandbox_begin_rise (BerthSandbox *self)
{
  if (self->is_rising || !self->is_hibernated || self->risers->len == 0
      || self->close_reason != NULL)
    return;
  self->is_rising = TRUE;
  g_clear_object (&self->rise);
  self->rise = g_cancellable_new ();
  self->hibernation.rise (self, self->rise, self->hibernation.user_data);
}

void
berth_sandbox_may_rise (BerthSandbox *self)
{
  self->is_rising = FALSE;
  sandbox_begin_rise (self);
}

/* The last that leaves takes the VM along that was to be made. */
static gboolean
riser_cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  Riser *riser = user_data;
  g_autoptr (BerthSandbox) self = g_object_ref (riser->sandbox);
  g_autoptr (GTask) task = g_steal_pointer (&riser->task);

  g_ptr_array_remove (self->risers, riser);
  self->waking--;
  if (self->risers->len == 0 && self->rise != NULL)
    g_cancellable_cancel (self->rise);
  berth_sandbox_watch_idle (self);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the request is withdrawn");
  return G_SOURCE_REMOVE;
}

void
berth_sandbox_when_risen (BerthSandbox *self, GTask *task, BerthSandboxAwakeFunc func)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  Riser *riser = g_new0 (Riser, 1);

  riser->sandbox = self;
  riser->task = task;
  riser->func = func;
  if (cancellable != NULL)
    {
      riser->cancelled = g_cancellable_source_new (cancellable);
      g_source_set_callback (riser->cancelled, G_SOURCE_FUNC (riser_cancelled_cb), riser, NULL);
      g_source_attach (riser->cancelled, g_task_get_context (task));
    }
  g_ptr_array_add (self->risers, riser);
  self->waking++;
  berth_sandbox_note_use (self);
  sandbox_begin_rise (self);
}

void
berth_sandbox_note_rise_request (BerthSandbox *self, BerthRequest *request)
{
  for (guint i = 0; i < self->risers->len; i++)
    berth_sandbox_note_request (((Riser *)self->risers->pdata[i])->task, request);
}

static void
riser_end (BerthSandbox *self, Riser *riser, const GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&riser->task);

  self->waking--;
  berth_sandbox_note_request (task, NULL);
  if (self->close_reason != NULL)
    berth_sandbox_return_gone (self, task);
  else if (error != NULL)
    g_task_return_error (task, g_error_copy (error));
  else
    riser->func (self, g_steal_pointer (&task));
}

void
berth_sandbox_end_risers (BerthSandbox *self, const GError *error)
{
  g_autoptr (BerthSandbox) owned = g_object_ref (self);
  g_autoptr (GPtrArray) risers = g_steal_pointer (&self->risers);

  self->risers = g_ptr_array_new_with_free_func (riser_free);
  if (self->close_reason != NULL && self->rise != NULL)
    g_cancellable_cancel (self->rise);
  for (guint i = 0; i < risers->len; i++)
    riser_end (self, risers->pdata[i], error);
}

void
berth_sandbox_rise (BerthSandbox *self, BerthVm *vm, const GError *error)
{
  self->is_rising = FALSE;
  if (vm != NULL)
    {
      g_set_object (&self->vm, vm);
      self->is_hibernated = FALSE;
      berth_sandbox_adopt (self); /* what runs in it goes on; who waits is let in then */
      return;
    }
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      sandbox_begin_rise (self); /* for who has come since nobody wanted it */
      return;
    }
  berth_sandbox_end_risers (self, error);
  if (self->close_reason == NULL)
    berth_sandbox_watch_idle (self);
}
