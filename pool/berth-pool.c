/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What callers see of the pool: every call becomes a message to the admission thread. */
#include "berth-pool.h"

#include "berth-pool-core.h"
#include "berth-sync.h"

/**
 * BerthPool:
 *
 * Sandboxes by admission: ask with berth_pool_acquire_async(), get a running VM when it is your
 * turn, end it with berth_pool_destroy_async().
 *
 * Every call is a message to the admission thread, which alone owns the capacity state and alone
 * calls the hypervisor; there is no lock. A call's answer comes in the caller's own thread-default
 * main context.
 *
 * To end it: berth_pool_shutdown_async(), wait, drop the last reference. Dropping the reference
 * without that leaves the VMs as they are, to be found again by the next berthd. An operation under
 * way keeps the pool alive, as GIO's do.
 */

struct _BerthPool
{
  GObject parent_instance;
  BerthPoolCore *core;
  GThread *thread;
};

/* What a GCancellable's handler knows. It outlives the operation if need be, so nobody has to wait
 * for a handler that is running (g_cancellable_disconnect() would, and could dead-lock). */
typedef struct
{
  BerthPoolCore *core;
  guint64 ticket;
} PoolCancel;

enum
{
  SIGNAL_VM_GONE,
  SIGNAL_FULL,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BerthPool, berth_pool, G_TYPE_OBJECT)

/* where signals go, if the pool is still there; of the admission thread */
typedef struct
{
  GWeakRef pool;
  GMainContext *context;
} PoolSignals;

static void
pool_signals_free (gpointer data)
{
  PoolSignals *target = data;

  g_weak_ref_clear (&target->pool);
  g_main_context_unref (target->context);
  g_free (target);
}

/* What is told in the pool's context, if that is still there then. */
typedef struct
{
  GWeakRef pool;
  BerthVm *vm;      /* (nullable): which is gone */
  gboolean is_full; /* where there is none */
} PoolNews;

static void
pool_news_free (gpointer data)
{
  PoolNews *news = data;

  g_weak_ref_clear (&news->pool);
  g_clear_object (&news->vm);
  g_free (news);
}

static gboolean
emit_cb (gpointer user_data)
{
  PoolNews *news = user_data;
  g_autoptr (BerthPool) pool = NULL;

  BERTH_SYNC_ACQUIRE (news);
  pool = g_weak_ref_get (&news->pool);
  if (pool != NULL && news->vm != NULL)
    g_signal_emit (pool, signals[SIGNAL_VM_GONE], 0, news->vm);
  else if (pool != NULL)
    g_signal_emit (pool, signals[SIGNAL_FULL], 0, news->is_full);
  return G_SOURCE_REMOVE;
}

/* @vm: (nullable) */
static void
pool_signals_emit (PoolSignals *self, BerthVm *vm, gboolean is_full)
{
  g_autoptr (BerthPool) pool = g_weak_ref_get (&self->pool);
  g_autoptr (GSource) source = NULL;
  PoolNews *news = NULL;

  if (pool == NULL)
    return;
  news = g_new0 (PoolNews, 1);
  g_weak_ref_init (&news->pool, pool);
  news->vm = vm != NULL ? g_object_ref (vm) : NULL;
  news->is_full = is_full;
  BERTH_SYNC_RELEASE (news);
  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, emit_cb, news, pool_news_free);
  g_source_attach (source, self->context);
}

static void
vm_gone_cb (BerthVm *vm, gpointer user_data)
{
  pool_signals_emit (user_data, vm, FALSE);
}

static void
full_cb (gboolean is_full, gpointer user_data)
{
  pool_signals_emit (user_data, NULL, is_full);
}

static void
berth_pool_dispose (GObject *object)
{
  BerthPool *self = BERTH_POOL (object);
  GThread *thread = g_steal_pointer (&self->thread);

  if (thread != NULL)
    {
      BerthPoolMessage *quit = berth_pool_message_new (BERTH_MESSAGE_TICK);

      quit->type = BERTH_POOL_MESSAGE_QUIT;
      berth_pool_core_push (self->core, quit);
      if (thread == g_thread_self ())
        g_thread_unref (thread);
      else
        g_thread_join (thread);
    }
  G_OBJECT_CLASS (berth_pool_parent_class)->dispose (object);
}

static void
berth_pool_finalize (GObject *object)
{
  BerthPool *self = BERTH_POOL (object);

  g_clear_pointer (&self->core, berth_pool_core_unref);
  G_OBJECT_CLASS (berth_pool_parent_class)->finalize (object);
}

static void
berth_pool_class_init (BerthPoolClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = berth_pool_dispose;
  object_class->finalize = berth_pool_finalize;

  /**
   * BerthPool::vm-gone:
   * @self: the pool
   * @vm: what is gone; berth_vm_dup_end_reason() says why
   *
   * A claimed VM is gone without having been asked to go. Its place is somebody else's already.
   * Emitted in the main context that was the thread's default when the pool was made.
   */
  signals[SIGNAL_VM_GONE] = g_signal_new ("vm-gone", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST,
                                          0, NULL, NULL, NULL, G_TYPE_NONE, 1, BERTH_TYPE_VM);

  /**
   * BerthPool::full:
   * @self: the pool
   * @is_full: from now on a request waits because every place is taken; or none does any more
   *
   * It may be otherwise since. Emitted as #BerthPool::vm-gone is.
   */
  signals[SIGNAL_FULL] = g_signal_new ("full", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0,
                                       NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_BOOLEAN);
}

static void
berth_pool_init (BerthPool *self)
{
}

/**
 * berth_pool_new:
 * @hypervisor: who makes the VMs; its events go to this pool alone
 * @capacity: complete: see berth_capacity_derive()
 *
 * Returns: (transfer full): a pool without VMs, its gate open
 */
BerthPool *
berth_pool_new (BerthHypervisor *hypervisor, const BerthCapacity *capacity)
{
  static const BerthPoolCoreCalls calls = { .gone = vm_gone_cb, .full = full_cb };
  BerthPool *self = NULL;
  PoolSignals *target = NULL;

  g_return_val_if_fail (BERTH_IS_HYPERVISOR (hypervisor), NULL);
  g_return_val_if_fail (capacity != NULL, NULL);

  self = g_object_new (BERTH_TYPE_POOL, NULL);
  target = g_new0 (PoolSignals, 1);
  g_weak_ref_init (&target->pool, self);
  target->context = g_main_context_ref_thread_default ();
  self->core = berth_pool_core_new (hypervisor, capacity, &calls, target, pool_signals_free);
  self->thread
      = g_thread_new ("berth-admission", berth_pool_core_run, berth_pool_core_ref (self->core));
  return self;
}

static void
pool_cancel_free (PoolCancel *cancel)
{
  BERTH_SYNC_ACQUIRE (cancel);
  berth_pool_core_unref (cancel->core);
  g_free (cancel);
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  PoolCancel *cancel = user_data;
  BerthPoolMessage *message = berth_pool_message_new (BERTH_MESSAGE_CANCEL);

  BERTH_SYNC_ACQUIRE (cancel);
  message->message.ticket = cancel->ticket;
  berth_pool_core_push (cancel->core, message);
  BERTH_SYNC_RELEASE (cancel);
}

/* sends @message with a task that its ticket completes */
static void
push_with_task (BerthPool *self, BerthPoolMessage *message, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  BerthPoolCore *core = self->core;

  message->message.ticket = berth_pool_core_next_ticket (core);
  message->task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (message->task, BERTH_POOL_TAG (message->message.type));
  /* a VM that was handed out is handed over, even if the caller cancelled too late */
  g_task_set_check_cancellable (message->task, FALSE);
  if (cancellable != NULL)
    {
      PoolCancel *cancel = g_new0 (PoolCancel, 1);

      cancel->core = berth_pool_core_ref (core);
      cancel->ticket = message->message.ticket;
      BERTH_SYNC_RELEASE (cancel);
      message->cancelled_id = g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb), cancel,
                                                     (GDestroyNotify)pool_cancel_free);
    }
  berth_pool_core_push (core, message);
}

/**
 * berth_pool_acquire_async:
 * @self: a #BerthPool
 * @request: for what
 * @cancellable: (nullable): takes the request back, whatever has come of it
 * @callback: (scope async): runs in the caller's thread-default main context
 * @user_data: for @callback
 *
 * Waits for a place, then for its VM to run. Any thread. Cancelling takes the request out of the
 * queue, or gives the place and whatever was started back, and ends the operation at once.
 */
void
berth_pool_acquire_async (BerthPool *self, BerthRequest *request, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  BerthPoolMessage *message = NULL;

  g_return_if_fail (BERTH_IS_POOL (self));
  g_return_if_fail (request != NULL);

  message = berth_pool_message_new (BERTH_MESSAGE_ACQUIRE);
  message->request = berth_request_ref (request);
  message->message.request = message->request;
  push_with_task (self, message, cancellable, callback, user_data);
}

/**
 * berth_pool_acquire_finish:
 * @self: a #BerthPool
 * @result: of berth_pool_acquire_async()
 * @error: return location
 *
 * Fails with %BERTH_ERROR_INVALID (no budget could ever hold it), %BERTH_ERROR_NO_CAPACITY,
 * %BERTH_ERROR_WAIT_TIMED_OUT, %BERTH_ERROR_QUEUE_FULL, %BERTH_ERROR_SHUTTING_DOWN,
 * %BERTH_ERROR_GONE (destroyed while it was started), %G_IO_ERROR_CANCELLED, or with the error of
 * the start.
 *
 * Returns: (transfer full): a VM that runs, yours until you end it with berth_pool_destroy_async()
 */
BerthVm *
berth_pool_acquire_finish (BerthPool *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BERTH_IS_POOL (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, BERTH_POOL_TAG (BERTH_MESSAGE_ACQUIRE)),
                        NULL);

  BERTH_SYNC_ACQUIRE (result);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * berth_pool_destroy_async:
 * @self: a #BerthPool
 * @vm: in any state
 * @cancellable: (nullable): stops the waiting, never the destroy
 * @callback: (scope async) (nullable): runs in the caller's thread-default main context
 * @user_data: for @callback
 *
 * Ends @vm. Any thread, in any state, as often as you like: its place goes back once.
 */
void
berth_pool_destroy_async (BerthPool *self, BerthVm *vm, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  BerthPoolMessage *message = NULL;

  g_return_if_fail (BERTH_IS_POOL (self));
  g_return_if_fail (BERTH_IS_VM (vm));

  message = berth_pool_message_new (BERTH_MESSAGE_DESTROY);
  message->vm = g_object_ref (vm);
  message->message.vm = message->vm;
  push_with_task (self, message, cancellable, callback, user_data);
}

static gboolean
finish_boolean (BerthPool *self, GAsyncResult *result, BerthMessageType type, GError **error)
{
  g_return_val_if_fail (BERTH_IS_POOL (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, BERTH_POOL_TAG (type)), FALSE);

  BERTH_SYNC_ACQUIRE (result);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * berth_pool_destroy_finish:
 * @self: a #BerthPool
 * @result: of berth_pool_destroy_async()
 * @error: return location
 *
 * Fails with %BERTH_ERROR_UNAVAILABLE where the VM is stuck: it still exists, holds its place, and
 * is tried again.
 *
 * Returns: %TRUE if it is gone
 */
gboolean
berth_pool_destroy_finish (BerthPool *self, GAsyncResult *result, GError **error)
{
  return finish_boolean (self, result, BERTH_MESSAGE_DESTROY, error);
}

/**
 * berth_pool_pause_async:
 * @self: a #BerthPool
 * @vm: somebody's
 * @cancellable: (nullable): stops the waiting, never the pause
 * @callback: (scope async) (nullable): runs in the caller's thread-default main context
 * @user_data: for @callback
 *
 * Lets @vm stand still: it gives its vCPUs back until berth_pool_wake_async(). Any thread.
 */
void
berth_pool_pause_async (BerthPool *self, BerthVm *vm, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
  BerthPoolMessage *message = NULL;

  g_return_if_fail (BERTH_IS_POOL (self));
  g_return_if_fail (BERTH_IS_VM (vm));

  message = berth_pool_message_new (BERTH_MESSAGE_PAUSE);
  message->vm = g_object_ref (vm);
  message->message.vm = message->vm;
  push_with_task (self, message, cancellable, callback, user_data);
}

/**
 * berth_pool_pause_finish:
 * @self: a #BerthPool
 * @result: of berth_pool_pause_async()
 * @error: return location
 *
 * Fails with %BERTH_ERROR_GONE, or with %BERTH_ERROR_UNAVAILABLE where it runs on.
 *
 * Returns: %TRUE if it stands still, also if it did already
 */
gboolean
berth_pool_pause_finish (BerthPool *self, GAsyncResult *result, GError **error)
{
  return finish_boolean (self, result, BERTH_MESSAGE_PAUSE, error);
}

/**
 * berth_pool_wake_async:
 * @self: a #BerthPool
 * @vm: somebody's
 * @request: by berth_request_new_wake(), not used before: how long to wait, and whose turn it is
 * @cancellable: (nullable): stops the waiting
 * @callback: (scope async): runs in the caller's thread-default main context
 * @user_data: for @callback
 *
 * Waits for @vm's vCPUs as a request waits for a place, then for it to run; at once if it does. It
 * may be asked for as often as there are reasons to. Any thread.
 */
void
berth_pool_wake_async (BerthPool *self, BerthVm *vm, BerthRequest *request,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  BerthPoolMessage *message = NULL;

  g_return_if_fail (BERTH_IS_POOL (self));
  g_return_if_fail (BERTH_IS_VM (vm));
  g_return_if_fail (request != NULL && berth_request_is_wake (request));

  message = berth_pool_message_new (BERTH_MESSAGE_WAKE);
  message->vm = g_object_ref (vm);
  message->message.vm = message->vm;
  message->request = berth_request_ref (request);
  message->message.request = message->request;
  push_with_task (self, message, cancellable, callback, user_data);
}

/**
 * berth_pool_wake_finish:
 * @self: a #BerthPool
 * @result: of berth_pool_wake_async()
 * @error: return location
 *
 * Fails as berth_pool_acquire_finish() where it was not its turn, with %BERTH_ERROR_GONE, or with
 * %BERTH_ERROR_UNAVAILABLE where it is paused still.
 *
 * Returns: %TRUE if it runs, and its clock is right
 */
gboolean
berth_pool_wake_finish (BerthPool *self, GAsyncResult *result, GError **error)
{
  return finish_boolean (self, result, BERTH_MESSAGE_WAKE, error);
}

/**
 * berth_pool_shutdown_async:
 * @self: a #BerthPool
 * @cancellable: (nullable): stops the waiting, never the shutdown
 * @callback: (scope async) (nullable): runs in the caller's thread-default main context
 * @user_data: for @callback
 *
 * Ends every waiter with %BERTH_ERROR_SHUTTING_DOWN and every VM. Who asks later is refused with
 * the same error. Any thread.
 */
void
berth_pool_shutdown_async (BerthPool *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  g_return_if_fail (BERTH_IS_POOL (self));

  push_with_task (self, berth_pool_message_new (BERTH_MESSAGE_SHUTDOWN), cancellable, callback,
                  user_data);
}

/**
 * berth_pool_shutdown_finish:
 * @self: a #BerthPool
 * @result: of berth_pool_shutdown_async()
 * @error: return location
 *
 * Fails with %BERTH_ERROR_UNAVAILABLE where VMs are stuck.
 *
 * Returns: %TRUE if every VM is gone
 */
gboolean
berth_pool_shutdown_finish (BerthPool *self, GAsyncResult *result, GError **error)
{
  return finish_boolean (self, result, BERTH_MESSAGE_SHUTDOWN, error);
}

/**
 * berth_pool_resize:
 * @self: a #BerthPool
 * @capacity: complete; holds from now on
 *
 * Waiters that no budget could hold any more end with %BERTH_ERROR_INVALID; a smaller budget takes
 * effect as VMs end, warm ones first. Any thread.
 */
void
berth_pool_resize (BerthPool *self, const BerthCapacity *capacity)
{
  BerthPoolMessage *message = NULL;

  g_return_if_fail (BERTH_IS_POOL (self));
  g_return_if_fail (capacity != NULL);

  message = berth_pool_message_new (BERTH_MESSAGE_RESIZE);
  message->capacity = *capacity;
  message->message.capacity = &message->capacity;
  berth_pool_core_push (self->core, message);
}

/**
 * berth_pool_set_tenants:
 * @self: a #BerthPool
 * @policy: not changed any more; holds from now on
 *
 * Waiters that their own tenant's cap could never hold end with %BERTH_ERROR_INVALID; a tenant at
 * its cap waits, and keeps nobody else waiting. Any thread.
 */
void
berth_pool_set_tenants (BerthPool *self, BerthTenantPolicy *policy)
{
  BerthPoolMessage *message = NULL;

  g_return_if_fail (BERTH_IS_POOL (self));
  g_return_if_fail (policy != NULL);

  message = berth_pool_message_new (BERTH_MESSAGE_SET_TENANTS);
  message->policy = berth_tenant_policy_ref (policy);
  message->message.policy = message->policy;
  berth_pool_core_push (self->core, message);
}

/**
 * berth_pool_adopt:
 * @self: a #BerthPool
 * @vm: by berth_vm_new_adopted()
 * @request: (nullable): whose it is; %NULL: a warm VM that the hypervisor is looking at
 * @is_paused: whether somebody's stands still
 *
 * Takes into the books what an earlier life of berthd left. It counts from now on, even where that
 * is more than the capacity. A warm VM of a template without a warm target is destroyed. Any
 * thread.
 */
void
berth_pool_adopt (BerthPool *self, BerthVm *vm, BerthRequest *request, gboolean is_paused)
{
  BerthPoolMessage *message = NULL;

  g_return_if_fail (BERTH_IS_POOL (self));
  g_return_if_fail (BERTH_IS_VM (vm));

  message = berth_pool_message_new (BERTH_MESSAGE_ADOPT);
  message->vm = g_object_ref (vm);
  message->message.vm = message->vm;
  if (request != NULL)
    message->request = berth_request_ref (request);
  message->message.request = message->request;
  message->message.flag = is_paused;
  berth_pool_core_push (self->core, message);
}

/**
 * berth_pool_set_admitting:
 * @self: a #BerthPool
 * @admitting: whether requests are given VMs; %TRUE at first
 *
 * Drains the host: while it is %FALSE requests wait, warm VMs are destroyed and none are made. VMs
 * that somebody has, and those that are on their way to somebody, stay as they are. Any thread.
 */
void
berth_pool_set_admitting (BerthPool *self, gboolean admitting)
{
  BerthPoolMessage *message = NULL;

  g_return_if_fail (BERTH_IS_POOL (self));

  message = berth_pool_message_new (BERTH_MESSAGE_SET_ADMITTING);
  message->message.flag = admitting;
  berth_pool_core_push (self->core, message);
}

/**
 * berth_pool_set_open:
 * @self: a #BerthPool
 * @open: whether VMs may be started
 *
 * While the gate is closed, requests wait, nothing starts, and what is stuck is not tried again.
 * Any thread.
 */
void
berth_pool_set_open (BerthPool *self, gboolean open)
{
  BerthPoolMessage *message = NULL;

  g_return_if_fail (BERTH_IS_POOL (self));

  message = berth_pool_message_new (BERTH_MESSAGE_SET_OPEN);
  message->message.flag = open;
  berth_pool_core_push (self->core, message);
}

static void
push_template (BerthPool *self, BerthPoolMessage *message, const char *template_name,
               const char *tenant_key)
{
  message->template_name = g_strdup (template_name);
  message->message.template_name = message->template_name;
  message->tenant_key = g_strdup (tenant_key);
  message->message.tenant_key = message->tenant_key;
  berth_pool_core_push (self->core, message);
}

/**
 * berth_pool_set_warm_target:
 * @self: a #BerthPool
 * @template_name: of the template
 * @tenant_key: (nullable): of the tenant that they are for; %NULL for anybody
 * @target: what is wanted of it from now on
 *
 * Keeps paused, healthy VMs of @template_name ready for requests of exactly @target's size. They
 * are made when nobody waits, and give way to whoever does. A template that can't have warm VMs (it
 * has no snapshot yet) has a target of 0. Any thread.
 */
void
berth_pool_set_warm_target (BerthPool *self, const char *template_name, const char *tenant_key,
                            const BerthWarmTarget *target)
{
  BerthPoolMessage *message = NULL;

  g_return_if_fail (BERTH_IS_POOL (self));
  g_return_if_fail (template_name != NULL);
  g_return_if_fail (target != NULL);
  g_return_if_fail ((target->min == 0 && target->max == 0)
                    || (target->memory_mb > 0 && target->vcpus > 0));

  message = berth_pool_message_new (BERTH_MESSAGE_SET_WARM);
  message->target = *target;
  message->message.target = &message->target;
  push_template (self, message, template_name, tenant_key);
}

/**
 * berth_pool_drain:
 * @self: a #BerthPool
 * @template_name: (nullable): of the template; %NULL for all that have a target
 *
 * Destroys its warm VMs, and makes none until berth_pool_fill(). Any thread.
 */
void
berth_pool_drain (BerthPool *self, const char *template_name)
{
  g_return_if_fail (BERTH_IS_POOL (self));
  push_template (self, berth_pool_message_new (BERTH_MESSAGE_DRAIN), template_name, NULL);
}

/**
 * berth_pool_fill:
 * @self: a #BerthPool
 * @template_name: (nullable): of the template; %NULL for all that have a target
 *
 * Ends a drain, and forgets failures, so that what is wanted is tried at once. Any thread.
 */
void
berth_pool_fill (BerthPool *self, const char *template_name)
{
  g_return_if_fail (BERTH_IS_POOL (self));
  push_template (self, berth_pool_message_new (BERTH_MESSAGE_FILL), template_name, NULL);
}

/**
 * berth_pool_template_changed:
 * @self: a #BerthPool
 * @template_name: of the template
 * @tenant_key: (nullable): of the tenant that its warm VMs are for; %NULL: those that are for
 * anybody
 *
 * Its warm VMs are outdated: nobody gets one any more, and all are replaced. VMs that somebody has
 * stay as they are. Any thread.
 */
void
berth_pool_template_changed (BerthPool *self, const char *template_name, const char *tenant_key)
{
  g_return_if_fail (BERTH_IS_POOL (self));
  g_return_if_fail (template_name != NULL);
  push_template (self, berth_pool_message_new (BERTH_MESSAGE_TEMPLATE_CHANGED), template_name,
                 tenant_key);
}

/**
 * berth_pool_set_pressure:
 * @self: a #BerthPool
 * @pressure: whether the host is short of memory
 *
 * While it is, no warm VM is made, and one goes now and one every second, least wanted first; no
 * request is refused because of it. Any thread.
 */
void
berth_pool_set_pressure (BerthPool *self, gboolean pressure)
{
  BerthPoolMessage *message = NULL;

  g_return_if_fail (BERTH_IS_POOL (self));

  message = berth_pool_message_new (BERTH_MESSAGE_SET_PRESSURE);
  message->message.flag = pressure;
  berth_pool_core_push (self->core, message);
}

/* @request: (nullable): what is asked about */
static gpointer
ask (BerthPool *self, BerthPoolMessageType type, BerthRequest *request)
{
  g_autoptr (GAsyncQueue) reply = g_async_queue_new ();
  BerthPoolMessage *message = berth_pool_message_new (BERTH_MESSAGE_TICK);
  gpointer data = NULL;

  message->type = type;
  message->request = request != NULL ? berth_request_ref (request) : NULL;
  message->reply = g_async_queue_ref (reply);
  berth_pool_core_push (self->core, message);
  data = g_async_queue_pop (reply);
  BERTH_SYNC_ACQUIRE (reply);
  return data;
}

/**
 * berth_pool_dup_status:
 * @self: a #BerthPool
 *
 * Asks the admission thread, which never waits for a hypervisor. Every message sent before it from
 * this thread has been handled. Any thread.
 *
 * Returns: (transfer full): `a{sv}`: "slots" {total, free, bound (what free is not more for:
 * "slots", "memory_mb", "vcpus", or "waiter": all is kept for an old one), claimed, paused, warm,
 *   starting, stopping, of which stuck}, "memory_mb" {total, held}, "vcpus" {total, held}, "open",
 * "pressure", "n_waiting", "waiters" (the first %BERTH_STATUS_MAX_WAITERS of them) [{tenant, task,
 * uid, template, position (from 1), since (seconds)}], "templates" {NAME: {warm, refilling, target
 * (wanted now), min, max, failures (in a row), last_error}}
 */
GVariant *
berth_pool_dup_status (BerthPool *self)
{
  g_return_val_if_fail (BERTH_IS_POOL (self), NULL);
  return ask (self, BERTH_POOL_MESSAGE_STATUS, NULL);
}

/**
 * berth_pool_get_position:
 * @self: a #BerthPool
 * @request: that was given to berth_pool_acquire_async()
 *
 * As berth_pool_dup_status().
 *
 * Returns: where it waits, from 1; 0 once it does not
 */
guint
berth_pool_get_position (BerthPool *self, BerthRequest *request)
{
  g_autoptr (GVariant) position = NULL;

  g_return_val_if_fail (BERTH_IS_POOL (self), 0);
  g_return_val_if_fail (request != NULL, 0);

  position = ask (self, BERTH_POOL_MESSAGE_POSITION, request);
  return g_variant_get_uint32 (position);
}

/**
 * berth_pool_dup_vms:
 * @self: a #BerthPool
 *
 * As berth_pool_dup_status().
 *
 * Returns: (transfer full) (element-type BerthVm): every VM that is not gone, oldest first
 */
GPtrArray *
berth_pool_dup_vms (BerthPool *self)
{
  g_return_val_if_fail (BERTH_IS_POOL (self), NULL);
  return ask (self, BERTH_POOL_MESSAGE_VMS, NULL);
}
