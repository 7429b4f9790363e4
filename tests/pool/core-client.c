/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks for VMs, keeps each for its time, and notes how long each was waited for. */
#include "core-client.h"

#include <math.h>
#include <stdlib.h>

#define SECOND G_TIME_SPAN_SECOND
/* what is asserted of random times is likely for any seed, and sure for this one */
#define DEFAULT_SEED 7u

typedef struct
{
  guint64 ticket;
  gint64 arrived_us;
  gint64 hold_us;
  gint64 end_us;
} Job;

static gint64
some_time (CoreClient *client, gint64 mean_us)
{
  if (!client->is_random)
    return mean_us;
  return (gint64)(-log (1 - g_rand_double (client->rand)) * (double)mean_us);
}

static guint64
client_acquire (CoreClient *client, CoreWorld *world)
{
  guint32 uid = client->uid != 0 ? client->uid : 1000;
  g_autofree char *one_of_many
      = g_strdup_printf ("%s-%u", client->tenant, client->n_asked++ % MAX (client->n_names, 1));
  g_autoptr (BerthRequest) request
      = berth_request_new (BERTH_SHAPE ("python", client->memory_mb, 1),
                           client->n_names > 0 ? one_of_many : client->tenant, NULL, uid,
                           BERTH_REQUEST_WAIT_FOREVER, NULL, NULL, NULL);

  return core_world_acquire_request (world, request);
}

static void
client_ask (CoreClient *client, CoreWorld *world)
{
  Job *job = g_new0 (Job, 1);

  job->arrived_us = world->now_us;
  job->hold_us = some_time (client, client->hold_us);
  job->ticket = client_acquire (client, world);
  g_queue_push_tail (&client->pending, job);
}

static void
client_note_served (CoreClient *client, CoreWorld *world, Job *job)
{
  gint64 wait_us = core_world_get_result (world, job->ticket)->at_us - job->arrived_us;

  client->n_served++;
  client->waited_us += wait_us;
  client->longest_us = MAX (client->longest_us, wait_us);
  job->end_us = world->now_us + job->hold_us;
  g_queue_push_tail (&client->running, job);
  client->most = MAX (client->most, client->running.length);
}

static void
client_end_jobs (CoreClient *client, CoreWorld *world)
{
  for (GList *link = client->running.head, *next = NULL; link != NULL; link = next)
    {
      Job *job = link->data;

      next = link->next;
      if (job->end_us > world->now_us)
        continue;
      client->used += (double)job->hold_us / SECOND;
      core_world_destroy (world, core_world_get_vm (world, job->ticket));
      g_queue_delete_link (&client->running, link);
      g_free (job);
    }
}

void
core_client_step (CoreClient *client, CoreWorld *world)
{
  client_end_jobs (client, world);
  while (client->every_us > 0 && client->next_us <= world->now_us)
    {
      client_ask (client, world);
      client->next_us += some_time (client, client->every_us);
    }
  while (client->every_us == 0 && client->pending.length < client->backlog)
    client_ask (client, world);
  for (GList *link = client->pending.head, *next = NULL; link != NULL; link = next)
    {
      Job *job = link->data;

      next = link->next;
      if (core_world_get_result (world, job->ticket) == NULL)
        continue;
      client_note_served (client, world, job);
      g_queue_delete_link (&client->pending, link);
    }
}

void
core_client_start (CoreClient *client, guint32 seed)
{
  client->rand = g_rand_new_with_seed (seed);
  client->next_us = some_time (client, client->every_us);
}

void
core_client_stop (CoreClient *client)
{
  g_queue_clear_full (&client->pending, g_free);
  g_queue_clear_full (&client->running, g_free);
  g_clear_pointer (&client->rand, g_rand_free);
}

void
core_clients_run (CoreClient *clients, guint n, const BerthCapacity *capacity,
                  BerthTenantPolicy *policy, gint64 for_us, guint32 seed)
{
  g_autoptr (CoreWorld) world = core_world_new (capacity);

  if (policy != NULL)
    core_world_set_tenants (world, policy);
  for (guint i = 0; i < n; i++)
    core_client_start (&clients[i], seed + i);
  while (world->now_us < for_us)
    {
      for (guint i = 0; i < n; i++)
        core_client_step (&clients[i], world);
      core_world_advance (world, CORE_CLIENT_STEP_US);
    }
  for (guint i = 0; i < n; i++)
    core_client_stop (&clients[i]);
}

guint32
core_client_get_seed (void)
{
  const char *text = g_getenv ("BERTH_SEED");
  guint32 seed = text != NULL ? (guint32)strtoul (text, NULL, 0) : DEFAULT_SEED;

  g_test_message ("BERTH_SEED=%u repeats this run", seed);
  return seed;
}

BerthCapacity
core_client_slots (guint max_vms)
{
  return (BerthCapacity){
    .max_vms = max_vms,
    .memory_mb = max_vms * 256,
    .vcpus = max_vms,
    .max_starts = max_vms,
    .big_request_age_us = 30 * SECOND,
  };
}

double
core_client_mean_wait_s (const CoreClient *client)
{
  return (double)client->waited_us / SECOND / MAX (client->n_served, 1);
}

void
core_client_assert_ratio (double a, double b, double wanted, double tolerance)
{
  g_test_message ("%.1f to %.1f is %.3f to 1, wanted %.3f", a, b, a / b, wanted);
  g_assert_cmpfloat (fabs (a / b / wanted - 1), <, tolerance);
}
