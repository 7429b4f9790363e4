/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plays the hypervisor: keeps the domains that exist, and answers every call as its script says. */
#include "berth-fake-hypervisor.h"

#include <pthread.h>

#define N_CALLS 5

/* One answer that is under way, and what it does to the world when it is given. */
typedef struct
{
  gint64 due_us;
  guint64 serial; /* of two that are due at once, the one asked for first */
  BerthHypervisorEventType type;
  BerthVm *vm;
  GError *error;
  gboolean ends_with_domain; /* dropped when the domain ends, unless it is deaf */
  gboolean ends_domain;
  gboolean is_held;
} Answer;

/* A domain exists from the call of start() until its end: the strictest way to count. */
typedef struct
{
  BerthVm *vm;
  gboolean is_ending; /* destroy() was called and has not answered */
} Domain;

/* pthread's locks instead of GLib's: ThreadSanitizer sees those */
struct _BerthFakeHypervisor
{
  GObject parent_instance;

  pthread_mutex_t lock;     /* of all below */
  pthread_mutex_t delivery; /* held while the event function runs */
  pthread_cond_t changed;
  pthread_t thread;
  gboolean is_virtual;
  gboolean is_ended;

  BerthHypervisorEventFunc func;
  gpointer func_data;
  GSequence *answers;  /* of Answer (owned), the first due first */
  GHashTable *domains; /* BerthVm (borrowed from value) → Domain (owned) */
  guint64 last_serial;
  gint64 now_us;

  BerthFakeScript script;
  gpointer script_data;
  gint64 latency_us[N_CALLS];
  guint n_calls[N_CALLS];
  const char *fail_step;
  guint n_sticky;
  gboolean holds_starts;
  guint max_domains;
};

static const BerthFakeStep steps[] = {
  { "template", BERTH_ERROR_CONFIG },
  { "layer-missing", BERTH_ERROR_CONFIG },
  { "define", BERTH_ERROR_INTERNAL },
  { "start", BERTH_ERROR_UNAVAILABLE },
  { "channel", BERTH_ERROR_UNAVAILABLE },
  { "agent-hello", BERTH_ERROR_UNAVAILABLE },
  { "boot-timeout", BERTH_ERROR_START_TIMED_OUT },
  { NULL, 0 },
};

static void fake_iface_init (BerthHypervisorInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BerthFakeHypervisor, berth_fake_hypervisor, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BERTH_TYPE_HYPERVISOR, fake_iface_init))

static void
answer_free (Answer *answer)
{
  g_object_unref (answer->vm);
  g_clear_error (&answer->error);
  g_free (answer);
}

static void
domain_free (Domain *domain)
{
  g_object_unref (domain->vm);
  g_free (domain);
}

static int
compare_answers (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const Answer *first = a;
  const Answer *second = b;

  if (first->due_us != second->due_us)
    return first->due_us < second->due_us ? -1 : 1;
  return (first->serial > second->serial) - (first->serial < second->serial);
}

static gint64
fake_now (BerthFakeHypervisor *self)
{
  return self->is_virtual ? self->now_us : g_get_monotonic_time ();
}

/* locked */
static Answer *
add_answer (BerthFakeHypervisor *self, BerthHypervisorEventType type, BerthVm *vm,
            gint64 latency_us)
{
  Answer *answer = g_new0 (Answer, 1);

  answer->due_us = fake_now (self) + latency_us;
  answer->serial = ++self->last_serial;
  answer->type = type;
  answer->vm = g_object_ref (vm);
  g_sequence_insert_sorted (self->answers, answer, compare_answers, NULL);
  pthread_cond_signal (&self->changed);
  return answer;
}

/* locked; what start() or claim() would have said is not said any more */
static void
drop_answers (BerthFakeHypervisor *self, BerthVm *vm)
{
  GSequenceIter *iter = g_sequence_get_begin_iter (self->answers);

  while (!g_sequence_iter_is_end (iter))
    {
      GSequenceIter *next = g_sequence_iter_next (iter);
      Answer *answer = g_sequence_get (iter);

      if (answer->vm == vm && answer->ends_with_domain)
        g_sequence_remove (iter);
      iter = next;
    }
}

/* locked */
static BerthFakePlan
make_plan (BerthFakeHypervisor *self, BerthFakeCall call, BerthVm *vm)
{
  BerthFakePlan plan = { .latency_us = self->latency_us[call] };

  self->n_calls[call]++;
  if (call == BERTH_FAKE_START)
    plan.fail_step = self->fail_step;
  if (call == BERTH_FAKE_DESTROY && self->n_sticky > 0)
    {
      self->n_sticky--;
      plan.fail_step = "destroy";
    }
  plan.fail_code = BERTH_ERROR_UNAVAILABLE;
  for (guint i = 0; steps[i].name != NULL; i++)
    if (g_strcmp0 (plan.fail_step, steps[i].name) == 0)
      plan.fail_code = steps[i].code;
  if (self->script != NULL)
    self->script (call, vm, &plan, self->script_data);
  return plan;
}

static GError *
new_plan_error (const BerthFakePlan *plan, BerthVm *vm)
{
  return g_error_new (BERTH_ERROR, plan->fail_code, "VM %s failed at %s", berth_vm_get_id (vm),
                      plan->fail_step);
}

/* locked */
static void
add_answers (BerthFakeHypervisor *self, const BerthFakePlan *plan, BerthVm *vm,
             BerthHypervisorEventType success, BerthHypervisorEventType failure)
{
  gboolean fails = plan->fail_step != NULL;

  for (guint i = 0; i <= plan->repeats; i++)
    {
      Answer *answer = add_answer (self, fails ? failure : success, vm,
                                   plan->latency_us + i * plan->repeat_after_us);

      answer->error = fails ? new_plan_error (plan, vm) : NULL;
      answer->ends_with_domain = success != BERTH_HYPERVISOR_GONE && !plan->is_deaf;
      answer->ends_domain = i == 0 && !fails && success == BERTH_HYPERVISOR_GONE;
      answer->is_held = success == BERTH_HYPERVISOR_STARTED && self->holds_starts;
    }
}

static void
fake_set_event_func (BerthHypervisor *hypervisor, BerthHypervisorEventFunc func, gpointer user_data)
{
  BerthFakeHypervisor *self = BERTH_FAKE_HYPERVISOR (hypervisor);

  pthread_mutex_lock (&self->delivery);
  pthread_mutex_lock (&self->lock);
  self->func = func;
  self->func_data = user_data;
  pthread_mutex_unlock (&self->lock);
  pthread_mutex_unlock (&self->delivery);
}

static void
fake_start (BerthHypervisor *hypervisor, BerthVm *vm, BerthStartMode mode)
{
  BerthFakeHypervisor *self = BERTH_FAKE_HYPERVISOR (hypervisor);
  Domain *domain = g_new0 (Domain, 1);
  BerthFakePlan plan = { 0 };

  pthread_mutex_lock (&self->lock);
  g_assert_false (g_hash_table_contains (self->domains, vm));
  g_assert_cmpint (berth_vm_get_state (vm), ==, BERTH_VM_STATE_STARTING);
  domain->vm = g_object_ref (vm);
  g_hash_table_insert (self->domains, vm, domain);
  self->max_domains = MAX (self->max_domains, g_hash_table_size (self->domains));
  plan = make_plan (self, BERTH_FAKE_START, vm);
  add_answers (self, &plan, vm, BERTH_HYPERVISOR_STARTED, BERTH_HYPERVISOR_FAILED);
  pthread_mutex_unlock (&self->lock);
}

static void
fake_claim (BerthHypervisor *hypervisor, BerthVm *vm)
{
  BerthFakeHypervisor *self = BERTH_FAKE_HYPERVISOR (hypervisor);
  BerthFakePlan plan = { 0 };

  pthread_mutex_lock (&self->lock);
  plan = make_plan (self, BERTH_FAKE_CLAIM, vm);
  add_answers (self, &plan, vm, BERTH_HYPERVISOR_CLAIMED, BERTH_HYPERVISOR_FAILED);
  pthread_mutex_unlock (&self->lock);
}

static void
fake_pause (BerthHypervisor *hypervisor, BerthVm *vm)
{
  BerthFakeHypervisor *self = BERTH_FAKE_HYPERVISOR (hypervisor);
  BerthFakePlan plan = { 0 };

  pthread_mutex_lock (&self->lock);
  plan = make_plan (self, BERTH_FAKE_PAUSE, vm);
  add_answers (self, &plan, vm, BERTH_HYPERVISOR_SUSPENDED, BERTH_HYPERVISOR_RESUMED);
  pthread_mutex_unlock (&self->lock);
}

static void
fake_wake (BerthHypervisor *hypervisor, BerthVm *vm)
{
  BerthFakeHypervisor *self = BERTH_FAKE_HYPERVISOR (hypervisor);
  BerthFakePlan plan = { 0 };

  pthread_mutex_lock (&self->lock);
  plan = make_plan (self, BERTH_FAKE_WAKE, vm);
  add_answers (self, &plan, vm, BERTH_HYPERVISOR_RESUMED, BERTH_HYPERVISOR_SUSPENDED);
  pthread_mutex_unlock (&self->lock);
}

static void
fake_destroy (BerthHypervisor *hypervisor, BerthVm *vm)
{
  BerthFakeHypervisor *self = BERTH_FAKE_HYPERVISOR (hypervisor);
  Domain *domain = NULL;
  BerthFakePlan plan = { 0 };

  pthread_mutex_lock (&self->lock);
  domain = g_hash_table_lookup (self->domains, vm);
  if (domain == NULL || !domain->is_ending)
    {
      plan = make_plan (self, BERTH_FAKE_DESTROY, vm);
      if (domain != NULL)
        domain->is_ending = plan.fail_step == NULL;
      drop_answers (self, vm);
      add_answers (self, &plan, vm, BERTH_HYPERVISOR_GONE, BERTH_HYPERVISOR_STUCK);
    }
  pthread_mutex_unlock (&self->lock);
}

static void
fake_iface_init (BerthHypervisorInterface *iface)
{
  iface->set_event_func = fake_set_event_func;
  iface->start = fake_start;
  iface->claim = fake_claim;
  iface->pause = fake_pause;
  iface->wake = fake_wake;
  iface->destroy = fake_destroy;
}

/* locked; the first answer that is due, taken out, its domain ended: the world comes before the
 * word */
static Answer *
take_due_answer (BerthFakeHypervisor *self)
{
  GSequenceIter *iter = g_sequence_get_begin_iter (self->answers);
  Answer *answer = NULL;

  while (!g_sequence_iter_is_end (iter) && ((Answer *)g_sequence_get (iter))->is_held)
    iter = g_sequence_iter_next (iter);
  if (g_sequence_iter_is_end (iter))
    return NULL;
  answer = g_sequence_get (iter);
  if (answer->due_us > fake_now (self))
    return NULL;
  answer = g_memdup2 (answer, sizeof *answer);
  g_object_ref (answer->vm);
  answer->error = answer->error != NULL ? g_error_copy (answer->error) : NULL;
  g_sequence_remove (iter);
  if (answer->ends_domain)
    g_hash_table_remove (self->domains, answer->vm);
  return answer;
}

gboolean
berth_fake_hypervisor_deliver (BerthFakeHypervisor *self)
{
  Answer *answer = NULL;
  BerthHypervisorEventFunc func = NULL;
  gpointer func_data = NULL;

  pthread_mutex_lock (&self->delivery);
  pthread_mutex_lock (&self->lock);
  answer = take_due_answer (self);
  func = self->func;
  func_data = self->func_data;
  pthread_mutex_unlock (&self->lock);
  if (answer != NULL && func != NULL)
    func (answer->type, answer->vm, answer->error, func_data);
  pthread_mutex_unlock (&self->delivery);

  if (answer == NULL)
    return FALSE;
  answer_free (answer);
  return TRUE;
}

/* locked */
static void
wait_for_answer (BerthFakeHypervisor *self)
{
  gint64 due_us = berth_fake_hypervisor_next_due_us (self);
  struct timespec until = { 0 };

  if (due_us == G_MAXINT64)
    {
      pthread_cond_wait (&self->changed, &self->lock);
      return;
    }
  until.tv_sec = due_us / G_USEC_PER_SEC;
  until.tv_nsec = (due_us % G_USEC_PER_SEC) * 1000;
  pthread_cond_timedwait (&self->changed, &self->lock, &until);
}

static void *
thread_main (void *data)
{
  BerthFakeHypervisor *self = data;
  gboolean is_ended = FALSE;

  while (!is_ended)
    {
      while (berth_fake_hypervisor_deliver (self))
        ;
      pthread_mutex_lock (&self->lock);
      if (!self->is_ended && berth_fake_hypervisor_next_due_us (self) > fake_now (self))
        wait_for_answer (self);
      is_ended = self->is_ended;
      pthread_mutex_unlock (&self->lock);
    }
  return NULL;
}

static void
berth_fake_hypervisor_finalize (GObject *object)
{
  BerthFakeHypervisor *self = BERTH_FAKE_HYPERVISOR (object);

  if (!self->is_virtual)
    {
      pthread_mutex_lock (&self->lock);
      self->is_ended = TRUE;
      pthread_cond_signal (&self->changed);
      pthread_mutex_unlock (&self->lock);
      pthread_join (self->thread, NULL);
    }
  g_sequence_free (self->answers);
  g_hash_table_unref (self->domains);
  pthread_cond_destroy (&self->changed);
  pthread_mutex_destroy (&self->delivery);
  pthread_mutex_destroy (&self->lock);
  G_OBJECT_CLASS (berth_fake_hypervisor_parent_class)->finalize (object);
}

static void
berth_fake_hypervisor_class_init (BerthFakeHypervisorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_fake_hypervisor_finalize;
}

static void
berth_fake_hypervisor_init (BerthFakeHypervisor *self)
{
  pthread_condattr_t attributes;

  pthread_condattr_init (&attributes);
  pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
  pthread_cond_init (&self->changed, &attributes);
  pthread_condattr_destroy (&attributes);
  pthread_mutex_init (&self->lock, NULL);
  pthread_mutex_init (&self->delivery, NULL);
  self->answers = g_sequence_new ((GDestroyNotify)answer_free);
  self->domains = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify)domain_free);
}

BerthFakeHypervisor *
berth_fake_hypervisor_new (void)
{
  BerthFakeHypervisor *self = g_object_new (BERTH_TYPE_FAKE_HYPERVISOR, NULL);

  g_assert_cmpint (pthread_create (&self->thread, NULL, thread_main, self), ==, 0);
  return self;
}

BerthFakeHypervisor *
berth_fake_hypervisor_new_virtual (void)
{
  BerthFakeHypervisor *self = g_object_new (BERTH_TYPE_FAKE_HYPERVISOR, NULL);

  self->is_virtual = TRUE;
  return self;
}

void
berth_fake_hypervisor_set_script (BerthFakeHypervisor *self, BerthFakeScript script,
                                  gpointer user_data)
{
  pthread_mutex_lock (&self->lock);
  self->script = script;
  self->script_data = user_data;
  pthread_mutex_unlock (&self->lock);
}

void
berth_fake_hypervisor_set_latency (BerthFakeHypervisor *self, BerthFakeCall call, gint64 latency_us)
{
  pthread_mutex_lock (&self->lock);
  self->latency_us[call] = latency_us;
  pthread_mutex_unlock (&self->lock);
}

void
berth_fake_hypervisor_fail_at (BerthFakeHypervisor *self, const char *step)
{
  pthread_mutex_lock (&self->lock);
  self->fail_step = g_intern_string (step);
  pthread_mutex_unlock (&self->lock);
}

void
berth_fake_hypervisor_stick (BerthFakeHypervisor *self, guint count)
{
  pthread_mutex_lock (&self->lock);
  self->n_sticky = count;
  pthread_mutex_unlock (&self->lock);
}

static void
release_answer (gpointer data, gpointer user_data)
{
  ((Answer *)data)->is_held = FALSE;
}

void
berth_fake_hypervisor_hold_starts (BerthFakeHypervisor *self, gboolean hold)
{
  pthread_mutex_lock (&self->lock);
  self->holds_starts = hold;
  if (!hold)
    g_sequence_foreach (self->answers, release_answer, NULL);
  pthread_cond_signal (&self->changed);
  pthread_mutex_unlock (&self->lock);
}

gboolean
berth_fake_hypervisor_kill (BerthFakeHypervisor *self, BerthVm *vm)
{
  gboolean is_there = FALSE;

  pthread_mutex_lock (&self->lock);
  is_there = g_hash_table_remove (self->domains, vm);
  if (is_there)
    {
      Answer *answer = NULL;

      drop_answers (self, vm);
      answer = add_answer (self, BERTH_HYPERVISOR_GONE, vm, 0);
      answer->error
          = g_error_new (BERTH_ERROR, BERTH_ERROR_GONE,
                         "domain of VM %s was destroyed from outside", berth_vm_get_id (vm));
    }
  pthread_mutex_unlock (&self->lock);
  return is_there;
}

void
berth_fake_hypervisor_say (BerthFakeHypervisor *self, BerthHypervisorEventType type, BerthVm *vm)
{
  Answer *answer = NULL;

  pthread_mutex_lock (&self->lock);
  answer = add_answer (self, type, vm, 0);
  if (type == BERTH_HYPERVISOR_FAILED || type == BERTH_HYPERVISOR_STUCK)
    answer->error = g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "said without a cause");
  pthread_mutex_unlock (&self->lock);
}

guint
berth_fake_hypervisor_count_domains (BerthFakeHypervisor *self)
{
  guint count = 0;

  pthread_mutex_lock (&self->lock);
  count = g_hash_table_size (self->domains);
  pthread_mutex_unlock (&self->lock);
  return count;
}

gint64
berth_fake_hypervisor_sum_memory_mb (BerthFakeHypervisor *self)
{
  gint64 sum = 0;
  GHashTableIter iter;
  gpointer vm = NULL;

  pthread_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->domains);
  while (g_hash_table_iter_next (&iter, &vm, NULL))
    sum += berth_vm_get_memory_mb (vm);
  pthread_mutex_unlock (&self->lock);
  return sum;
}

guint
berth_fake_hypervisor_max_domains (BerthFakeHypervisor *self)
{
  guint max = 0;

  pthread_mutex_lock (&self->lock);
  max = self->max_domains;
  pthread_mutex_unlock (&self->lock);
  return max;
}

guint
berth_fake_hypervisor_count_calls (BerthFakeHypervisor *self, BerthFakeCall call)
{
  guint count = 0;

  pthread_mutex_lock (&self->lock);
  count = self->n_calls[call];
  pthread_mutex_unlock (&self->lock);
  return count;
}

const BerthFakeStep *
berth_fake_hypervisor_get_steps (void)
{
  return steps;
}

/* locked, or in virtual time */
gint64
berth_fake_hypervisor_next_due_us (BerthFakeHypervisor *self)
{
  GSequenceIter *iter = g_sequence_get_begin_iter (self->answers);

  while (!g_sequence_iter_is_end (iter) && ((Answer *)g_sequence_get (iter))->is_held)
    iter = g_sequence_iter_next (iter);
  return g_sequence_iter_is_end (iter) ? G_MAXINT64 : ((Answer *)g_sequence_get (iter))->due_us;
}

void
berth_fake_hypervisor_set_now (BerthFakeHypervisor *self, gint64 now_us)
{
  g_assert_true (self->is_virtual);
  self->now_us = MAX (self->now_us, now_us);
}
