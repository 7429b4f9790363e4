/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts the state of admission into words: for a caller that is refused, and for the status. */
#include "berth-admission-private.h"

#include <gio/gio.h>

#include "berth-error.h"

/* the cap of @party that @request does not fit into, NULL if it fits; its settings begin with
 * @prefix */
static char *
describe_cap_of (const BerthParty *party, BerthRequest *request, const char *whose,
                 const char *prefix)
{
  const BerthPartyLimits *limits = &party->limits;
  BerthPlace need = berth_admission_place_of (request);
  const BerthPlace nothing = { 0 };
  gint64 slots = party->held.slots;

  if (berth_party_has_room (party, &nothing, &need))
    return NULL;
  if (limits->max_vms != 0 && slots >= limits->max_vms)
    return g_strdup_printf ("%s has %" G_GINT64_FORMAT " of its %u VMs (%s_max_vms)", whose, slots,
                            limits->max_vms, prefix);
  if (limits->memory_mb != 0
      && party->held.memory_mb + request->shape.memory_mb > limits->memory_mb)
    return g_strdup_printf (
        "%s holds %" G_GINT64_FORMAT " of its %u MiB (%s_memory_mb) and this request needs %u",
        whose, party->held.memory_mb, limits->memory_mb, prefix, request->shape.memory_mb);
  return g_strdup_printf ("%s has %" G_GINT64_FORMAT
                          " %s, and no user may have more than a part of "
                          "all VMs, vCPUs and memory (uid_part)",
                          whose, slots, slots == 1 ? "VM" : "VMs");
}

/* the cap of its own tenant or user that @waiter does not fit into, NULL if it fits */
static char *
describe_cap (BerthAdmissionWaiter *waiter)
{
  const BerthTenant *tenant = waiter->base.tenant;
  BerthRequest *request = waiter->base.request;
  char *cap = describe_cap_of (&tenant->user->party, request, "its user", "uid");

  return cap != NULL ? cap : describe_cap_of (&tenant->party, request, "its tenant", "tenant");
}

/* the budget that @waiter does not fit into, as it stands */
static char *
describe_limit (BerthAdmission *self, BerthAdmissionWaiter *waiter)
{
  BerthRequest *request = waiter->base.request;
  const BerthBudgets *budgets = &self->budgets;
  const BerthCapacity *capacity = &budgets->capacity;
  BerthPlace free = berth_budgets_free (budgets);
  char *cap = NULL;

  if (!self->is_open)
    return g_strdup ("the hypervisor is not reachable");
  if (!self->is_admitting && !berth_request_is_wake (request))
    return g_strdup ("an administrator drains this host, and nothing is given meanwhile");
  cap = describe_cap (waiter);
  if (cap != NULL)
    return cap;
  if ((free.slots >= 1 || berth_request_is_wake (request)) && free.vcpus < request->shape.vcpus
      && free.memory_mb >= request->shape.memory_mb)
    return g_strdup_printf ("%" G_GINT64_FORMAT " of %u vCPUs are held and this request needs %u",
                            budgets->held.vcpus, capacity->vcpus, request->shape.vcpus);
  if (free.slots >= 1 && free.memory_mb < request->shape.memory_mb)
    return g_strdup_printf ("%" G_GINT64_FORMAT " of %u MiB are held and this request needs %u",
                            budgets->held.memory_mb, capacity->memory_mb, request->shape.memory_mb);
  return g_strdup_printf ("%" G_GINT64_FORMAT " of %u VMs exist", budgets->held.slots,
                          capacity->max_vms);
}

static char *
describe_position (guint before)
{
  if (before == 0)
    return g_strdup ("no request waits before this one");
  if (before == 1)
    return g_strdup ("1 request waits before this one");
  return g_strdup_printf ("%u requests wait before this one", before);
}

guint
berth_admission_get_queue_part (BerthAdmission *self, const BerthUser *user)
{
  double part = user->party.limits.part_of_queue * self->budgets.capacity.max_waiters;

  return MAX ((guint)(part + 1e-9), 1);
}

static GError *
new_queue_full_error (BerthAdmission *self, BerthAdmissionWaiter *waiter, const char *limit,
                      const char *position)
{
  const BerthUser *user = waiter->base.tenant->user;
  guint part = berth_admission_get_queue_part (self, user);

  if (user->party.n_waiting > part && part < self->budgets.capacity.max_waiters)
    return g_error_new (BERTH_ERROR, BERTH_ERROR_QUEUE_FULL,
                        "%s, and as many requests of this user wait as may: %u (uid_part of "
                        "max_waiters); ask again when some of them were served",
                        limit, part);
  return g_error_new (BERTH_ERROR, BERTH_ERROR_QUEUE_FULL,
                      "%s, %s, and no more than %u may wait; ask again later, or raise max_waiters",
                      limit, position, self->budgets.capacity.max_waiters);
}

GError *
berth_admission_new_capacity_error (BerthAdmission *self, BerthAdmissionWaiter *waiter, gint code)
{
  guint before = berth_waiters_count_before (self->queue, &waiter->base);
  g_autofree char *limit = describe_limit (self, waiter);
  g_autofree char *position = describe_position (before);

  if (code == BERTH_ERROR_NO_CAPACITY && !berth_admission_is_admitting (self))
    return g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "%s; wait until that is over", limit);
  if (code == BERTH_ERROR_QUEUE_FULL)
    return new_queue_full_error (self, waiter, limit, position);
  if (code == BERTH_ERROR_WAIT_TIMED_OUT)
    return g_error_new (BERTH_ERROR, code,
                        "no place came free within %.1f s: %s, %s; wait longer, or raise the limit",
                        (double)waiter->base.request->wait_us / G_USEC_PER_SEC, limit, position);
  return g_error_new (BERTH_ERROR, code, "%s, %s; wait for a place, or raise the limit", limit,
                      position);
}

GError *
berth_admission_new_size_error (BerthAdmission *self, BerthRequest *request)
{
  const BerthCapacity *capacity = &self->budgets.capacity;
  BerthPartyLimits limits = berth_tenants_get_limits (self->tenants, request);
  BerthPartyLimits of_user = berth_tenants_get_user_limits (self->tenants, request);

  if (request->shape.memory_mb > capacity->memory_mb)
    return g_error_new (BERTH_ERROR, BERTH_ERROR_INVALID,
                        "%u MiB of memory can never be had, all VMs together may have %u "
                        "(memory_mb); ask for less",
                        request->shape.memory_mb, capacity->memory_mb);
  if (request->shape.vcpus > capacity->vcpus)
    return g_error_new (BERTH_ERROR, BERTH_ERROR_INVALID,
                        "%u vCPUs can never be had, all VMs together may have %u (vcpus); ask for "
                        "less",
                        request->shape.vcpus, capacity->vcpus);
  if (limits.memory_mb != 0 && request->shape.memory_mb > limits.memory_mb)
    return g_error_new (BERTH_ERROR, BERTH_ERROR_INVALID,
                        "%u MiB of memory can never be had, all VMs of this tenant together may "
                        "have %u (tenant_memory_mb); ask for less",
                        request->shape.memory_mb, limits.memory_mb);
  if (of_user.memory_mb != 0 && request->shape.memory_mb > of_user.memory_mb)
    return g_error_new (BERTH_ERROR, BERTH_ERROR_INVALID,
                        "%u MiB of memory can never be had, all VMs of this user together may "
                        "have %u (uid_memory_mb); ask for less",
                        request->shape.memory_mb, of_user.memory_mb);
  return NULL;
}

static GVariant *
dup_slots (BerthAdmission *self)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  const char *bound = NULL;

  g_variant_dict_insert (&dict, "total", "u", self->budgets.capacity.max_vms);
  g_variant_dict_insert (&dict, "free", "u", berth_admission_count_free (self, &bound));
  g_variant_dict_insert (&dict, "bound", "s", bound);
  g_variant_dict_insert (&dict, "claimed", "u",
                         self->in_state[BERTH_VM_STATE_CLAIMED]
                             + self->in_state[BERTH_VM_STATE_PAUSING]
                             + self->in_state[BERTH_VM_STATE_WAKING]);
  g_variant_dict_insert (&dict, "paused", "u", self->in_state[BERTH_VM_STATE_PAUSED]);
  g_variant_dict_insert (&dict, "warm", "u", self->in_state[BERTH_VM_STATE_WARM]);
  g_variant_dict_insert (&dict, "starting", "u", self->in_state[BERTH_VM_STATE_STARTING]);
  g_variant_dict_insert (&dict, "stopping", "u",
                         self->in_state[BERTH_VM_STATE_STOPPING]
                             + self->in_state[BERTH_VM_STATE_STUCK]);
  g_variant_dict_insert (&dict, "stuck", "u", self->in_state[BERTH_VM_STATE_STUCK]);
  return g_variant_dict_end (&dict);
}

static GVariant *
dup_budget (gint64 held, guint total)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "total", "u", total);
  g_variant_dict_insert (&dict, "held", "u", (guint)held);
  return g_variant_dict_end (&dict);
}

/* why @waiter has no VM yet */
static char *
describe_wait (BerthAdmission *self, BerthAdmissionWaiter *waiter)
{
  BerthPlace need = berth_admission_place_of (waiter->base.request);
  BerthPlace free = berth_budgets_free (&self->budgets);

  if (berth_admission_is_admitting (self) && waiter->covered_in == self->pass)
    return g_strdup ("a place that is on its way to it");
  if (!berth_admission_is_admitting (self) || !berth_place_covers (&free, &need)
      || !berth_tenant_has_room (waiter->base.tenant, &need))
    return describe_limit (self, waiter);
  return g_strdup (self->now_us >= self->kept_from_us
                       ? "one before it, which has waited long and for which all that is free is "
                         "kept"
                       : "its turn");
}

/* how many waiters of @party were told before, this one not among them */
static guint
count_told (GHashTable *told, const BerthParty *party)
{
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (told, party));

  g_hash_table_insert (told, (gpointer)party, GUINT_TO_POINTER (count + 1));
  return count;
}

/* Seconds until as many owners' VMs have ended as it takes, if each holds its place for as long as
 * the last ones did; where a cap holds @waiter back, those of its own user or tenant. Negative:
 * nobody knows. */
static double
estimate_wait (BerthAdmission *self, BerthWaiter *waiter, guint before, GHashTable *told)
{
  const BerthPlace nothing = { 0 };
  BerthPlace need = berth_admission_place_of (waiter->request);
  const BerthParty *tenant = &waiter->tenant->party;
  const BerthParty *user = &waiter->tenant->user->party;
  guint of_user = count_told (told, user);
  guint of_tenant = count_told (told, tenant);
  gint64 holders = (gint64)self->in_state[BERTH_VM_STATE_CLAIMED]
                   + self->in_state[BERTH_VM_STATE_PAUSED] + self->in_state[BERTH_VM_STATE_STARTING]
                   - self->n_refilling;

  if (!berth_party_has_room (user, &nothing, &need))
    {
      holders = user->held.slots;
      before = of_user;
    }
  else if (!berth_party_has_room (tenant, &nothing, &need))
    {
      holders = tenant->held.slots;
      before = of_tenant;
    }
  if (!berth_admission_is_admitting (self) || holders <= 0 || self->mean_hold_us == 0)
    return -1;
  return (double)self->mean_hold_us / G_USEC_PER_SEC * (before + 1) / (double)holders;
}

static GVariant *
describe_waiter (BerthAdmission *self, BerthWaiter *waiter, guint position, GHashTable *told)
{
  BerthRequest *request = waiter->request;
  double estimate_s = estimate_wait (self, waiter, position - 1, told);
  g_autofree char *waits_for = describe_wait (self, (BerthAdmissionWaiter *)waiter);
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  if (request->tenant != NULL)
    g_variant_dict_insert (&dict, "tenant", "s", request->tenant);
  if (request->task != NULL)
    g_variant_dict_insert (&dict, "task", "s", request->task);
  g_variant_dict_insert (&dict, "uid", "u", request->uid);
  g_variant_dict_insert (&dict, "template", "s", request->shape.template_name);
  g_variant_dict_insert (&dict, "position", "u", position);
  g_variant_dict_insert (&dict, "since", "d",
                         (double)(self->now_us - waiter->arrived_us) / G_USEC_PER_SEC);
  g_variant_dict_insert (&dict, "waits_for", "s", waits_for);
  if (estimate_s >= 0)
    g_variant_dict_insert (&dict, "estimate_s", "d", estimate_s);
  return g_variant_dict_end (&dict);
}

/* the first of them: a long queue must not hold up the admission thread */
static GVariant *
dup_waiters (BerthAdmission *self)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GHashTable) told = g_hash_table_new (NULL, NULL);
  BerthWaitersIter iter;

  berth_waiters_iter_init (&iter, self->queue);
  for (guint position = 1; position <= BERTH_STATUS_MAX_WAITERS; position++)
    {
      BerthWaiter *waiter = berth_waiters_iter_next (&iter);

      if (waiter == NULL)
        break;
      g_variant_builder_add_value (&builder, describe_waiter (self, waiter, position, told));
    }
  return g_variant_builder_end (&builder);
}

/* who is old, and next, is told by it */
static void
set_now (BerthAdmission *self, gint64 now_us)
{
  self->now_us = MAX (self->now_us, now_us);
  berth_tenants_set_now (self->tenants, self->now_us);
}

guint
berth_admission_get_position (BerthAdmission *self, BerthRequest *request, gint64 now_us)
{
  BerthAdmissionWaiter *waiter = g_hash_table_lookup (self->by_request, request);

  set_now (self, now_us);
  if (waiter == NULL || !waiter->base.is_queued)
    return 0;
  return berth_waiters_count_before (self->queue, &waiter->base) + 1;
}

gboolean
berth_admission_is_full (BerthAdmission *self)
{
  const char *bound = NULL;

  return self->is_open && self->is_admitting && berth_waiters_get_length (self->queue) > 0
         && berth_admission_count_free (self, &bound) == 0;
}

GVariant *
berth_admission_dup_status (BerthAdmission *self, gint64 now_us)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  const BerthBudgets *budgets = &self->budgets;

  set_now (self, now_us);
  g_variant_dict_insert_value (&dict, "slots", dup_slots (self));
  g_variant_dict_insert_value (&dict, "memory_mb",
                               dup_budget (budgets->held.memory_mb, budgets->capacity.memory_mb));
  g_variant_dict_insert_value (&dict, "vcpus",
                               dup_budget (budgets->held.vcpus, budgets->capacity.vcpus));
  g_variant_dict_insert (&dict, "open", "b", self->is_open);
  g_variant_dict_insert (&dict, "admitting", "b", self->is_admitting);
  g_variant_dict_insert (&dict, "n_waiting", "u", berth_waiters_get_length (self->queue));
  g_variant_dict_insert_value (&dict, "waiters", dup_waiters (self));
  g_variant_dict_insert (&dict, "pauses", "t", self->n_pauses);
  g_variant_dict_insert (&dict, "wakes", "t", self->n_wakes);
  g_variant_dict_insert (&dict, "evicted", "t", self->n_evicted);
  g_variant_dict_insert (&dict, "pressure", "b", self->is_pressed);
  g_variant_dict_insert_value (&dict, "templates", berth_admission_dup_warm_status (self));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}
