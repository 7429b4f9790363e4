/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What admission costs by itself: the core, on a hypervisor that does at once what it is told.
 *
 *     bench-admission [N_WAITERS...]     default: 1000 10000 100000
 *
 * Times are of this thread's CPU, so that a busy machine does not count. Prints pairs of acquire
 * and release per second; then for queues of each length, of 100 users and of 100 tenants of one:
 * the time from the end of a VM to the admission of the next waiter, that of an arrival, memory a
 * waiter, and what a status and a position cost. */
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "berth-admission.h"

#define N_PAIRS 500000u
#define N_RELEASES 20000u
#define N_PARTIES 100u
#define N_SLOTS 100u
#define MEMORY_MB 128u /* of each VM */

/**
 * Queue:
 * @what: for the reader
 * @is_by_user: each of its 100 parties is a user; else all are tenants of one
 * @n_spare: slots that stay free, as there is no memory for one more VM
 */
typedef struct
{
  const char *what;
  gboolean is_by_user;
  guint n_spare;
} Queue;

static const Queue queues[] = {
  { "100 users", TRUE, 0 },
  { "100 tenants of a user", FALSE, 0 },
  { "100 users, with slots free but no memory", TRUE, 10 },
};

typedef struct
{
  BerthAdmission *core;
  GPtrArray *effects;
  gint64 now_us;
  guint64 last_ticket;
} World;

static double
cpu_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static World *
world_new (guint max_vms, guint memory_mb)
{
  World *world = g_new0 (World, 1);
  const BerthCapacity capacity = {
    .max_vms = max_vms,
    .memory_mb = memory_mb,
    .vcpus = max_vms,
    .max_starts = max_vms,
    .big_request_age_us = 30 * G_TIME_SPAN_SECOND,
  };

  world->core = berth_admission_new (&capacity);
  world->effects = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_effect_free);
  return world;
}

static void
world_free (World *world)
{
  berth_admission_free (world->core);
  g_ptr_array_unref (world->effects);
  g_free (world);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (World, world_free)

static void
send (World *world, const BerthMessage *message)
{
  g_ptr_array_set_size (world->effects, 0);
  berth_admission_handle (world->core, message, ++world->now_us, world->effects);
}

static void
send_event (World *world, BerthVm *vm, BerthHypervisorEventType event)
{
  const BerthMessage message = { .type = BERTH_MESSAGE_EVENT, .vm = vm, .event = event };

  send (world, &message);
}

static void
acquire (World *world, BerthRequest *request)
{
  const BerthMessage message
      = { .type = BERTH_MESSAGE_ACQUIRE, .ticket = ++world->last_ticket, .request = request };

  send (world, &message);
}

/* (nullable) (transfer full): what the last message told to start */
static BerthVm *
dup_started (World *world)
{
  for (guint i = 0; i < world->effects->len; i++)
    {
      BerthEffect *effect = world->effects->pdata[i];

      if (effect->type == BERTH_EFFECT_START)
        return g_object_ref (effect->vm);
    }
  return NULL;
}

static BerthRequest *
request_new (guint party, gboolean is_by_user)
{
  g_autofree char *name = g_strdup_printf ("t%u", party);

  return berth_request_new (BERTH_SHAPE ("python", MEMORY_MB, 1), is_by_user ? "acme" : name, NULL,
                            is_by_user ? 1000 + party : 1000, BERTH_REQUEST_WAIT_FOREVER, NULL,
                            NULL, NULL);
}

static void
release (World *world, BerthVm *vm)
{
  const BerthMessage message
      = { .type = BERTH_MESSAGE_DESTROY, .vm = vm, .ticket = ++world->last_ticket };

  send (world, &message);
  send_event (world, vm, BERTH_HYPERVISOR_GONE);
}

static void
time_pairs (void)
{
  g_autoptr (World) world = world_new (8, 8 * MEMORY_MB);
  g_autoptr (BerthRequest) request = request_new (0, TRUE);
  double begin_us = cpu_us ();

  for (guint i = 0; i < N_PAIRS; i++)
    {
      g_autoptr (BerthVm) vm = NULL;

      acquire (world, request);
      vm = dup_started (world);
      send_event (world, vm, BERTH_HYPERVISOR_STARTED);
      release (world, vm);
    }
  g_print ("acquire and release: %.0f pairs/s\n", N_PAIRS * 1e6 / (cpu_us () - begin_us));
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  double first = *(const double *)a;
  double second = *(const double *)b;

  return (first > second) - (first < second);
}

/* N_RELEASES times: a VM ends, the next one is told to start; a waiter comes for the one that went
 */
static void
time_releases (World *world, GQueue *running, GPtrArray *requests, double *times, double *arrivals)
{
  for (guint i = 0; i < N_RELEASES; i++)
    {
      g_autoptr (BerthVm) vm = g_queue_pop_head (running);
      BerthVm *next = NULL;
      double begin_us = 0;
      const BerthMessage destroy = { .type = BERTH_MESSAGE_DESTROY, .vm = vm };

      send (world, &destroy);
      begin_us = cpu_us ();
      send_event (world, vm, BERTH_HYPERVISOR_GONE);
      times[i] = cpu_us () - begin_us;
      next = dup_started (world);
      g_assert_nonnull (next);
      send_event (world, next, BERTH_HYPERVISOR_STARTED);
      g_queue_push_tail (running, next);
      begin_us = cpu_us ();
      acquire (world, requests->pdata[i % requests->len]);
      arrivals[i] = cpu_us () - begin_us;
    }
  qsort (times, N_RELEASES, sizeof *times, compare_times);
  qsort (arrivals, N_RELEASES, sizeof *arrivals, compare_times);
}

static void
time_questions (World *world, BerthRequest *last)
{
  double begin_us = cpu_us ();
  g_autoptr (GVariant) status = berth_admission_dup_status (world->core, world->now_us);
  double status_us = cpu_us () - begin_us;
  guint position = 0;

  begin_us = cpu_us ();
  position = berth_admission_get_position (world->core, last, world->now_us);
  g_print ("  a status takes %.0f us and has %" G_GSIZE_FORMAT " bytes, a position (%u) %.1f us\n",
           status_us, g_variant_get_size (status), position, cpu_us () - begin_us);
}

static void
time_queue (guint n_waiters, const Queue *queue)
{
  g_autoptr (World) world = world_new (N_SLOTS + queue->n_spare, N_SLOTS * MEMORY_MB);
  g_autoptr (GPtrArray) requests
      = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_request_unref);
  g_autoptr (BerthRequest) last = request_new (N_PARTIES / 2, queue->is_by_user);
  g_autofree double *times = g_new0 (double, N_RELEASES);
  g_autofree double *arrivals = g_new0 (double, N_RELEASES);
  GQueue running = G_QUEUE_INIT;
  gsize before = 0;

  for (guint i = 0; i < N_PARTIES; i++)
    g_ptr_array_add (requests, request_new (i, queue->is_by_user));
  for (guint i = 0; i < N_SLOTS; i++)
    {
      acquire (world, requests->pdata[i % N_PARTIES]);
      g_queue_push_tail (&running, dup_started (world));
      send_event (world, running.tail->data, BERTH_HYPERVISOR_STARTED);
    }
  before = mallinfo2 ().uordblks;
  for (guint i = 0; i < n_waiters - 1; i++)
    {
      g_autoptr (BerthRequest) own = request_new (i % N_PARTIES, queue->is_by_user);

      acquire (world, own);
    }
  acquire (world, last);
  g_print ("%u waiters of %s: %" G_GSIZE_FORMAT " bytes each\n", n_waiters, queue->what,
           (mallinfo2 ().uordblks - before) / n_waiters);
  time_questions (world, last);
  time_releases (world, &running, requests, times, arrivals);
  g_print ("  from the end of a VM to the next start: median %.1f us, 99th percentile %.1f us\n",
           times[N_RELEASES / 2], times[N_RELEASES * 99 / 100]);
  g_print ("  one more that waits: median %.1f us, 99th percentile %.1f us\n",
           arrivals[N_RELEASES / 2], arrivals[N_RELEASES * 99 / 100]);
  g_queue_clear_full (&running, g_object_unref);
}

static void
time_queues (guint n_waiters)
{
  for (guint i = 0; i < G_N_ELEMENTS (queues); i++)
    time_queue (n_waiters, &queues[i]);
}

int
main (int argc, char **argv)
{
  static const guint usual[] = { 1000, 10000, 100000 };

  time_pairs ();
  for (gint i = 1; i < argc; i++)
    time_queues ((guint)strtoul (argv[i], NULL, 10));
  for (guint i = 0; argc == 1 && i < G_N_ELEMENTS (usual); i++)
    time_queues (usual[i]);
  return EXIT_SUCCESS;
}
