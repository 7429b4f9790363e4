/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients of the admission core in virtual time: sources of requests, and what came of them. */
#pragma once

#include "core-world.h"

G_BEGIN_DECLS

/**
 * CoreClient:
 * @uid: whose requests these are; 0: 1000
 * @tenant: their tenant
 * @n_names: 0: @tenant is the name; else so many in turn begin with it
 * @memory_mb: of each
 * @hold_us: how long it keeps a VM, on average
 * @every_us: between requests, on average; 0: there are always @backlog waiting
 * @backlog: see @every_us
 * @is_random: times are exponential around their average, else always the same
 *
 * One source of requests, and what came of them.
 */
typedef struct
{
  guint32 uid;
  const char *tenant;
  guint n_names;
  guint memory_mb;
  gint64 hold_us;
  gint64 every_us;
  guint backlog;
  gboolean is_random;

  GRand *rand; /* of its own: the same requests in whatever company */
  GQueue pending;
  GQueue running;
  gint64 next_us;
  guint n_asked;
  guint n_served;
  gint64 waited_us;
  gint64 longest_us;
  double used; /* seconds times slots */
  guint most;  /* VMs at a time */
} CoreClient;

void core_client_start (CoreClient *self, guint32 seed);
void core_client_step (CoreClient *self, CoreWorld *world);
void core_client_stop (CoreClient *self);
double core_client_mean_wait_s (const CoreClient *self);

/* all of them against one core for @for_us; @policy: (nullable) */
void core_clients_run (CoreClient *clients, guint n, const BerthCapacity *capacity,
                       BerthTenantPolicy *policy, gint64 for_us, guint32 seed);

#define CORE_CLIENT_STEP_US (20 * G_TIME_SPAN_MILLISECOND)

/* of BERTH_SEED, which asks for another run; else always the same */
guint32 core_client_get_seed (void);
/* @max_vms slots of 256 MiB and a vCPU each */
BerthCapacity core_client_slots (guint max_vms);
/* a / b is @wanted, within @tolerance of it */
void core_client_assert_ratio (double a, double b, double wanted, double tolerance);

G_END_DECLS
