/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves that a long life leaves nothing behind: 200,000 runs on a hypervisor that fails at random,
 * with cancels, caps, resizes and a gate that closes; then as much memory and as many threads as
 * before. `test-soak RUNS` is a short one; without RUNS, only with BERTH_TEST_LONG=1. BERTH_SEED
 * repeats what is asked for, not how threads interleave. */
#include <gio/gio.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "berth-fake-hypervisor.h"
#include "berth-pool.h"

#define N_LONG 200000u
#define N_CLIENTS 8u
#define MS G_TIME_SPAN_MILLISECOND
/* tables keep the room that they once needed, and 150 tenants may owe something */
#define GROWTH_MAX_BYTES (96 * 1024)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#  define HAS_OWN_MALLOC 1
#else
#  define HAS_OWN_MALLOC 0
#endif

typedef struct
{
  BerthPool *pool;
  BerthFakeHypervisor *fake;
  GRand *rand;        /* of the main thread */
  GRand *script_rand; /* of the script, which runs with the fake locked */
  guint n_left;
  guint n_flying;
  guint n_served;
  guint n_warm;
  guint n_failed;
  guint n_gone; /* "vm-gone" was emitted */
} Soak;

typedef struct
{
  gsize bytes;
  guint threads;
} Footprint;

static guint n_runs;

static gboolean
chance (GRand *rand, gint per_thousand)
{
  return g_rand_int_range (rand, 0, 1000) < per_thousand;
}

static void
script (BerthFakeCall call, BerthVm *vm, BerthFakePlan *plan, gpointer user_data)
{
  Soak *soak = user_data;
  const BerthFakeStep *steps = berth_fake_hypervisor_get_steps ();
  GRand *rand = soak->script_rand;

  plan->latency_us = chance (rand, 100) ? g_rand_int_range (rand, 0, 1000) : 0;
  if (call == BERTH_FAKE_START && chance (rand, 80))
    {
      const BerthFakeStep *step = &steps[g_rand_int_range (rand, 0, 7)];

      plan->fail_step = step->name;
      plan->fail_code = step->code;
    }
  else if (call != BERTH_FAKE_START && chance (rand, call == BERTH_FAKE_CLAIM ? 50 : 1))
    {
      plan->fail_step = call == BERTH_FAKE_CLAIM ? "claim" : "destroy";
      plan->fail_code = BERTH_ERROR_UNAVAILABLE;
    }
  plan->repeats = chance (rand, 50) ? 1 : 0;
  plan->repeat_after_us = g_rand_int_range (rand, 0, 2000);
  plan->is_deaf = chance (rand, 50);
}

static void client_next (Soak *soak);

static void
destroyed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Soak *soak = user_data;
  g_autoptr (GError) error = NULL;

  if (!berth_pool_destroy_finish (BERTH_POOL (source), result, &error))
    g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE); /* stuck: pool tries again */
  soak->n_flying--;
  client_next (soak);
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Soak *soak = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthVm) vm = berth_pool_acquire_finish (BERTH_POOL (source), result, &error);

  if (vm == NULL)
    {
      g_assert_nonnull (error);
      soak->n_failed++;
      soak->n_flying--;
      client_next (soak);
      return;
    }
  soak->n_served++;
  soak->n_warm += berth_vm_was_warm (vm) ? 1 : 0;
  if (chance (soak->rand, 20))
    berth_fake_hypervisor_kill (soak->fake, vm);
  if (chance (soak->rand, 20))
    berth_pool_destroy_async (soak->pool, vm, NULL, NULL, NULL);
  berth_pool_destroy_async (soak->pool, vm, NULL, destroyed_cb, soak);
}

static gboolean
cancel_cb (gpointer user_data)
{
  g_cancellable_cancel (user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
open_cb (gpointer user_data)
{
  Soak *soak = user_data;

  berth_pool_set_open (soak->pool, TRUE);
  return G_SOURCE_REMOVE;
}

static void
change_policy (Soak *soak)
{
  g_autoptr (BerthTenantPolicy) policy = berth_tenant_policy_new ();

  berth_tenant_policy_set (policy, "t0", BERTH_PARTY_WEIGHT,
                           (guint)g_rand_int_range (soak->rand, 1, 9));
  berth_tenant_policy_set (policy, "*", BERTH_PARTY_MAX_VMS,
                           (guint)g_rand_int_range (soak->rand, 0, 6));
  berth_tenant_policy_set (policy, "t1", BERTH_PARTY_MEMORY_MB,
                           (guint)g_rand_int_range (soak->rand, 1, 4) * 256);
  berth_pool_set_tenants (soak->pool, policy);
}

static BerthCapacity
some_capacity (guint max_vms)
{
  return (BerthCapacity){
    .max_vms = max_vms,
    .memory_mb = 192 * max_vms,
    .vcpus = max_vms,
    .max_starts = 4,
    .big_request_age_us = 20 * MS,
  };
}

/* what an administrator and a libvirtd do, now and then */
static void
disturb (Soak *soak)
{
  const BerthWarmTarget target = {
    .min = (guint)g_rand_int_range (soak->rand, 0, 4),
    .memory_mb = 128,
    .vcpus = 1,
    .max_idle_us = 50 * MS,
  };
  const BerthCapacity capacity = some_capacity ((guint)g_rand_int_range (soak->rand, 4, 17));

  switch (g_rand_int_range (soak->rand, 0, 4))
    {
    case 0:
      berth_pool_set_warm_target (soak->pool, "python", NULL, &target);
      break;
    case 1:
      berth_pool_resize (soak->pool, &capacity);
      break;
    case 2:
      change_policy (soak);
      break;
    default:
      berth_pool_set_open (soak->pool, FALSE);
      g_timeout_add (2, open_cb, soak);
    }
}

static BerthRequest *
some_request (Soak *soak)
{
  g_autofree char *tenant = g_strdup_printf ("t%d", g_rand_int_range (soak->rand, 0, 50));
  gint64 wait_us = BERTH_REQUEST_WAIT_FOREVER;

  if (chance (soak->rand, 50))
    wait_us = BERTH_REQUEST_NO_WAIT;
  else if (chance (soak->rand, 50))
    wait_us = g_rand_int_range (soak->rand, 1, 2000);
  return berth_request_new (BERTH_SHAPE (chance (soak->rand, 700) ? "python" : "shell",
                                         chance (soak->rand, 50) ? 700 : 128, 1),
                            tenant, NULL, (guint32)g_rand_int_range (soak->rand, 0, 3), wait_us,
                            NULL, NULL, NULL);
}

static void
client_next (Soak *soak)
{
  g_autoptr (BerthRequest) request = NULL;
  g_autoptr (GCancellable) cancellable = NULL;

  if (soak->n_left == 0)
    return;
  soak->n_left--;
  soak->n_flying++;
  if (chance (soak->rand, 2))
    disturb (soak);
  request = some_request (soak);
  if (chance (soak->rand, 100))
    {
      cancellable = g_cancellable_new ();
      g_idle_add_full (G_PRIORITY_DEFAULT, cancel_cb, g_object_ref (cancellable), g_object_unref);
    }
  berth_pool_acquire_async (soak->pool, request, cancellable, acquired_cb, soak);
}

static void
vm_gone_cb (BerthPool *pool, BerthVm *vm, gpointer user_data)
{
  Soak *soak = user_data;

  soak->n_gone++;
}

static guint
get_held (Soak *soak)
{
  g_autoptr (GVariant) status = berth_pool_dup_status (soak->pool);
  g_autoptr (GVariant) memory = g_variant_lookup_value (status, "memory_mb", NULL);
  guint held = 0;

  g_assert_true (g_variant_lookup (memory, "held", "u", &held));
  return held;
}

static guint
count_threads (void)
{
  g_autofree char *status = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/status", &status, NULL, NULL));
  return (guint)strtoul (strstr (status, "\nThreads:") + strlen ("\nThreads:"), NULL, 10);
}

static gboolean
nothing_cb (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

/* Everybody ends, the warm pool, too; what is stuck is tried again within seconds. The footprint
 * is what stays. */
static Footprint
rest (Soak *soak)
{
  Footprint footprint = { 0 };
  const BerthCapacity capacity = some_capacity (16);
  gint64 until_us = g_get_monotonic_time () + 120 * G_TIME_SPAN_SECOND;
  guint timer = g_timeout_add (20, nothing_cb, NULL);

  berth_pool_drain (soak->pool, NULL);
  berth_pool_resize (soak->pool, &capacity);
  while (soak->n_flying > 0 || get_held (soak) > 0
         || berth_fake_hypervisor_count_domains (soak->fake) > 0)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, until_us);
      g_main_context_iteration (NULL, TRUE);
    }
  for (guint i = 0; i < 10; i++) /* late answers, and whose gate is still closed */
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timer);
  berth_pool_fill (soak->pool, NULL);
  get_held (soak);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  footprint.bytes = mallinfo2 ().uordblks;
  footprint.threads = count_threads ();
  return footprint;
}

static Footprint
run (Soak *soak, guint count)
{
  soak->n_left = count;
  for (guint i = 0; i < N_CLIENTS; i++)
    client_next (soak);
  while (soak->n_left > 0)
    g_main_context_iteration (NULL, TRUE);
  return rest (soak);
}

static void
soak_init (Soak *soak)
{
  const BerthCapacity capacity = some_capacity (16);
  const char *text = g_getenv ("BERTH_SEED");
  guint32 seed = text != NULL ? (guint32)strtoul (text, NULL, 0) : g_random_int ();

  g_test_message ("BERTH_SEED=%u asks for the same", seed);
  soak->rand = g_rand_new_with_seed (seed);
  soak->script_rand = g_rand_new_with_seed (seed + 1);
  soak->fake = berth_fake_hypervisor_new ();
  berth_fake_hypervisor_set_script (soak->fake, script, soak);
  soak->pool = berth_pool_new (BERTH_HYPERVISOR (soak->fake), &capacity);
  g_signal_connect (soak->pool, "vm-gone", G_CALLBACK (vm_gone_cb), soak);
}

static void
test_soak (void)
{
  Soak soak = { 0 };
  Footprint before = { 0 };
  Footprint after = { 0 };

  soak_init (&soak);
  before = run (&soak, n_runs / 10);
  after = run (&soak, n_runs - n_runs / 10);
  g_test_message ("%u served (%u warm), %u failed, %u lost by their owners; %" G_GSIZE_FORMAT
                  " bytes and %u threads before, %" G_GSIZE_FORMAT " and %u after",
                  soak.n_served, soak.n_warm, soak.n_failed, soak.n_gone, before.bytes,
                  before.threads, after.bytes, after.threads);
  g_assert_cmpuint (soak.n_served + soak.n_failed, ==, n_runs);
  g_assert_cmpuint (soak.n_served, >, n_runs / 2);
  g_assert_cmpuint (after.threads, ==, before.threads);
  /* glibc's caches of each thread count as used, and fill for as long as it runs */
  if (!HAS_OWN_MALLOC && g_getenv ("GLIBC_TUNABLES") != NULL)
    g_assert_cmpuint (after.bytes, <=, before.bytes + GROWTH_MAX_BYTES);
  g_assert_finalize_object (soak.pool);
  g_assert_finalize_object (soak.fake);
  g_rand_free (soak.rand);
  g_rand_free (soak.script_rand);
}

int
main (int argc, char **argv)
{
  const char *is_long = g_getenv ("BERTH_TEST_LONG");

  g_test_init (&argc, &argv, NULL);
  n_runs = argc > 1 ? (guint)strtoul (argv[1], NULL, 10) : N_LONG;
  if (argc < 2 && g_strcmp0 (is_long, "1") != 0)
    {
      g_print ("1..0 # SKIP %u runs, only with BERTH_TEST_LONG=1 (./check --long)\n", N_LONG);
      return 0;
    }
  g_test_add_func ("/soak/leaves-nothing-behind", test_soak);
  return g_test_run ();
}
