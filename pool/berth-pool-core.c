/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the admission core on a thread of its own, carries out its effects, and answers callers. */
#include "berth-pool-core.h"

#include "berth-error.h"
#include "berth-sync.h"

struct _BerthPoolCore
{
  gatomicrefcount ref_count;
  GAsyncQueue *queue; /* of BerthPoolMessage */
  BerthHypervisor *hypervisor;
  BerthPoolCoreCalls calls;
  gpointer user_data;
  GDestroyNotify user_data_free;
  guint64 last_ticket; /* atomic */

  /* of the thread alone */
  BerthAdmission *admission;
  GHashTable *tasks; /* ticket (owned) → PoolTask (owned) */
  gboolean is_full;  /* as was told */
};

/* A caller who waits. */
typedef struct
{
  GTask *task;
  gulong cancelled_id;
} PoolTask;

static void
pool_message_free (BerthPoolMessage *message)
{
  g_clear_object (&message->task);
  g_clear_pointer (&message->request, berth_request_unref);
  g_clear_object (&message->vm);
  g_clear_error (&message->error);
  g_free (message->template_name);
  g_free (message->tenant_key);
  g_clear_pointer (&message->policy, berth_tenant_policy_unref);
  g_clear_pointer (&message->reply, g_async_queue_unref);
  g_free (message);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthPoolMessage, pool_message_free)

static void
pool_task_free (PoolTask *pending)
{
  GCancellable *cancellable = g_task_get_cancellable (pending->task);

  if (pending->cancelled_id != 0)
    g_signal_handler_disconnect (cancellable, pending->cancelled_id);
  g_object_unref (pending->task);
  g_free (pending);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PoolTask, pool_task_free)

BerthPoolCore *
berth_pool_core_new (BerthHypervisor *hypervisor, const BerthCapacity *capacity,
                     const BerthPoolCoreCalls *calls, gpointer user_data,
                     GDestroyNotify user_data_free)
{
  BerthPoolCore *core = g_new0 (BerthPoolCore, 1);

  g_atomic_ref_count_init (&core->ref_count);
  core->queue = g_async_queue_new_full ((GDestroyNotify)pool_message_free);
  core->hypervisor = g_object_ref (hypervisor);
  core->calls = *calls;
  core->user_data = user_data;
  core->user_data_free = user_data_free;
  core->admission = berth_admission_new (capacity);
  core->tasks
      = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)pool_task_free);
  return core;
}

BerthPoolCore *
berth_pool_core_ref (BerthPoolCore *core)
{
  g_atomic_ref_count_inc (&core->ref_count);
  return core;
}

void
berth_pool_core_unref (BerthPoolCore *core)
{
  BERTH_SYNC_RELEASE (core);
  if (!g_atomic_ref_count_dec (&core->ref_count))
    return;
  BERTH_SYNC_ACQUIRE (core);
  g_hash_table_unref (core->tasks);
  berth_admission_free (core->admission);
  g_async_queue_unref (core->queue);
  g_object_unref (core->hypervisor);
  core->user_data_free (core->user_data);
  g_free (core);
}

BerthPoolMessage *
berth_pool_message_new (BerthMessageType type)
{
  BerthPoolMessage *message = g_new0 (BerthPoolMessage, 1);

  message->message.type = type;
  return message;
}

void
berth_pool_core_push (BerthPoolCore *core, BerthPoolMessage *message)
{
  GAsyncQueue *queue = core->queue; /* @core may be gone once @message is there */

  BERTH_SYNC_RELEASE (message);
  g_async_queue_push (queue, message);
}

guint64
berth_pool_core_next_ticket (BerthPoolCore *core)
{
  return __atomic_add_fetch (&core->last_ticket, 1, __ATOMIC_RELAXED);
}

/* hypervisor: any thread */
static void
event_cb (BerthHypervisorEventType type, BerthVm *vm, const GError *error, gpointer user_data)
{
  BerthPoolMessage *message = berth_pool_message_new (BERTH_MESSAGE_EVENT);

  message->vm = g_object_ref (vm);
  message->error = error != NULL ? g_error_copy (error) : NULL;
  message->message.event = type;
  message->message.vm = message->vm;
  message->message.error = message->error;
  berth_pool_core_push (user_data, message);
}

/* takes @ticket's task out: it is answered once */
static PoolTask *
steal_task (BerthPoolCore *core, guint64 ticket)
{
  gpointer key = NULL;
  gpointer pending = NULL;

  if (!g_hash_table_steal_extended (core->tasks, &ticket, &key, &pending))
    return NULL;
  g_free (key);
  return pending;
}

static void
complete_task (BerthPoolCore *core, BerthEffect *effect)
{
  g_autoptr (PoolTask) pending = steal_task (core, effect->ticket);

  if (pending == NULL)
    return;
  BERTH_SYNC_RELEASE (pending->task);
  if (effect->error != NULL)
    g_task_return_error (pending->task, g_steal_pointer (&effect->error));
  else if (effect->vm != NULL)
    g_task_return_pointer (pending->task, g_steal_pointer (&effect->vm), g_object_unref);
  else
    g_task_return_boolean (pending->task, TRUE);
}

static void
carry_out (BerthPoolCore *core, BerthEffect *effect)
{
  switch (effect->type)
    {
    case BERTH_EFFECT_START:
      berth_hypervisor_start (core->hypervisor, effect->vm, effect->mode);
      break;
    case BERTH_EFFECT_CLAIM:
      berth_hypervisor_claim (core->hypervisor, effect->vm);
      break;
    case BERTH_EFFECT_PAUSE:
      berth_hypervisor_pause (core->hypervisor, effect->vm);
      break;
    case BERTH_EFFECT_WAKE:
      berth_hypervisor_wake (core->hypervisor, effect->vm);
      break;
    case BERTH_EFFECT_DESTROY:
      berth_hypervisor_destroy (core->hypervisor, effect->vm);
      break;
    case BERTH_EFFECT_COMPLETE:
      complete_task (core, effect);
      break;
    case BERTH_EFFECT_VM_GONE:
      core->calls.gone (effect->vm, core->user_data);
      break;
    }
}

static void
core_tell_full (BerthPoolCore *core)
{
  gboolean was_full = core->is_full;

  core->is_full = berth_admission_is_full (core->admission);
  if (core->is_full != was_full)
    core->calls.full (core->is_full, core->user_data);
}

static void
core_handle (BerthPoolCore *core, const BerthMessage *message)
{
  g_autoptr (GPtrArray) effects
      = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_effect_free);

  berth_admission_handle (core->admission, message, g_get_monotonic_time (), effects);
  for (guint i = 0; i < effects->len; i++)
    carry_out (core, effects->pdata[i]);
  core_tell_full (core);
}

static void
answer (BerthPoolMessage *message, gpointer data)
{
  BERTH_SYNC_RELEASE (message->reply);
  g_async_queue_push (message->reply, data);
}

static void
remember_task (BerthPoolCore *core, BerthPoolMessage *message)
{
  PoolTask *pending = g_new0 (PoolTask, 1);

  pending->task = g_steal_pointer (&message->task);
  pending->cancelled_id = message->cancelled_id;
  g_hash_table_insert (core->tasks, g_memdup2 (&message->message.ticket, sizeof (guint64)),
                       pending);
}

static void
return_cancelled (BerthPoolCore *core, guint64 ticket)
{
  g_autoptr (PoolTask) pending = steal_task (core, ticket);

  BERTH_SYNC_RELEASE (pending->task);
  g_task_return_error_if_cancelled (pending->task);
}

/* Its waiting is admission's affair, and so is its cancelling; any other operation stops waiting,
 * and goes on. */
static gboolean
is_admitted (BerthMessageType type)
{
  return type == BERTH_MESSAGE_ACQUIRE || type == BERTH_MESSAGE_WAKE;
}

static void
handle_cancel (BerthPoolCore *core, BerthPoolMessage *message)
{
  guint64 ticket = message->message.ticket;
  PoolTask *pending = g_hash_table_lookup (core->tasks, &ticket);

  if (pending == NULL)
    return;
  if (is_admitted (GPOINTER_TO_UINT (g_task_get_source_tag (pending->task))))
    core_handle (core, &message->message);
  else
    return_cancelled (core, ticket);
}

static void
handle_admission (BerthPoolCore *core, BerthPoolMessage *message)
{
  BerthMessageType type = message->message.type;
  GCancellable *cancellable = NULL;

  if (type == BERTH_MESSAGE_CANCEL)
    {
      handle_cancel (core, message);
      return;
    }
  if (message->task != NULL)
    {
      cancellable = g_task_get_cancellable (message->task);
      remember_task (core, message);
    }
  /* its CANCEL, if one was sent, was ahead of it and found nobody */
  if (g_cancellable_is_cancelled (cancellable))
    {
      return_cancelled (core, message->message.ticket);
      if (is_admitted (type))
        return;
    }
  core_handle (core, &message->message);
}

static GVariant *
dup_position (BerthPoolCore *core, BerthRequest *request)
{
  guint position = berth_admission_get_position (core->admission, request, g_get_monotonic_time ());

  return g_variant_ref_sink (g_variant_new_uint32 (position));
}

static gboolean
handle_message (BerthPoolCore *core, BerthPoolMessage *message)
{
  switch (message->type)
    {
    case BERTH_POOL_MESSAGE_ADMISSION:
      handle_admission (core, message);
      break;
    case BERTH_POOL_MESSAGE_STATUS:
      answer (message, berth_admission_dup_status (core->admission, g_get_monotonic_time ()));
      break;
    case BERTH_POOL_MESSAGE_POSITION:
      answer (message, dup_position (core, message->request));
      break;
    case BERTH_POOL_MESSAGE_VMS:
      answer (message, berth_admission_dup_vms (core->admission));
      break;
    case BERTH_POOL_MESSAGE_QUIT:
      return FALSE;
    }
  return TRUE;
}

static BerthPoolMessage *
wait_for_message (BerthPoolCore *core)
{
  gint64 wakeup_us = berth_admission_next_wakeup_us (core->admission);
  gint64 timeout_us = 0;

  if (wakeup_us == G_MAXINT64)
    return g_async_queue_pop (core->queue);
  timeout_us = wakeup_us - g_get_monotonic_time ();
  if (timeout_us <= 0)
    return g_async_queue_try_pop (core->queue);
  return g_async_queue_timeout_pop (core->queue, (guint64)timeout_us);
}

/* Nobody is left without an answer, not even who asked while the thread was ending. */
static void
end_tasks (BerthPoolCore *core)
{
  g_autoptr (GList) tasks = NULL;
  BerthPoolMessage *late = NULL;

  while ((late = g_async_queue_try_pop (core->queue)) != NULL)
    {
      g_autoptr (BerthPoolMessage) message = late;

      BERTH_SYNC_ACQUIRE (message);
      if (message->task != NULL)
        remember_task (core, message);
    }
  tasks = g_hash_table_get_values (core->tasks);
  for (GList *link = tasks; link != NULL; link = link->next)
    {
      PoolTask *pending = link->data;

      BERTH_SYNC_RELEASE (pending->task);
      g_task_return_new_error (pending->task, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN,
                               "berth is shutting down; ask again when it runs");
    }
  g_hash_table_remove_all (core->tasks);
}

gpointer
berth_pool_core_run (gpointer data)
{
  g_autoptr (BerthPoolCore) core = data;
  const BerthMessage tick = { .type = BERTH_MESSAGE_TICK };
  gboolean is_running = TRUE;

  berth_hypervisor_set_event_func (core->hypervisor, event_cb, core);
  while (is_running)
    {
      g_autoptr (BerthPoolMessage) message = wait_for_message (core);

      if (message == NULL)
        {
          core_handle (core, &tick);
          continue;
        }
      BERTH_SYNC_ACQUIRE (message);
      is_running = handle_message (core, message);
    }
  berth_hypervisor_set_event_func (core->hypervisor, NULL, NULL);
  end_tasks (core);
  return NULL;
}
