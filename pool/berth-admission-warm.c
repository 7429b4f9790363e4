/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which warm VMs are made, kept, replaced and given up: the pool never costs anyone a turn.
 */
#include "berth-admission-private.h"

#define RELIEF_EVERY_US G_TIME_SPAN_SECOND

/* What there is of one #BerthWarm. */
typedef struct
{
  guint n_idle;
  guint n_refilling;
  guint n_leaving;
  BerthAdmissionVm *oldest; /* of the idle ones */
} WarmCount;

static BerthVmState
vm_state (BerthAdmissionVm *av)
{
  return berth_vm_get_state (av->vm);
}

static gboolean
vm_is_refill (BerthAdmissionVm *av)
{
  return av->warm != NULL && vm_state (av) == BERTH_VM_STATE_STARTING;
}

static gboolean
vm_is_idle (BerthAdmissionVm *av)
{
  return vm_state (av) == BERTH_VM_STATE_WARM;
}

static gboolean
vm_is_outdated (BerthAdmissionVm *av)
{
  const BerthShape wanted = berth_warm_get_shape (av->warm);

  return av->generation != berth_warm_get_generation (av->warm)
         || !berth_shape_equal (berth_vm_get_shape (av->vm), &wanted);
}

static WarmCount
count_warm (BerthAdmission *self, BerthWarm *warm)
{
  WarmCount count = { 0 };

  for (GList *link = self->order.head; link != NULL; link = link->next)
    {
      BerthAdmissionVm *av = link->data;

      if (av->warm != warm)
        continue;
      if (vm_is_idle (av))
        {
          count.n_idle++;
          if (count.oldest == NULL || av->idle_since_us < count.oldest->idle_since_us)
            count.oldest = av;
        }
      else if (vm_is_refill (av))
        count.n_refilling++;
      else if (vm_state (av) == BERTH_VM_STATE_STOPPING)
        count.n_leaving++;
    }
  return count;
}

BerthWarm *
berth_admission_find_warm (BerthAdmission *self, const char *template_name, const char *tenant_key)
{
  for (guint i = 0; i < self->warm->len; i++)
    if (berth_warm_is_of (self->warm->pdata[i], template_name, tenant_key))
      return self->warm->pdata[i];
  return NULL;
}

static gboolean
is_template_drained (BerthAdmission *self, const char *template_name)
{
  for (guint i = 0; i < self->warm->len; i++)
    if (g_str_equal (berth_warm_get_template (self->warm->pdata[i]), template_name))
      return berth_warm_is_drained (self->warm->pdata[i]);
  return FALSE;
}

static BerthWarm *
ensure_warm (BerthAdmission *self, const char *template_name, const char *tenant_key)
{
  BerthWarm *warm = berth_admission_find_warm (self, template_name, tenant_key);

  if (warm != NULL)
    return warm;
  warm = berth_warm_new (template_name, tenant_key);
  berth_warm_set_drained (warm, is_template_drained (self, template_name));
  g_ptr_array_add (self->warm, warm);
  return warm;
}

static void
set_target (BerthAdmission *self, const BerthMessage *message)
{
  const BerthWarmTarget *target = message->target;
  BerthWarm *warm = ensure_warm (self, message->template_name, message->tenant_key);

  berth_warm_set_target (warm, target);
  if (target->min > 0 || target->max > 0)
    berth_admission_note_size (self, target->memory_mb, target->vcpus);
}

static void
set_drained (BerthAdmission *self, const char *template_name, gboolean drained)
{
  for (guint i = 0; i < self->warm->len; i++)
    {
      BerthWarm *warm = self->warm->pdata[i];

      if (template_name != NULL && !g_str_equal (berth_warm_get_template (warm), template_name))
        continue;
      berth_warm_set_drained (warm, drained);
      if (!drained)
        berth_warm_forgive (warm);
    }
}

/* what made its VMs fail may be mended */
static void
change_template (BerthAdmission *self, const BerthMessage *message)
{
  BerthWarm *warm = berth_admission_find_warm (self, message->template_name, message->tenant_key);

  if (warm == NULL)
    return;
  berth_warm_next_generation (warm);
  berth_warm_forgive (warm);
}

void
berth_admission_handle_warm (BerthAdmission *self, const BerthMessage *message)
{
  switch (message->type)
    {
    case BERTH_MESSAGE_SET_WARM:
      set_target (self, message);
      break;
    case BERTH_MESSAGE_DRAIN:
      set_drained (self, message->template_name, TRUE);
      break;
    case BERTH_MESSAGE_FILL:
      set_drained (self, message->template_name, FALSE);
      break;
    case BERTH_MESSAGE_TEMPLATE_CHANGED:
      change_template (self, message);
      break;
    case BERTH_MESSAGE_SET_PRESSURE:
      if (message->flag && !self->is_pressed)
        self->relief_at_us = self->now_us;
      self->is_pressed = message->flag;
      break;
    default:
      g_assert_not_reached ();
    }
}

static gboolean
vm_serves (BerthAdmissionVm *av, BerthRequest *request)
{
  return av->warm != NULL && berth_shape_equal (berth_vm_get_shape (av->vm), &request->shape)
         && berth_warm_is_for (av->warm, request)
         && av->generation == berth_warm_get_generation (av->warm);
}

/* the oldest first: so each is used before it is too old */
BerthAdmissionVm *
berth_admission_pick_warm (BerthAdmission *self, BerthRequest *request)
{
  BerthAdmissionVm *best = NULL;

  if (self->in_state[BERTH_VM_STATE_WARM] == 0)
    return NULL;
  for (GList *link = self->order.head; link != NULL; link = link->next)
    {
      BerthAdmissionVm *av = link->data;

      if (vm_is_idle (av) && vm_serves (av, request)
          && (best == NULL || av->idle_since_us < best->idle_since_us))
        best = av;
    }
  return best;
}

BerthAdmissionVm *
berth_admission_pick_refill (BerthAdmission *self, BerthRequest *request)
{
  for (GList *link = self->order.head; link != NULL && self->n_refilling > 0; link = link->next)
    {
      BerthAdmissionVm *av = link->data;

      if (vm_is_refill (av) && vm_serves (av, request) && av->promised_in != self->pass)
        return av;
    }
  return NULL;
}

gboolean
berth_admission_is_evictable (BerthAdmission *self, BerthAdmissionVm *av)
{
  return vm_is_idle (av) || (vm_is_refill (av) && av->promised_in != self->pass);
}

/* Idle ones before those under way, whose end takes longer to come; then what brings least, then
 * the oldest. */
static gboolean
is_less_wanted (BerthAdmission *self, BerthAdmissionVm *a, BerthAdmissionVm *b)
{
  double worth_a = 0;
  double worth_b = 0;

  if (vm_is_idle (a) != vm_is_idle (b))
    return vm_is_idle (a);
  if (a->warm != b->warm)
    {
      WarmCount count_a = count_warm (self, a->warm);
      WarmCount count_b = count_warm (self, b->warm);

      worth_a = berth_warm_get_worth (a->warm, count_a.n_idle + count_a.n_refilling, self->now_us);
      worth_b = berth_warm_get_worth (b->warm, count_b.n_idle + count_b.n_refilling, self->now_us);
    }
  return worth_a != worth_b ? worth_a < worth_b : a->idle_since_us < b->idle_since_us;
}

typedef gboolean (*IsEvictable) (BerthAdmission *self, BerthAdmissionVm *av);

/* one that @is_evictable and holds any of @need */
static BerthAdmissionVm *
pick_victim (BerthAdmission *self, const BerthPlace *need, IsEvictable is_evictable)
{
  BerthAdmissionVm *victim = NULL;

  for (GList *link = self->order.head; link != NULL; link = link->next)
    {
      BerthAdmissionVm *av = link->data;
      BerthPlace rest = *need;

      if (!is_evictable (self, av))
        continue;
      berth_place_subtract (&rest, &av->held);
      if (rest.slots >= need->slots && rest.memory_mb >= need->memory_mb
          && rest.vcpus >= need->vcpus)
        continue;
      if (victim == NULL || is_less_wanted (self, av, victim))
        victim = av;
    }
  return victim;
}

static gboolean
evictable_cover (BerthAdmission *self, const BerthPlace *need)
{
  BerthPlace sum = { 0 };

  for (GList *link = self->order.head; link != NULL; link = link->next)
    if (berth_admission_is_evictable (self, link->data))
      berth_place_add (&sum, &((BerthAdmissionVm *)link->data)->held);
  return berth_place_covers (&sum, need);
}

static void
evict_for (BerthAdmission *self, BerthPlace need, IsEvictable is_evictable)
{
  BerthAdmissionVm *victim = NULL;

  need.starts = 0;
  while (!berth_place_is_empty (&need)
         && (victim = pick_victim (self, &need, is_evictable)) != NULL)
    {
      BerthPlace held = victim->held;

      self->n_evicted++;
      berth_admission_destroy_vm (self, victim);
      berth_place_move (&held, &need);
    }
}

gboolean
berth_admission_evict (BerthAdmission *self, BerthPlace need)
{
  need.starts = 0;
  if (berth_place_is_empty (&need) || !evictable_cover (self, &need))
    return FALSE;
  evict_for (self, need, berth_admission_is_evictable);
  return TRUE;
}

/* with what is on its way out */
static BerthPlace
free_soon (BerthAdmission *self)
{
  BerthPlace free = berth_budgets_free (&self->budgets);

  for (GList *link = self->order.head; link != NULL && self->in_state[BERTH_VM_STATE_STOPPING] > 0;
       link = link->next)
    if (vm_state (link->data) == BERTH_VM_STATE_STOPPING)
      berth_place_add (&free, &((BerthAdmissionVm *)link->data)->held);
  return free;
}

/* After a resize to less: what is held beyond the capacity and is not on its way out already. */
static void
trim_to_capacity (BerthAdmission *self)
{
  BerthPlace free = berth_budgets_free (&self->budgets);
  BerthPlace need = { 0 };

  if (free.slots >= 0 && free.memory_mb >= 0)
    return;
  free = free_soon (self);
  need.slots = MAX (-free.slots, 0);
  need.memory_mb = MAX (-free.memory_mb, 0);
  evict_for (self, need, berth_admission_is_evictable);
}

/* Refills under way are left to end, unless nothing at all is wanted of their template, or nobody
 * may have what they make. */
static void
trim_useless (BerthAdmission *self)
{
  if (self->in_state[BERTH_VM_STATE_WARM] + self->n_refilling == 0)
    return;
  for (GList *link = self->order.head, *next = NULL; link != NULL; link = next)
    {
      BerthAdmissionVm *av = link->data;

      next = link->next;
      if (!vm_is_idle (av) && !vm_is_refill (av))
        continue;
      if (!self->is_admitting || vm_is_outdated (av)
          || berth_warm_get_wanted (av->warm, self->now_us) == 0)
        berth_admission_destroy_vm (self, av);
    }
}

/* One at a time, so that a whole pool that was filled at once is never away at once. */
static void
rotate (BerthAdmission *self, BerthWarm *warm, const WarmCount *count)
{
  gint64 max_idle_us = berth_warm_get_target (warm)->max_idle_us;

  if (max_idle_us > 0 && count->oldest != NULL && count->n_refilling == 0 && count->n_leaving == 0
      && self->now_us - count->oldest->idle_since_us >= max_idle_us
      && berth_warm_may_refill (warm, self->now_us))
    berth_admission_destroy_vm (self, count->oldest);
}

static void
trim_template (BerthAdmission *self, BerthWarm *warm)
{
  guint wanted = berth_warm_get_wanted (warm, self->now_us);
  WarmCount count = count_warm (self, warm);

  if (count.n_idle <= wanted)
    {
      rotate (self, warm, &count);
      return;
    }
  for (guint surplus = count.n_idle - wanted; surplus > 0; surplus--)
    {
      berth_admission_destroy_vm (self, count.oldest);
      count = count_warm (self, warm);
    }
}

/* One now, one every second while it lasts: whoever measures the pressure sees what that brought.
 */
static void
relieve (BerthAdmission *self)
{
  const BerthPlace any = { .slots = 1 };
  BerthAdmissionVm *victim = NULL;

  if (!self->is_pressed || self->now_us < self->relief_at_us)
    return;
  victim = pick_victim (self, &any, berth_admission_is_evictable);
  if (victim != NULL)
    berth_admission_destroy_vm (self, victim);
  self->relief_at_us = self->now_us + RELIEF_EVERY_US;
}

static gboolean
warm_is_in_use (BerthAdmission *self, BerthWarm *warm)
{
  if (berth_warm_get_target (warm)->max > 0)
    return TRUE;
  for (GList *link = self->order.head; link != NULL; link = link->next)
    if (((BerthAdmissionVm *)link->data)->warm == warm)
      return TRUE;
  return FALSE;
}

/* Tenants come and go, templates do not. */
static void
forget_tenants (BerthAdmission *self)
{
  for (guint i = self->warm->len; i > 0; i--)
    {
      BerthWarm *warm = self->warm->pdata[i - 1];

      if (berth_warm_get_tenant_key (warm) != NULL && !warm_is_in_use (self, warm))
        g_ptr_array_remove_index (self->warm, i - 1);
    }
}

gboolean
berth_admission_trim_warm (BerthAdmission *self)
{
  guint before = self->in_state[BERTH_VM_STATE_WARM] + self->n_refilling;

  if (!self->is_open || self->is_shutting_down)
    return FALSE;
  forget_tenants (self);
  trim_useless (self);
  for (guint i = 0; i < self->warm->len; i++)
    trim_template (self, self->warm->pdata[i]);
  relieve (self);
  trim_to_capacity (self);
  return self->in_state[BERTH_VM_STATE_WARM] + self->n_refilling < before;
}

typedef struct
{
  BerthWarm *warm;
  gboolean is_owed; /* of a number that somebody asked for */
  double worth;
  guint have;
} Refill;

static gboolean
is_better_refill (const Refill *a, const Refill *b)
{
  if (b->warm == NULL || a->is_owed != b->is_owed)
    return b->warm == NULL || a->is_owed;
  return a->worth != b->worth ? a->worth > b->worth : a->have < b->have;
}

static BerthPlace
warm_place (BerthWarm *warm)
{
  const BerthWarmTarget *target = berth_warm_get_target (warm);

  return (BerthPlace){ 1, target->memory_mb, target->vcpus, 1 };
}

/* the number of its VMs that somebody asked for: the others go where a number is owed */
static guint
warm_count_asked (BerthWarm *warm)
{
  const BerthWarmTarget *target = berth_warm_get_target (warm);

  return target->is_named ? target->min : 0;
}

static gboolean
vm_is_unasked (BerthAdmission *self, BerthAdmissionVm *av)
{
  return vm_is_idle (av) && count_warm (self, av->warm).n_idle > warm_count_asked (av->warm);
}

static gboolean
unasked_cover (BerthAdmission *self, const BerthPlace *need)
{
  BerthPlace sum = { 0 };

  for (guint i = 0; i < self->warm->len; i++)
    {
      BerthWarm *warm = self->warm->pdata[i];
      const BerthPlace idle = { .slots = 1, .memory_mb = warm_place (warm).memory_mb };
      guint n_idle = count_warm (self, warm).n_idle;

      for (guint n = warm_count_asked (warm); n < n_idle; n++)
        berth_place_add (&sum, &idle);
    }
  return berth_place_covers (&sum, need);
}

/* whether a refill of it may begin now, room apart */
static gboolean
warm_wants_refill (BerthAdmission *self, BerthWarm *warm, guint have)
{
  return have < berth_warm_get_wanted (warm, self->now_us)
         && !berth_warm_is_holding_back (warm, self->now_us)
         && berth_warm_may_refill (warm, self->now_us);
}

/* the room that the first one owed lacks; FALSE if none lacks any */
static gboolean
find_owed (BerthAdmission *self, BerthPlace *lack)
{
  for (guint i = 0; i < self->warm->len; i++)
    {
      BerthWarm *warm = self->warm->pdata[i];
      WarmCount count = count_warm (self, warm);
      guint have = count.n_idle + count.n_refilling;
      BerthPlace free;

      if (have >= warm_count_asked (warm) || !warm_wants_refill (self, warm, have))
        continue;
      free = free_soon (self);
      *lack = warm_place (warm);
      lack->starts = 0;
      berth_place_move (&free, lack);
      if (!berth_place_is_empty (lack))
        return TRUE;
    }
  return FALSE;
}

/* Who asks for a number gets it, also where VMs that nobody asked for were there before. */
static void
make_room_for_owed (BerthAdmission *self)
{
  BerthPlace lack;

  if (find_owed (self, &lack) && unasked_cover (self, &lack))
    evict_for (self, lack, vm_is_unasked);
}

/* the template whose next warm VM is owed, or brings most; NULL if none is wanted that fits */
static BerthWarm *
pick_template (BerthAdmission *self)
{
  BerthPlace free = berth_budgets_free (&self->budgets);
  Refill best = { 0 };

  for (guint i = 0; i < self->warm->len; i++)
    {
      BerthWarm *warm = self->warm->pdata[i];
      BerthPlace place = warm_place (warm);
      WarmCount count = count_warm (self, warm);
      guint have = count.n_idle + count.n_refilling;
      const Refill refill = { .warm = warm,
                              .is_owed = have < warm_count_asked (warm),
                              .worth = berth_warm_get_worth (warm, have, self->now_us),
                              .have = have };

      if (!warm_wants_refill (self, warm, have) || !berth_place_covers (&free, &place))
        continue;
      if (is_better_refill (&refill, &best))
        best = refill;
    }
  return best.warm;
}

void
berth_admission_refill_warm (BerthAdmission *self)
{
  guint max_refills = MAX (self->budgets.capacity.max_starts / 2, 1);

  while (berth_admission_is_admitting (self) && !self->is_shutting_down && !self->is_pressed
         && berth_waiters_get_length (self->queue) == 0 && self->n_unstarted == 0
         && self->n_refilling < max_refills)
    {
      BerthWarm *warm = pick_template (self);

      if (warm == NULL)
        {
          make_room_for_owed (self);
          return;
        }
      berth_admission_refill (self, warm);
    }
}

gint64
berth_admission_next_warm_wakeup_us (BerthAdmission *self)
{
  gint64 wakeup_us = G_MAXINT64;

  if (!berth_admission_is_admitting (self) || self->is_shutting_down)
    return wakeup_us;
  if (self->is_pressed && (self->in_state[BERTH_VM_STATE_WARM] > 0 || self->n_refilling > 0))
    wakeup_us = self->relief_at_us;
  for (guint i = 0; i < self->warm->len; i++)
    {
      BerthWarm *warm = self->warm->pdata[i];
      gint64 max_idle_us = berth_warm_get_target (warm)->max_idle_us;
      WarmCount count = count_warm (self, warm);

      wakeup_us = MIN (wakeup_us, berth_warm_next_wakeup_us (warm, self->handled_us));
      /* while one comes or goes, its event is what the next rotation waits for */
      if (max_idle_us > 0 && count.oldest != NULL && count.n_refilling == 0 && count.n_leaving == 0
          && berth_warm_may_refill (warm, self->now_us))
        wakeup_us = MIN (wakeup_us, count.oldest->idle_since_us + max_idle_us);
    }
  return wakeup_us;
}

gboolean
berth_admission_has_tenants_warm (BerthAdmission *self)
{
  for (guint i = 0; i < self->warm->len; i++)
    if (berth_warm_get_tenant_key (self->warm->pdata[i]) != NULL)
      return TRUE;
  return FALSE;
}

/* of a template: where its tenants have warm VMs of their own, of all of them together */
typedef struct
{
  guint n_idle;
  guint n_refilling;
  guint wanted;
  guint min;
  guint max;
  guint failures;
  const char *last_error;
} WarmStatus;

static WarmStatus
sum_up (BerthAdmission *self, const char *template_name)
{
  WarmStatus sum = { 0 };

  for (guint i = 0; i < self->warm->len; i++)
    {
      BerthWarm *warm = self->warm->pdata[i];
      const BerthWarmTarget *target = berth_warm_get_target (warm);
      WarmCount count = count_warm (self, warm);

      if (!g_str_equal (berth_warm_get_template (warm), template_name))
        continue;
      sum.n_idle += count.n_idle;
      sum.n_refilling += count.n_refilling;
      sum.wanted += berth_warm_get_wanted (warm, self->now_us);
      sum.min += target->min;
      sum.max += target->max;
      sum.failures += berth_warm_get_failures (warm);
      if (berth_warm_get_last_error (warm) != NULL)
        sum.last_error = berth_warm_get_last_error (warm);
    }
  return sum;
}

static GVariant *
warm_status_to_variant (const WarmStatus *status)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "warm", "u", status->n_idle);
  g_variant_dict_insert (&dict, "refilling", "u", status->n_refilling);
  g_variant_dict_insert (&dict, "target", "u", status->wanted);
  g_variant_dict_insert (&dict, "min", "u", status->min);
  g_variant_dict_insert (&dict, "max", "u", status->max);
  g_variant_dict_insert (&dict, "failures", "u", status->failures);
  if (status->last_error != NULL)
    g_variant_dict_insert (&dict, "last_error", "s", status->last_error);
  return g_variant_dict_end (&dict);
}

GVariant *
berth_admission_dup_warm_status (BerthAdmission *self)
{
  g_auto (GVariantDict) templates = G_VARIANT_DICT_INIT (NULL);

  for (guint i = 0; i < self->warm->len; i++)
    {
      const char *name = berth_warm_get_template (self->warm->pdata[i]);
      WarmStatus status;

      if (g_variant_dict_contains (&templates, name))
        continue;
      status = sum_up (self, name);
      g_variant_dict_insert_value (&templates, name, warm_status_to_variant (&status));
    }
  return g_variant_dict_end (&templates);
}
