/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a hibernated session goes on: in another VM, through the queue as any create does. */
#include "plugin/manager/berth-manager-private.h"

#include "pool/berth-error.h"

/* As many of a user are loaded at once as may be. */
#define LOAD_AGAIN_US (G_USEC_PER_SEC / 10)
/* of a checkpoint */
#define DOUBTED "berth-doubted"

void
berth_manager_doubt (BerthCheckpoint *checkpoint)
{
  g_object_set_data (G_OBJECT (checkpoint), DOUBTED, GUINT_TO_POINTER (1));
}

typedef struct
{
  BerthManager *self;          /* owned */
  BerthSandbox *sandbox;       /* owned */
  BerthCheckpoint *checkpoint; /* owned */
  GCancellable *cancellable;   /* owned */
  gboolean is_sole;            /* no VM has begun with it */
  BerthFork *fork;             /* (nullable) */
  BerthRequest *request;       /* (nullable) */
  guint pending;               /* marking what is kept, and a VM */
  GError *mark_error;          /* (nullable): why it can't be marked */
  BerthVm *vm;                 /* (nullable) */
  GError *error;               /* (nullable) */
  gint64 begun_us;
} Rise;

static void
rise_free (Rise *rise)
{
  if (rise->fork != NULL)
    berth_fork_end (rise->fork);
  g_clear_object (&rise->fork);
  g_clear_object (&rise->vm);
  g_clear_error (&rise->mark_error);
  g_clear_error (&rise->error);
  g_clear_pointer (&rise->request, berth_request_unref);
  g_object_unref (rise->cancellable);
  g_object_unref (rise->checkpoint);
  g_object_unref (rise->sandbox);
  g_object_unref (rise->self);
  g_free (rise);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Rise, rise_free)

/* Whoever destroyed it while its state was in use left that to us. TRUE: it is closed */
static gboolean
manager_forget_closed (BerthManager *self, BerthSandbox *sandbox, BerthCheckpoint *checkpoint)
{
  if (!berth_sandbox_is_closed (sandbox))
    return FALSE;
  if (self->is_started) /* else it is berth that ends */
    berth_manager_forget_asleep (self, checkpoint);
  return TRUE;
}

static void
unmarked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Rise) rise = user_data;
  g_autoptr (GError) error = NULL;

  if (!berth_checkpoint_store_finish (BERTH_CHECKPOINT_STORE (source), result, &error))
    g_warning ("a session that could not be woken is still marked so: %s", error->message);
  manager_forget_closed (rise->self, rise->sandbox, rise->checkpoint);
  berth_sandbox_rise (rise->sandbox, NULL, rise->error);
}

/* It stays what it was; where a VM has begun with it, that is known. Takes @self and @error over.
 */
static void
rise_fail (Rise *self, GError *error)
{
  g_autoptr (Rise) rise = self;
  gboolean none_began = rise->is_sole && (rise->fork == NULL || berth_fork_is_sole (rise->fork));

  rise->error = error;
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      berth_metrics_add (rise->self->metrics, BERTH_METRIC_RISES, "failed", NULL, 1);
      g_prefix_error (&rise->error, "sandbox %s is hibernated and does not go on: ",
                      berth_sandbox_get_id (rise->sandbox));
      g_message ("%s", rise->error->message);
    }
  if (!manager_forget_closed (rise->self, rise->sandbox, rise->checkpoint) && none_began)
    {
      berth_checkpoint_store_set_waking_async (self->self->checkpoints, self->checkpoint, FALSE,
                                               unmarked_cb, g_steal_pointer (&rise));
      return;
    }
  berth_sandbox_rise (rise->sandbox, NULL, rise->error);
}

/* Takes @self and @error over. */
static void
rise_abandon_vm (Rise *self, GError *error)
{
  berth_manager_end_vm (self->self, self->vm);
  rise_fail (self, error != NULL ? error : berth_sandbox_new_gone_error (self->sandbox));
}

/* Its VM may have ended while nobody looked at it: what was kept is the session, then. */
static gboolean
rise_has_vm (Rise *self, GError **error)
{
  BerthVmState state = berth_vm_get_state (self->vm);
  g_autofree char *reason = berth_vm_dup_end_reason (self->vm);

  if (state != BERTH_VM_STATE_STOPPING && state != BERTH_VM_STATE_STUCK
      && state != BERTH_VM_STATE_GONE)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "its next VM has ended: %s",
               reason != NULL ? reason : "nobody knows why");
  return FALSE;
}

/* The next berthd would find it: what was kept is needed no more. It goes behind the back of who
 * waits: a berthd that finds both asks the VM, and lets it go then. */
static void
settled_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Rise) rise = user_data;
  BerthManager *self = rise->self;
  GError *error = NULL;

  if (!berth_host_finish (BERTH_HOST (source), result, &error)
      || berth_sandbox_is_closed (rise->sandbox))
    {
      rise_abandon_vm (g_steal_pointer (&rise), error);
      return;
    }
  if (!rise_has_vm (rise, &error))
    {
      rise_fail (g_steal_pointer (&rise), error);
      return;
    }
  berth_manager_forget_asleep (self, rise->checkpoint);
  berth_metrics_add (self->metrics, BERTH_METRIC_RISES, "made", NULL, 1);
  berth_metrics_observe (self->metrics, BERTH_METRIC_RISE, NULL, NULL,
                         g_get_monotonic_time () - rise->begun_us);
  berth_sandbox_rise (rise->sandbox, rise->vm, NULL);
}

/* It has a VM, or gets none, and what is kept is marked, or can't be. */
static void
rise_join (Rise *self)
{
  if (--self->pending > 0)
    return;
  if (self->vm == NULL)
    rise_fail (self, g_steal_pointer (&self->error));
  else if (self->mark_error != NULL)
    rise_abandon_vm (self, g_steal_pointer (&self->mark_error));
  else
    berth_host_settle_async (self->self->host, self->vm, settled_cb, self);
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Rise *rise = user_data;

  rise->vm = berth_pool_acquire_finish (BERTH_POOL (source), result, &rise->error);
  berth_sandbox_note_rise_request (rise->sandbox, NULL);
  rise_join (rise);
}

/* Its programs may go on. */
static void
marked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Rise *rise = user_data;

  berth_checkpoint_store_finish (BERTH_CHECKPOINT_STORE (source), result, &rise->mark_error);
  berth_fork_let_go (rise->fork, rise->mark_error);
  rise_join (rise);
}

/* The disk writes while a VM is made. */
static void
rise_begin (Rise *self)
{
  BerthManager *manager = self->self;

  if (self->is_sole)
    berth_fork_set_sole (self->fork);
  berth_fork_hold (self->fork);
  self->pending = 2;
  berth_sandbox_note_rise_request (self->sandbox, self->request);
  berth_checkpoint_store_set_waking_async (manager->checkpoints, self->checkpoint, TRUE, marked_cb,
                                           self);
  berth_pool_acquire_async (manager->pool, self->request, self->cancellable, acquired_cb, self);
}

static void rise_load (Rise *self);

static gboolean
load_again_cb (gpointer user_data)
{
  rise_load (user_data);
  return G_SOURCE_REMOVE;
}

static void
loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Rise *rise = user_data;
  BerthManager *self = rise->self;
  GError *error = NULL;

  rise->fork = berth_manager_load_checkpoint_finish (self, result, &error);
  if (g_error_matches (error, BERTH_ERROR, BERTH_ERROR_QUEUE_FULL)
      && !g_cancellable_is_cancelled (rise->cancellable))
    {
      g_error_free (error);
      berth_host_add_timer (self->host, LOAD_AGAIN_US, load_again_cb, rise);
      return;
    }
  if (rise->fork != NULL)
    rise->request = berth_manager_make_kept_request (rise->checkpoint, rise->fork, rise->sandbox,
                                                     berth_manager_get_wait_us (self), &error);
  if (rise->request != NULL)
    rise_begin (rise);
  else
    rise_fail (rise, error);
}

static void
rise_load (Rise *self)
{
  berth_manager_load_checkpoint_async (self->self, self->checkpoint, loaded_cb, self);
}

void
berth_manager_rise (BerthSandbox *sandbox, GCancellable *cancellable, gpointer manager)
{
  BerthManager *self = manager;
  BerthCheckpoint *checkpoint = berth_manager_find_sleeper (self, sandbox);
  Rise *rise;

  if (checkpoint == NULL)
    {
      berth_manager_bury (self, sandbox, "what it was is not there any more");
      return;
    }
  rise = g_new0 (Rise, 1);
  rise->self = g_object_ref (self);
  rise->sandbox = g_object_ref (sandbox);
  rise->checkpoint = g_object_ref (checkpoint);
  rise->cancellable = g_object_ref (cancellable);
  rise->is_sole = !berth_checkpoint_is_waking (checkpoint)
                  && g_object_get_data (G_OBJECT (checkpoint), DOUBTED) == NULL;
  rise->begun_us = g_get_monotonic_time ();
  rise_load (rise);
}
